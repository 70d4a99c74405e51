package opener_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/validity"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// authority is an authority with a memory.
type authority func(at time.Time) (record.Answer, error)

func (a authority) StatusAt(_ context.Context, _ certid.CertID, _ content.Issuer, at time.Time) (validity.Status, error) {
	answer, err := a(at)
	return validity.Status{Answer: answer, Source: wire.SourceOCSP, ThisUpdate: at}, err
}

// during answers bad within [from, to), and not_revoked otherwise.
func during(from, to time.Time, bad record.Answer) authority {
	return func(at time.Time) (record.Answer, error) {
		if !at.Before(from) && at.Before(to) {
			return bad, nil
		}
		return record.AnswerNotRevoked, nil
	}
}

// speaksFrom knows nothing before.
func speaksFrom(from time.Time) authority {
	return func(at time.Time) (record.Answer, error) {
		if at.Before(from) {
			return 0, validity.ErrNobody
		}
		return record.AnswerNotRevoked, nil
	}
}

// P6, P8: with a clock that nobody checked the tap was somewhere between what it says and the arrival, and the stricter end counts.
func TestP6UncheckedClockIsJudgedAtBothEnds(t *testing.T) {
	const none, floor, checked = record.ConfidenceNone, record.ConfidenceFloor, record.ConfidenceChecked
	var (
		arrival = simcentral.Start
		claimed = simbox.Tapped
		between = claimed.Add(arrival.Sub(claimed) / 2).Truncate(time.Second)
		ever    = arrival.AddDate(10, 0, 0)
		accept  = gate.Decision{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}
		waits   = gate.Decision{}
	)
	refuse := func(r record.Reason) gate.Decision { return gate.Decision{Verdict: record.VerdictRefused, Reason: r} }
	clean := during(ever, ever, record.AnswerRevoked)
	revoked := during(between, ever, record.AnswerRevoked)
	lifted := during(simbox.Since, between, record.AnswerOnHold)
	worse := authority(func(at time.Time) (record.Answer, error) {
		if at.Before(between) {
			return record.AnswerOnHold, nil
		}
		return record.AnswerRevoked, nil
	})
	for i, k := range []struct {
		name      string
		authority authority
		claimed   time.Time
		since     time.Time
		until     time.Time
		want      map[record.Confidence]gate.Decision
	}{
		{"in order", clean, claimed, simbox.Since, simbox.Until, decisions{none: accept, floor: accept, checked: accept}},
		{
			"revoked in the gap", revoked, claimed, simbox.Since, simbox.Until,
			decisions{none: refuse(record.ReasonRevoked), floor: refuse(record.ReasonRevoked), checked: accept},
		},
		{
			"put on hold in the gap", during(between, ever, record.AnswerOnHold), claimed, simbox.Since, simbox.Until,
			decisions{none: refuse(record.ReasonOnHold), floor: refuse(record.ReasonOnHold), checked: accept},
		},
		{
			"hold lifted in the gap", lifted, claimed, simbox.Since, simbox.Until,
			decisions{none: refuse(record.ReasonOnHold), floor: refuse(record.ReasonOnHold), checked: refuse(record.ReasonOnHold)},
		},
		{
			"hold that became a revocation", worse, claimed, simbox.Since, simbox.Until,
			decisions{none: refuse(record.ReasonRevoked), floor: refuse(record.ReasonRevoked), checked: refuse(record.ReasonOnHold)},
		},
		{"nobody knows one end", speaksFrom(between), claimed, simbox.Since, simbox.Until, decisions{none: waits, floor: waits, checked: waits}},
		{
			"issued in the gap", speaksFrom(between), claimed, between, simbox.Until,
			decisions{none: accept, floor: accept, checked: refuse(record.ReasonNotYetValid)},
		},
		{
			"issued and revoked in the gap", revoked, claimed, between, simbox.Until,
			decisions{none: refuse(record.ReasonRevoked), floor: refuse(record.ReasonRevoked), checked: refuse(record.ReasonNotYetValid)},
		},
		{"not yet valid on arrival", clean, claimed, arrival.Add(time.Hour), simbox.Until, decisions{
			none: refuse(record.ReasonNotYetValid), floor: refuse(record.ReasonNotYetValid), checked: refuse(record.ReasonNotYetValid),
		}},
		{"expired in the gap", clean, claimed, simbox.Since, between, decisions{none: refuse(record.ReasonExpired), floor: accept, checked: accept}},
		{"expired at the tap", clean, claimed, simbox.Since, claimed.Add(-time.Hour), decisions{
			none: refuse(record.ReasonExpired), floor: refuse(record.ReasonExpired), checked: refuse(record.ReasonExpired),
		}},
		{
			"expired by a clock that is ahead", clean, ever, simbox.Since, simbox.Until,
			decisions{none: accept, floor: accept, checked: refuse(record.ReasonExpired)},
		},
		{
			"revoked by the time of a clock that is ahead", during(arrival.Add(time.Hour), ever, record.AnswerRevoked), arrival.Add(2 * time.Hour),
			simbox.Since, simbox.Until,
			decisions{none: accept, floor: accept, checked: refuse(record.ReasonRevoked)},
		},
	} {
		for confidence, want := range k.want {
			t.Run(fmt.Sprintf("%s, clock %s", k.name, confidence), func(t *testing.T) {
				c := simcentral.New(t)
				r := simbox.Card(0x10, byte(i))
				r.Time, r.NotBefore, r.NotAfter, r.Said.Clock = k.claimed.UnixMilli(), k.since.Unix(), k.until.Unix(), confidence
				if got := settledBy(t, c, k.authority, r); got != want {
					t.Errorf("final = %s %s, want %s %s", got.Verdict, got.Reason, want.Verdict, want.Reason)
				}
			})
		}
	}
}

type decisions = map[record.Confidence]gate.Decision

// settledBy pushes one record and settles it by an authority's word; the zero Decision where it waits.
func settledBy(t *testing.T, c *simcentral.Central, by opener.Validity, r content.Record) gate.Decision {
	t.Helper()
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	w := e.Tap(t, r)
	c.Push(box, e.Push())
	conf := c.Opener.Config
	conf.Validity = by
	if err := opener.New(conf).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := c.Counts(); n.Ready == 1 {
		return gate.Decision{}
	}
	got, err := c.Record(w.ID)
	if err != nil {
		t.Fatal(err)
	}
	return gate.Decision{Verdict: got.Final.Verdict, Reason: got.Final.Reason}
}

// What waits for a person's work on the configuration is said at every try, by its record and never by its serial.
func TestP2AnIssuerThatIsNotConfiguredIsSaid(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	w := e.Tap(t, simbox.Card(0x77, 0x66, 0x55, 0x44))
	c.Push(box, e.Push())
	var said bytes.Buffer
	conf := c.Opener.Config
	conf.Log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))
	conf.Validity = authority(func(time.Time) (record.Answer, error) { return 0, fmt.Errorf("%w: practice/auth", validity.ErrIssuer) })
	o := opener.New(conf)
	for try := 1; try <= 3; try++ {
		for range 2 { // the second time it is not due
			if err := o.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Count(said.String(), w.ID.String()); got != try {
			t.Errorf("said %d times after try %d:\n%s", got, try, said.String())
		}
		c.World.Pass(time.Hour)
	}
	if n := c.Counts(); n.Ready != 1 {
		t.Errorf("counts = %+v, want the record to be seen waiting", n)
	}
	if strings.Contains(said.String(), "77665544") {
		t.Errorf("the serial was logged: %s", said.String())
	}
}
