package box_test

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/appliance/orders"
	"kazashi.example/appliance/tap"
	"kazashi.example/appliance/vault"
	"kazashi.example/localapi"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// P2: from the count on nothing is tapped into what is to go, over restarts, and whoever asked finishes what could not be erased at once.
func TestP2NothingIsTappedIntoWhatGoes(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	card, _ := practiceCard(t)
	k.hand.card = func(context.Context) (tap.Connection, error) { return card, nil }
	inTheWay := filepath.Join(k.conf.DataDir, "sitebook.db.in-the-way") // of the book's name, and no file
	must(t, os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700))
	b, stop := k.run(t)
	events := at(t, k, b)
	lay := func(want localapi.EventType) {
		t.Helper()
		k.hand.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
		next(t, events, want, func(e localapi.Event) bool {
			return want == localapi.EventVerdict || e.Failure == localapi.FailureJournal
		})
		k.remove(t, events)
	}
	all := localapi.CloseSite{Site: "branch-1", By: "s-01", Everything: true}
	ask := func() (localapi.Certificate, error) {
		c, err := localapi.NewClient("unix:" + k.conf.Socket())
		must(t, err)
		defer c.Close()
		return c.CloseSite(t.Context(), all)
	}
	lay(localapi.EventVerdict)
	if _, err := ask(); !errors.Is(err, localapi.ErrUnsafe) {
		t.Fatalf("CloseSite over a record = %v, want ErrUnsafe", err)
	}
	lay(localapi.EventVerdict) // a refusal ends nothing
	all.Lose = 2
	if _, err := ask(); err == nil {
		t.Fatal("CloseSite with the book in use = nil")
	}
	lay(localapi.EventReadFailed)
	must(t, stop())
	b, _ = k.run(t)
	events = at(t, k, b)
	lay(localapi.EventReadFailed)
	must(t, os.RemoveAll(inTheWay))
	cert, err := ask()
	if err != nil || !strings.Contains(cert.Text, "2 records were not safe") || !strings.Contains(cert.Text, "not verified") {
		t.Fatalf("CloseSite again = %v\n%s", err, cert.Text)
	}
}

// P1: a damaged plan of a closing keeps no box from its taps.
func TestP1ADamagedClosingStopsNoBox(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	card, _ := practiceCard(t)
	k.hand.card = func(context.Context) (tap.Connection, error) { return card, nil }
	must(t, os.WriteFile(filepath.Join(k.conf.DataDir, "closing.cbor"), []byte("no plan"), 0o600))
	b, _ := k.run(t)
	events := at(t, k, b)
	k.hand.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	next(t, events, localapi.EventVerdict, nil)
	if !strings.Contains(k.log.String(), "the plan of a closing is damaged") {
		t.Error("the log says nothing of the damaged plan")
	}
}

// failing does no order.
type failing struct{}

func (failing) Order(context.Context, order.Order) ([]byte, error) {
	return nil, errors.New("the disk is gone")
}

// planted has an order lie in the box's data directory that central gave and that could not be done.
func (k *counter) planted(t *testing.T, c *central, kind order.Kind) {
	t.Helper()
	id, err := vault.Open(k.conf.DataDir, vault.Options{})
	must(t, err)
	given := order.Order{Box: id.Box, ID: order.NewID(), Kind: kind, Issued: 1}
	must(t, id.Close())
	msg, err := given.Sign(c.signs)
	must(t, err)
	key, err := sign.PublicKeyOf(crypto.Signer(c.signs).Public())
	must(t, err)
	if news, err := k.orders(t, given.Box).Take(t.Context(), sign.One{Key: key}, [][]byte{msg}); !news || err != nil {
		t.Fatalf("Take = %v, %v", news, err)
	}
}

// orders is the book of a box that does not run.
func (k *counter) orders(t *testing.T, id record.BoxID) *orders.Book {
	t.Helper()
	book, err := orders.Open(t.Context(), k.conf.DataDir, id, failing{}, slog.New(slog.DiscardHandler))
	must(t, err)
	return book
}

// P3: what central ordered and could not be done is done at the next start, and told.
func TestP3AnOrderThatFailedIsDoneAtTheStart(t *testing.T) {
	c := newCentral(t, nil)
	k := joined(t, c)
	k.planted(t, c, order.KindWipe)
	b, err := k.open(t)
	must(t, err)
	must(t, b.Close())
	if done := k.orders(t, record.BoxID{}).Done(); len(done) != 1 || done[0].Outcome != order.OutcomeDone || len(done[0].Erasure) == 0 {
		t.Errorf("Done = %+v, want the wipe done, with its certificate", done)
	}
}

// P3: keys that central had locked stay so over restarts, also for who has the code.
func TestP3ALockThatWasOrderedHolds(t *testing.T) {
	c := newCentral(t, nil)
	k := joined(t, c)
	k.conf.AllowSwap = true
	b, stop := k.run(t)
	next(t, at(t, k, b), localapi.EventStatus, nil)
	k.makeKeys(t)
	must(t, stop())
	k.planted(t, c, order.KindLock)
	for range 2 {
		b, stop := k.run(t)
		next(t, at(t, k, b), localapi.EventStatus, nil)
		api, err := localapi.NewClient("unix:" + k.conf.Socket())
		must(t, err)
		if _, err := api.Unlock(t.Context(), localapi.NewSecret(plantedKeyCode)); !errors.Is(err, localapi.ErrLocked) {
			t.Errorf("Unlock = %v, want ErrLocked", err)
		}
		if keys, err := api.Keys(t.Context()); err != nil || keys.State != localapi.KeysLocked {
			t.Errorf("Keys = %+v, %v, want them locked", keys, err)
		}
		api.Close()
		must(t, stop())
	}
}
