package crlset

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"

	"kazashi.example/sync/crlset/internal/pack"
)

// find looks for the entry at offset of a block that begins at b[0] and has size octets; b goes on for slack octets at least.
// d is the key's distance from the region's start, for its tail.
func (r *region) find(e *Entry, b []byte, size uint, offset uint64, d Key) (bool, error) {
	var f frame
	if size >= 2 {
		r.measure(&f, binary.LittleEndian.Uint16(b))
	}
	if size < 2 || !f.fills(size) {
		return false, fmt.Errorf("%w: block of another length", ErrFormat)
	}
	k := f.k & 63
	high, want := uint(offset>>k), offset&(1<<k-1)
	place, ok := f.seek(b, high)
	if !ok {
		return false, nil
	}
	i := place - high
	ones := binary.LittleEndian.Uint64(b[(highsAt+place)>>3:]) >> (place & 7)
	if ones&7 == 7 || r.tail > 0 || k > 28 {
		i, ok = r.among(b, &f, i, place, want, d)
	} else {
		// At most two entries share the high. Both are compared without a branch, which would be guessed wrong every other time.
		lows := pack.Get(b, f.lows+i*k, 2*k)
		first := isZero((lows^want)&(1<<k-1)) & ones
		second := isZero(lows>>k^want) & ones & (ones >> 1) & uint64((i+1-f.n)>>63) // the last bit: there is another entry
		i, ok = i+uint(second&1), (first|second)&1 != 0
	}
	if !ok {
		return false, nil
	}
	r.code.read(e, b, &f, i)
	return true, nil
}

// isZero has the lowest bit set if x, which must be below 2^63, is 0; of the others nothing is said.
func isZero(x uint64) uint64 { return (x - 1) >> 63 }

// seek finds the place of the first entry whose high is at least high; its number is the place less high. False if there is none.
func (f *frame) seek(b []byte, high uint) (place uint, ok bool) {
	if place, ok = selectZero(b[highsAt/8:], high, f.lows); !ok || place-high >= f.n || highsAt+place >= f.lows {
		return 0, false
	}
	return place, true
}

// selectZero is the place behind the n-th zero of q, if it is not much beyond limit. Sixteen words are looked through without asking
// which of them it is: blocks are rarely longer, and a loop that ends early would be guessed wrong every time.
func selectZero(q []byte, n, limit uint) (uint, bool) {
	if n == 0 {
		return 0, true
	}
	n--
	at := uint(0)
	for ; len(q) >= 128 && at <= limit; q = q[128:] {
		var zeros, before, word uint
		words := (*[128]byte)(q)
		for j := 0; j < 128; j += 8 {
			zeros += uint(bits.OnesCount64(^binary.LittleEndian.Uint64(words[j:])))
			on := uint(int64(zeros-n-1) >> 63) // all ones if the zero is behind this word
			word -= on
			before += (zeros - before) & on
		}
		if word < 16 {
			return at + word*64 + pack.Select(^binary.LittleEndian.Uint64(q[word*8:]), n-before) + 1, true
		}
		n -= zeros
		at += 1024
	}
	for ; len(q) >= 8 && at <= limit; q = q[8:] {
		x := ^binary.LittleEndian.Uint64(q)
		zeros := uint(bits.OnesCount64(x))
		if zeros > n {
			return at + pack.Select(x, n) + 1, true
		}
		n -= zeros
		at += 64
	}
	return 0, false
}

// among searches by halves the entries that share the high of entry i, whose place is given.
func (r *region) among(b []byte, f *frame, i, place uint, want uint64, d Key) (uint, bool) {
	var tail Key
	tail.B, tail.C = d.low(r.tail)
	to := i + streak(b, highsAt+place, min(f.n-i, f.lows-highsAt-place))
	for i < to {
		mid := (i + to) / 2
		c := cmp.Compare(pack.Get(b, f.lows+mid*f.k, f.k), want)
		if c == 0 {
			c = r.tailAt(b, f, mid).Compare(tail)
		}
		switch {
		case c == 0:
			return mid, true
		case c < 0:
			i = mid + 1
		default:
			to = mid
		}
	}
	return 0, false
}

// streak is how many one bits follow one another from bit at on, up to most.
func streak(b []byte, at, most uint) (n uint) {
	for n < most {
		shift := (at + n) & 7
		ones := uint(bits.TrailingZeros64(^(binary.LittleEndian.Uint64(b[(at+n)>>3:]) >> shift)))
		if n += ones; ones < 64-shift {
			break
		}
	}
	return min(n, most)
}

// read fills reason and date of entry i.
func (c *code) read(e *Entry, b []byte, f *frame, i uint) {
	if f.plain {
		e.Reason, e.Date = c.plainAt(b, f, i)
		return
	}
	v := pack.Get(b, f.fields+i*f.field, f.field)
	if v >= c.facts {
		v = 0 // of octets that Decode refuses
	}
	t := c.fact(v)
	e.Reason, e.Date = t.Reason, t.Date
}
