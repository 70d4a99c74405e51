package crlset

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"kazashi.example/sync/crlset/internal/pack"
)

// find looks for the entry at offset of a block that begins at b[0] and has size octets; b goes on for slack octets at least.
// d is the key's distance from the region's start, for its tail.
func (r *region) find(e *Entry, b []byte, size uint, offset uint64, d Key) (bool, error) {
	if size < 2 {
		return false, fmt.Errorf("%w: block without a head", ErrFormat)
	}
	f := r.frame(binary.LittleEndian.Uint16(b))
	if f.quot >= size*8 {
		return false, fmt.Errorf("%w: block too short", ErrFormat)
	}
	i, one, ok := f.search(b, size, offset)
	if r.tail > 0 && ok {
		i, ok = r.searchTails(&f, b, size, i, one, d)
	}
	if !ok {
		return false, nil
	}
	r.code.read(e, b, &f, i)
	return true, nil
}

// search finds the first entry at offset: its number, and the place of its one bit among the quotients.
func (f *frame) search(b []byte, size uint, offset uint64) (i, one uint, ok bool) {
	var sum uint64 // of the lows before entry i
	for at := f.quot >> 3; at < size; at += 8 {
		word := f.word(b, at, size)
		base := at<<3 - f.quot // place of the word's first bit
		n := min(uint(bits.OnesCount64(word)), f.n-i)
		if n == 0 {
			continue
		}
		lows := f.sum(b, i, n)
		last := base + 63 - uint(bits.LeadingZeros64(word))
		if f.offset(last, i+n-1, sum+lows) < offset {
			i, sum = i+n, sum+lows
			continue
		}
		for ; n > 0; n-- {
			sum += pack.Get(b, lowsAt+i*f.k, f.k)
			one = base + uint(bits.TrailingZeros64(word))
			if o := f.offset(one, i, sum); o >= offset {
				return i, one, o == offset
			}
			word &= word - 1
			i++
		}
	}
	return 0, 0, false
}

// word is 64 quotient bits from octet at of a block of size octets.
func (f *frame) word(b []byte, at, size uint) uint64 {
	word := binary.LittleEndian.Uint64(b[at:])
	if size-at < 8 {
		word &= pack.Mask((size - at) * 8)
	}
	return word
}

// offset is that of entry i, whose one bit has the place one, with the sum of all lows up to its own.
func (f *frame) offset(one, i uint, sum uint64) uint64 {
	return uint64(one-i)<<f.k + sum + uint64(i)*f.gap
}

// sum adds the lows of n entries from entry i.
func (f *frame) sum(b []byte, i, n uint) (sum uint64) {
	for at := lowsAt + i*f.k; n > 0; n-- {
		sum += pack.Get(b, at, f.k)
		at += f.k
	}
	return sum
}

// searchTails looks through the entries that share the offset of entry i, whose one bit has the place one.
func (r *region) searchTails(f *frame, b []byte, size, i, one uint, d Key) (uint, bool) {
	var want Key
	want.B, want.C = d.low(r.tail)
	for {
		if c := r.tailAt(b, f, i).Compare(want); c >= 0 {
			return i, c == 0
		}
		i, one = i+1, one+1
		at := f.quot + one
		if i == f.n || at >= size*8 || b[at>>3]>>(at&7)&1 == 0 || pack.Get(b, lowsAt+i*f.k, f.k) != 0 {
			return 0, false // the next has a gap
		}
	}
}

// read fills reason and date of entry i.
func (c *code) read(e *Entry, b []byte, f *frame, i uint) {
	if f.plain {
		e.Reason, e.Date = c.plainAt(b, f, i)
		return
	}
	e.Reason, e.Date = c.reasons[0], c.base
	if x := c.radix; x.R > 1 {
		at, width, below := x.Place(i, f.n)
		e.Reason, e.Date = c.undigit(x.Digit(pack.Get(b, f.digits+at, width), below))
	}
	if f.date > 0 {
		e.Date += int64(pack.Get(b, f.dates+i*f.date, f.date))
	}
}
