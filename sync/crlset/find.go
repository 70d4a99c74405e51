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
	if size < 2 || b[size-1] == 0 || touch(b, size) == 0 {
		return false, fmt.Errorf("%w: block without an end", ErrFormat)
	}
	var f frame
	if r.measure(&f, binary.LittleEndian.Uint16(b)); f.quot >= size*8 {
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

// touch reads an octet of each line in which the search may look, so that all are on the way at once and not one after the other.
// The last octet of a block has its last one bit, so a block has more than zeros.
func touch(b []byte, size uint) byte {
	t := b[size-1]
	if size <= 384 {
		for at := uint(64); at < size; at += 64 {
			t |= b[at]
		}
		return t
	}
	return t | b[64] | b[128] | b[size-65] | b[size-129]
}

// search finds the first entry at offset: its number, and the place of its one bit among the quotients. It guesses from the
// quotients alone where to begin, as if lows were of middling size, and begins anew from the front if that was too far.
func (f *frame) search(b []byte, size uint, offset uint64) (i, one uint, ok bool) {
	i, place := f.guess(b[f.quot>>3:size], offset)
	k, gap := f.k, f.gap
	sum := pack.Sum(b, lowsAt, k, i) // of the lows before entry i
	if i > 0 && uint64(place-i)<<(k&63)+sum+uint64(i-1)*gap >= offset {
		i, place, sum = 0, 0, 0
	}
	if k > 57 {
		return f.searchWide(b, size, offset)
	}
	n, low, mask := f.n, lowsAt+i*k, uint64(1)<<(k&63)-1
	for at := (f.quot + place) >> 3; at < size; at += 8 {
		first := at<<3 - f.quot
		for word := f.word(b, at, size); word != 0 && i < n; word &= word - 1 {
			sum += binary.LittleEndian.Uint64(b[low>>3:]) >> (low & 7) & mask
			one = first + uint(bits.TrailingZeros64(word))
			if o := uint64(one-i)<<(k&63) + sum + uint64(i)*gap; o >= offset {
				return i, one, o == offset
			}
			i, low = i+1, low+k
		}
	}
	return 0, 0, false
}

// searchWide is search for lows that a load does not always hold whole. There are few entries then.
func (f *frame) searchWide(b []byte, size uint, offset uint64) (i, one uint, ok bool) {
	var sum uint64
	for at := f.quot >> 3; at < size; at += 8 {
		for word := f.word(b, at, size); word != 0 && i < f.n; word &= word - 1 {
			sum += pack.Get(b, lowsAt+i*f.k, f.k)
			one = at<<3 - f.quot + uint(bits.TrailingZeros64(word))
			if o := uint64(one-i)<<f.k + sum + uint64(i)*f.gap; o >= offset {
				return i, one, o == offset
			}
			i++
		}
	}
	return 0, 0, false
}

// guess finds a place among the quotients q, a multiple of 8, from which the entry at offset is not far, and the entries before.
func (f *frame) guess(q []byte, offset uint64) (i, place uint) {
	k := f.k & 63
	each := uint64(1)<<k/2 + f.gap // a little much, so that the guess is rather too near the front
	if offset <= 4<<k {
		return 0, 0
	}
	offset -= 4 << k
	for len(q) >= 8 {
		word := binary.LittleEndian.Uint64(q)
		j := i + uint(bits.OnesCount64(word))
		if uint64(place+64-j)<<k+uint64(j)*each < offset {
			i, place, q = j, place+64, q[8:]
			continue
		}
		for half := uint(32); half >= 16; half >>= 1 {
			c := uint(bits.OnesCount64(word & (1<<(half&63) - 1)))
			var on uint // all ones to take the half; no branch, for it would be guessed wrong every other time
			if uint64(place+half-i-c)<<k+uint64(i+c)*each < offset {
				on = 1
			}
			on = -on
			i, place, word = i+c&on, place+half&on, word>>(half&on&63)
		}
		break
	}
	if i > f.n { // not a block that Encode wrote
		return 0, 0
	}
	return i, place
}

// word is 64 quotient bits from octet at of a block of size octets.
func (f *frame) word(b []byte, at, size uint) uint64 {
	word := binary.LittleEndian.Uint64(b[at:])
	if size-at < 8 {
		word &= pack.Mask((size - at) * 8)
	}
	return word
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
