package opener

import (
	"fmt"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/content"
	"kazashi.example/sync/rule"
)

// day is one of a rule's days.
const day = 24 * time.Hour

// restrain takes out of a record the attributes that its rule does not ask for, and says what is to be kept of it: plain, unless there were
// any.
func (f *finding) restrain(plain []byte) (err error) {
	f.plain = plain
	e := f.record.Enrolment
	if e == nil || f.rule.Attributes.Has(e.Attributes.Kinds()) {
		return nil
	}
	less := *e
	less.Attributes = e.Attributes.Only(f.rule.Attributes)
	f.record.Enrolment, f.dropped = &less, e.Attributes.Kinds()&^f.rule.Attributes
	if f.plain, err = f.record.Encode(); err != nil {
		return fmt.Errorf("writing a record without what its rule does not ask for: %w", err)
	}
	return nil
}

// retain says for how long a record is kept: from the latest moment at which the tap can have been, by the rule of the tap.
func (o *Opener) retain(r *store.Record, v store.Envelope, f finding) {
	r.Since = o.since(v, f)
	if e := f.record.Enrolment; e != nil {
		r.Attributes = e.Attributes.Kinds()
	}
	r.Due = over(r.Since, f.rule.Retention.Record)
	r.AttributesDue = over(r.Since, f.rule.Retention.Attributes)
}

// since errs on the late side: a clock that stood at a moment long past when a record was made, came or was applied must not have it erased
// too early. It was made after the list that it rests on, and applied after the newest list here, which authorities dated.
func (o *Opener) since(v store.Envelope, f finding) time.Time {
	now := o.Now()
	at := v.Received
	if f.readable {
		at = earlier(f.when.to, v.Received)
		at = later(at, earlier(time.Unix(f.record.Said.ListTime, 0).UTC(), now))
	}
	if o.Signed == nil {
		return at
	}
	if signed := o.Signed(); now.Before(signed) {
		return later(at, signed)
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// over is when days are over; zero for none.
func over(since time.Time, days uint32) time.Time {
	if days == 0 {
		return time.Time{}
	}
	return since.Add(time.Duration(days) * day)
}

// WithoutAttributes is a record's content, sealed, without attributes.
func WithoutAttributes(rows Rows, r store.Record) ([]byte, error) {
	plain, err := rows.Open(labelContent, RowOf(r.ID), r.Content)
	if err != nil {
		return nil, fmt.Errorf("opening the content of record %s: %w", r.ID, err)
	}
	defer clear(plain)
	c, err := content.Decode(plain)
	if err != nil {
		return nil, fmt.Errorf("reading the content of record %s: %w", r.ID, err)
	}
	if c.Enrolment != nil {
		less := *c.Enrolment
		less.Attributes = nil
		c.Enrolment = &less
	}
	b, err := c.Encode()
	if err != nil {
		return nil, fmt.Errorf("writing the content of record %s: %w", r.ID, err)
	}
	defer clear(b)
	return rows.Seal(labelContent, RowOf(r.ID), b), nil
}

// attributesOf names attributes for a log.
func attributesOf(a rule.Attributes) (names []string) {
	for i, name := range []string{"name", "address", "birth_date", "sex"} {
		if a.Has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}
