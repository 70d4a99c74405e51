package opener_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/central/validity"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// authority is an authority with a memory: what it says of a tap at some moment of a span.
type authority func(from, to time.Time) (record.Answer, error)

func (a authority) StatusWithin(_ context.Context, _ certid.CertID, _ content.Issuer, from, to time.Time) (validity.Status, error) {
	answer, err := a(from, to)
	return validity.Status{Answer: answer, Source: wire.SourceOCSP, ThisUpdate: to}, err
}

// during answers bad of a span that meets [from, to), and not_revoked otherwise.
func during(from, to time.Time, bad record.Answer) authority {
	return func(first, last time.Time) (record.Answer, error) {
		if !last.Before(from) && first.Before(to) {
			return bad, nil
		}
		return record.AnswerNotRevoked, nil
	}
}

// after knows nothing before from; that a certificate was revoked needs no more.
func after(from time.Time, answer record.Answer) authority {
	return func(first, last time.Time) (record.Answer, error) {
		if last.Before(from) || first.Before(from) && answer != record.AnswerRevoked {
			return 0, validity.ErrNobody
		}
		return answer, nil
	}
}

// P6, P8: with a clock that nobody checked the tap was somewhere between what it says and the arrival, and the strictest moment counts.
func TestP6UncheckedClockIsJudgedOverTheWholeSpan(t *testing.T) {
	t.Parallel()
	var (
		since, until = simbox.Since, simbox.Until
		arrival      = simcentral.Start
		claimed      = simbox.Tapped
		between      = claimed.Add(arrival.Sub(claimed) / 2).Truncate(time.Second)
		ever         = arrival.AddDate(10, 0, 0)

		accept      = gate.Decision{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}
		waits       = gate.Decision{}
		revokedThen = refused(record.ReasonRevoked)
		held        = refused(record.ReasonOnHold)
		early       = refused(record.ReasonNotYetValid)
		expired     = refused(record.ReasonExpired)

		clean   = during(ever, ever, record.AnswerRevoked)
		revoked = during(between, ever, record.AnswerRevoked)
		later   = during(arrival.Add(time.Hour), ever, record.AnswerRevoked)
	)
	worse := authority(func(_, to time.Time) (record.Answer, error) {
		if to.Before(between) {
			return record.AnswerOnHold, nil
		}
		return record.AnswerRevoked, nil
	})
	c := simcentral.New(t)
	for i, k := range []struct {
		name                  string
		authority             authority
		claimed, since, until time.Time
		want                  decisions
	}{
		{"in order", clean, claimed, since, until, by(accept, accept, accept)},
		{"revoked in the gap", revoked, claimed, since, until, by(revokedThen, revokedThen, accept)},
		{"put on hold in the gap", during(between, ever, record.AnswerOnHold), claimed, since, until, by(held, held, accept)},
		{"hold lifted in the gap", during(since, between, record.AnswerOnHold), claimed, since, until, by(held, held, held)},
		{"hold placed and lifted in the gap", during(between, between.Add(time.Hour), record.AnswerOnHold), claimed, since, until, by(held, held, accept)},
		{"hold lifted before", during(since, claimed, record.AnswerOnHold), claimed, since, until, by(accept, accept, accept)},
		{"hold placed after the arrival", during(arrival.Add(time.Second), ever, record.AnswerOnHold), claimed, since, until, by(accept, accept, accept)},
		{"hold that became a revocation", worse, claimed, since, until, by(revokedThen, revokedThen, held)},
		{"nobody knows the first end", after(between, record.AnswerNotRevoked), claimed, since, until, by(waits, waits, waits)},
		{"revoked on arrival, nobody knows before", after(between, record.AnswerRevoked), claimed, since, until, by(revokedThen, revokedThen, waits)},
		{"issued in the gap", after(between, record.AnswerNotRevoked), claimed, between, until, by(accept, accept, early)},
		{"issued and revoked in the gap", revoked, claimed, between, until, by(revokedThen, revokedThen, early)},
		{"not yet valid on arrival", clean, claimed, arrival.Add(time.Hour), until, by(early, early, early)},
		{"expired in the gap", clean, claimed, since, between, by(expired, accept, accept)},
		{"expired at the tap", clean, claimed, since, claimed.Add(-time.Hour), by(expired, expired, expired)},
		{"expired by a clock that is ahead", clean, ever, since, until, by(accept, accept, expired)},
		{"revoked by a clock that is ahead", later, arrival.Add(2 * time.Hour), since, until, by(accept, accept, revokedThen)},
	} {
		for confidence, want := range k.want {
			t.Run(fmt.Sprintf("%s, clock %s", k.name, confidence), func(t *testing.T) {
				r := simbox.Card(0x10, byte(i), byte(confidence))
				r.Time, r.NotBefore, r.NotAfter, r.Said.Clock = k.claimed.UnixMilli(), k.since.Unix(), k.until.Unix(), confidence
				if got := settledBy(t, c, k.authority, r); got != want {
					t.Errorf("final = %s %s, want %s %s", got.Verdict, got.Reason, want.Verdict, want.Reason)
				}
			})
		}
	}
}

func refused(r record.Reason) gate.Decision {
	return gate.Decision{Verdict: record.VerdictRefused, Reason: r}
}

// decisions are those by the box's clock.
type decisions map[record.Confidence]gate.Decision

func by(none, floor, checked gate.Decision) decisions {
	return decisions{record.ConfidenceNone: none, record.ConfidenceFloor: floor, record.ConfidenceChecked: checked}
}

// settledBy pushes one record and settles it by an authority's word; the zero Decision where it waits.
func settledBy(t *testing.T, c *simcentral.Central, says opener.Validity, r content.Record) gate.Decision {
	t.Helper()
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	w := e.Tap(t, r)
	c.Push(box, e.Push())
	conf := c.Opener.Config
	conf.Validity = says
	if err := opener.New(conf).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := c.Record(w.ID)
	if n := c.Counts(); errors.Is(err, store.ErrNone) && n.Held+n.Aside+n.Rivals == 0 {
		return gate.Decision{}
	}
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
	conf.Validity = authority(func(_, _ time.Time) (record.Answer, error) {
		return 0, fmt.Errorf("%w: practice/auth", validity.ErrIssuer)
	})
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
