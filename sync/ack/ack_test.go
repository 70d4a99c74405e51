package ack_test

import (
	"errors"
	"testing"

	"kazashi.example/sync/ack"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

var central = byhand.Key("ack central")

func keys(t testing.TB) sign.Keys { t.Helper(); return testkey.Only(t, central) }

// word is an acknowledgement of two runs.
func word() ack.Ack {
	return ack.Ack{
		Version: rule.Version{CentralEpoch: 1, N: 5}, Box: record.NewBoxID(), Issued: 1_795_000_000_000,
		Ranges: []ack.Range{
			{Epoch: record.NewEpochID(), First: 1, Last: 9, Chain: epoch.Hash{1}, Level: ack.Safe},
			{Epoch: record.NewEpochID(), First: 3, Last: 3, Chain: epoch.Hash{2}, Level: ack.Received},
		},
	}
}

func TestOpenIsTheInverseOfSign(t *testing.T) {
	a := word()
	msg, err := a.Sign(central)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ack.Open(keys(t), msg)
	if err != nil || got.Version != a.Version || got.Box != a.Box || len(got.Ranges) != 2 || got.Ranges[0] != a.Ranges[0] || got.Ranges[1] != a.Ranges[1] {
		t.Errorf("Open = %+v, %v, want %+v", got, err, a)
	}
	a.Ranges = nil // nothing held is a word, too
	if msg, err = a.Sign(central); err != nil {
		t.Fatal(err)
	}
	if got, err = ack.Open(keys(t), msg); err != nil || len(got.Ranges) != 0 {
		t.Errorf("Open(no ranges) = %+v, %v", got, err)
	}
}

// P2: only a word that central signed as an acknowledgement, and that makes sense, may lead to a deletion.
func TestP2OpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*ack.Ack)
	}{
		{"no central epoch", func(a *ack.Ack) { a.Version.CentralEpoch = 0 }},
		{"no box", func(a *ack.Ack) { a.Box = record.BoxID{} }},
		{"no epoch", func(a *ack.Ack) { a.Ranges[0].Epoch = record.EpochID{} }},
		{"from record 0", func(a *ack.Ack) { a.Ranges[0].First = 0 }},
		{"backwards", func(a *ack.Ack) { a.Ranges[1].Last = 2 }},
		{"no chain value", func(a *ack.Ack) { a.Ranges[0].Chain = epoch.Hash{} }},
		{"level 0", func(a *ack.Ack) { a.Ranges[0].Level = 0 }},
		{"level 3", func(a *ack.Ack) { a.Ranges[0].Level = 3 }},
		{"too many ranges", func(a *ack.Ack) {
			for len(a.Ranges) <= ack.MaxRanges {
				a.Ranges = append(a.Ranges, a.Ranges[0])
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := word()
			c.make(&a)
			if _, err := a.Sign(central); !errors.Is(err, ack.ErrAck) {
				t.Errorf("Sign = %v, want ErrAck", err)
			}
			if _, err := ack.Open(keys(t), signed(t, sign.PurposeAck, a)); !errors.Is(err, ack.ErrAck) {
				t.Errorf("Open = %v, want ErrAck", err)
			}
		})
	}
	if _, err := ack.Open(keys(t), signed(t, sign.PurposeRules, word())); !errors.Is(err, sign.ErrSignature) {
		t.Errorf("Open(signed as rules) = %v, want ErrSignature", err)
	}
}

func signed(t *testing.T, p sign.Purpose, a ack.Ack) []byte {
	t.Helper()
	b, err := canon.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := sign.Sign(central, p, b)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestLevelsKeepTheirNumbers(t *testing.T) {
	for n, want := range []string{"unknown", "received", "safe", "unknown"} {
		if got := ack.Level(n).String(); got != want {
			t.Errorf("Level(%d) = %q, want %q", n, got, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	msg, err := word().Sign(central)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg)
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := ack.Open(keys(t), in)
		if err != nil {
			return
		}
		if _, err := a.Sign(central); err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
	})
}

// FuzzPayload fuzzes what is under central's signature.
func FuzzPayload(f *testing.F) {
	b, err := canon.Encode(word())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(central, sign.PurposeAck, append([]byte{}, in...))
		if err != nil {
			t.Fatal(err)
		}
		a, err := ack.Open(keys(t), msg)
		if err != nil {
			return
		}
		var v any
		if err := canon.Decode(in, &v, ack.MaxAck); err != nil {
			t.Fatalf("accepted %x: %v", in, err)
		}
		for _, r := range a.Ranges {
			if r.First == 0 || r.Last < r.First {
				t.Fatalf("accepted a range %d to %d", r.First, r.Last)
			}
		}
	})
}
