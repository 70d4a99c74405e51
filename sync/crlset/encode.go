package crlset

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"kazashi.example/sync/crlset/internal/pack"
)

// plainFlag in a block's head says that reasons and dates are in the plain form.
const plainFlag = 1 << 15

// frame is where the parts of a block are, in bits from its first octet.
type frame struct {
	n, k                     uint
	plain                    bool
	highs                    uint // so many there can be
	lows, tails, fields, end uint
	field                    uint // bits of each
}

// marksAt is where the marks begin; they end where the lows begin.
const marksAt = 16

// measure reads a block's head.
func (r *region) measure(f *frame, head uint16) {
	f.n, f.plain = uint(head&^plainFlag)+1, head&plainFlag != 0
	f.k = pack.LowBits(uint64(f.n), r.share)
	f.field = uint(r.code.field)
	if f.plain {
		f.field = r.code.plainField()
	}
	f.highs = uint(1<<(r.shift&63)) >> (f.k & 63)
	f.lows = marksAt + f.highs + f.n
	f.tails = f.lows + f.n*f.k
	f.fields = f.tails + f.n*uint(r.tail)
	f.end = f.fields + f.n*f.field
}

// fills reports whether a block of so many octets is as long as its head says.
func (f *frame) fills(size uint) bool { return size == (f.end+7)/8 }

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
	t := tables.Get().(*table)
	defer tables.Put(t)
	if err := r.gather(t, base, entries); err != nil {
		return nil, err
	}
	if t.n < len(entries) {
		return nil, fmt.Errorf("%w: entry outside its block", ErrPlan)
	}
	return r.put(dst, t, base, entries)
}

// gather takes the offsets of the first entries, as many as the block at base has: MaxBlock+1 if it would have more than it can.
func (r *region) gather(t *table, base Key, entries []Entry) error {
	n := 0
	if r.tail == 0 {
		n = near(t.offsets[:], base, entries, r.shift)
	}
	for t.n = n; t.n < len(entries); t.n++ {
		n := t.n
		d := entries[n].Key.Sub(base)
		if r.tail > 0 {
			d = shr(d, r.tail)
		}
		if uint64(d.A)|d.B|d.C>>r.shift != 0 {
			return nil
		}
		if n == MaxBlock {
			t.n++
			return nil
		}
		if n > 0 && entries[n].Key.Compare(entries[n-1].Key) <= 0 {
			return ErrOrder
		}
		t.offsets[n] = d.C
	}
	return nil
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
func (r *region) put(dst []byte, t *table, base Key, entries []Entry) ([]byte, error) {
	head := uint16(len(entries) - 1)
	if !r.code.tell(t, entries) {
		for i := range entries {
			if !r.code.tells(&entries[i]) {
				return nil, fmt.Errorf("%w: reason or date out of range", ErrPlan)
			}
		}
		head |= plainFlag
	}
	var f frame
	r.measure(&f, head)
	w := pack.NewWriter(binary.LittleEndian.AppendUint16(dst, head))
	t.put(&w, &f)
	if r.tail > 0 {
		r.putTails(&w, t, base, entries)
	}
	if f.plain {
		r.code.putPlain(&w, t, entries)
	} else {
		t.putColumn(&w, &t.fields, f.field)
	}
	return w.Bytes(), nil
}

func (r *region) putTails(w *pack.Writer, t *table, base Key, entries []Entry) {
	width := uint(r.tail)
	for _, i := range t.inPlaces() {
		hi, lo := entries[i].Key.Sub(base).low(r.tail)
		w.Put(lo, min(width, 64))
		if width > 64 {
			w.Put(hi, width-64)
		}
	}
}

func (c *code) putPlain(w *pack.Writer, t *table, entries []Entry) {
	width := c.plainBits()
	for _, i := range t.inPlaces() {
		e := &entries[i]
		v := uint64(e.Reason)
		if c.columns&Reasons == 0 {
			v = 0
			if e.OnHold() {
				v = 1
			}
		}
		if c.columns&Dates != 0 {
			v |= uint64(e.Date+dateBias) << width //nolint:gosec // not below 0
		}
		w.Put(v, c.plainField())
	}
}

// tell makes fields; false if they cannot tell an entry, and the block must be plain.
func (c *code) tell(t *table, entries []Entry) bool {
	a, base, odd := uint64(len(c.reasons)), c.base, uint64(0)
	end := c.span - 1 // without dates the span is 0, and none is past its end
	if c.columns&Dates == 0 {
		a = 0
	}
	fields := t.fields[:len(entries)]
	for i := range entries {
		date, reason := uint64(entries[i].Date-base), entries[i].Reason
		index := uint64(c.index[reason&15])
		_, late := bits.Sub64(end, date, 0)
		odd |= late | index>>63 | uint64(reason>>4)
		fields[i] = date*a + index
	}
	return odd == 0
}
