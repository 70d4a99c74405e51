package crlset

import (
	"encoding/binary"

	"kazashi.example/sync/crlset/internal/pack"
)

// Revised blocks are made from table to table, without entries: offsets and fields are columns of numbers that mostly stay. A table gives
// up, and says false, where that is not enough: blocks with tails, in the plain form or that need it, and whatever does not fit, which gets
// its error from the way with entries (batch.go).

// readWhole takes a block of size octets, in which nothing is plain and nothing has a tail.
func (t *table) readWhole(r *region, base Key, b []byte, size uint) bool {
	if size < 2 || r.tail > 0 {
		return false
	}
	var f frame
	r.measure(&f, binary.LittleEndian.Uint16(b))
	if f.plain || !f.fills(size) || !t.read(b, &f, false) || !t.readFields(b, &f, r.code.facts) {
		return false
	}
	return !r.ends(base.Add(Key{C: t.offsets[t.n-1]})) && pack.Get(b, f.end, -f.end&7) == 0
}

// putWhole appends the block.
func (t *table) putWhole(dst []byte, r *region) ([]byte, bool) {
	if t.n < 1 || t.n > MaxBlock {
		return dst, false
	}
	head := uint16(t.n - 1)
	var f frame
	r.measure(&f, head)
	w := pack.NewWriter(binary.LittleEndian.AppendUint16(dst, head))
	t.put(&w, &f)
	t.putColumn(&w, &t.fields, f.field)
	return w.Bytes(), true
}

// revise fills t with what becomes of from.
func (t *table) revise(from *table, r *region, base Key, v *Revision) bool {
	t.n = 0
	next, edits := 0, v.Edits
	for i := range v.Added {
		e := &v.Added[i]
		d := e.Key.Sub(base)
		if uint64(d.A)|d.B|d.C>>r.shift != 0 || e.Key.Compare(base) < 0 || r.ends(e.Key) || !r.code.covers(e) {
			return false
		}
		to := next
		for to < from.n && from.offsets[to] < d.C {
			to++
		}
		if to < from.n && from.offsets[to] == d.C || t.n > 0 && i > 0 && v.Added[i-1].Key.Compare(e.Key) >= 0 {
			return false
		}
		if edits = t.keep(from, next, to, r.code, edits); t.n < 0 || t.n == MaxBlock {
			return false
		}
		t.offsets[t.n], t.fields[t.n] = d.C, r.code.number(e)
		t.n++
		next = to
	}
	edits = t.keep(from, next, from.n, r.code, edits)
	return t.n > 0 && len(edits) == 0
}

// keep takes entries from up to to, as the edits that are theirs leave them, and returns the others. t.n is −1 if that cannot be.
func (t *table) keep(from *table, next, to int, c *code, edits []Edit) []Edit {
	for t.n >= 0 {
		end := to
		if len(edits) > 0 && edits[0].Place < to {
			end = edits[0].Place
		}
		if end < next || end-next > MaxBlock-t.n {
			t.n = -1
			break
		}
		copy(t.offsets[t.n:], from.offsets[next:end])
		copy(t.fields[t.n:], from.fields[next:end])
		t.n += end - next
		if next = end; next == to {
			break
		}
		x := &edits[0]
		edits, next = edits[1:], next+1
		if !x.Removed {
			t.edit(from.offsets[end], from.fields[end], c, x)
		}
	}
	return edits
}

// edit takes an entry as an edit leaves it.
func (t *table) edit(offset, field uint64, c *code, x *Edit) {
	fact := c.fact(field)
	e := Entry{Date: fact.Date, Reason: fact.Reason}
	if x.apply(&e) != nil || !c.covers(&e) || t.n == MaxBlock {
		t.n = -1
		return
	}
	t.offsets[t.n], t.fields[t.n] = offset, c.number(&e)
	t.n++
}
