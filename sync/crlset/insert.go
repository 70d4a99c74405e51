package crlset

import (
	"encoding/binary"

	"kazashi.example/sync/crlset/internal/pack"
)

// inserts is how many additions to a block are made one by one, in octets. Taking it apart costs as much as some twenty of them.
const inserts = 8

// insert appends to dst what a block becomes by one more entry. Its place is that behind the last of its high, so all others stay in
// their order and are moved as bits; along its high, entries make room for it. b begins with the block, of size octets, and goes on for slack
// octets; ok is false where nothing was appended, because the block must be taken apart or the entry does not fit.
func (r *region) insert(dst, b []byte, size uint, base Key, e *Entry) (out []byte, ok bool) {
	d := e.Key.Sub(base)
	if size < 2 || r.tail > 0 || uint64(d.A)|d.B|d.C>>r.shift != 0 || e.Key.Compare(base) < 0 || r.ends(e.Key) || !r.code.covers(e) {
		return dst, false
	}
	var f, g frame
	r.measure(&f, binary.LittleEndian.Uint16(b))
	if f.plain || f.n == MaxBlock || !f.fills(size) {
		return dst, false
	}
	if r.measure(&g, uint16(f.n)); g.k != f.k {
		return dst, false
	}
	s := slot{low: d.C & pack.Mask(f.k)}
	if !s.find(b, &f, uint(d.C>>f.k)) {
		return dst, false
	}
	begin := len(dst)
	w := pack.NewWriter(binary.LittleEndian.AppendUint16(dst, uint16(f.n)))
	open(&w, b, marksAt, f.highs+s.place(), f.highs+f.n, 1, 0)
	open(&w, b, f.lows, s.place(), f.n, f.k, s.low)
	open(&w, b, f.fields, s.place(), f.n, f.field, r.code.number(e))
	dst = w.Bytes()
	block := dst[begin:]
	pack.Set(block, marksAt+s.mark, 1, 1)
	s.shift(block, b, g.lows, f.lows, f.k, s.low)
	s.shift(block, b, g.fields, f.fields, f.field, r.code.number(e))
	return dst, true
}

// open copies a column, whose values of so many bits begin at bit at of b, up to value n, with v put before value i.
func open(w *pack.Writer, b []byte, at, i, n, width uint, v uint64) {
	w.Move(b, at, i*width)
	w.Put(v, width)
	w.Move(b, at+i*width, (n-i)*width)
}

// slot is where an entry comes to stand.
type slot struct {
	low    uint64
	mark   uint              // that will announce the place
	places [2 * inserts]uint // of the entries of its high, and behind them the new one
	high   int               // so many of them there are, the new one included
	at     int               // of them the one where the entry comes
}

// place is the new one.
func (s *slot) place() uint { return s.places[s.high-1] }

// find goes along a high; false if the entry is there, or too many are.
func (s *slot) find(b []byte, f *frame, high uint) bool {
	s.mark = high
	walk := walk{b: b, f: f}
	for ; s.high < len(s.places); s.high++ {
		place, ok := walk.to(s.mark)
		s.places[s.high] = place
		if !ok {
			s.high++
			return place <= f.n
		}
		is := pack.Get(b, f.lows+place*f.k, f.k)
		if is == s.low {
			return false
		}
		if is < s.low {
			s.at = s.high + 1
		}
		s.mark = f.highs + place
	}
	return false
}

// shift moves the values of the entries of the high that come behind the new one by one place, from a column at bit from of b to one at bit
// to of block, and puts v before them.
func (s *slot) shift(block, b []byte, to, from, width uint, v uint64) {
	for i := s.at; i < s.high; i++ {
		pack.Set(block, to+s.places[i]*width, width, v)
		v = pack.Get(b, from+s.places[i]*width, width)
	}
}
