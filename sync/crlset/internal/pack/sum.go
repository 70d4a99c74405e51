package pack

import (
	"encoding/binary"
	"math/bits"
)

// sums is how fields of one width are added many at a time: a group of fields is a whole number of octets, its neighbours are added
// to pairs, pairs of several groups to each other, and at last all pairs by a multiplication.
type sums struct {
	fields uint   // of a group
	octets uint   // of a group
	groups uint   // after so many, pairs could overflow
	pairs  uint64 // every other field
	quads  uint64 // every other pair
	ones   uint64 // the lowest bit of each two pairs
	top    uint   // where the product has the sum
	width  uint   // of the sum
}

// sumsOf is for widths from 3 to 8.
var sumsOf = func() (t [9]sums) {
	for k := uint(3); k <= 8; k++ {
		s := &t[k]
		s.fields = 8
		if k <= 4 {
			s.fields = 16
		}
		s.octets, s.width = s.fields*k/8, 4*k
		s.groups = uint(Mask(2*k) / (2 * Mask(k)))
		for i := uint(0); i < s.fields; i += 2 {
			s.pairs |= Mask(k) << (i * k)
		}
		for i := uint(0); i < s.fields; i += 4 {
			s.quads |= Mask(2*k) << (i * k)
			s.ones |= 1 << (i * k)
		}
		s.top = (s.fields - 4) * k
	}
	return t
}()

// Sum adds the first n fields of width k that begin at bit position at, a multiple of 8. b must go on for Slack octets.
func Sum(b []byte, at, k, n uint) (sum uint64) {
	b = b[at>>3:]
	switch {
	case k == 0 || n == 0:
		return 0
	case k > 8:
		for i := range n {
			sum += Get(b, i*k, k)
		}
		return sum
	case k < 3:
		return sumPlanes(b, k, n)
	}
	s := &sumsOf[k]
	pairs, k := s.pairs, k&63
	for n > 0 {
		var acc uint64
		for left := s.groups; left > 0; left-- {
			x := binary.LittleEndian.Uint64(b)
			if n < s.fields {
				x &= Mask(n * k)
				acc += x&pairs + x>>k&pairs
				n = 0
				break
			}
			acc += x&pairs + x>>k&pairs
			n -= s.fields
			b = b[s.octets:]
		}
		sum += (acc&s.quads + acc>>(2*k&63)&s.quads) * s.ones >> (s.top & 63) & (1<<(s.width&63) - 1)
	}
	return sum
}

// sumPlanes counts the bits of each place; k is 1 or 2.
func sumPlanes(b []byte, k, n uint) (sum uint64) {
	low := ^uint64(0)
	if k == 2 {
		low /= 3
	}
	for ; n > 0; b = b[8:] {
		m := min(n, 64/k)
		x := binary.LittleEndian.Uint64(b) & Mask(m*k)
		sum += uint64(bits.OnesCount64(x & low))
		if k == 2 {
			sum += uint64(bits.OnesCount64(x&^low)) << 1
		}
		n -= m
	}
	return sum
}
