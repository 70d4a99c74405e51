package box_test

import (
	"errors"
	"log/slog"
	"testing"

	"kazashi.example/appliance/desired"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// corrected is a counter that holds 200 final verdicts of which the book has not heard, two of them refusals: of the first and the last.
func corrected(t *testing.T) (*counter, wire.Verdicts) {
	t.Helper()
	c := newCentral(t, nil)
	k := joined(t, c)
	b, err := k.open(t)
	must(t, err)
	must(t, b.Close())
	d, err := desired.Open(t.Context(), k.conf.DataDir, slog.New(slog.DiscardHandler))
	must(t, err)
	batch := wire.Verdicts{Version: rule.Version{CentralEpoch: 1, N: 200}, Box: d.Place().Box}
	for n := range 200 {
		v := wire.Verdict{
			Epoch: record.EpochID{ID128: record.ID128{1}}, Seq: record.Seq(n + 1), Tap: record.NewTapID(), //nolint:gosec // small
			Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder, Answer: record.AnswerNotRevoked, Settled: int64(n + 1),
		}
		if n == 0 || n == 199 {
			v.Verdict, v.Reason, v.Answer = record.VerdictRefused, record.ReasonRevoked, record.AnswerRevoked
		}
		batch.Verdicts = append(batch.Verdicts, v)
	}
	msg, err := batch.Sign(c.signs)
	must(t, err)
	_, err = d.ApplyVerdicts(t.Context(), msg)
	must(t, errors.Join(err, d.Close()))
	return k, batch
}

// P6: a final verdict that became durable right before the power was cut, so that the site book never heard of it, is on the work list after
// the next start; so is one on a tap that the journal no longer lists.
func TestP6AStartHandsInVerdictsThatTheBookMissed(t *testing.T) {
	k, batch := corrected(t)
	b, _ := k.run(t)
	next(t, at(t, k, b), localapi.EventStatus, func(e localapi.Event) bool { return e.Status.Work == 2 })
	client, err := localapi.NewClient("unix:" + k.conf.Socket())
	must(t, err)
	defer client.Close()
	work, err := client.Work(t.Context(), false)
	must(t, err)
	found := map[record.TapID]bool{}
	for _, w := range work {
		found[w.Tap] = w.Final.Verdict == record.VerdictRefused && w.Final.Reason == record.ReasonRevoked
	}
	if len(work) != 2 || !found[batch.Verdicts[0].Tap] || !found[batch.Verdicts[199].Tap] {
		t.Errorf("work list = %+v, want the first and the last of the verdicts, refused", work)
	}
}

// P6: what needs a second look outlives restarts, and so does the name of whoever has looked.
func TestP6WhoLookedAtACorrectionOutlivesAPowerCut(t *testing.T) {
	k, batch := corrected(t)
	code := localapi.NewSecret("himawari-31")
	open := func(k *counter, want int) (*localapi.Client, func() error) {
		b, stop := k.run(t)
		next(t, at(t, k, b), localapi.EventStatus, func(e localapi.Event) bool { return e.Status.Work == want })
		c, err := localapi.NewClient("unix:" + k.conf.Socket())
		must(t, err)
		t.Cleanup(c.Close)
		return c, stop
	}
	c, stop := open(k, 2)
	_, err := c.SetCode(t.Context(), localapi.Secret{}, localapi.NewSecret(plantedKeyCode))
	must(t, err)
	must(t, c.SetStaff(t.Context(), localapi.NewStaff{ID: "s-01", Name: "案山子 花子", Code: code}))
	if err := c.Tick(t.Context(), batch.Verdicts[0].Tap); !errors.Is(err, localapi.ErrNobody) {
		t.Errorf("Tick() by nobody = %v, want ErrNobody", err)
	}
	_, err = c.SignIn(t.Context(), code)
	must(t, err)
	must(t, c.Tick(t.Context(), batch.Verdicts[0].Tap))
	after := k.cut(t)
	must(t, stop())

	c, stop = open(after, 1)
	left, err := c.Work(t.Context(), false)
	if err != nil || len(left) != 1 || left[0].Tap != batch.Verdicts[199].Tap {
		t.Errorf("work list after the cut = %+v, %v, want the last verdict", left, err)
	}
	_, err = c.Unlock(t.Context(), localapi.NewSecret(plantedKeyCode))
	must(t, err)
	all, err := c.Work(t.Context(), true)
	must(t, err)
	for _, w := range all {
		if first := w.Tap == batch.Verdicts[0].Tap; first != (w.Done != nil) || first && w.Done.By != "s-01" {
			t.Errorf("%+v is done by %+v, want the first one alone, by s-01", w, w.Done)
		}
	}
	must(t, stop())
}

// P2, P6: a box that was off while central refused somebody for a hold, and said later that it was lifted, shows what it was told last.
func TestP6TheLastWordIsWhatABoxShows(t *testing.T) {
	c := newCentral(t, nil)
	k := joined(t, c)
	b, err := k.open(t)
	must(t, err)
	must(t, b.Close())
	word := wire.Verdict{Epoch: record.EpochID{ID128: record.ID128{1}}, Seq: 1, Tap: record.NewTapID(), Verdict: record.VerdictRefused, Answer: record.AnswerOnHold}
	say := func(n uint64, v record.Verdict, why record.Reason) {
		t.Helper()
		d, err := desired.Open(t.Context(), k.conf.DataDir, slog.New(slog.DiscardHandler))
		must(t, err)
		w := word
		w.Verdict, w.Reason, w.Settled = v, why, int64(n) //nolint:gosec // small
		batch := wire.Verdicts{Version: rule.Version{CentralEpoch: 1, N: n}, Box: d.Place().Box, After: n - 1, Verdicts: []wire.Verdict{w}}
		msg, err := batch.Sign(c.signs)
		must(t, err)
		_, err = d.ApplyVerdicts(t.Context(), msg)
		must(t, errors.Join(err, d.Close()))
	}
	listed := func() localapi.WorkItem {
		t.Helper()
		b, stop := k.run(t)
		next(t, at(t, k, b), localapi.EventStatus, func(e localapi.Event) bool { return e.Status.Work == 1 })
		client, err := localapi.NewClient("unix:" + k.conf.Socket())
		must(t, err)
		defer client.Close()
		work, err := client.Work(t.Context(), false)
		must(t, errors.Join(err, stop()))
		if len(work) != 1 || work[0].Tap != word.Tap {
			t.Fatalf("work list = %+v, want the one tap", work)
		}
		return work[0]
	}
	say(1, record.VerdictRefused, record.ReasonOnHold)
	say(2, record.VerdictRefused, record.ReasonHoldLifted)
	if got := listed(); got.Final.Reason != record.ReasonHoldLifted {
		t.Errorf("listed as %v, want hold_lifted", got.Final)
	}
}
