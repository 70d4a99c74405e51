package box_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
)

// P2: a journal that begins anew knows of no central. Where the rules on the box are of one that was restored, no word from before counts.
func TestP2NoWordFromBeforeTheRulesOfARestoredCentral(t *testing.T) {
	c := newCentral(t, nil)
	k := joined(t, c)
	card, _ := practiceCard(t)
	k.hand.card = func(context.Context) (tap.Connection, error) { return card, nil }
	b, stop := k.run(t)
	k.tapped(t, at(t, k, b))
	must(t, stop())

	d, err := desired.Open(t.Context(), k.conf.DataDir, slog.New(slog.DiscardHandler))
	must(t, err)
	place := d.Place()
	c.ruledAs(t, func(s *rule.Set) { s.Version.CentralEpoch = 2 })
	must(t, errors.Join(d.ApplyRules(c.rules), d.Close()))
	j, err := journal.Open(t.Context(), filepath.Join(k.conf.DataDir, "journal.db"), journal.Options{
		Box: place.Box, Device: newKey(t), Recipient: func() (seal.PublicKey, error) { return seal.PublicKey{}, errors.New("it seals nothing") },
	})
	must(t, err)
	ends, err := j.Ends(t.Context())
	must(t, errors.Join(err, j.Close()))
	if len(ends) != 1 {
		t.Fatalf("Ends() = %+v, want one epoch", ends)
	}
	word := func(epoch uint64) []byte {
		a := ack.Ack{Version: rule.Version{CentralEpoch: epoch, N: 1}, Box: place.Box, Issued: 1}
		a.Ranges = []ack.Range{{Epoch: ends[0].Epoch, First: 1, Last: ends[0].Last, Chain: ends[0].Head, Level: ack.Safe}}
		msg, err := a.Sign(c.signs)
		must(t, err)
		return msg
	}

	c.mu.Lock()
	c.acks = make(chan []byte)
	c.mu.Unlock()
	b, _ = k.run(t)
	events := at(t, k, b)
	c.acks <- word(1)
	c.acks <- word(1) // asked for when what came before was dealt with
	if s, err := b.Status(t.Context()); err != nil || s.Waiting.Unsafe != 1 {
		t.Errorf("Status().Waiting = %+v, %v, want the record not to be safe", s.Waiting, err)
	}
	c.acks <- word(2)
	next(t, events, localapi.EventStatus, func(e localapi.Event) bool { return e.Status.Waiting.Unsafe == 0 })
}
