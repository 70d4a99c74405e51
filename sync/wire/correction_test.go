package wire_test

import (
	"errors"
	"slices"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

func correction() wire.Correction {
	return wire.Correction{
		Version: 1, Box: record.NewBoxID(), Epochs: []record.EpochID{record.NewEpochID(), record.NewEpochID()}, Offset: -5_400_000,
		Measured: 1_795_000_000_000,
	}
}

// P6: a correction counts as its box signed it, or not at all.
func TestP6CorrectionsOpenWholeOrNotAtAll(t *testing.T) {
	good := correction()
	msg, err := good.Sign(central)
	if err != nil {
		t.Fatal(err)
	}
	peeked, err := wire.PeekCorrection(msg)
	if err != nil || peeked.Box != good.Box {
		t.Errorf("PeekCorrection = %+v, %v, want the box", peeked, err)
	}
	got, err := wire.OpenCorrection(keys(t), msg)
	if err != nil || got.Offset != good.Offset || !slices.Equal(got.Epochs, good.Epochs) {
		t.Errorf("OpenCorrection = %+v, %v, want %+v", got, err, good)
	}
	for name, change := range map[string]func(*wire.Correction){
		"no box":              func(c *wire.Correction) { c.Box = record.BoxID{} },
		"no epoch":            func(c *wire.Correction) { c.Epochs = nil },
		"an epoch without id": func(c *wire.Correction) { c.Epochs[1] = record.EpochID{} },
		"too many epochs":     func(c *wire.Correction) { c.Epochs = slices.Repeat(c.Epochs[:1], wire.MaxCorrectedEpochs+1) },
		"no time":             func(c *wire.Correction) { c.Measured = 0 },
		"three centuries":     func(c *wire.Correction) { c.Offset = 300 * 366 * 86_400_000 },
		"and back":            func(c *wire.Correction) { c.Offset = -300 * 366 * 86_400_000 },
	} {
		c := correction()
		change(&c)
		if _, err := c.Sign(central); !errors.Is(err, wire.ErrCorrection) {
			t.Errorf("Sign(%s) = %v, want ErrCorrection", name, err)
		}
		b, err := canon.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		bad, err := sign.Sign(central, sign.PurposeCorrection, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.OpenCorrection(keys(t), bad); !errors.Is(err, wire.ErrCorrection) {
			t.Errorf("OpenCorrection(%s) = %v, want ErrCorrection", name, err)
		}
	}
	b, err := canon.Encode(good)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := sign.Sign(central, sign.PurposeEpoch, b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.OpenCorrection(keys(t), forged); !errors.Is(err, sign.ErrSignature) {
		t.Errorf("OpenCorrection(signed as an epoch) = %v, want ErrSignature", err)
	}
}

func FuzzOpenCorrection(f *testing.F) {
	b, err := canon.Encode(correction())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(central, sign.PurposeCorrection, append([]byte{}, in...))
		if err != nil {
			t.Fatal(err)
		}
		c, err := wire.OpenCorrection(keys(t), msg)
		if err != nil {
			return
		}
		if again, err := c.Sign(central); err != nil || len(again) > wire.MaxCorrection {
			t.Fatalf("Sign(accepted) = %d octets, %v", len(again), err)
		}
	})
}

// P2: nothing that may stand in a message makes it larger than its cap.
func TestGreatestMessagesFit(t *testing.T) {
	most := rule.Version{CentralEpoch: 1<<64 - 1, N: 1<<64 - 1}
	site := record.SiteID(slices.Repeat([]byte("a"), 63))
	held := wire.HeldSet{Hierarchy: 255, Purpose: 255, Number: most, Root: wire.BlobID{1}}
	made := sitekey.Wrapped{
		Site: site, Generation: sitekey.Generation{ID128: record.ID128{1}}, Enc: make([]byte, seal.EncLen),
		Sealed: make([]byte, sitekey.KeyLen+seal.TagLen),
	}
	done := wire.OrderDone{Order: order.NewID(), Outcome: order.Outcome(slices.Repeat([]byte("a"), 32)), Erasure: make([]byte, wire.MaxErasure)}
	blob := wire.Blob{Size: 1<<64 - 1}
	delta := wire.DeltaOffer{Base: most, Next: most, Head: blob, Delta: blob}
	for _, c := range []struct {
		name string
		m    any
		most int
	}{
		{"poll", wire.Poll{
			Verdicts: most, Acks: most, Rules: most, Trust: 1<<64 - 1, Epochs: slices.Repeat([]record.EpochID{record.NewEpochID()}, wire.MaxEpochs),
			Subjects: slices.Repeat([]record.TapID{record.NewTapID()}, wire.MaxSubjects), Wait: 1<<16 - 1, Time: 1<<63 - 1, Waiting: 1<<64 - 1,
			Release: string(make([]byte, 256)), Roster: most, Sets: slices.Repeat([]wire.HeldSet{held}, wire.MaxOffers),
			Made: slices.Repeat([]sitekey.Wrapped{made}, wire.MaxMade), Nonce: order.Nonce{ID128: record.ID128{1}}, Locked: true, Grant: most,
			Done: slices.Repeat([]wire.OrderDone{done}, wire.MaxDone),
		}, wire.MaxPoll},
		{"push", wire.Push{
			Headers: slices.Repeat([][]byte{make([]byte, 1500)}, 100), Envelopes: [][]byte{make([]byte, 1<<20)},
			Corrections: slices.Repeat([][]byte{make([]byte, wire.MaxCorrection)}, wire.MaxCorrected),
		}, wire.MaxPush},
		{"answer to a poll", wire.Polled{
			CentralEpoch: 1<<64 - 1, Ack: make([]byte, 1<<20), Verdicts: make([]byte, 128<<10), Rules: make([]byte, rule.MaxSet), Bundle: make([]byte, 1<<20),
			Subjects: slices.Repeat([]wire.Subject{{Tap: record.NewTapID(), PPID: string(make([]byte, 64))}}, wire.MaxSubjects), Time: 1<<63 - 1,
			Sets: slices.Repeat([]wire.SetOffer{{
				Hierarchy: 255, Purpose: 255, Number: most, Manifest: blob, Set: blob, Deltas: slices.Repeat([]wire.DeltaOffer{delta}, wire.MaxDeltas),
			}}, wire.MaxOffers),
			Grant: make([]byte, sitekey.MaxGrant), Orders: slices.Repeat([][]byte{make([]byte, order.MaxOrder)}, wire.MaxOrders),
			RosterOffer: wire.RosterOffer{Version: most, Head: blob, Segments: slices.Repeat([]wire.Blob{blob}, wire.MaxSegments)},
		}, wire.MaxPolled},
	} {
		b, err := canon.Encode(c.m)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > c.most {
			t.Errorf("the greatest %s has %d octets, cap %d", c.name, len(b), c.most)
		}
		t.Logf("%s: %d of %d octets", c.name, len(b), c.most)
	}
}
