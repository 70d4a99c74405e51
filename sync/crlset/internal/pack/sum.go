package pack

import (
	"encoding/binary"
	"math/bits"
)

// sums is how fields of one width are added many at a time.
type sums struct {
	group uint   // fields of a load, even from width 4 on
	even  uint64 // every other field of a group
	ones  uint64 // the lowest bit of each pair of fields
	top   uint   // where the product has the sum
}

var sumsOf = func() (t [33]sums) {
	for k := uint(1); k < 29; k++ {
		s := &t[k]
		s.group = 57 / k
		if k == 4 || k == 8 {
			s.group = 64 / k // fields begin at an octet, so a load is never shifted
		}
		if k > 3 {
			s.group &^= 1
		}
		for i := uint(0); i < s.group; i += 2 {
			s.even |= Mask(k) << (i * k)
			s.ones |= 1 << (i * k)
		}
		if k > 3 {
			s.top = (s.group - 2) * k
		} else {
			s.ones = 0
			for i := uint(0); i < s.group; i++ {
				s.ones |= 1 << (i * k)
			}
		}
	}
	return t
}()

// Sum adds the first n fields of width k that begin at bit position at, a multiple of 8. b must go on for Slack octets.
func Sum(b []byte, at, k, n uint) (sum uint64) {
	switch {
	case k == 0:
		return 0
	case k < 4:
		return sumPlanes(b, at, k, n)
	case k < 29:
		return sumPairs(b, at, k, n)
	}
	for ; n > 0; n-- {
		sum += Get(b, at, k)
		at += k
	}
	return sum
}

// sumPlanes counts the bits of each place.
func sumPlanes(b []byte, at, k, n uint) (sum uint64) {
	s := &sumsOf[k]
	for ; n > 0; at += s.group * k {
		m := min(n, s.group)
		x := binary.LittleEndian.Uint64(b[at>>3:]) >> (at & 7) & Mask(m*k)
		for j := range k {
			sum += uint64(bits.OnesCount64(x>>j&s.ones)) << j
		}
		n -= m
	}
	return sum
}

// sumPairs adds neighbours, and then all pairs by a multiplication.
func sumPairs(b []byte, at, k, n uint) (sum uint64) {
	s := &sumsOf[k]
	step, pair := s.group*k, Mask(2*k)
	even, ones, top := s.even, s.ones, s.top
	for ; n >= s.group; n -= s.group {
		x := binary.LittleEndian.Uint64(b[at>>3:]) >> (at & 7)
		sum += (x&even + x>>k&even) * ones >> top & pair
		at += step
	}
	x := binary.LittleEndian.Uint64(b[at>>3:]) >> (at & 7) & Mask(n*k)
	return sum + (x&even+x>>k&even)*ones>>top&pair
}
