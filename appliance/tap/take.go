package tap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/localapi"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// errUnusable says that a certificate can be neither accepted nor written down.
var errUnusable = errors.New("certificate has no serial number, or is too long to be sent on")

// take is one tap, from the card to the counter.
func (c *Counter) take(ctx context.Context, reader string) {
	tap := record.NewTapID()
	c.publish(localapi.Event{Type: localapi.EventReading, Reader: reader})
	t, err := c.read(ctx, reader)
	if err != nil {
		f := failureOf(err)
		c.Log.InfoContext(ctx, "card did not become a tap", slog.String("reader", reader), slog.String("failure", string(f)))
		c.fail(reader, f)
		return
	}
	t.tap = tap
	c.decide(&t)
	// From here on the tap comes to its end, whatever ends meanwhile.
	id, err := c.keep(context.WithoutCancel(ctx), &t)
	if err != nil {
		c.Log.ErrorContext(ctx, "tap could not be made durable; do not serve", slog.String("reader", reader), slog.Any("error", err))
		c.fail(reader, localapi.FailureJournal)
		return
	}
	c.publish(c.verdict(&t, id, reader)) // P1: only now
}

// taken is a tap under way.
type taken struct {
	tap  record.TapID
	der  []byte
	cert jpki.AuthCert

	now        time.Time
	confidence record.Confidence
	rule       rule.Rule
	ruled      bool
	set        rule.Version
	answer     record.Answer
	list       uint64
	listTime   time.Time
	decision   gate.Decision
}

// read gets the certificate from the card and examines it.
func (c *Counter) read(ctx context.Context, reader string) (taken, error) {
	ctx, cancel := context.WithTimeout(ctx, c.ReadTimeout)
	defer cancel()
	der, err := c.Cards.ReadAuthCert(ctx, reader)
	if err != nil {
		return taken{}, fmt.Errorf("reading the card: %w", err)
	}
	cert, err := c.Certificates().Examine(der)
	if err != nil {
		return taken{}, fmt.Errorf("examining the certificate: %w", err)
	}
	if cert.Serial.IsZero() || doubtful(cert) && len(der) > content.MaxCertificate {
		return taken{}, &ReadError{localapi.FailureNonsense, errUnusable}
	}
	return taken{der: der, cert: cert}, nil
}

// doubtful says that central must examine the certificate itself.
func doubtful(cert jpki.AuthCert) bool {
	return cert.Chain != jpki.ChainVerified || cert.Profile != nil
}

// decide asks the lists, the rules and the clock, and then the gate.
func (c *Counter) decide(t *taken) {
	t.rule, t.set, t.ruled = c.Rules.For(c.Service)
	t.answer = record.AnswerNotCovered
	if t.cert.Chain == jpki.ChainVerified { // another serial has no scope in which anything could be listed
		t.answer, t.list, t.listTime = c.Revocations.Answer(certid.CertID{Scope: t.cert.Scope(), Serial: t.cert.Serial}, t.cert.Issuer)
	}
	t.now, t.confidence = c.Clock.Now()
	t.decision = gate.Decide(gate.Input{
		Rule: t.rule, Ruled: t.ruled,
		Shown: gate.Shown{
			Evidence: record.EvidenceCertificate, Chain: chainOf(t.cert.Chain), ProfileOK: t.cert.Profile == nil,
			Hierarchy: t.cert.Hierarchy, NotBefore: t.cert.NotBefore, NotAfter: notAfter(t.cert),
		},
		Status: gate.Status{Answer: t.answer, ThisTime: t.listTime},
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

// basis is the rule's. Without a rule nothing may be concluded from the card: the refusal stands on the basis that creates no
// right and no duty.
func (t *taken) basis() record.Basis {
	if !t.ruled {
		return record.BasisDrill
	}
	return t.rule.Basis
}

// keep seals the tap into the journal.
func (c *Counter) keep(ctx context.Context, t *taken) (record.ID, error) {
	r := content.New(content.Record{
		Tap: t.tap, Time: t.now.UnixMilli(), Service: c.Service, Desk: c.Desk,
		Basis: t.basis(), Evidence: record.EvidenceCertificate,
		Hierarchy: t.cert.Hierarchy, Purpose: certid.PurposeAuth, Serial: t.cert.Serial.Bytes(), Issuer: content.IssuerOf(t.cert.Issuer),
		NotBefore: t.cert.NotBefore.Unix(), NotAfter: notAfter(t.cert).Unix(),
		Said: content.Said{
			Verdict: t.decision.Verdict, Reason: t.decision.Reason, Rule: t.set, Answer: t.answer, ListNumber: t.list, Clock: t.confidence,
		},
	})
	if !t.listTime.IsZero() {
		r.Said.ListTime = t.listTime.Unix()
	}
	if doubtful(t.cert) {
		r.Certificate = t.der
	}
	plain, err := r.Encode()
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
		Tap: t.tap, Time: t.now.Truncate(time.Millisecond), Desk: c.Desk, Service: c.Service,
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
			Basis: t.basis(), Evidence: record.EvidenceCertificate, Answer: t.answer, Rule: t.set.N, Confidence: t.confidence,
		},
	}
	if !t.listTime.IsZero() {
		e.Rests.List = localapi.List{Number: t.list, ThisUpdate: t.listTime, AgeSeconds: int64(t.now.Sub(t.listTime).Seconds())}
	}
	return e
}
