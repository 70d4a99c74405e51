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

// P6: a final verdict that became durable right before the power was cut, so that the site book never heard of it, is on the work list after
// the next start; so is one on a tap that the journal no longer lists.
func TestP6AStartHandsInVerdictsThatTheBookMissed(t *testing.T) {
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

	b, _ = k.run(t)
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
