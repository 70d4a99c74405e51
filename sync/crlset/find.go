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
	var tail Key
	tail.B, tail.C = d.low(r.tail)
	low := offset & pack.Mask(f.k)
	walk := walk{b: b, f: &f}
	if r.tail == 0 {
		place, ok := walk.find(uint(offset>>f.k), low)
		if ok {
			r.code.read(e, b, &f, place)
		}
		return ok, nil
	}
	for place, ok := walk.to(uint(offset >> f.k)); ok; place, ok = walk.to(f.highs + place) {
		c := cmp.Compare(pack.Get(b, f.lows+place*f.k, f.k), low)
		if c == 0 {
			c = r.tailAt(b, &f, place).Compare(tail)
		}
		if c == 0 {
			r.code.read(e, b, &f, place)
		}
		if c >= 0 {
			return c == 0, nil
		}
	}
	return false, nil
}

// walk goes along the marks of a block, counting ones.
type walk struct {
	b    []byte
	f    *frame
	at   uint // a multiple of 64, so many marks were counted
	ones uint // among them
}

// to is the place of the entry that the mark of this number announces; false if it announces none, or is no mark. The mark of the place
// that it gave is behind the mark that it was asked for, whatever the octets: so a walk goes one way, and ends.
func (w *walk) to(mark uint) (place uint, ok bool) {
	if mark >= w.f.highs+w.f.n {
		return 0, false
	}
	for ; w.at+64 <= mark; w.at += 64 {
		w.ones += uint(bits.OnesCount64(pack.Get(w.b, marksAt+w.at, 64)))
	}
	word, bit := pack.Get(w.b, marksAt+w.at, 64), mark-w.at
	place = w.ones + uint(bits.OnesCount64(word&pack.Mask(bit)))
	return place, word>>bit&1 != 0 && place < w.f.n
}

// find goes from a mark on along the entries of one high to the one with a low.
func (w *walk) find(mark uint, low uint64) (place uint, ok bool) {
	for place, ok = w.to(mark); ok; place, ok = w.to(w.f.highs + place) {
		if is := pack.Get(w.b, w.f.lows+place*w.f.k, w.f.k); is >= low {
			return place, is == low
		}
	}
	return 0, false
}

// read fills reason and date of the entry at a place.
func (c *code) read(e *Entry, b []byte, f *frame, place uint) {
	if f.plain {
		e.Reason, e.Date = c.plainAt(b, f, place)
		return
	}
	v := pack.Get(b, f.fields+place*f.field, f.field)
	if v >= c.facts {
		v = 0 // of octets that Decode refuses
	}
	t := c.fact(v)
	e.Reason, e.Date = t.Reason, t.Date
}
