package registry_test

import (
	"errors"
	"slices"
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/registry"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

func gaps(c *simcentral.Central, b *simbox.Box) []registry.Gap {
	c.TB.Helper()
	all, err := c.Boxes.Gaps(c.TB.Context(), b.ID)
	c.Check(err)
	return all
}

// P2: what a box's own words say must exist is named as missing, from the first push to the last.
func TestP2GapsAreNamedUntilTheyAreFilled(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	e := b.Start(t, epoch.CauseStart)
	for i := range 9 {
		e.Tap(t, simbox.Card(0x12, byte(i)))
	}
	id := e.Signed.Header.Epoch
	all := e.Push()
	some := func(from, to int) wire.Push {
		return wire.Push{Headers: all.Headers, Envelopes: all.Envelopes[from-1 : to]}
	}
	want := func(after string, want ...registry.Gap) {
		t.Helper()
		if got := gaps(c, b); !slices.Equal(got, want) {
			t.Errorf("Gaps after %s = %v, want %v", after, got, want)
		}
	}
	c.Push(b, some(1, 3))
	want("1-3")
	c.Push(b, some(6, 7))
	want("6-7", registry.Gap{Epoch: id, First: 4, Last: 5})
	next := b.Start(t, epoch.CauseRotation) // names 9
	c.Push(b, next.Push())
	want("the successor", registry.Gap{Epoch: id, First: 4, Last: 5}, registry.Gap{Epoch: id, First: 8, Last: 9})
	c.Drain()
	want("opening", registry.Gap{Epoch: id, First: 4, Last: 5}, registry.Gap{Epoch: id, First: 8, Last: 9})
	c.Check(c.Boxes.Revoke(t.Context(), b.ID))
	c.Push(b, some(4, 4))
	want("4 of a revoked box", registry.Gap{Epoch: id, First: 5, Last: 5}, registry.Gap{Epoch: id, First: 8, Last: 9})
	c.Push(b, some(5, 9))
	want("everything")
}

// What does not open fills nothing.
func TestP2AForgedEnvelopeFillsNoGap(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	e := b.Start(t, epoch.CauseStart)
	for i := range 3 {
		e.Tap(t, simbox.Card(0x12, byte(i)))
	}
	p := e.Push()
	forged, err := epoch.DecodeEnvelope(p.Envelopes[1])
	c.Check(err)
	forged.Sealed[0] ^= 1
	raw, err := forged.Encode()
	c.Check(err)
	c.Push(b, wire.Push{Headers: p.Headers, Envelopes: [][]byte{p.Envelopes[0], raw, p.Envelopes[2]}})
	if got := gaps(c, b); len(got) != 0 {
		t.Errorf("Gaps before opening = %v, want none: nobody knows yet", got)
	}
	c.Drain()
	want := []registry.Gap{{Epoch: e.Signed.Header.Epoch, First: 2, Last: 2}}
	if got := gaps(c, b); !slices.Equal(got, want) || c.Counts().Gaps != 1 {
		t.Errorf("Gaps = %v in %d epochs, want %v in 1", got, c.Counts().Gaps, want)
	}
}

func TestGapsOfNoBoxAndOfTooMany(t *testing.T) {
	c := simcentral.New(t)
	if _, err := c.Boxes.Gaps(t.Context(), record.NewBoxID()); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("Gaps(no such box) = %v, want %v", err, registry.ErrUnknown)
	}
	b := c.Box()
	e := b.Start(t, epoch.CauseStart)
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.AddEpoch(store.Epoch{ID: e.Signed.Header.Epoch, Box: b.ID, Signed: e.Signed, Received: simcentral.Start}); err != nil {
			return err
		}
		for seq := record.Seq(2); seq <= 2*registry.MaxGaps+100; seq += 2 {
			v := store.Envelope{ID: record.ID{Epoch: e.Signed.Header.Epoch, Seq: seq}, Bytes: []byte("sealed"), State: store.EnvelopeHeld}
			if err := tx.AddEnvelope(v); err != nil {
				return err
			}
		}
		return nil
	}))
	if got := gaps(c, b); len(got) != registry.MaxGaps {
		t.Errorf("%d gaps, want the first %d", len(got), registry.MaxGaps)
	}
}
