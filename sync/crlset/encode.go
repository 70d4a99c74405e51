package crlset

import (
	"encoding/binary"
	"fmt"
	"sync"

	"kazashi.example/sync/crlset/internal/pack"
)

// plainFlag in a block's head says that reasons and dates are in the plain form.
const plainFlag = 1 << 15

// frame is where the parts of a block begin, in bits from its first octet.
type frame struct {
	n, k                       uint
	plain                      bool
	tails, digits, dates, quot uint
	date                       uint // bits of a low date
	gap                        uint64
}

// lowsAt is where the lows begin.
const lowsAt = 16

// frame reads a block's head.
func (r *region) frame(head uint16) (f frame) {
	r.measure(&f, head)
	return f
}

// measure is frame without the copy.
func (r *region) measure(f *frame, head uint16) {
	f.n, f.plain = uint(head&^plainFlag)+1, head&plainFlag != 0
	f.k = pack.Rice(uint64(f.n), r.shift)
	f.tails = lowsAt + f.n*f.k
	f.digits = f.tails + f.n*uint(r.tail)
	if f.plain {
		f.date = r.code.plainDates()
		f.dates = f.digits + f.n*r.code.plainBits()
	} else {
		f.date = uint(r.code.low)
		f.dates = f.digits + r.code.radix.Bits(f.n)
	}
	f.quot = (f.dates + f.n*f.date + 7) &^ 7
	if r.tail == 0 {
		f.gap = 1
	}
}

// gaps are scratch of the encoder.
var gaps = sync.Pool{New: func() any { return new([MaxBlock]uint64) }}

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
	if r.ends(entries[len(entries)-1].Key) {
		return nil, fmt.Errorf("%w: entry outside its region", ErrPlan)
	}
	scratch := gaps.Get().(*[MaxBlock]uint64)
	defer gaps.Put(scratch)
	g := scratch[:len(entries)]
	plain, err := r.gaps(g, base, entries)
	if err != nil {
		return nil, err
	}
	head := uint16(len(entries) - 1)
	if plain {
		head |= plainFlag
	}
	f := r.frame(head)
	w := pack.NewWriter(binary.LittleEndian.AppendUint16(dst, head))
	for _, v := range g {
		w.Put(v&pack.Mask(f.k), f.k)
	}
	if r.tail > 0 {
		r.putTails(&w, base, entries)
	}
	if plain {
		r.code.putPlain(&w, entries)
	} else {
		r.code.putDigits(&w, entries)
	}
	w.Align()
	for _, v := range g {
		w.Unary(v >> f.k)
	}
	return w.Bytes(), nil
}

// gaps fills g and reports whether the block must be plain.
func (r *region) gaps(g []uint64, base Key, entries []Entry) (plain bool, err error) {
	var last uint64
	less := uint64(0) // of the next gap
	c := r.code
	for i := range entries {
		e := &entries[i]
		d := e.Key.Sub(base)
		if r.tail > 0 {
			d = shr(d, r.tail)
		}
		if d.A|uint32(d.B>>32)|uint32(d.B) != 0 || d.C>>r.shift != 0 {
			return false, fmt.Errorf("%w: entry outside its block", ErrPlan)
		}
		if i > 0 && e.Key.Compare(entries[i-1].Key) <= 0 {
			return false, ErrOrder
		}
		g[i] = d.C - last - less
		last = d.C
		if r.tail == 0 {
			less = 1
		}
		if !c.covers(e) {
			if !c.tells(e) {
				return false, fmt.Errorf("%w: reason or date out of range", ErrPlan)
			}
			plain = true
		}
	}
	return plain, nil
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

// putDigits writes the words of digits, and the low dates after them.
func (c *code) putDigits(w *pack.Writer, entries []Entry) {
	x, a := c.radix, uint64(len(c.reasons))
	if x.R > 1 {
		for rest := entries; len(rest) > 0; {
			n := min(len(rest), int(x.PerMax))
			word := uint64(0)
			for i := n - 1; i >= 0; i-- {
				digit := uint64(c.index[c.told(rest[i].Reason)&15])
				if c.columns&Dates != 0 {
					digit += uint64(rest[i].Date-c.base) >> c.low * a
				}
				word = word*x.R + digit
			}
			w.Put(word, uint(x.Width[n]))
			rest = rest[n:]
		}
	}
	if c.low > 0 {
		for i := range entries {
			w.Put(uint64(entries[i].Date-c.base)&pack.Mask(uint(c.low)), uint(c.low))
		}
	}
}
