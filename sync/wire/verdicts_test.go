package wire_test

import (
	"errors"
	"slices"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

var central = byhand.Key("wire central")

func keys(t testing.TB) sign.Keys { t.Helper(); return testkey.Only(t, central) }

// batch is the verdicts 8 and 9 of a box.
func batch() wire.Verdicts {
	v := wire.Verdict{
		Epoch: record.NewEpochID(), Seq: 1, Tap: record.NewTapID(), Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder,
		Answer: record.AnswerNotRevoked, Source: wire.SourceOCSP, Settled: 1_795_000_000_000,
	}
	w := v
	w.Seq, w.Tap, w.Verdict, w.Reason, w.Answer, w.Source = 2, record.NewTapID(), record.VerdictRefused, record.ReasonRevoked, record.AnswerRevoked, wire.SourceCRL
	return wire.Verdicts{Version: rule.Version{CentralEpoch: 2, N: 9}, Box: record.NewBoxID(), After: 7, Verdicts: []wire.Verdict{v, w}}
}

func signed(t testing.TB, p sign.Purpose, v wire.Verdicts) []byte {
	t.Helper()
	b, err := canon.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := sign.Sign(central, p, b)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// P6: a final verdict reaches the box whole, numbered without a gap, signed by central for this.
func TestP6VerdictsOpenWholeOrNotAtAll(t *testing.T) {
	good := batch()
	msg, err := good.Sign(central)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.OpenVerdicts(keys(t), msg)
	if err != nil || got.Version != good.Version || got.After != 7 || got.Box != good.Box || !slices.Equal(got.Verdicts, good.Verdicts) {
		t.Fatalf("OpenVerdicts = %+v, %v, want %+v", got, err, good)
	}
	for _, c := range []struct {
		name string
		make func(*wire.Verdicts)
	}{
		{"no central epoch", func(v *wire.Verdicts) { v.Version.CentralEpoch = 0 }},
		{"no box", func(v *wire.Verdicts) { v.Box = record.BoxID{} }},
		{"no verdicts", func(v *wire.Verdicts) { v.Verdicts, v.After = nil, v.Version.N }},
		{"a number missing", func(v *wire.Verdicts) { v.After = 6 }},
		{"a number twice", func(v *wire.Verdicts) { v.After = 8 }},
		{"numbers that wrap around", func(v *wire.Verdicts) { v.After, v.Version.N = 1<<64-1, 1 }},
		{"too many", func(v *wire.Verdicts) {
			v.Verdicts = slices.Repeat(v.Verdicts[:1], wire.MaxVerdicts+1)
			v.Version.N = v.After + wire.MaxVerdicts + 1
		}},
		{"no epoch", func(v *wire.Verdicts) { v.Verdicts[1].Epoch = record.EpochID{} }},
		{"record 0", func(v *wire.Verdicts) { v.Verdicts[1].Seq = 0 }},
		{"no tap", func(v *wire.Verdicts) { v.Verdicts[1].Tap = record.TapID{} }},
		{"unknown verdict", func(v *wire.Verdicts) { v.Verdicts[1].Verdict = 5 }},
		{"no verdict", func(v *wire.Verdicts) { v.Verdicts[1].Verdict = 0 }},
		{"no reason", func(v *wire.Verdicts) { v.Verdicts[1].Reason = 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := batch()
			c.make(&v)
			if _, err := v.Sign(central); !errors.Is(err, wire.ErrVerdicts) {
				t.Errorf("Sign = %v, want ErrVerdicts", err)
			}
			if _, err := wire.OpenVerdicts(keys(t), signed(t, sign.PurposeVerdicts, v)); !errors.Is(err, wire.ErrVerdicts) {
				t.Errorf("OpenVerdicts = %v, want ErrVerdicts", err)
			}
		})
	}
	if _, err := wire.OpenVerdicts(keys(t), signed(t, sign.PurposeAck, good)); !errors.Is(err, sign.ErrSignature) {
		t.Errorf("OpenVerdicts(signed as an acknowledgement) = %v, want ErrSignature", err)
	}
}

// P8: words of a later central reach an older box with the verdict that they belong to.
func TestP8WordsOfALaterCentralAreTaken(t *testing.T) {
	later := batch()
	later.Verdicts[0].Reason, later.Verdicts[0].Answer, later.Verdicts[0].Source = 29, 6, 3
	later.Verdicts[1].Reason, later.Verdicts[1].Answer, later.Verdicts[1].Source = 255, 255, 255
	got, err := wire.OpenVerdicts(keys(t), signed(t, sign.PurposeVerdicts, later))
	if err != nil || !slices.Equal(got.Verdicts, later.Verdicts) {
		t.Errorf("OpenVerdicts = %+v, %v, want %+v", got, err, later)
	}
}

// A batch of the greatest number fits its cap.
func TestLargestBatchFits(t *testing.T) {
	v := batch()
	v.Verdicts[0].Seq = 1<<63 - 1
	v.Verdicts = slices.Repeat(v.Verdicts[:1], wire.MaxVerdicts)
	v.Version.N = v.After + wire.MaxVerdicts
	msg, err := v.Sign(central)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := wire.OpenVerdicts(keys(t), msg); err != nil || len(got.Verdicts) != wire.MaxVerdicts {
		t.Errorf("OpenVerdicts(%d octets) = %d, %v, want %d", len(msg), len(got.Verdicts), err, wire.MaxVerdicts)
	}
}
