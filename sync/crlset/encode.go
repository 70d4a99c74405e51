package crlset

import (
	"encoding/binary"
	"fmt"
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

// offsets are scratch of the encoder.
var offsets = sync.Pool{New: func() any { return new([MaxBlock]uint64) }}

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
	scratch := offsets.Get().(*[MaxBlock]uint64)
	defer offsets.Put(scratch)
	g := scratch[:len(entries)]
	plain, err := r.offsets(g, base, entries)
	if err != nil {
		return nil, err
	}
	head := uint16(len(entries) - 1)
	if plain {
		head |= plainFlag
	}
	var f frame
	r.measure(&f, head, 0)
	w := pack.NewWriter(binary.LittleEndian.AppendUint16(dst, head))
	high := uint64(0)
	for _, v := range g {
		w.Unary(v>>f.k - high)
		high = v >> f.k
	}
	w.Pad(f.room)
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
	return w.Bytes(), nil
}

// offsets fills g and reports whether the block must be plain.
func (r *region) offsets(g []uint64, base Key, entries []Entry) (plain bool, err error) {
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
		g[i] = d.C
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
