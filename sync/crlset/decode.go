package crlset

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"kazashi.example/sync/crlset/internal/pack"
)

// slack is how many octets must be there behind a block for fields to be read by words.
const slack = 16

// copies are scratch of the decoder: a block with slack behind it.
var copies = sync.Pool{New: func() any { return new([]byte) }}

// Decode appends the entries of block i, whose octets are b, to dst. It accepts exactly what Encode writes; ErrFormat otherwise.
func (l *Layout) Decode(dst []Entry, i int, b []byte) ([]Entry, error) {
	if i < 0 || i >= l.blocks {
		return nil, fmt.Errorf("%w: block out of range", ErrFormat)
	}
	if len(b) == 0 {
		return dst, nil
	}
	r := l.regionOf(i)
	return r.decode(dst, r.base(i-r.first), b)
}

// entries is how many entries a block of these octets has, from its head alone.
func entries(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	return int(binary.LittleEndian.Uint16(b)&^plainFlag) + 1
}

// decode reads one block that begins at base.
func (r *region) decode(dst []Entry, base Key, b []byte) ([]Entry, error) {
	n := entries(b)
	if n == 0 {
		return nil, fmt.Errorf("%w: block without a head", ErrFormat)
	}
	var f frame
	if r.measure(&f, binary.LittleEndian.Uint16(b)); !f.fills(uint(len(b))) {
		return nil, fmt.Errorf("%w: block of another length", ErrFormat)
	}
	scratch := copies.Get().(*[]byte)
	defer copies.Put(scratch)
	s := append((*scratch)[:0], b...)
	s = append(s, make([]byte, slack)...)
	*scratch = s
	t := tables.Get().(*table)
	defer tables.Put(t)
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	out := dst[at:]
	if !t.read(s, &f, r.tail > 0) || !r.keys(out, s, base, t, &f) || !r.told(out, s, t, &f) || pack.Get(s, f.end, -f.end&7) != 0 {
		return nil, fmt.Errorf("%w: block contradicts itself", ErrFormat)
	}
	return dst, nil
}

// keys fills the keys of a block.
func (r *region) keys(out []Entry, s []byte, base Key, t *table, f *frame) bool {
	for i := range out {
		out[i].Key = r.key(base, t.offsets[i])
	}
	if r.tail > 0 {
		for place, rank := range t.ranks[:t.n] {
			out[rank].Key = out[rank].Key.Add(r.tailAt(s, f, uint(place)))
		}
		for i := range out[1:] {
			if out[i+1].Key.Compare(out[i].Key) <= 0 {
				return false
			}
		}
	}
	last := out[len(out)-1].Key
	return last.Compare(base) >= 0 && !r.ends(last) // below base: beyond 160 bits
}

// key is base + offset without the tail.
func (r *region) key(base Key, offset uint64) Key {
	if r.tail == 0 {
		return base.Add(Key{C: offset})
	}
	return base.Add(shl(offset, r.tail))
}

func (r *region) tailAt(s []byte, f *frame, i uint) Key {
	t := uint(r.tail)
	at := f.tails + i*t
	if t <= 64 {
		return Key{C: pack.Get(s, at, t)}
	}
	return Key{C: pack.Get(s, at, 64), B: pack.Get(s, at+64, t-64)}
}

// told fills reasons and dates; false if they are none that the form of the block tells.
func (r *region) told(out []Entry, s []byte, t *table, f *frame) bool {
	if f.plain {
		return r.code.plain(out, s, t, f)
	}
	if !t.readFields(s, f, r.code.facts) {
		return false
	}
	for i := range out {
		fact := r.code.fact(t.fields[i])
		out[i].Reason, out[i].Date = fact.Reason, fact.Date
	}
	return true
}

// plain reads the plain form; false if the block had no need of it.
func (c *code) plain(out []Entry, s []byte, t *table, f *frame) bool {
	needed := false
	for place, rank := range t.ranks[:t.n] {
		e := &out[rank]
		e.Reason, e.Date = c.plainAt(s, f, uint(place))
		if !c.covers(e) {
			if needed = true; !c.tells(e) {
				return false
			}
		}
	}
	return needed
}

// plainAt is what the plain form tells of the entry at place i.
func (c *code) plainAt(s []byte, f *frame, i uint) (reason Reason, date int64) {
	width := c.plainBits()
	v := pack.Get(s, f.fields+i*f.field, f.field)
	reason = Reason(v & pack.Mask(width))
	if width == 1 && reason == 1 {
		reason = CertificateHold
	}
	if c.columns&Dates != 0 {
		date = int64(v>>width) - dateBias
	}
	return reason, date
}
