package crlset

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"

	"kazashi.example/sync/crlset/internal/pack"
)

// plainFlag in a block's head says that reasons and dates are in the plain form.
const plainFlag = 1 << 15

// frame is where the parts of a block are, in bits from its first octet.
type frame struct {
	n, k                       uint
	plain                      bool
	lows, tails, digits, dates uint
	date                       uint // bits of a low date
	room                       uint // bits from the lows to the end
}

// highsAt is where the highs begin; they end before the lows.
const highsAt = 16

// measure reads a block's head; size is in octets. False if the parts need more.
func (r *region) measure(f *frame, head uint16, size uint) bool {
	f.n, f.plain = uint(head&^plainFlag)+1, head&plainFlag != 0
	f.k = pack.LowBits(uint64(f.n), r.share)
	var digits uint
	if f.plain {
		f.date, digits = r.code.plainDates(), f.n*r.code.plainBits()
	} else {
		f.date, digits = uint(r.code.low), r.code.radix.Bits(f.n)
	}
	f.room = f.n*(f.k+uint(r.tail)+f.date) + digits
	f.lows = size*8 - f.room
	f.tails = f.lows + f.n*f.k
	f.digits = f.tails + f.n*uint(r.tail)
	f.dates = f.digits + digits
	return highsAt+f.n+f.room <= size*8
}

// scratch is room to encode a block.
type scratch struct {
	offsets, dates [MaxBlock]uint64
	digits         [MaxBlock]uint16
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Encode appends block i with these entries, 1 to MaxBlock of them in rising order, to dst. ErrPlan if one has its place in
// another block or is more than a block can tell, ErrOrder if they do not rise. No entries are no octets.
func (l *Layout) Encode(dst []byte, i int, entries []Entry) ([]byte, error) {
	if i < 0 || i >= l.blocks || len(entries) > MaxBlock {
		return nil, fmt.Errorf("%w: block out of range", ErrPlan)
	}
	if len(entries) == 0 {
		return dst, nil
	}
	r := l.regionOf(i)
	return r.encode(dst, r.base(i-r.first), entries)
}

// encode writes one block that begins at base.
func (r *region) encode(dst []byte, base Key, entries []Entry) ([]byte, error) {
	if entries[0].Key.Compare(base) < 0 || r.ends(entries[len(entries)-1].Key) {
		return nil, fmt.Errorf("%w: entry outside its region", ErrPlan)
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	n, err := r.gather(s, base, entries)
	if err != nil {
		return nil, err
	}
	if n < len(entries) {
		return nil, fmt.Errorf("%w: entry outside its block", ErrPlan)
	}
	return r.put(dst, s, base, entries)
}

// gather takes the offsets of the first entries, as many as the block at base has. n is MaxBlock+1 if it would have more than it can.
func (r *region) gather(s *scratch, base Key, entries []Entry) (n int, err error) {
	if r.tail == 0 {
		n = near(s.offsets[:], base, entries, r.shift)
	}
	for ; n < len(entries); n++ {
		d := entries[n].Key.Sub(base)
		if r.tail > 0 {
			d = shr(d, r.tail)
		}
		if uint64(d.A)|d.B|d.C>>r.shift != 0 {
			return n, nil
		}
		if n == MaxBlock {
			return n + 1, nil
		}
		if n > 0 && entries[n].Key.Compare(entries[n-1].Key) <= 0 {
			return 0, ErrOrder
		}
		s.offsets[n] = d.C
	}
	return n, nil
}

// near is gather for as long as nothing is out of the way.
func near(offsets []uint64, base Key, entries []Entry, shift uint8) int {
	entries = entries[:min(len(entries), len(offsets))]
	last := uint64(0)
	for i := range entries {
		k := &entries[i].Key
		v := k.C - base.C
		if k.C < base.C || k.B != base.B || k.A != base.A || v>>(shift&63) != 0 || v <= last && i > 0 {
			return i
		}
		offsets[i], last = v, v
	}
	return len(entries)
}

// put writes one block of entries whose offsets were gathered.
func (r *region) put(dst []byte, s *scratch, base Key, entries []Entry) ([]byte, error) {
	head := uint16(len(entries) - 1)
	if !r.code.tell(s, entries) {
		for i := range entries {
			if !r.code.tells(&entries[i]) {
				return nil, fmt.Errorf("%w: reason or date out of range", ErrPlan)
			}
		}
		head |= plainFlag
	}
	var f frame
	r.measure(&f, head, 0)
	w := pack.NewWriter(binary.LittleEndian.AppendUint16(dst, head))
	offsets := s.offsets[:len(entries)]
	w.PutHighs(offsets, f.k)
	w.Pad(f.room)
	w.PutAll(offsets, f.k)
	if r.tail > 0 {
		r.putTails(&w, base, entries)
	}
	if f.plain {
		r.code.putPlain(&w, entries)
	} else {
		r.code.putDigits(&w, s.digits[:len(entries)])
		w.PutAll(s.dates[:len(entries)], uint(r.code.low))
	}
	return w.Bytes(), nil
}

func (r *region) putTails(w *pack.Writer, base Key, entries []Entry) {
	t := uint(r.tail)
	for i := range entries {
		hi, lo := entries[i].Key.Sub(base).low(r.tail)
		w.Put(lo, min(t, 64))
		if t > 64 {
			w.Put(hi, t-64)
		}
	}
}

func (c *code) putPlain(w *pack.Writer, entries []Entry) {
	for i := range entries {
		if c.columns&Reasons != 0 {
			w.Put(uint64(entries[i].Reason), 4)
		} else if entries[i].OnHold() {
			w.Put(1, 1)
		} else {
			w.Put(0, 1)
		}
	}
	if c.columns&Dates == 0 {
		return
	}
	for i := range entries {
		w.Put(uint64(entries[i].Date+dateBias), dateBits)
	}
}

// tell makes digits and dates; false if they cannot tell an entry, and the block must be plain.
func (c *code) tell(s *scratch, entries []Entry) bool {
	a, low, base, odd := uint64(len(c.reasons)), c.low&63, c.base, uint64(0)
	end := c.span - 1 // without dates the span is 0, and none is past its end
	if c.columns&Dates == 0 {
		a = 0
	}
	dates, digits := s.dates[:len(entries)], s.digits[:len(entries)]
	for i := range entries {
		date, reason := uint64(entries[i].Date-base), entries[i].Reason
		index := uint64(c.index[reason&15])
		_, late := bits.Sub64(end, date, 0)
		odd |= late | index>>63 | uint64(reason>>4)
		dates[i], digits[i] = date, uint16(date>>low*a+index)
	}
	return odd == 0
}

// putDigits writes digits in words.
func (c *code) putDigits(w *pack.Writer, digits []uint16) {
	x := c.radix
	if x.R < 2 {
		return
	}
	per, width, r := int(x.PerMax), uint(x.Width[x.PerMax]), x.R
	for ; len(digits) >= per; digits = digits[per:] {
		w.Put(word(digits[:per], r), width)
	}
	w.Put(word(digits, r), uint(x.Width[len(digits)]))
}

// word is digits in one number, the first least significant.
func word(digits []uint16, radix uint64) uint64 {
	v := uint64(0)
	for i := len(digits) - 1; i >= 0; i-- {
		v = v*radix + uint64(digits[i])
	}
	return v
}
