package opener_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/central/validity"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
)

// silentLists still say what became of a hold, and answer for no certificate.
type silentLists struct{ *lists }

func (silentLists) StatusWithin(context.Context, certid.CertID, content.Issuer, time.Time, time.Time) (validity.Status, error) {
	return validity.Status{}, validity.ErrNobody
}

// P6: where a hold was over by the tap, but what decides the record anew is silent for a while, the refusal is not made its last word meanwhile,
// also if the hold was lifted besides.
func TestP6AReviewThatCannotDecideIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name  string
		spoil func(w watched, c *opener.Config)
	}{
		{"nobody answers for the certificate", func(w watched, c *opener.Config) { c.Validity = silentLists{w.lists} }},
		{"the service of renewals is silent", func(w watched, _ *opener.Config) { w.central.Told.Ask = silent }},
		{"the commit fails", func(_ watched, c *opener.Config) { c.Store = &failing{Store: c.Store, at: 1} }},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t)
			id := w.refuses(simbox.Known(t, 0x31, 2).Enrol(t, w.box.ID))
			w.lists.answer, w.lists.lift = record.AnswerNotRevoked, validity.Lift{Never: true, Lifted: true}
			conf := w.central.Opener.Config
			conf.Validity, conf.Holds = w.lists, w.lists
			k.spoil(w, &conf)
			if left, err := opener.New(conf).Review(t.Context()); left != 1 || err != nil {
				t.Errorf("Review = %d, %v, want 1 left", left, err)
			}
			if got := w.settled(id); got != onHold {
				t.Errorf("meanwhile: final = %s %s, want it as it was", got.Verdict, got.Reason)
			}
			w.central.Told.Ask = func() error { return nil }
			w.review("all is well again", id, inOrder, 2)
			if n := w.central.Counts(); n.Persons != 1 || n.Enrolments != 1 {
				t.Errorf("persons %d, enrolments %d, want one, enrolled", n.Persons, n.Enrolments)
			}
		})
	}
}

