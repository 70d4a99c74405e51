package crlset

import (
	"encoding/binary"
	"math/bits"

	"kazashi.example/sync/crlset/internal/pack"
)

// splicer makes the octets of a revised block out of those of the block before, without its entries: gaps, digits and dates of
// entries that stay are moved as bits, and only what stands next to a change is computed. It gives up where the block must be coded
// whole: Rice parameter or plain form change, or there are tails. What it makes is what Encode makes.
type splicer struct {
	offsets []uint64 // of the entries up to the last change
	ones    []uint   // the places of their one bits among the quotients
	changes []change
	gaps    []run
	payload []run
	digits  []uint16
	spliced []uint16
}

// change is one edit or addition, in the order of the new block.
type change struct {
	at     int // place in the block before; an addition comes before the entry there
	offset uint64
	edit   *Edit
	add    *Entry
}

// run is a stretch of entries of the block before whose part stays, or, if from is below 0, a new part.
type run struct {
	from, to int
	gap      uint64
	digit    uint16
	low      uint64
}

// splice appends the revised block to dst. b begins with a block of size octets and goes on for slack octets; ok is false where
// nothing was appended because the block must be coded whole.
func (s *splicer) splice(dst []byte, r *region, base Key, b []byte, size uint, v *Revision) (out []byte, ok bool) {
	if size < 2 || r.tail > 0 {
		return dst, false
	}
	f := r.frame(binary.LittleEndian.Uint16(b))
	if f.plain || f.quot >= size*8 || b[size-1] == 0 || !s.order(r, base, b, size, &f, v) {
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
	g := r.frame(uint16(n - 1))
	if g.k != f.k || !s.plan(r.code, b, &f) {
		return dst, false
	}
	w := pack.NewWriter(binary.LittleEndian.AppendUint16(dst, uint16(n-1)))
	s.putLows(&w, b, &f)
	s.putDigits(&w, r.code, b, &f)
	s.putDates(&w, r.code, b, &f)
	w.Align()
	s.putQuotients(&w, b, size, &f)
	return w.Bytes(), true
}

// order reads offsets as far as there are changes and puts the changes in order; false if they do not fit.
func (s *splicer) order(r *region, base Key, b []byte, size uint, f *frame, v *Revision) bool {
	s.changes = s.changes[:0]
	last, until := -1, uint64(0)
	if n := len(v.Edits); n > 0 {
		last = v.Edits[n-1].Place
	}
	if n := len(v.Added); n > 0 {
		until = v.Added[n-1].Key.Sub(base).C
	}
	if last >= int(f.n) || !s.scan(b, size, f, last, until) {
		return false
	}
	edits, added := v.Edits, v.Added
	at := 0
	for len(edits) > 0 || len(added) > 0 {
		if len(added) > 0 {
			d := added[0].Key.Sub(base)
			if d.A != 0 || d.B != 0 || d.C>>r.shift != 0 {
				return false
			}
			for at < len(s.offsets) && s.offsets[at] < d.C {
				at++
			}
			if len(edits) == 0 || at <= edits[0].Place {
				if at < len(s.offsets) && s.offsets[at] == d.C {
					return false
				}
				s.changes = append(s.changes, change{at: at, offset: d.C, add: &added[0]})
				added = added[1:]
				continue
			}
		}
		s.changes = append(s.changes, change{at: edits[0].Place, edit: &edits[0]})
		edits = edits[1:]
	}
	return true
}

// scan reads the offsets of the entries up to the one after place last and the first above offset until.
func (s *splicer) scan(b []byte, size uint, f *frame, last int, until uint64) bool {
	s.offsets, s.ones = s.offsets[:0], s.ones[:0]
	offset, before, low := -f.gap, uint(0), uint(lowsAt)
	for at := f.quot >> 3; at < size; at += 8 {
		for word := f.word(b, at, size); word != 0; word &= word - 1 {
			if len(s.offsets) == int(f.n) {
				return false
			}
			one := at<<3 - f.quot + uint(bits.TrailingZeros64(word))
			offset += (uint64(one-before)<<f.k | pack.Get(b, low, f.k)) + f.gap
			s.offsets, s.ones = append(s.offsets, offset), append(s.ones, one)
			if len(s.offsets) > last+2 && offset > until {
				return true
			}
			before, low = one+1, low+f.k
		}
	}
	return len(s.offsets) == int(f.n)
}

// plan makes the runs of gaps and of payload; false if a change is to what is there already or needs the plain form.
func (s *splicer) plan(c *code, b []byte, f *frame) bool {
	s.gaps, s.payload = s.gaps[:0], s.payload[:0]
	n := int(f.n)
	next, told := 0, 0           // entries of the block before that are still to come
	last, stale := -f.gap, false // offset of the entry before, and whether the next one's gap must be computed
	gap := func(offset uint64) { s.gaps = append(s.gaps, run{from: -1, gap: offset - last - f.gap}) }
	keep := func(to int) {
		if next < to && stale {
			gap(s.offsets[next])
			last, stale = s.offsets[next], false
			next++
		}
		if next < to {
			s.gaps = append(s.gaps, run{from: next, to: to})
			next = to
			if to <= len(s.offsets) {
				last = s.offsets[to-1]
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
		case x.add != nil:
			keep(x.at)
			gap(x.offset)
			last, stale = x.offset, true
			e = *x.add
		case x.edit.Removed:
			keep(x.at)
			next, stale, told = x.at+1, true, x.at+1
			continue
		default:
			c.read(&e, b, f, uint(x.at))
			if x.edit.apply(&e) != nil {
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
	for i := range s.gaps {
		if x := &s.gaps[i]; x.from >= 0 {
			move(w, b, lowsAt+uint(x.from)*f.k, uint(x.to-x.from)*f.k)
		} else {
			w.Put(x.gap&pack.Mask(f.k), f.k)
		}
	}
}

func (s *splicer) putDates(w *pack.Writer, c *code, b []byte, f *frame) {
	if f.date == 0 {
		return
	}
	for i := range s.payload {
		if x := &s.payload[i]; x.from >= 0 {
			move(w, b, f.dates+uint(x.from)*f.date, uint(x.to-x.from)*f.date)
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
	move(w, b, f.digits, whole*uint(x.Width[x.PerMax]))
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

func (s *splicer) putQuotients(w *pack.Writer, b []byte, size uint, f *frame) {
	end := size*8 - uint(bits.LeadingZeros8(b[size-1])) - f.quot
	for i := range s.gaps {
		x := &s.gaps[i]
		if x.from < 0 {
			w.Unary(x.gap >> f.k)
			continue
		}
		from, to := uint(0), end
		if x.from > 0 {
			from = s.ones[x.from-1] + 1
		}
		if x.to <= len(s.ones) {
			to = s.ones[x.to-1] + 1
		}
		move(w, b, f.quot+from, to-from)
	}
}

// move copies n bits.
func move(w *pack.Writer, b []byte, at, n uint) {
	for ; n >= 64; at, n = at+64, n-64 {
		w.Put(pack.Get(b, at, 64), 64)
	}
	if n > 0 {
		w.Put(pack.Get(b, at, n), n)
	}
}
