package tap

import (
	"context"
	"fmt"

	"kazashi.example/appliance/journal"
	"kazashi.example/localapi"
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
		PIN: t.pin, Card: t.card, Enrolment: t.enrolment,
	})
	if !t.said.ThisUpdate.IsZero() {
		r.Said.ListTime = t.said.ThisUpdate.Unix()
	}
	if t.sent() {
		r.Certificate = t.der
	}
	return r
}

// keep seals the tap into the journal.
func (c *Counter) keep(ctx context.Context, t *taken) (record.ID, error) {
	plain, err := c.content(t).Encode()
	if err != nil {
		return record.ID{}, fmt.Errorf("encoding the record: %w", err)
	}
	defer clear(plain)
	id, err := c.Journal.Append(ctx, plain, c.clear(t))
	if err != nil {
		return record.ID{}, fmt.Errorf("writing the record down: %w", err)
	}
	return id, nil
}

// clear is what stays readable on this box.
func (c *Counter) clear(t *taken) journal.Clear {
	return journal.Clear{
		Tap: t.tap, Time: t.now, Desk: c.Desk, Service: c.Service,
		Verdict: t.decision.Verdict, Reason: t.decision.Reason, Code: localapi.SpokenCode(t.tap),
	}
}

// verdict is what the counter sees.
func (c *Counter) verdict(t *taken, id record.ID, reader string) localapi.Event {
	k := c.clear(t)
	e := localapi.Event{
		Type: localapi.EventVerdict, Reader: reader,
		Tap: &localapi.Tap{
			Tap: k.Tap, Record: localapi.RecordID(id), Time: k.Time, Desk: k.Desk, Service: k.Service, Spoken: k.Code,
			First: localapi.Outcome{Verdict: k.Verdict, Reason: k.Reason}, State: localapi.StateWaiting,
		},
		Rests: &localapi.Rests{
			Basis: t.basis(), Evidence: t.evidence, Answer: t.said.Answer, Rule: t.set.N, Confidence: t.confidence,
		},
		Enrol: t.enrolled,
	}
	if at := t.said.ThisUpdate; !at.IsZero() {
		e.Rests.List = localapi.List{Number: t.said.Number.N, ThisUpdate: at, AgeSeconds: int64(t.now.Sub(at).Seconds())}
	}
	return e
}