// What cannot be looked at again is said once a look, however many records it is; another word is said of each that got one.
func TestAReviewLogsOneLine(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	for n := range byte(3) {
		w.refuses(simbox.Card(0x33, n+1))
	}
	w.lists.err = validity.ErrNobody
	var log bytes.Buffer
	conf := w.central.Opener.Config
	conf.Log = slog.New(slog.NewTextHandler(&log, nil))
	if left, err := opener.New(conf).Review(t.Context()); left != 3 || err != nil {
		t.Errorf("Review = %d, %v, want 3 left", left, err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "records=3") || !strings.Contains(got, validity.ErrNobody.Error()) {
		t.Errorf("logged %q, want one line with the count and the first error", got)
	}
	log.Reset()
	w.lists.err, w.lists.lift.Lifted = nil, true
	for range 2 {
		if left, err := opener.New(conf).Review(t.Context()); left != 0 || err != nil {
			t.Errorf("Review = %d, %v", left, err)
		}
	}
	if got := log.String(); strings.Count(got, "\n") != 3 || strings.Count(got, "another word") != 3 {
		t.Errorf("logged %q, want a line for each word", got)
	}
}

// P2: what was erased between the look and the word gets none.
func TestP2WhatIsErasedMeanwhileGetsNoWord(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	id := w.refuses(simbox.Card(0x34, 1))
	w.lists.lift.Lifted = true
	var log bytes.Buffer
	conf := w.central.Opener.Config
	conf.Log = slog.New(slog.NewTextHandler(&log, nil))
	conf.Holds = meanwhile{w.lists, func() {
		w.central.Check(w.central.Store.Update(t.Context(), func(tx store.Tx) error { return tx.EraseRecord(id, w.central.World.Now()) }))
	}}
	if left, err := opener.New(conf).Review(t.Context()); left != 0 || err != nil {
		t.Errorf("Review = %d, %v", left, err)
	}
	w.review("erased", id, onHold, 1)
	if log.Len() > 0 {
		t.Errorf("logged %q, want nothing", &log)
	}
}

// P6: a record that was opened before its box was revoked counts as it did, and is decided anew; what begins with it begins at that moment.
func TestP6ARevokedBoxDoesNotHoldWhatWasOpened(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	id := w.refuses(simbox.Known(t, 0x31, 2).Enrol(t, w.box.ID))
	w.lists.answer, w.lists.lift.Never = record.AnswerNotRevoked, true
	w.central.Check(w.central.Boxes.Revoke(t.Context(), w.box.ID))
	w.central.World.Pass(time.Hour)
	now := w.central.World.Now()
	if left, err := with(w.central, w.lists).Review(t.Context()); left != 0 || err != nil {
		t.Errorf("Review = %d, %v", left, err)
	}
	if got := w.settled(id); got != inOrder {
		t.Errorf("final = %s %s, want accepted", got.Verdict, got.Reason)
	}
	r, err := w.central.Record(id)
	w.central.Check(err)
	var s store.Subject
	w.central.Check(w.central.DB.View(t.Context(), func(tx store.Tx) (err error) { s, err = tx.SubjectOfTap(w.box.ID, r.Tap); return err }))
	if !s.Made.Equal(now) || r.Applied.Equal(now) {
		t.Errorf("the pseudonym is of %v and the record was applied at %v, want now, %v, and the first time", s.Made, r.Applied, now)
	}
}

// P6: who is refused for a hold that was lifted after the tap and before the record came gets both words at once; the others that are open are
// not looked at for it.
func TestP6ALateRecordIsLookedAtAlone(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	open := w.refuses(simbox.Card(0x32, 5))
	w.lists.held, w.lists.lift.Lifted = nil, true
	if got := w.settled(w.bring(simbox.Card(0x32, 6))); got != lifted {
		t.Errorf("final of the late record = %s %s, want hold_lifted", got.Verdict, got.Reason)
	}
	if got := w.settled(open); got != onHold || len(w.lists.held) != 1 {
		t.Errorf("final of the other = %s %s, %d were looked at, want it as it was, and one", got.Verdict, got.Reason, len(w.lists.held))
	}
	w.central.World.Pass(opener.ReviewFor + time.Hour)
	if got := w.settled(w.bring(simbox.Card(0x32, 7))); got != onHold {
		t.Errorf("final of a record that came after months = %s %s, want on_hold", got.Verdict, got.Reason)
	}
}

// RunReviews looks at the start, whenever a set came, and an hour after a look that failed, be it at a record that came just now; it ends with
// its context.
func TestRunReviewsLooksWheneverItMust(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	first := w.refuses(simbox.Card(0x32, 5))
	synctest.Test(t, func(t *testing.T) {
		conf := w.central.Opener.Config
		looked, unsaid, say := make(chan struct{}, 1), errors.New("nobody says"), make(chan error, 1) // what the next look hears; nil: lifted
		conf.Holds = meanwhile{w.lists, func() {
			w.lists.unsaid = <-say
			w.lists.lift.Lifted = w.lists.unsaid == nil
			looked <- struct{}{}
		}}
		o := opener.New(conf)
		w.central.Opener = o
		came, done := make(chan struct{}), make(chan error)
		ctx, stop := context.WithCancel(context.Background())
		go func() { done <- o.RunReviews(ctx, came) }()
		look := func(when string, id record.ID, hears error, want gate.Decision, after time.Duration) {
			t.Helper()
			began := time.Now()
			say <- hears
			<-looked
			synctest.Wait()
			if got := w.settled(id); got != want || time.Since(began) != after {
				t.Errorf("%s: final = %s %s after %v, want %s %s after %v", when, got.Verdict, got.Reason, time.Since(began), want.Verdict, want.Reason, after)
			}
		}
		look("at the start", first, unsaid, onHold, 0)
		came <- struct{}{}
		look("a set came", first, nil, lifted, 0)
		say <- unsaid
		late := w.bring(simbox.Card(0x32, 6))
		<-looked // as it came
		look("in an hour", late, unsaid, onHold, time.Hour)
		look("in another", late, nil, lifted, time.Hour)
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("RunReviews = %v, want the context's error", err)
		}
	})
}
