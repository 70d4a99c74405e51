package delta

import "kazashi.example/sync/crlset"

// edit is one entry of the base that is removed or told otherwise.
type edit struct {
	rank    uint64 // of the entry in the base
	removed bool
	told    bool // it has another reason
	dated   bool // it has another date
	reason  crlset.Reason
	date    int64
}

// editModel is what both ends learn while edits pass.
type editModel struct {
	gap     numbers
	removed bit
	told    bit
	dated   bit // asked where the reason differs: one of both must
	payload payload
}

func newEditModel(h *header) editModel {
	return editModel{gap: numbers{fine: 3}, payload: newPayload(h)}
}

// asksDate reports whether an edit must say if its date differs.
func (m *editModel) asksDate(told bool) bool { return told && m.payload.columns&crlset.Dates != 0 }

func (m *editModel) encode(e *encoder, x *edit, gap uint64) {
	m.gap.encode(e, crlset.Key{C: gap})
	e.bit(&m.removed, x.removed)
	if x.removed {
		return
	}
	e.bit(&m.told, x.told)
	if x.told {
		m.payload.encodeReason(e, x.reason)
	}
	if m.asksDate(x.told) {
		e.bit(&m.dated, x.dated)
	}
	if x.dated {
		m.payload.encodeDate(e, x.date)
	}
}

// editReader reads the edits of a delta in rising order of rank. It stops at what no writer writes.
type editReader struct {
	dec   decoder
	model editModel
	left  uint64
	base  uint64 // ranks are below it
	now   edit
}

func (d *Delta) readEdits() *editReader {
	return &editReader{dec: newDecoder(d.edits), model: newEditModel(&d.head), left: d.head.Edits, base: d.head.Base, now: edit{rank: ^uint64(0)}}
}

func (r *editReader) bad() bool { return r.dec.bad }

// next reads the next edit into now.
func (r *editReader) next() bool {
	if r.left == 0 || r.dec.bad {
		return false
	}
	r.left--
	d, m := &r.dec, &r.model
	gap := m.gap.decode(d)
	x := edit{rank: r.now.rank + 1 + gap.C}
	if lengthOf(gap) > 40 || x.rank >= r.base {
		d.bad = true
		return false
	}
	if x.removed = d.bit(&m.removed); !x.removed {
		if x.told = d.bit(&m.told); x.told {
			x.reason = m.payload.decodeReason(d)
		}
		x.dated = !x.told
		if m.asksDate(x.told) {
			x.dated = d.bit(&m.dated)
		}
		if x.dated {
			x.date = m.payload.decodeDate(d)
			d.bad = d.bad || m.payload.columns&crlset.Dates == 0
		}
		d.bad = d.bad || x.told && !x.reason.Valid()
	}
	r.now = x
	return !d.bad
}

// additionModel is what both ends learn while additions pass.
type additionModel struct {
	gap     numbers
	payload payload
}

func newAdditionModel(h *header) additionModel {
	return additionModel{gap: numbers{fine: 3}, payload: newPayload(h)}
}

func (m *additionModel) encode(e *encoder, x *crlset.Entry, gap crlset.Key) {
	m.gap.encode(e, gap)
	m.payload.encodeReason(e, x.Reason)
	m.payload.encodeDate(e, x.Date)
}

// additionReader reads the additions of a delta in rising order of key. It stops at what no writer writes.
type additionReader struct {
	dec   decoder
	model additionModel
	left  uint64
	now   crlset.Entry
}

func (d *Delta) readAdditions() *additionReader {
	return &additionReader{dec: newDecoder(d.additions), model: newAdditionModel(&d.head), left: d.head.Added}
}

func (r *additionReader) bad() bool { return r.dec.bad }

// next reads the next addition into now.
func (r *additionReader) next() bool {
	if r.left == 0 || r.dec.bad {
		return false
	}
	r.left--
	key := r.now.Key.Add(r.model.gap.decode(&r.dec)).Add(crlset.Key{C: 1})
	if key.Compare(r.now.Key) <= 0 { // beyond 160 bits
		r.dec.bad = true
		return false
	}
	r.now = crlset.Entry{Key: key, Reason: r.model.payload.decodeReason(&r.dec)}
	r.now.Date = r.model.payload.decodeDate(&r.dec)
	r.dec.bad = r.dec.bad || !r.now.Reason.Valid()
	return !r.dec.bad
}
