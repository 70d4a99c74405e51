package tap_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"runtime"
	"slices"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/central/lab/world"
	"kazashi.example/localapi"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/content"
	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
)

// Words of what a person at the counter sees.
var (
	inOrder = localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}
	// pending is what a tap by an enrolment is that central has not confirmed.
	pending = localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonEnrolmentPending}
	full    = map[string]uint8{"jpki/0018": 3, "input/0011": 3, "face/0011": 10}
)

func refused(r record.Reason) localapi.Outcome {
	return localapi.Outcome{Verdict: record.VerdictRefused, Reason: r}
}

// demand makes the service's rule ask for e.
func (c *counter) demand(e record.Evidence) { c.rules.set.Rules[0].Evidence = e }

// arm waits until the tap before is over and asks for the next card.
func (c *counter) arm(r localapi.NextCardRequest) {
	c.t.Helper()
	for {
		_, err := c.tap.Arm(r)
		if !errors.Is(err, localapi.ErrNextBusy) {
			must(c.t, err)
			return
		}
		runtime.Gosched()
	}
}

// enrolment is what somebody types who consents to the attributes.
func enrolment(p world.Person) localapi.NextCardRequest {
	return localapi.NextCardRequest{
		Kind: localapi.NextEnrol, PIN: localapi.NewSecret(p.AuthPIN), InputPIN: localapi.NewSecret(p.InputPIN), Attributes: true,
	}
}

// shortEnrolment is what somebody types who does not.
func shortEnrolment(p world.Person) localapi.NextCardRequest {
	return localapi.NextCardRequest{
		Kind: localapi.NextEnrol, PIN: localapi.NewSecret(p.AuthPIN), Birth: localapi.NewSecret(p.Birth.Compact()),
	}
}

func withPIN(pin string) localapi.NextCardRequest {
	return localapi.NextCardRequest{Kind: localapi.NextPIN, PIN: localapi.NewSecret(pin)}
}

// enrol has somebody enrolled for good, and returns the record's content.
func (c *counter) enrol(p world.Person, card *plastic) content.Record {
	c.t.Helper()
	c.arm(enrolment(p))
	e := c.lay(card)
	if e.Type != localapi.EventVerdict || e.Enrol == nil || !e.Enrol.Bound {
		c.t.Fatalf("enrolling %s: event %s %s, %+v, want bound", p.Key, e.Type, e.Failure, e.Enrol)
	}
	card.verified()
	return c.last()
}

// want lays a card and compares the outcome.
func (c *counter) want(name string, card *plastic, want localapi.Outcome, evidence record.Evidence) localapi.Event {
	c.t.Helper()
	e := c.lay(card)
	switch {
	case e.Type != localapi.EventVerdict:
		c.t.Errorf("%s: event %s %s, want %s %s", name, e.Type, e.Failure, want.Verdict, want.Reason)
	case e.Tap.First != want || e.Rests.Evidence != evidence:
		c.t.Errorf("%s: %s %s on evidence %s, want %s %s on %s", name, e.Tap.First.Verdict, e.Tap.First.Reason, e.Rests.Evidence,
			want.Verdict, want.Reason, evidence)
	case c.last().Evidence != evidence:
		c.t.Errorf("%s: evidence %s is sealed, want %s", name, c.last().Evidence, evidence)
	}
	return e
}

// fails lays a card that must not become a tap.
func (c *counter) fails(name string, card *plastic, want localapi.ReadFailure, tries int) localapi.Event {
	c.t.Helper()
	before := len(c.opened())
	e := c.lay(card)
	if e.Type != localapi.EventReadFailed || e.Failure != want || e.Tries != tries {
		c.t.Errorf("%s: event %s %s with %d tries, want read_failed %s with %d", name, e.Type, e.Failure, e.Tries, want, tries)
	}
	if after := len(c.opened()); after != before {
		c.t.Errorf("%s: %d records came of it, want none", name, after-before)
	}
	return e
}

// tries compares counters of a card.
func (c *counter) tries(name string, card *plastic, want map[string]uint8) {
	c.t.Helper()
	got := card.Tries()
	for reference, n := range want {
		if got[reference] != n {
			c.t.Errorf("%s: %s has %d tries left, want %d", name, reference, got[reference], n)
		}
	}
}

// last is the content of the newest record.
func (c *counter) last() content.Record {
	c.t.Helper()
	list := c.opened()
	if len(list) == 0 {
		c.t.Fatal("no record")
	}
	return list[len(list)-1]
}

// proves verifies what a record says that the card signed, as central does: the PIN's with the certificate, the card's with the key
// bound at the enrolment.
func (c *counter) proves(r content.Record, bound []byte) {
	c.t.Helper()
	if r.PIN != nil {
		cert, err := x509.ParseCertificate(r.Certificate)
		must(c.t, err)
		c.signed("PIN", r.PINChallenge(c.box), cert.PublicKey, r.PIN.Signature)
	}
	if r.Card != nil {
		key, err := x509.ParsePKIXPublicKey(bound)
		must(c.t, err)
		c.signed("card", r.CardChallenge(c.box), key, r.Card.Signature)
	}
}

func (c *counter) signed(what string, q proof.Challenge, key any, signature []byte) {
	c.t.Helper()
	message, err := q.Message()
	must(c.t, err)
	if err := jpki.VerifySignature(key, message, signature); err != nil {
		c.t.Errorf("proof of the %s: %v", what, err)
	}
}

// push has central send a roster of these people alone, which tells of every record so far but the undecided one.
func (c *counter) push(entries ...roster.Entry) {
	c.t.Helper()
	told := rule.Version{CentralEpoch: 1, N: 1}
	c.city.Told = []roster.Through{{Box: c.box, Verdicts: told}}
	offer := c.city.Publish(true, func(w *segment.Writer) error {
		for _, e := range entries {
			if err := w.Add(e); err != nil {
				return err
			}
		}
		return nil
	})
	must(c.t, c.roster.Offer(c.t.Context(), c.city, offer))
	must(c.t, sitebook.People{Book: c.book, Roster: c.roster, Box: c.box, Final: func(_ context.Context, tap record.TapID) (sitebook.Final, bool, error) {
		return sitebook.Final{Version: told, Verdict: record.VerdictAccepted}, tap != c.undecided, nil
	}}.Settle(c.t.Context()))
}

// settle has central take in the last enrolment of each certificate.
func (c *counter) settle() {
	c.t.Helper()
	var entries []roster.Entry
	for _, r := range c.opened() {
		if r.Enrolment == nil || len(r.Enrolment.Key) == 0 || r.Hierarchy == 0 {
			continue
		}
		entries = slices.DeleteFunc(entries, func(e roster.Entry) bool { return bytes.Equal(e.Serial, r.Serial) })
		entries = append(entries, entryOf(r))
	}
	c.push(entries...)
}

// entryOf is what central makes of an enrolment.
func entryOf(r content.Record) roster.Entry {
	return roster.Entry{
		Hierarchy: r.Hierarchy, Serial: r.Serial, Verifier: r.PIN.Verifier, Enrolled: r.Tap, Birth: r.Enrolment.Birth, Key: r.Enrolment.Key,
	}
}
