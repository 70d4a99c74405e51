package desired_test

import (
	"errors"
	"slices"
	"testing"

	"kazashi.example/appliance/desired"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

func TestApplyVerdictsKeepsTheRunWhole(t *testing.T) { // P2, P6
	c, other := newCentral(t), newCentral(t)
	s := open(t, c.join())
	elsewhere := func(v *wire.Verdicts) { v.Box = record.NewBoxID() }
	for _, try := range []struct {
		name  string
		msg   []byte
		fresh int
		want  error
		held  rule.Version
	}{
		{"one that leaves a gap at the start", c.batch(1, 2, 4), 0, desired.ErrGap, rule.Version{}},
		{"the first", c.batch(1, 1, 3), 3, nil, rule.Version{CentralEpoch: 1, N: 3}},
		{"the same again", c.batch(1, 1, 3), 0, desired.ErrOlder, rule.Version{CentralEpoch: 1, N: 3}},
		{"one inside", c.batch(1, 2, 2), 0, desired.ErrOlder, rule.Version{CentralEpoch: 1, N: 3}},
		{"one that overlaps", c.batch(1, 2, 5), 2, nil, rule.Version{CentralEpoch: 1, N: 5}},
		{"one that leaves a gap", c.batch(1, 7, 8), 0, desired.ErrGap, rule.Version{CentralEpoch: 1, N: 5}},
		{"another box's", c.batch(1, 6, 6, elsewhere), 0, desired.ErrElsewhere, rule.Version{CentralEpoch: 1, N: 5}},
		{"another central's", other.batch(1, 6, 6), 0, sign.ErrUnknownKey, rule.Version{CentralEpoch: 1, N: 5}},
		{"rules instead of verdicts", c.rules(rule.Version{CentralEpoch: 1, N: 1}, "one"), 0, sign.ErrSignature, rule.Version{CentralEpoch: 1, N: 5}},
		{"a restored central's with a gap", c.batch(2, 2, 2), 0, desired.ErrGap, rule.Version{CentralEpoch: 1, N: 5}},
		{"a restored central's first", c.batch(2, 1, 2), 2, nil, rule.Version{CentralEpoch: 2, N: 2}},
		{"the central before it", c.batch(1, 1, 9), 0, desired.ErrOlder, rule.Version{CentralEpoch: 2, N: 2}},
	} {
		fresh, err := s.ApplyVerdicts(t.Context(), try.msg)
		if len(fresh) != try.fresh || !errors.Is(err, try.want) {
			t.Errorf("ApplyVerdicts(%s) = %d new, %v, want %d, %v", try.name, len(fresh), err, try.fresh, try.want)
		}
		if held, err := s.Held(t.Context()); err != nil || held != try.held {
			t.Errorf("after %s: Held = %v, %v, want %v", try.name, held, err, try.held)
		}
	}
	for n := range uint64(5) { // what the earlier central said stands until the restored one says otherwise
		if _, ok, err := s.Final(t.Context(), idOf(n+1)); !ok || err != nil {
			t.Errorf("Final(%d) = %v, %v, want a verdict", n+1, ok, err)
		}
	}
}

func idOf(n uint64) record.ID { return record.ID{Epoch: theEpoch, Seq: record.Seq(n)} }

func TestFinalIsTheLatestWord(t *testing.T) { // P6: a verdict may be corrected, for instance when a hold was lifted later
	c := newCentral(t)
	s := open(t, c.join())
	refused := func(v *wire.Verdicts) {
		v.Verdicts[0].Seq, v.Verdicts[0].Verdict, v.Verdicts[0].Reason = 1, record.VerdictRefused, record.ReasonOnHold
	}
	if _, ok, err := s.Final(t.Context(), idOf(1)); ok || err != nil {
		t.Errorf("Final before any = %v, %v, want none", ok, err)
	}
	_, err := s.ApplyVerdicts(t.Context(), c.batch(1, 1, 1, refused))
	must(t, err)
	want := desired.Final{Verdict: record.VerdictRefused, Reason: record.ReasonOnHold}
	if f, _, err := s.Final(t.Context(), idOf(1)); f != want || err != nil {
		t.Errorf("Final = %v, %v, want %v", f, err, want)
	}
	_, err = s.ApplyVerdicts(t.Context(), c.batch(1, 2, 2, func(v *wire.Verdicts) { v.Verdicts[0].Seq = 1 }))
	must(t, err)
	want = desired.Final{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}
	if f, _, err := s.Final(t.Context(), idOf(1)); f != want || err != nil {
		t.Errorf("Final after a correction = %v, %v, want %v", f, err, want)
	}
}

// P8: an older box takes the verdicts of a newer central, and says of a reason that it has no word for it.
func TestP8AReasonOfALaterReleaseStopsNothing(t *testing.T) {
	c := newCentral(t)
	s := open(t, c.join())
	fresh, err := s.ApplyVerdicts(t.Context(), c.batch(1, 1, 3, func(v *wire.Verdicts) {
		v.Verdicts[1].Verdict, v.Verdicts[1].Reason, v.Verdicts[1].Answer, v.Verdicts[1].Source = record.VerdictRefused, 55, 77, 88
	}))
	if len(fresh) != 3 || err != nil {
		t.Fatalf("ApplyVerdicts = %d new, %v, want 3", len(fresh), err)
	}
	for n, want := range map[uint64]desired.Final{
		1: {Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder},
		2: {Verdict: record.VerdictRefused, Reason: record.ReasonLater},
		3: {Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder},
	} {
		if f, _, err := s.Final(t.Context(), idOf(n)); f != want || err != nil {
			t.Errorf("Final(%d) = %v, %v, want %v", n, f, err, want)
		}
	}
}

// A second record that claims the tap id of another one says nothing about that one.
func TestARepeatedTapIDChangesNoOtherRecord(t *testing.T) { // P2: a record is named by (epoch, seq)
	c := newCentral(t)
	s := open(t, c.join())
	_, err := s.ApplyVerdicts(t.Context(), c.batch(1, 1, 2, func(v *wire.Verdicts) {
		v.Verdicts[1].Tap = v.Verdicts[0].Tap
		v.Verdicts[1].Verdict, v.Verdicts[1].Reason = record.VerdictRefused, record.ReasonTapReplayed
	}))
	must(t, err)
	if f, _, err := s.Final(t.Context(), idOf(1)); f.Verdict != record.VerdictAccepted || err != nil {
		t.Errorf("Final(1) = %v, %v, want accepted", f, err)
	}
}

// P6: whoever follows the verdicts misses none: not over a restored central, nor where a later verdict took the place of an earlier.
func TestSinceGoesOnFromWhereOneStopped(t *testing.T) {
	c := newCentral(t)
	s := open(t, c.join())
	var taps []record.TapID
	for _, msg := range [][]byte{
		c.batch(1, 1, 5, func(v *wire.Verdicts) {
			for i := range v.Verdicts {
				v.Verdicts[i].Tap = record.NewTapID()
				taps = append(taps, v.Verdicts[i].Tap)
			}
		}),
		c.batch(2, 1, 1, func(v *wire.Verdicts) { v.Verdicts[0].Seq, v.Verdicts[0].Tap = 2, taps[1] }), // again, by a restored central
	} {
		_, err := s.ApplyVerdicts(t.Context(), msg)
		must(t, err)
	}
	var seen []rule.Version
	after := rule.Version{}
	for {
		list, err := s.Since(t.Context(), after, 2)
		must(t, err)
		if len(list) == 0 {
			break
		}
		for _, v := range list {
			seen, after = append(seen, v.Version), v.Version
		}
	}
	want := []rule.Version{{CentralEpoch: 1, N: 1}, {CentralEpoch: 1, N: 3}, {CentralEpoch: 1, N: 4}, {CentralEpoch: 1, N: 5}, {CentralEpoch: 2, N: 1}}
	if !slices.Equal(seen, want) {
		t.Errorf("Since = %v, want %v", seen, want)
	}
	if v, ok, err := s.OfTap(t.Context(), taps[1]); !ok || err != nil || v.Version != want[4] || v.Record != idOf(2) {
		t.Errorf("OfTap = %+v, %t, %v, want that of the restored central", v, ok, err)
	}
	if _, ok, err := s.OfTap(t.Context(), record.NewTapID()); ok || err != nil {
		t.Errorf("OfTap(of no record) = %t, %v, want none", ok, err)
	}
}
