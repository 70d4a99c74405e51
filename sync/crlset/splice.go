package crlset

import (
	"encoding/binary"
	"math/bits"

	"kazashi.example/sync/crlset/internal/pack"
)

// splicer makes the octets of a revised block out of those of the block before, without its entries: highs, lows and fields of entries
// that stay are moved as bits, and only what stands next to a change is computed. It gives up where the block must be coded
// whole: width of lows or plain form change, or there are tails. What it makes is what Encode makes.
type splicer struct {
	first   int      // entry from which offsets are read
	offsets []uint64 // of the entries from there up to the last change
	ones    []uint   // the places of their one bits among the highs
	changes []change
	steps   []run
	payload []run
}

// change is one edit or addition, in the order of the new block.
type change struct {
	at     int // place in the block before; an addition comes before the entry there
	offset uint64
	edit   int // in the revision's edits, or −1
	add    int // in its additions, or −1
}

// run is a stretch of entries of the block before whose part stays, or, if from is below 0, a new part.
type run struct {
	from, to int
	zeros    uint64 // of the high before its one bit
	part     uint64 // the low of the offset, or the field
}

// splice appends the revised block to dst. b begins with a block of size octets and goes on for slack octets; ok is false where
// nothing was appended because the block must be coded whole.
func (s *splicer) splice(dst []byte, r *region, base Key, b []byte, size uint, v *Revision) (out []byte, ok bool) {
	if size < 2 || r.tail > 0 {
		return dst, false
	}
	var f frame
	if r.measure(&f, binary.LittleEndian.Uint16(b)); !f.fills(size) || f.plain || !s.order(r, base, b, &f, v) {
		return dst, false
	}
	n := int(f.n) + len(v.Added)
	for i := range v.Edits {
		if v.Edits[i].Removed {
			n--
		}
	}
	if n < 1 || n > MaxBlock {
		return dst, false
	}
	var g frame
	r.measure(&g, uint16(n-1))
	if g.k != f.k || !s.plan(r.code, b, &f, v) {
		return dst, false
	}
	w := pack.NewWriter(binary.LittleEndian.AppendUint16(dst, uint16(n-1)))
	if !s.putHighs(&w, b, &f, &g) {
		return dst, false
	}
	move(&w, s.steps, b, f.lows, f.k)
	move(&w, s.payload, b, f.fields, f.field)
	return w.Bytes(), true
}

// order reads offsets where there are changes and puts the changes in order; false if they do not fit.
func (s *splicer) order(r *region, base Key, b []byte, f *frame, v *Revision) bool {
	s.changes = s.changes[:0]
	from, until := uint64(0), uint64(0)
	if n := len(v.Added); n > 0 {
		from, until = v.Added[0].Key.Sub(base).C, v.Added[n-1].Key.Sub(base).C
		if _, ok := r.block(v.Added[n-1].Key); !ok || until>>r.shift != 0 {
			return false
		}
	}
	if !s.scan(b, f, v, from, until) {
		return false
	}
	at, next := 0, 0 // an entry less first, an edit
	for i := range v.Added {
		offset := v.Added[i].Key.Sub(base).C
		for at < len(s.offsets) && s.offsets[at] < offset {
			at++
		}
		for ; next < len(v.Edits) && v.Edits[next].Place < s.first+at; next++ {
			s.changes = append(s.changes, change{at: v.Edits[next].Place, edit: next, add: -1})
		}
		if at < len(s.offsets) && s.offsets[at] == offset {
			return false
		}
		s.changes = append(s.changes, change{at: s.first + at, offset: offset, edit: -1, add: i})
	}
	for ; next < len(v.Edits); next++ {
		s.changes = append(s.changes, change{at: v.Edits[next].Place, edit: next, add: -1})
	}
	return true
}

// scan reads the offsets of the entries from the one before the first change to the one after the last: additions are at offsets from
// until.
func (s *splicer) scan(b []byte, f *frame, v *Revision, from, until uint64) bool {
	last, i, place := -1, uint(0), uint(0)
	if n := len(v.Edits); n > 0 {
		if last = v.Edits[n-1].Place; last >= int(f.n) {
			return false
		}
		i, place = f.skip(b, uint(v.Edits[0].Place))
	}
	if len(v.Added) > 0 {
		if p, ok := f.seek(b, uint(from>>f.k)); !ok {
			if len(v.Edits) == 0 {
				i, place = f.n, f.n+f.zeros
			}
		} else if j := p - uint(from>>f.k); len(v.Edits) == 0 || j < i {
			i, place = j, p
		}
	}
	i, place = f.back(b, i, place)
	return s.read(b, f, i, place, last, until)
}

