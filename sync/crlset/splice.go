package crlset

import (
	"encoding/binary"
	"math/bits"

	"kazashi.example/sync/crlset/internal/pack"
)

// splicer makes the octets of a revised block out of those of the block before, without its entries: highs, lows, digits and dates of
// entries that stay are moved as bits, and only what stands next to a change is computed. It gives up where the block must be coded
// whole: width of lows or plain form change, or there are tails. What it makes is what Encode makes.
type splicer struct {
	first   int      // entry from which offsets are read
	offsets []uint64 // of the entries from there up to the last change
	ones    []uint   // the places of their one bits among the highs
	changes []change
	steps   []run
	payload []run
	digits  []uint16
	spliced []uint16
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
	digit    uint16
	low      uint64 // of the offset, or of the date
}

// splice appends the revised block to dst. b begins with a block of size octets and goes on for slack octets; ok is false where
// nothing was appended because the block must be coded whole.
func (s *splicer) splice(dst []byte, r *region, base Key, b []byte, size uint, v *Revision) (out []byte, ok bool) {
	if size < 2 || r.tail > 0 {
		return dst, false
	}
	var f frame
	if !r.measure(&f, binary.LittleEndian.Uint16(b), size) || f.plain || f.end(b) == 0 || !s.order(r, base, b, &f, v) {
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
	r.measure(&g, uint16(n-1), 0)
	if g.k != f.k || !s.plan(r.code, b, &f, v) {
		return dst, false
	}
	w := pack.NewWriter(binary.LittleEndian.AppendUint16(dst, uint16(n-1)))
	s.putHighs(&w, b, &f)
	w.Pad(g.room)
	s.putLows(&w, b, &f)
	s.putDigits(&w, r.code, b, &f)
	s.putDates(&w, r.code, b, &f)
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
				i, place = f.n, f.end(b)
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

// end is the place behind the last one bit of the highs; 0 if it is not where Encode puts it.
func (f *frame) end(b []byte) uint {
	n := min(8, f.lows-highsAt)
	last := pack.Get(b, f.lows-n, n)
	if last == 0 {
		return 0
	}
	return f.lows - highsAt - n + uint(bits.Len64(last))
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
		s.steps = append(s.steps, run{from: -1, zeros: offset>>f.k - last>>f.k, low: offset & pack.Mask(f.k)})
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
		s.payload = append(s.payload, c.part(&e))
	}
	keep(n)
	if told < n {
		s.payload = append(s.payload, run{from: told, to: n})
	}
	return true
}

// part is the digit and low date of an entry that the code covers.
func (c *code) part(e *Entry) run {
	p := run{from: -1, digit: uint16(c.index[c.told(e.Reason)])}
	if c.columns&Dates != 0 {
		d := uint64(e.Date - c.base)
		p.digit += uint16(d >> c.low * uint64(len(c.reasons)))
		p.low = d & pack.Mask(uint(c.low))
	}
	return p
}

func (s *splicer) putLows(w *pack.Writer, b []byte, f *frame) {
	for i := range s.steps {
		if x := &s.steps[i]; x.from >= 0 {
			w.Move(b, f.lows+uint(x.from)*f.k, uint(x.to-x.from)*f.k)
		} else {
			w.Put(x.low, f.k)
		}
	}
}

func (s *splicer) putDates(w *pack.Writer, c *code, b []byte, f *frame) {
	if f.date == 0 {
		return
	}
	for i := range s.payload {
		if x := &s.payload[i]; x.from >= 0 {
			w.Move(b, f.dates+uint(x.from)*f.date, uint(x.to-x.from)*f.date)
		} else {
			w.Put(x.low, f.date)
		}
	}
}

// putDigits moves the words before the first change and codes those from there on anew.
func (s *splicer) putDigits(w *pack.Writer, c *code, b []byte, f *frame) {
	x := c.radix
	if x.R < 2 {
		return
	}
	whole := uint(s.changes[0].at) / x.PerMax
	begin := whole * x.PerMax
	w.Move(b, f.digits, whole*uint(x.Width[x.PerMax]))
	s.digits = s.digits[:0]
	for i, at := begin, f.digits+whole*uint(x.Width[x.PerMax]); i < f.n; i += x.PerMax {
		n := min(f.n-i, x.PerMax)
		word := pack.Get(b, at, uint(x.Width[n]))
		at += uint(x.Width[n])
		for range n {
			var digit uint64
			word, digit = x.Split(word)
			s.digits = append(s.digits, uint16(digit))
		}
	}
	s.spliced = s.spliced[:0]
	for i := range s.payload {
		if p := &s.payload[i]; p.from < 0 {
			s.spliced = append(s.spliced, p.digit)
		} else if to := uint(p.to); to > begin {
			s.spliced = append(s.spliced, s.digits[max(uint(p.from), begin)-begin:to-begin]...)
		}
	}
	for rest := s.spliced; len(rest) > 0; {
		n := min(len(rest), int(x.PerMax))
		word := uint64(0)
		for i := n - 1; i >= 0; i-- {
			word = word*x.R + uint64(rest[i])
		}
		w.Put(word, uint(x.Width[n]))
		rest = rest[n:]
	}
}

func (s *splicer) putHighs(w *pack.Writer, b []byte, f *frame) {
	for i := range s.steps {
		x := &s.steps[i]
		if x.from < 0 {
			w.Unary(x.zeros)
			continue
		}
		from, to := uint(0), f.end(b)
		if x.from > 0 {
			from = s.ones[x.from-1-s.first] + 1
		}
		if x.to <= s.first+len(s.ones) {
			to = s.ones[x.to-1-s.first] + 1
		}
		w.Move(b, highsAt+from, to-from)
	}
}
