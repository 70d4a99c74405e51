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
	size, high, highs := uint(len(octets))*8, int64(0), make([]int64, n)
	for i := range n {
		for s.at < size && s.take(1).Sign() == 0 {
			high++
		}
		highs[i] = high
	}
	s.at = size - p.room(n, k+r.Tail, plain)
	lows, tails := make([]*big.Int, n), make([]*big.Int, n)
	for i := range n {
		lows[i] = s.take(k)
	}
	for i := range n {
		tails[i] = s.take(r.Tail)
	}
	reasons, dates := p.payload(s, n, plain)
	first := new(big.Int).Lsh(big.NewInt(int64(b)), r.Shift)
	for i := range n {
		hi := new(big.Int).Lsh(big.NewInt(highs[i]), k)
		hi.Add(hi, lows[i]).Add(hi, first)
		key := hi.Lsh(hi, r.Tail)
		key.Add(key, tails[i]).Add(key, new(big.Int).SetBytes(r.Start))
		out = append(out, told{Key: key.Text(16), Reason: reasons[i], Date: dates[i]})
	}
	return out
}

// room is the number of bits from the lows to the end; an entry's low and tail have each bits.
func (p *slowPlan) room(n, each uint, plain bool) uint {
	s := &stream{bits: new(big.Int)}
	p.payload(s, n, plain)
	return s.at + n*each
}

// payload reads reasons and dates of n entries.
func (p *slowPlan) payload(s *stream, n uint, plain bool) (reasons []uint8, dates []int64) {
	reasons, dates = make([]uint8, n), make([]int64, n)
	if plain {
		for i := range n {
			if p.hasReasons() {
				reasons[i] = uint8(s.take(4).Uint64())
			} else {
				reasons[i] = uint8(6 * s.take(1).Uint64())
			}
		}
		for i := range n {
			if p.hasDates() {
				dates[i] = s.take(40).Int64() - 1<<39
			}
		}
		return reasons, dates
	}
	low, h := uint(0), int64(1)
	if p.hasDates() {
		for h = p.Span; h*int64(len(p.Reasons)) > 1024; {
			low++
			h = (p.Span + 1<<low - 1) >> low
		}
	}
	radix := h * int64(len(p.Reasons))
	digits := slowDigits(s, n, radix)
	for i := range n {
		reasons[i] = p.Reasons[digits[i]%int64(len(p.Reasons))]
		if p.hasDates() {
			dates[i] = p.Base + digits[i]/int64(len(p.Reasons))<<low
		}
	}
	for i := range n {
		dates[i] += s.take(low).Int64()
	}
	return reasons, dates
}

// slowDigits reads n digits of a radix from words of as many as fit 64 bits.
func slowDigits(s *stream, n uint, radix int64) []int64 {
	out := make([]int64, 0, n)
	if radix == 1 {
		return make([]int64, n)
	}
	power := func(n uint) *big.Int {
		return new(big.Int).Exp(big.NewInt(radix), new(big.Int).SetUint64(uint64(n)), nil)
	}
	top := new(big.Int).Lsh(big.NewInt(1), 64)
	m := uint(1)
	for power(m+1).Cmp(top) <= 0 {
		m++
	}
	for uint(len(out)) < n {
		here := min(m, n-uint(len(out)))
		most := power(here)
		word := s.take(uint(most.Sub(most, big.NewInt(1)).BitLen()))
		for range here {
			digit := new(big.Int)
			word.DivMod(word, big.NewInt(radix), digit)
			out = append(out, digit.Int64())
		}
	}
	return out
}
