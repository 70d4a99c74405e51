package audit

import (
	"bytes"
	"errors"
	"time"

	"kazashi.example/central/opener"
	"kazashi.example/central/policy"
	"kazashi.example/central/retention"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// unseal compares an envelope's tag with what is said of it, and its content with its record's.
func (r *reader) unseal(i *item, v epoch.Envelope) {
	plain, err := r.c.opener.Open(v)
	i.genuine, i.foreign = err == nil, err != nil
	id := v.ID()
	switch {
	case i.foreign && (i.State == store.EnvelopeApplied || i.State == store.EnvelopeRival):
		r.fault(id, "it was opened, and does not open: the box did not write these octets")
	case i.genuine && i.State == store.EnvelopeAside:
		r.fault(id, "it was set aside as nobody's, and it opens")
	}
	if i.foreign || i.Envelope != i.Row {
		return
	}
	r.repeats(id, *i, plain)
	if r.Rows != nil && i.Erased.IsZero() {
		kept, err := opener.Content(r.Rows, id, i.Content)
		if err != nil {
			r.fault(id, "its record's content does not open")
		} else if !bytes.Equal(kept, plain) {
			r.fault(id, "its record's content is not what the box wrote")
		}
		clear(kept)
	}
	clear(plain)
}

// kept looks at the content of a record that lost its envelope's octets alone, as one does that lost attributes.
func (r *reader) kept(id record.ID, i item) {
	if r.Rows == nil || i.Envelope != i.Row || !i.Erased.IsZero() {
		return
	}
	plain, err := opener.Content(r.Rows, id, i.Content)
	if err != nil {
		r.fault(id, "its record's content does not open")
		return
	}
	r.repeats(id, i, plain)
	clear(plain)
}

// repeats compares what a record's row says again of its content with that.
func (r *reader) repeats(id record.ID, i item, plain []byte) {
	c := opener.Repeated(plain, i.Sum)
	if i.Tap != c.Tap {
		r.fault(id, "its record has another tap id than its content")
	}
	if i.Service != c.Service || i.Desk != c.Desk || !i.Tapped.Equal(c.Tapped) {
		r.fault(id, "its record has another service, desk or time than its content")
	}
	if i.First != c.First {
		r.fault(id, "its record has another first verdict than its content")
	}
}

// record looks at the record of an envelope.
func (r *reader) record(id record.ID, i item) {
	r.r.Applied++
	r.c.applied = id.Seq
	if i.Box == r.box.ID {
		r.applied++
	} else {
		r.fault(id, "its record is filed under box %s", i.Box)
	}
	if i.State != store.EnvelopeApplied {
		r.fault(id, "it has a record, and its envelope counts as not applied")
	}
	switch i.Verdict {
	case store.VerdictGone:
		r.fault(id, "the verdict that its record names is not here, or is another's")
	case store.VerdictOther:
		r.fault(id, "the verdict that its record names says something else than the record")
	case store.VerdictSame:
	}
	replayed := i.Final.Reason == record.ReasonTapReplayed
	switch {
	case i.Used == store.TapFree:
		r.fault(id, "its tap id leads to no record that brought it: it could be used again")
	case (i.Used == store.TapAnother) != replayed:
		r.fault(id, "its record and the table of taps disagree on who used its tap id first")
	}
	if !i.Erased.IsZero() {
		r.erased(id, i)
	}
	if !i.Erased.IsZero() || i.octets == 0 {
		r.r.Erased++
	}
}

// erased looks whether a record's days were over when its content was erased: by the rule of its tap, or by one that was in force at some time.
func (r *reader) erased(id record.ID, i item) {
	if i.octets > 0 {
		r.fault(id, "its record was erased, and its octets are here")
	}
	days, limited := r.days[i.Service]
	due := !i.Due.IsZero() && !i.Erased.Before(i.Due) ||
		limited && !i.Erased.Before(i.Since.Add(time.Duration(days)*24*time.Hour))
	if !due || i.Erased.Before(i.Applied.Add(retention.Settling)) {
		r.fault(id, "its content was erased on %s, before its days were over", i.Erased.Format(time.RFC3339))
	}
}

// retained reads for how few days records were ever to be kept.
func (a *auditor) retained() (err error) {
	a.days, err = policy.Retained(a.tx)
	if errors.Is(err, store.ErrDamaged) {
		a.fault(record.ID{}, "it cannot be said whether what was erased was due: %v", err)
		return nil
	}
	return err
}
