package wire_test

import (
	"bytes"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

// samples is one of each message, with every field set.
func samples(tb testing.TB) map[string][]byte {
	tb.Helper()
	epoch, tap := record.NewEpochID(), record.NewTapID()
	req, err := request().Prove(code(1))
	if err != nil {
		tb.Fatal(err)
	}
	out := map[string][]byte{}
	for name, m := range map[string]any{
		"join": req, "joined": wire.JoinAnswer{Site: "s", Name: "n", Bundle: []byte{1}, Replaces: record.BoxID{ID128: record.ID128{5}}},
		"push":   wire.Push{Headers: [][]byte{{1}}, Envelopes: [][]byte{{2}, {3}}, Corrections: [][]byte{{4}}},
		"pushed": wire.Pushed{Ack: []byte{1}, Refused: []wire.Refused{{Index: 1, Reason: "no header"}}},
		"poll": wire.Poll{
			Verdicts: rule.Version{CentralEpoch: 1, N: 2}, Trust: 3,
			Epochs: []record.EpochID{epoch}, Subjects: []record.TapID{tap}, Wait: 55, Time: 6, Waiting: 7, Release: "v1",
			Sets:  []wire.HeldSet{{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Number: rule.Version{CentralEpoch: 1, N: 8}, Root: wire.BlobID{9}}},
			Made:  []sitekey.Wrapped{{Site: "s", Generation: sitekey.Generation{ID128: record.ID128{1}}, Enc: []byte{2}, Sealed: []byte{3}}},
			Nonce: order.Nonce{ID128: record.ID128{4}}, Locked: true, Grant: rule.Version{CentralEpoch: 1, N: 5},
			Done: []wire.OrderDone{{Order: order.ID{ID128: record.ID128{6}}, Outcome: order.OutcomeDone, Erasure: []byte{7}}},
		},
		"polled": wire.Polled{
			CentralEpoch: 1, Ack: []byte{1}, Verdicts: []byte{2}, Rules: []byte{3}, Bundle: []byte{4}, Time: 6,
			Subjects: []wire.Subject{{Tap: tap, PPID: "made-up"}}, Grant: []byte{5}, Orders: [][]byte{{6}, {7}},
			RosterOffer: wire.RosterOffer{Version: rule.Version{CentralEpoch: 1, N: 3}, Head: wire.Blob{Size: 1}, Segments: []wire.Blob{{Size: 2}}},
			ReplacedBy:  record.BoxID{ID128: record.ID128{8}},
			Sets: []wire.SetOffer{{
				Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Number: rule.Version{CentralEpoch: 1, N: 9},
				Manifest: wire.Blob{ID: wire.BlobID{1}, Size: 1}, Set: wire.Blob{ID: wire.BlobID{2}, Size: 1 << 32},
				Deltas: []wire.DeltaOffer{{Base: rule.Version{CentralEpoch: 1, N: 8}, Head: wire.Blob{ID: wire.BlobID{3}}, Delta: wire.Blob{ID: wire.BlobID{4}}}},
			}},
		},
		"failure": wire.Failure{Code: wire.CodeInternal, Message: "x"},
	} {
		b, err := canon.Encode(m)
		if err != nil {
			tb.Fatal(err)
		}
		out[name] = b
	}
	return out
}

// settles reports how in reads as a T: accepted input is in its only form, and what was read encodes to one fixed form.
func settles[T any](t *testing.T, in []byte) {
	t.Helper()
	var m, again T
	if canon.Decode(in, &m, wire.MaxPush) != nil {
		return
	}
	var v any
	if err := canon.Decode(in, &v, wire.MaxPush); err != nil {
		t.Fatalf("%T: accepted %x, which is no item: %v", m, in, err)
	}
	if out, err := canon.Encode(v); err != nil || !bytes.Equal(out, in) {
		t.Fatalf("%T: accepted %x re-encodes to %x, %v", m, in, out, err)
	}
	one, err := canon.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := canon.Decode(one, &again, wire.MaxPush); err != nil {
		t.Fatalf("%T: %x encodes to %x, which is refused: %v", m, in, one, err)
	}
	if two, err := canon.Encode(again); err != nil || !bytes.Equal(one, two) {
		t.Fatalf("%T: %x encodes to %x and then to %x, %v", m, in, one, two, err)
	}
}

func settleAll(t *testing.T, in []byte) {
	t.Helper()
	settles[wire.JoinRequest](t, in)
	settles[wire.JoinAnswer](t, in)
	settles[wire.Push](t, in)
	settles[wire.Pushed](t, in)
	settles[wire.Poll](t, in)
	settles[wire.Polled](t, in)
	settles[wire.Failure](t, in)
}

// Each message, read as itself or as another, is in one form or refused; and one with a key that nobody knows is read.
func TestMessagesSettle(t *testing.T) {
	for name, b := range samples(t) {
		settleAll(t, b)
		more := append([]byte{b[0] + 1}, append(bytes.Clone(b[1:]), 0x17, 0xf5)...) // key 23: true
		settleAll(t, more)
		var m wire.Failure
		if err := canon.Decode(more, &m, wire.MaxPush); name == "failure" && (err != nil || m.Code != wire.CodeInternal) {
			t.Errorf("Decode(one key more) = %+v, %v, want it ignored", m, err)
		}
	}
}

func FuzzMessages(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Fuzz(settleAll)
}

func FuzzOpenVerdicts(f *testing.F) {
	b, err := canon.Encode(batch())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(central, sign.PurposeVerdicts, append([]byte{}, in...))
		if err != nil {
			t.Fatal(err)
		}
		v, err := wire.OpenVerdicts(keys(t), msg)
		if err != nil {
			return
		}
		settles[wire.Verdicts](t, in)
		if _, err := v.Sign(central); err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
	})
}
