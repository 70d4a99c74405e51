package registry_test

import (
	"errors"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/registry"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// P2: what a lost box brought counts, and whoever has the box gets nothing for it: neither the site's keys nor a verdict, and the order to wipe
// itself stands.
func TestP2TheRecordsOfALostBoxCountWithoutItsKeys(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error { _, _, err := c.SiteKeys.Ensure(tx, b.Site); return err }))
	e := b.Start(t, epoch.CauseStart)
	counts := func(when string, records, ready, held int64) {
		t.Helper()
		if n := c.Counts(); n.Records != records || n.Ready != ready || n.Held != held {
			t.Errorf("%s: %d records, %d ready, %d held, want %d, %d and %d", when, n.Records, n.Ready, n.Held, records, ready, held)
		}
	}
	tap := func() {
		t.Helper()
		e.Tap(t, simbox.Card(0x66))
		c.Push(b, e.Push())
		c.Drain()
	}
	c.World.Silence(0x66)
	tap() // and nobody answers for its certificate yet
	if err := c.Boxes.Settle(t.Context(), b.ID); !errors.Is(err, registry.ErrServed) {
		t.Errorf("Settle(in service) = %v, want ErrServed", err)
	}
	_, _, err := c.Boxes.Lose(t.Context(), b.ID, time.Time{}, 0)
	c.Check(err)
	_, err = c.Boxes.Order(t.Context(), b.ID, order.KindWipe, time.Time{})
	c.Check(err)
	tap()
	counts("lost", 0, 1, 1)
	c.World.Answer(record.AnswerNotRevoked, 0x66)
	c.World.Pass(time.Hour)
	c.Drain()
	counts("answered", 1, 0, 1)

	c.Check(c.Boxes.Settle(t.Context(), b.ID))
	c.Drain()
	counts("settled", 2, 0, 0)
	tap()
	counts("later", 2, 0, 1)
	if got, _, _ := c.Poll(b, wire.Poll{Locked: true}); got.Grant != nil || got.Verdicts != nil || got.Orders == nil {
		t.Errorf("the lost box is told %+v, want the order to wipe itself alone", got)
	}
	if c.State(b) != store.BoxRevoked {
		t.Errorf("the box is %s, want it revoked", c.State(b))
	}
	if err := c.Boxes.Settle(t.Context(), record.NewBoxID()); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("Settle(no such box) = %v, want ErrUnknown", err)
	}
}
