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
	g := offsets.Get().(*[MaxBlock]uint64)
	defer offsets.Put(g)
	n, plain, err := r.gather(g, base, entries)
	if err != nil {
		return nil, err
	}
	if n < len(entries) {
		return nil, fmt.Errorf("%w: entry outside its block", ErrPlan)
	}
	return r.put(dst, g, base, entries, plain)
}

// gather fills g with the offsets of the first entries, as many as the block at base has, and reports whether it must be plain. n is
// MaxBlock+1 if the block would have more than it can.
func (r *region) gather(g *[MaxBlock]uint64, base Key, entries []Entry) (n int, plain bool, err error) {
	c, tail, shift := r.code, r.tail, r.shift
	odd, last := uint64(0), uint64(0)
	for n = range entries {
		e := &entries[n]
		d := e.Key.Sub(base)
		if tail > 0 {
			d = shr(d, tail)
		}
		if uint64(d.A)|d.B|d.C>>(shift&63) != 0 {
			return n, odd != 0, nil
		}
		if n == MaxBlock {
			return n + 1, odd != 0, nil
		}
		if d.C <= last && n > 0 && (tail == 0 || e.Key.Compare(entries[n-1].Key) <= 0) {
			return 0, false, ErrOrder
		}
		g[n], last = d.C, d.C
		odd |= c.misses(e)
	}
	return len(entries), odd != 0, nil
}

// put writes one block of entries whose offsets were gathered, which takes the room of these.
func (r *region) put(dst []byte, g *[MaxBlock]uint64, base Key, entries []Entry, plain bool) ([]byte, error) {
	head := uint16(len(entries) - 1)
	if plain {
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
	w.PutHighs(g[:len(entries)], f.k)
	w.Pad(f.room)
	w.PutAll(g[:len(entries)], f.k)
	if r.tail > 0 {
		r.putTails(&w, base, entries)
	}
	if plain {
		r.code.putPlain(&w, entries)
	} else {
		r.code.putDigits(&w, g, entries)
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

// misses is 0 if the code can tell e without the plain form.
func (c *code) misses(e *Entry) uint64 {
	_, late := bits.Sub64(c.span-1, uint64(e.Date-c.base), 0) // never without dates, where the span is 0
	return uint64(e.Reason>>4) | uint64(c.index[e.Reason&15])>>63 | late
}

// putDigits writes the words of digits, and the low dates after them, for which it takes room.
func (c *code) putDigits(w *pack.Writer, room *[MaxBlock]uint64, entries []Entry) {
	x, a, low, dates := c.radix, uint64(len(c.reasons)), c.low&63, uint64(0)
	if c.columns&Dates != 0 {
		dates = ^dates
	}
	for rest := entries; x.R > 1 && len(rest) > 0; {
		n := min(len(rest), int(x.PerMax))
		word := uint64(0)
		for i := n - 1; i >= 0; i-- {
			word = word*x.R + uint64(rest[i].Date-c.base)&dates>>low*a + uint64(c.index[rest[i].Reason&15])
		}
		w.Put(word, uint(x.Width[n]))
		rest = rest[n:]
	}
	if c.low > 0 {
		for i := range entries {
			room[i] = uint64(entries[i].Date - c.base)
		}
		w.PutAll(room[:len(entries)], uint(low))
	}
}
