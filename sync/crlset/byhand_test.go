package crlset_test

import (
	"encoding/binary"
	"errors"
	"math/big"

	"github.com/fxamacker/cbor/v2"
)

// This file reads a set the slow way, written from DESIGN.md alone: one big number of bits for each block, and no code of the package.

// told is an entry as the slow reader sees it.
type told struct {
	Key    string // hexadecimal, without leading zeros
	Reason uint8
	Date   int64
}

type slowRegion struct {
	Start  []byte `cbor:"1,keyasint"`
	Tail   uint   `cbor:"2,keyasint"`
	Shift  uint   `cbor:"3,keyasint"`
	Blocks uint   `cbor:"4,keyasint"`
}

type slowPlan struct {
	Columns uint         `cbor:"1,keyasint"`
	Reasons []byte       `cbor:"2,keyasint"`
	Base    int64        `cbor:"3,keyasint"`
	Span    int64        `cbor:"4,keyasint"`
	Regions []slowRegion `cbor:"5,keyasint"`
}

func (p *slowPlan) hasReasons() bool { return p.Columns&1 != 0 }
func (p *slowPlan) hasDates() bool   { return p.Columns&2 != 0 }

// stream takes bits off a number, least significant first.
type stream struct {
	bits *big.Int
	at   uint
}

func newStream(b []byte) *stream {
	turned := make([]byte, len(b))
	for i := range b {
		turned[len(b)-1-i] = b[i]
	}
	return &stream{bits: new(big.Int).SetBytes(turned)}
}

func (s *stream) take(n uint) *big.Int {
	v := new(big.Int).Rsh(s.bits, s.at)
	s.at += n
	return v.And(v, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), n), big.NewInt(1)))
}

// slowRead reads a whole file.
func slowRead(file []byte) (out []told, err error) {
	trailer := file[len(file)-40:]
	directory, plan := binary.LittleEndian.Uint64(trailer), binary.LittleEndian.Uint64(trailer[8:])
	var p slowPlan
	if err := cbor.Unmarshal(file[plan:len(file)-40], &p); err != nil {
		return nil, err
	}
	starts := slowDirectory(file[directory:plan], int(trailer[24]))
	i := 0
	for _, r := range p.Regions {
		for b := range r.Blocks {
			from, to := starts[i], directory
			if i+1 < len(starts) {
				to = starts[i+1]
			}
			if from < to {
				out = p.block(out, r, b, file[from:to])
			}
			i++
		}
	}
	if uint64(len(out)) != binary.LittleEndian.Uint64(trailer[16:]) {
		return nil, errors.New("wrong number of entries")
	}
	return out, nil
}

func slowDirectory(b []byte, width int) (starts []uint64) {
	for size := 8 + 31*width; len(b) >= size; b = b[size:] {
		first := binary.LittleEndian.Uint64(b)
		starts = append(starts, first)
		for j := range 31 {
			at := 8 + j*width
			rel := uint64(binary.LittleEndian.Uint16(b[at:]))
			if width == 4 {
				rel = uint64(binary.LittleEndian.Uint32(b[at:]))
			}
			starts = append(starts, first+rel)
		}
	}
	return starts
}

// block reads the entries of block number b of r.
func (p *slowPlan) block(out []told, r slowRegion, b uint, octets []byte) []told {
	s := newStream(octets)
	head := uint(s.take(16).Uint64())
	n, plain := head&0x7fff+1, head>>15 == 1
	q := new(big.Int).Lsh(big.NewInt(123), r.Shift)
	k := uint(q.Div(q, big.NewInt(int64(256*n))).BitLen())
	each := p.each(plain)
	highs := uint(uint64(1) << r.Shift >> k)
	if want := (16 + highs + n + n*(k+r.Tail+each) + 7) / 8; uint(len(octets)) != want {
		panic("a block is not as long as its head says")
	}
	high, follows := make([]int64, 0, n), make(map[int]int) // of each entry by its place; the place of the entry behind one
	for h := range highs {
		if s.take(1).Sign() != 0 {
			high = append(high, int64(h))
		}
	}
	firsts := len(high)
	for i := range int(n) {
		if s.take(1).Sign() != 0 {
			follows[i] = len(high)
			high = append(high, high[i])
		}
	}
	lows, tails := make([]*big.Int, n), make([]*big.Int, n)
	for i := range n {
		lows[i] = s.take(k)
	}
	for i := range n {
		tails[i] = s.take(r.Tail)
	}
	reasons, dates := make([]uint8, n), make([]int64, n)
	for i := range n {
		reasons[i], dates[i] = p.told(s.take(each), plain)
	}
	first := new(big.Int).Lsh(big.NewInt(int64(b)), r.Shift)
	for i := range firsts {
		for at, more := i, true; more; {
			hi := new(big.Int).Lsh(big.NewInt(high[at]), k)
			hi.Add(hi, lows[at]).Add(hi, first)
			key := hi.Lsh(hi, r.Tail)
			key.Add(key, tails[at]).Add(key, new(big.Int).SetBytes(r.Start))
			out = append(out, told{Key: key.Text(16), Reason: reasons[at], Date: dates[at]})
			at, more = follows[at]
		}
	}
	return out
}

// each is the number of bits of a field.
func (p *slowPlan) each(plain bool) uint {
	switch {
	case plain && p.hasReasons() && p.hasDates():
		return 44
	case plain && p.hasDates():
		return 41
	case plain && p.hasReasons():
		return 4
	case plain:
		return 1
	}
	facts := big.NewInt(int64(len(p.Reasons)))
	if p.hasDates() {
		facts.Mul(facts, big.NewInt(p.Span))
	}
	return uint(facts.Sub(facts, big.NewInt(1)).BitLen())
}

// told takes reason and date out of a field.
func (p *slowPlan) told(field *big.Int, plain bool) (reason uint8, date int64) {
	v := field.Int64()
	switch {
	case plain && p.hasReasons():
		reason, date = uint8(v%16), v/16-1<<39
	case plain:
		reason, date = uint8(v%2*6), v/2-1<<39
	default:
		reason, date = p.Reasons[v%int64(len(p.Reasons))], v/int64(len(p.Reasons))+p.Base
	}
	if !p.hasDates() {
		date = 0
	}
	return reason, date
}
