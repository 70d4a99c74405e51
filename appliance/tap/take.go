package tap

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/revocation"
	"kazashi.example/localapi"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
)

// take is one tap, from the card to the counter.
func (c *Counter) take(ctx context.Context, l laying) {
	defer c.done(l.next) // after the counter has heard what became of it
	reader := l.reader
	if c.Journal.State() == journal.SpaceFull { // before a try is spent on a tap that could not be written down
		c.fail(reader, localapi.FailureDiskFull)
		return
	}
	if err := c.lies(l); err != nil {
		c.failed(ctx, reader, err)
		return
	}
	t := c.begin(l)
	c.publish(localapi.Event{Type: localapi.EventReading, Reader: reader})
	if err := c.read(ctx, reader, &t); err != nil {
		c.failed(ctx, reader, err)
		return
	}
	t.decide()
	// From here on the tap comes to its end, whatever ends meanwhile.
	ctx = context.WithoutCancel(ctx)
	c.linkNumber(ctx, &t)
	id, err := c.keep(ctx, &t)
	if err != nil {
		c.Log.ErrorContext(ctx, "tap could not be made durable; do not serve", slog.String("reader", reader), slog.Any("error", err))
		c.fail(reader, unkept(err))
		return
	}
	c.publish(c.verdict(&t, id, reader)) // P1: only now
}

// unkept is why a tap was not written down.
func unkept(err error) localapi.ReadFailure {
	if errors.Is(err, journal.ErrNoRoom) {
		return localapi.FailureDiskFull
	}
	return localapi.FailureJournal
}

// taken is a tap under way.
type taken struct {
	// Fixed at its start, because the card signs them.
	tap        record.TapID
	now        time.Time // in whole milliseconds
	confidence record.Confidence
	rule       rule.Rule       // with the evidence that this tap is to bring: more than the service's rule asks for, if the PIN was typed in
	asked      record.Evidence // by the service's own rule
	ruled      bool
	set        rule.Version
	next       *next // nil for an ordinary tap
	laying     laying
	staff      record.StaffID // who is signed in; empty: nobody

	// Read from the card, and what the lists say of it.
	der  []byte
	cert jpki.AuthCert
	said revocation.Answer
	who  // what is known here of whoever it names

	proved
	linked
	decision gate.Decision
}

// proved is what the card showed beyond its certificate, and what stood in the way of more.
type proved struct {
	evidence  record.Evidence
	hindrance record.Reason
	pin       *content.PINProof
	card      *content.CardProof
	enrolment *content.Enrolment
	enrolled  *localapi.Enrolled // what the counter hears of it
	entry     *roster.Entry      // what later taps are held against, if the card was bound
}

// begin fixes what a card may have to sign. An armed card is to show the PIN, whatever less the service would be content with.
func (c *Counter) begin(l laying) taken {
	t := taken{
		tap: record.NewTapID(), next: l.next, laying: l,
		said: revocation.Answer{Answer: record.AnswerNotCovered}, proved: proved{evidence: record.EvidenceCertificate},
	}
	t.now, t.confidence = c.Clock.Now()
	t.now = t.now.Truncate(time.Millisecond)
	t.rule, t.set, t.ruled = c.Rules.For(c.Service)
	t.asked = t.rule.Evidence
	if l.next != nil && !l.next.request.PIN.IsZero() {
		t.rule.Evidence = record.EvidencePIN
	}
	if staff, ok := c.Staff.SignedIn(); ok {
		t.staff = record.StaffID(staff.ID)
	}
	return t
}

// failed tells the counter that a card did not become a tap.
func (c *Counter) failed(ctx context.Context, reader string, err error) {
	e := failureOf(err)
	e.Reader = reader
	c.Log.InfoContext(ctx, "card did not become a tap", slog.String("reader", reader), slog.String("failure", string(e.Failure)))
	c.publish(e)
}

// decide asks the gate. Nobody is enrolled by a tap that is refused.
func (t *taken) decide() {
	t.decision = t.gate(t.evidence, t.hindrance)
	if t.laidFor(localapi.NextEnrol) && !t.decision.Verdict.Served() {
		t.enrolled, t.entry = &localapi.Enrolled{Hindrance: t.decision.Reason}, nil
	}
}

// gate decides as if so much had been shown.
func (t *taken) gate(evidence record.Evidence, hindrance record.Reason) gate.Decision {
	return gate.Decide(gate.Input{
		Rule: t.rule, Ruled: t.ruled,
		Shown: gate.Shown{
			Evidence: evidence, Hindrance: hindrance, Chain: chainOf(t.cert.Chain), ProfileOK: t.cert.Profile == nil,
			Hierarchy: t.cert.Hierarchy, NotBefore: t.cert.NotBefore, NotAfter: notAfter(t.cert), Phone: t.cert.Phone,
		},
		Enrolment: t.enrolmentKnown(), Used: t.used, Staffed: t.staff != "",
		Status: gate.Status{Answer: t.said.Answer, ThisTime: t.said.ThisUpdate},
		Clock:  gate.Clock{Now: t.now, Confidence: t.confidence},
	})
}

// notAfter is the certificate's or its issuer's, whichever comes first: no certificate of JPKI outlives its issuer, so one
// that does is treated as expired with it.
func notAfter(cert jpki.AuthCert) time.Time {
	if cert.Chain == jpki.ChainVerified && cert.IssuerNotAfter.Before(cert.NotAfter) {
		return cert.IssuerNotAfter
	}
	return cert.NotAfter
}

func chainOf(s jpki.ChainStatus) gate.Chain {
	switch s {
	case jpki.ChainVerified:
		return gate.ChainVerified
	case jpki.ChainIssuerUnknown:
		return gate.ChainIssuerUnknown
	case jpki.ChainBroken:
		return gate.ChainBroken
	default:
		return 0 // the gate refuses it
	}
}
