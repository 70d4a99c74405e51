package tap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
)

// basis is the rule's. Without a rule nothing may be concluded from the card: the refusal stands on the basis that creates no
// right and no duty.
func (t *taken) basis() record.Basis {
	if !t.ruled {
		return record.BasisDrill
	}
	return t.rule.Basis
}

// content is what central reads of the tap.
func (c *Counter) content(t *taken) content.Record {
	r := content.New(content.Record{
		Tap: t.tap, Time: t.now.UnixMilli(), Service: c.Service, Desk: c.Desk,
		Basis: t.basis(), Evidence: t.evidence,
		Hierarchy: t.cert.Hierarchy, Purpose: certid.PurposeAuth, Serial: t.cert.Serial.Bytes(), Issuer: content.IssuerOf(t.cert.Issuer),
		NotBefore: t.cert.NotBefore.Unix(), NotAfter: notAfter(t.cert).Unix(),
		Said: content.Said{
			Verdict: t.decision.Verdict, Reason: t.decision.Reason, Rule: t.set, Answer: t.said.Answer, Clock: t.confidence,
			ListNumber: t.said.Number.N, ListEpoch: t.said.Number.CentralEpoch,
		},
		PIN: t.pin, Card: t.card, Enrolment: t.enrolment, Staff: t.staff, Link: t.link,
	})
	if !t.said.ThisUpdate.IsZero() {
		r.Said.ListTime = t.said.ThisUpdate.Unix()
	}
	if t.sent() {
		r.Certificate = t.der
	}
	return r
}

// keep writes what the tap leaves into the site book, and then seals the tap into the journal.
func (c *Counter) keep(ctx context.Context, t *taken) (record.ID, error) {
	written, err := c.enter(ctx, t)
	if err != nil {
		return record.ID{}, err
	}
	id, err := c.append(ctx, c.content(t), c.clear(t))
	switch {
	case err != nil && written:
		c.Book.Doubt(t.tap)
	case written:
		c.Book.Confirm(t.tap)
	}
	return id, err
}

// append seals a record into the journal.
func (c *Counter) append(ctx context.Context, r content.Record, shown journal.Clear) (record.ID, error) {
	plain, err := r.Encode()
	if err != nil {
		return record.ID{}, fmt.Errorf("encoding the record: %w", err)
	}
	defer clear(plain)
	id, err := c.Journal.Append(ctx, plain, shown)
	if err != nil {
		return record.ID{}, fmt.Errorf("writing the record down: %w", err)
	}
	return id, nil
}

// enter makes durable what the site has to remember of the tap, if anything. With the site's keys locked the tap goes on without: who would
// have been enrolled needs the PIN until central's roster names them.
func (c *Counter) enter(ctx context.Context, t *taken) (written bool, err error) {
	v := t.visit()
	if v.Empty() {
		return false, nil
	}
	err = c.Book.Write(ctx, v)
	if errors.Is(err, localapi.ErrLocked) {
		c.Log.WarnContext(ctx, "the site's keys are locked: a tap is not in the site book", slog.String("tap", t.tap.String()))
		t.forgotten()
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("writing the site book: %w", err)
	}
	return true, nil
}

// visit is what the site has to remember of the tap.
func (t *taken) visit() sitebook.Visit {
	v := sitebook.Visit{Tap: t.tap, At: t.now, Service: t.rule.Service, Person: t.known.Person, Staff: t.staff, Enrolment: t.entry}
	if t.cert.Chain != jpki.ChainVerified || !t.decision.Verdict.Served() {
		return sitebook.Visit{}
	}
	if t.entry != nil {
		before := t.known.Person
		v.Before, v.Person = &before, sitebook.Enrolled(*t.entry)
	}
	v.Used = t.counted() && t.closed == 0
	if t.link != nil && t.link.Unlink {
		v.Unlink = t.link.Number
	} else if t.link != nil {
		v.Link = t.link.Number
	}
	return v
}

// forgotten takes back what the site book did not take.
func (t *taken) forgotten() {
	if t.entry != nil {
		t.entry, t.enrolled = nil, &localapi.Enrolled{Hindrance: record.ReasonRosterLocked, Attested: t.enrolled.Attested}
	}
	if t.link != nil {
		t.link, t.number = nil, ""
		t.result.Done, t.result.Why = false, localapi.LinkLocked
	}
}

// clear is what stays readable on this box.
func (c *Counter) clear(t *taken) journal.Clear {
	return journal.Clear{
		Tap: t.tap, Time: t.now, Desk: c.Desk, Service: c.Service,
		Verdict: t.decision.Verdict, Reason: t.decision.Reason, Code: localapi.SpokenCode(t.tap),
	}
}

// shownTap is the line of a tap that was just written down.
func shownTap(k journal.Clear, id record.ID) *localapi.Tap {
	return &localapi.Tap{
		Tap: k.Tap, Record: localapi.RecordID(id), Time: k.Time, Desk: k.Desk, Service: k.Service, Spoken: k.Code,
		First: localapi.Outcome{Verdict: k.Verdict, Reason: k.Reason}, State: localapi.StateWaiting,
	}
}

// verdict is what the counter sees.
func (c *Counter) verdict(t *taken, id record.ID, reader string) localapi.Event {
	e := localapi.Event{
		Type: localapi.EventVerdict, Reader: reader,
		Tap: shownTap(c.clear(t), id),
		Rests: &localapi.Rests{
			Basis: t.basis(), Evidence: t.evidence, Answer: t.said.Answer, Rule: t.set.N, Confidence: t.confidence, Used: t.used,
		},
		Enrol: t.enrolled, Link: t.result,
	}
	if t.decision.Verdict.Served() {
		e.Number = record.NewNumber(t.number)
	}
	if at := t.said.ThisUpdate; !at.IsZero() {
		e.Rests.List = localapi.List{
			Number: t.said.Number.N, ThisUpdate: at, AgeSeconds: int64(t.now.Sub(at).Seconds()),
			AgeAtLeast: t.confidence < record.ConfidenceChecked,
		}
	}
	return e
}