// read reads the offsets from entry i, whose one bit is the first from place on, to the one after place last and the first above
// offset until, or to the end of the block; false if that is damaged.
func (s *splicer) read(b []byte, f *frame, i, place uint, last int, until uint64) bool {
	s.first, s.offsets, s.ones = int(i), s.offsets[:0], s.ones[:0]
	low, hidden := f.lows+i*f.k, pack.Mask(place&7)
	for at := place &^ 7; highsAt+at < f.lows; at += 64 {
		word := f.word(b, at) &^ hidden
		hidden = 0
		for ; word != 0; word &= word - 1 {
			if i == f.n {
				return false
			}
			one := at + uint(bits.TrailingZeros64(word))
			offset := uint64(one-i)<<f.k | pack.Get(b, low, f.k)
			s.offsets, s.ones = append(s.offsets, offset), append(s.ones, one)
			if i, low = i+1, low+f.k; int(i) > last+2 && offset > until {
				return true
			}
		}
	}
	return i == f.n
}

// skip finds a place among the highs, a multiple of 64, with at most n entries before it.
func (f *frame) skip(b []byte, n uint) (i, place uint) {
	for ; highsAt+place < f.lows; place += 64 {
		c := uint(bits.OnesCount64(f.word(b, place)))
		if i+c > n {
			break
		}
		i += c
	}
	return i, place
}

// back goes from a place among the highs, with i entries before it, to the last of those.
func (f *frame) back(b []byte, i, place uint) (uint, uint) {
	for i > 0 && place > 0 {
		n := min(place, 56)
		if w := pack.Get(b, highsAt+place-n, n); w != 0 {
			return i - 1, place - n + uint(bits.Len64(w)) - 1
		}
		place -= n
	}
	return 0, 0
}

// plan makes the runs of steps and of payload; false if a change is to what is there already or needs the plain form.
func (s *splicer) plan(c *code, b []byte, f *frame, v *Revision) bool {
	s.steps, s.payload = s.steps[:0], s.payload[:0]
	n := int(f.n)
	next, told := 0, 0              // entries of the block before that are still to come
	last, stale := uint64(0), false // offset of the entry before, and whether the next one's step must be computed
	step := func(offset uint64) {
		s.steps = append(s.steps, run{from: -1, zeros: offset>>f.k - last>>f.k, part: offset & pack.Mask(f.k)})
	}
	keep := func(to int) {
		if next < to && stale {
			o := s.offsets[next-s.first]
			step(o)
			last, stale = o, false
			next++
		}
		if next < to {
			s.steps = append(s.steps, run{from: next, to: to})
			next = to
			if to <= s.first+len(s.offsets) {
				last = s.offsets[to-1-s.first]
			}
		}
	}
	for i := range s.changes {
		x := &s.changes[i]
		if told < x.at {
			s.payload = append(s.payload, run{from: told, to: x.at})
			told = x.at
		}
		var e Entry
		switch {
		case x.add >= 0:
			keep(x.at)
			step(x.offset)
			last, stale = x.offset, true
			e = v.Added[x.add]
		case v.Edits[x.edit].Removed:
			keep(x.at)
			next, stale, told = x.at+1, true, x.at+1
			continue
		default:
			c.read(&e, b, f, uint(x.at))
			if v.Edits[x.edit].apply(&e) != nil {
				return false
			}
			told = x.at + 1
		}
		if !c.covers(&e) {
			return false
		}
		s.payload = append(s.payload, run{from: -1, part: c.number(&e)})
	}
	keep(n)
	if told < n {
		s.payload = append(s.payload, run{from: told, to: n})
	}
	return true
}

// move writes the parts of all runs, each so many bits wide; those that stay are at bit position at of b.
func move(w *pack.Writer, runs []run, b []byte, at, width uint) {
	for i := range runs {
		if x := &runs[i]; x.from >= 0 {
			w.Move(b, at+uint(x.from)*width, uint(x.to-x.from)*width)
		} else {
			w.Put(x.part, width)
		}
	}
}

// putHighs writes the highs of g; false if those of f are none.
func (s *splicer) putHighs(w *pack.Writer, b []byte, f, g *frame) bool {
	left := g.n + g.zeros
	for i := range s.steps {
		x := &s.steps[i]
		from, to := uint(0), f.n+f.zeros
		switch {
		case x.from < 0:
			to = uint(x.zeros) + 1
		case x.from > 0:
			from = s.ones[x.from-1-s.first] + 1
		}
		if x.from >= 0 && x.to <= s.first+len(s.ones) {
			to = s.ones[x.to-1-s.first] + 1
		}
		if to < from || to-from > left {
			return false
		}
		left -= to - from
		if x.from < 0 {
			w.Unary(x.zeros)
		} else {
			w.Move(b, highsAt+from, to-from)
		}
	}
	w.Zeros(left)
	return true
}
