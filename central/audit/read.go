package audit

import (
	"crypto/sha256"

	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// item is one envelope, examined.
type item struct {
	store.FiledEnvelope

	octets           int
	genuine, foreign bool // its tag verified, or failed; neither: it was not opened
}

// counts reports whether an envelope stands for a record of the box.
func (i item) counts() bool {
	return i.genuine || !i.foreign && i.State != store.EnvelopeAside
}

// reader goes through the envelopes of one chapter.
type reader struct {
	*auditor

	c     *chapter
	group []item // of one number

	want  record.Seq          // the next number
	heads map[epoch.Hash]bool // chain values after the number before it
	run   int64               // numbers that link to each other, up to there
	loose int64               // of those: waiting ones since the last that is proved
}

// read looks at every envelope of a chapter, and at how far they go.
func (a *auditor) read(c *chapter) error {
	r := &reader{auditor: a, c: c, want: 1, heads: map[epoch.Hash]bool{}}
	if !c.headless {
		r.heads[c.root] = true
		r.meet(0, false)
	}
	err := a.tx.FiledEnvelopes(c.id, a.Rows != nil, func(e store.FiledEnvelope) error {
		if len(r.group) > 0 && r.group[0].Seq != e.Seq {
			r.flush()
		}
		r.group = append(r.group, r.examine(e))
		return nil
	})
	if err != nil {
		return err
	}
	if len(r.group) > 0 {
		r.flush()
	}
	c.opener = nil
	a.r.Unproved += r.loose
	last := c.last()
	if c.headless {
		a.headless(c)
	}
	if last >= r.want {
		a.gap(c, r.want, last)
	}
	if !c.headless && len(c.ends) == 0 {
		a.r.Open = append(a.r.Open, Tail{c.id.String(), max(c.highest, last)})
	}
	return nil
}

// headless says that an epoch's beginning is missing.
func (a *auditor) headless(c *chapter) {
	why := a.explain(c, 1, max(c.last(), 1))
	if why == "" {
		a.r.Headers++
	}
	a.list(Gap{Epoch: c.id.String(), HeaderMissing: true, Explained: why})
}

func (r *reader) id(seq record.Seq) record.ID { return record.ID{Epoch: r.c.id, Seq: seq} }

// examine makes everything anew that can be made of an envelope's octets.
func (r *reader) examine(e store.FiledEnvelope) item {
	i, id := item{FiledEnvelope: e, octets: len(e.Bytes)}, r.id(e.Seq)
	if len(e.Bytes) == 0 {
		if e.State != store.EnvelopeApplied && e.State != store.EnvelopeRival {
			r.fault(id, "its octets are gone, and it was not applied")
			i.foreign = true
		}
		r.kept(id, i)
		i.Content = nil
		return i
	}
	v, err := epoch.DecodeEnvelope(e.Bytes)
	switch {
	case err != nil:
		r.fault(id, "its octets are no envelope: %v", err)
	case v.ID() != id:
		r.fault(id, "its octets are those of record %s", v.ID())
	}
	if err != nil || v.ID() != id {
		i.foreign, i.Bytes, i.Content = true, nil, nil
		return i
	}
	chain := v.Previous.Next(e.Bytes)
	if e.Sum != sha256.Sum256(e.Bytes) || e.Previous != v.Previous || e.Chain != chain {
		r.fault(id, "its hash or its place in the chain is not that of its octets")
	}
	i.Previous, i.Chain = v.Previous, chain
	if r.c.opener != nil {
		r.unseal(&i, v)
	}
	i.Bytes, i.Content = nil, nil // the row's own
	return i
}

// flush judges all envelopes of one number.
func (r *reader) flush() {
	group := r.group
	r.group = group[:0]
	seq := group[0].Seq
	for _, i := range group {
		switch i.State {
		case store.EnvelopeAside:
			r.r.Aside++
		case store.EnvelopeRival:
			r.r.Rivals++
			r.c.rivals = true
			if i.Envelope == 0 {
				r.fault(r.id(seq), "it counts as the second one of its number, and there is no record of the first")
			}
		case store.EnvelopeHeld, store.EnvelopeReady, store.EnvelopeApplied:
		default:
			r.fault(r.id(seq), "its state is none: %d", i.State)
		}
	}
	chosen, ok := r.choose(group)
	if !ok {
		return // nobody's: the number is as if nothing had come
	}
	if seq > r.want {
		r.gap(r.c, r.want, seq-1)
	}
	r.link(group, chosen)
	r.judge(chosen)
	r.want, r.c.highest = seq+1, seq
}

// choose picks the envelope that a number's record came in, or may come in.
func (r *reader) choose(group []item) (chosen item, ok bool) {
	rank := func(i item) int {
		switch {
		case i.Envelope == i.Row:
			return 3
		case i.State == store.EnvelopeApplied:
			return 2
		case i.genuine:
			return 1
		default:
			return 0
		}
	}
	for _, i := range group {
		if i.counts() || i.Envelope == i.Row {
			if !ok || rank(i) > rank(chosen) {
				chosen = i
			}
			ok = true
		}
	}
	return chosen, ok
}

// judge counts a number as applied, waiting or missing.
func (r *reader) judge(i item) {
	r.r.Known++
	id := r.id(i.Seq)
	switch {
	case i.Envelope != 0 && i.Envelope == i.Row:
		r.record(id, i)
	case i.Envelope != 0:
		r.fault(id, "its record came in another envelope, which is not here")
		r.r.Missing++
	case i.State == store.EnvelopeApplied || i.State == store.EnvelopeRival:
		r.fault(id, "its envelope counts as applied, and there is no record")
		r.r.Missing++
	default:
		r.r.Waiting++
		if i.Awaits && i.State == store.EnvelopeReady {
			r.r.Awaiting++
		}
		if i.State == store.EnvelopeHeld {
			r.r.Held++
		}
		if i.State == store.EnvelopeHeld && !r.c.headless && r.box.State != store.BoxRevoked {
			r.fault(id, "it is held, though its header is here and its box in service: nobody opens it")
		}
	}
}

// link carries the chain on.
func (r *reader) link(group []item, chosen item) {
	linked := chosen.Seq == r.want && r.heads[chosen.Previous]
	switch {
	case linked:
		r.run++
	case chosen.Seq == r.want && len(r.heads) > 0 && (chosen.genuine || chosen.Envelope == chosen.Row):
		r.fault(r.id(chosen.Seq), "it does not follow the record before it")
		r.run = 1
	default:
		r.run = 1
	}
	if !linked {
		r.r.Unproved += r.loose
		r.loose = 0
	}
	if chosen.genuine || chosen.Envelope == chosen.Row {
		r.loose = 0
	} else {
		r.loose++
	}
	clear(r.heads)
	for _, i := range group {
		if i.counts() {
			r.heads[i.Chain] = true
		}
	}
	r.meet(chosen.Seq, chosen.Envelope == chosen.Row)
}

// meet compares the chain with the ends that later headers sign.
func (r *reader) meet(seq record.Seq, applied bool) {
	if s := r.c.said; seq > 0 && s.last == seq && !s.head.IsZero() && applied && !r.heads[s.head] {
		r.fault(r.id(seq), "the box said by courier that another record has this number")
	}
	for _, e := range r.c.ends {
		switch {
		case e.last != seq:
		case r.heads[e.head]:
			r.r.Signed += r.run
			r.run, r.loose = 0, 0
		case applied || seq == 0:
			r.c.forked = append(r.c.forked, e)
		}
	}
}
