package orders_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kazashi.example/appliance/orders"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

var quiet = slog.New(slog.DiscardHandler)

// desk does orders as it is told, and counts them.
type desk struct {
	done []order.Order
	cert []byte
	err  error
}

func (d *desk) Order(_ context.Context, o order.Order) ([]byte, error) {
	d.done = append(d.done, o)
	return d.cert, d.err
}

// world is a box with its orders, and central's key.
type world struct {
	t       *testing.T
	dir     string
	box     record.BoxID
	central *ecdsa.PrivateKey
	desk    *desk
	book    *orders.Book
}

func newWorld(t *testing.T) *world {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), box: record.NewBoxID(), central: k, desk: &desk{}}
	w.open()
	return w
}

// open starts the box anew.
func (w *world) open() {
	w.t.Helper()
	var err error
	if w.book, err = orders.Open(w.t.Context(), w.dir, w.box, w.desk, quiet); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) keys() sign.Keys {
	pub, err := sign.PublicKeyOf(w.central.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	return sign.One{Key: pub}
}

func (w *world) give(kind order.Kind, change func(*order.Order)) []byte {
	w.t.Helper()
	o := order.Order{Box: w.box, ID: order.NewID(), Kind: kind, Issued: 1}
	if change != nil {
		change(&o)
	}
	msg, err := o.Sign(w.central)
	if err != nil {
		w.t.Fatal(err)
	}
	return msg
}

func (w *world) take(news bool, messages ...[]byte) {
	w.t.Helper()
	if got, err := w.book.Take(w.t.Context(), w.keys(), messages); err != nil || got != news {
		w.t.Errorf("Take = news %v, %v; want %v", got, err, news)
	}
}

// An order is done once, whoever brings it again and however often the box starts; its outcome is said until central has it, and once more
// to a central that asks again.
func TestAnOrderIsDoneOnce(t *testing.T) {
	w := newWorld(t)
	w.desk.cert = []byte("made-up certificate")
	msg := w.give(order.KindWipe, nil)
	w.take(true, msg)
	for range 2 {
		w.open()
		done := w.book.Done()
		if len(done) != 1 || done[0].Outcome != order.OutcomeDone || string(done[0].Erasure) != "made-up certificate" {
			t.Fatalf("Done = %+v, want the wipe with its certificate", done)
		}
	}
	if err := w.book.Told(w.book.Done()); err != nil {
		t.Fatal(err)
	}
	w.open()
	if done := w.book.Done(); len(done) != 0 {
		t.Errorf("Done = %+v after central has it, want nothing", done)
	}
	w.take(true, msg)
	if done := w.book.Done(); len(done) != 1 || len(w.desk.done) != 1 {
		t.Errorf("the order again: Done = %+v, done %d times; want the outcome again, and once", done, len(w.desk.done))
	}
}

// An order of somebody else, for another box or of no known kind does nothing, and keeps no other from being done.
func TestWhatIsNoOrderDoesNothing(t *testing.T) {
	w := newWorld(t)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := order.Order{Box: w.box, ID: order.NewID(), Kind: order.KindLock, Issued: 1}.Sign(stranger)
	if err != nil {
		t.Fatal(err)
	}
	other := w.give(order.KindLock, func(o *order.Order) { o.Box = record.NewBoxID() })
	news, err := w.book.Take(t.Context(), w.keys(), [][]byte{foreign, other, {0x80}, w.give(order.KindLock, nil)})
	if err == nil || !news || len(w.desk.done) != 1 || w.desk.done[0].Kind != order.KindLock {
		t.Errorf("Take = news %v, %v, did %d; want the last alone, and a fault said", news, err, len(w.desk.done))
	}
	later := w.give(9, nil)
	w.take(true, later)
	if done := w.book.Done(); len(done) != 2 || done[1].Outcome != order.OutcomeUnknown || len(w.desk.done) != 1 {
		t.Errorf("Done = %+v, did %d; want the order of a later release unknown", done, len(w.desk.done))
	}
}

// P3: to erase or to lock that failed is said as failed and tried again, over restarts, whether or not central asks again, until it is done.
func TestP3WhatFailedIsTriedAgain(t *testing.T) {
	for _, kind := range []order.Kind{order.KindWipe, order.KindLock} {
		w := newWorld(t)
		tells := func(when string, want order.Outcome, tried int) {
			t.Helper()
			done := w.book.Done()
			if len(done) != 1 || done[0].Outcome != want || len(w.desk.done) != tried {
				t.Errorf("%s %s: Done = %+v, tried %d times; want %s after %d", kind, when, done, len(w.desk.done), want, tried)
			}
		}
		retry := func(want bool) {
			t.Helper()
			if news, err := w.book.Retry(t.Context()); news != want || err != nil {
				t.Errorf("%s: Retry = news %v, %v, want %v", kind, news, err, want)
			}
		}
		w.desk.err = errors.New("the disk is gone")
		failed := w.give(kind, nil)
		w.take(true, failed)
		tells("at once", order.OutcomeFailed, 1)
		if err := w.book.Told(w.book.Done()); err != nil {
			t.Fatal(err)
		}
		retry(false)
		if done := w.book.Done(); len(done) != 0 {
			t.Errorf("%s: Done = %+v after the same outcome, want nothing new", kind, done)
		}
		w.take(true, failed)
		tells("asked again", order.OutcomeFailed, 3)
		saying := w.book.Done()
		w.open()
		w.desk.err, w.desk.cert = nil, []byte("made-up certificate")
		retry(true)
		if err := w.book.Told(saying); err != nil { // the answer to what was said before
			t.Fatal(err)
		}
		tells("after a restart", order.OutcomeDone, 4)
		if last := w.desk.done[3]; last.ID != w.desk.done[0].ID || last.Kind != kind || last.Box != w.box {
			t.Errorf("tried again as %+v", last)
		}
		w.open()
		retry(false)
		tells("later", order.OutcomeDone, 4)
	}
}

// What was bound to another nonce, or was stopped by the end of the program, has no outcome; a clock that could not be lowered has one.
func TestWhatWasNotDone(t *testing.T) {
	w := newWorld(t)
	w.desk.err = errors.New("the disk is gone")
	failed := w.give(order.KindClock, func(o *order.Order) { o.Nonce.ID128[0], o.Time = 1, 5 })
	w.take(true, failed)
	w.take(false, failed) // it is about to be said
	if news, err := w.book.Retry(t.Context()); news || err != nil {
		t.Errorf("Retry = %v, %v, want nothing", news, err)
	}
	if done := w.book.Done(); len(done) != 1 || done[0].Outcome != order.OutcomeFailed || len(w.desk.done) != 1 {
		t.Errorf("Done = %+v, tried %d times; want failed, once", done, len(w.desk.done))
	}
	w.desk.err = orders.ErrAgain
	clock := w.give(order.KindClock, func(o *order.Order) { o.Nonce.ID128[0], o.Time = 1, 5 })
	w.take(false, clock)
	w.desk.err = nil
	w.take(true, clock)
	if done := w.book.Done(); len(done) != 2 || done[1].Outcome != order.OutcomeDone {
		t.Errorf("Done = %+v, want the lowering done under its new nonce", done)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.desk.err = context.Canceled
	lock := w.give(order.KindLock, nil)
	if news, err := w.book.Take(ctx, w.keys(), [][]byte{lock}); news || !errors.Is(err, context.Canceled) {
		t.Errorf("Take at the end of the program = news %v, %v; want nothing noted", news, err)
	}
	w.desk.err = nil
	w.take(true, lock)
}

// The list is bounded, in what a poll takes of it and on the disk, and forgets first what central has.
func TestTheListIsBounded(t *testing.T) {
	w := newWorld(t)
	w.desk.cert = make([]byte, wire.MaxErasure)
	for range 30 {
		w.take(true, w.give(order.KindWipe, nil))
	}
	done := w.book.Done()
	if len(done) != wire.MaxDone {
		t.Errorf("%d outcomes in one poll, want %d", len(done), wire.MaxDone)
	}
	w.open()
	info, err := os.Stat(filepath.Join(w.dir, "orders.cbor"))
	if err != nil || info.Size() > 256<<10 || len(w.book.Done()) != wire.MaxDone {
		t.Errorf("the list has %d octets, %v, and %d outcomes after a start", info.Size(), err, len(w.book.Done()))
	}
}

// A damaged list is set aside, and orders are taken again.
func TestADamagedListIsSetAside(t *testing.T) {
	w := newWorld(t)
	w.take(true, w.give(order.KindLock, nil))
	path := filepath.Join(w.dir, "orders.cbor")
	if err := os.WriteFile(path, []byte("no list"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.open()
	if b, err := os.ReadFile(filepath.Join(w.dir, "orders.damaged")); err != nil || string(b) != "no list" {
		t.Errorf("set aside %q, %v, want what was there", b, err)
	}
	w.take(true, w.give(order.KindLock, nil))
}

// carry takes orders off a stick.
func (w *world) carry(news bool, messages ...[]byte) {
	w.t.Helper()
	if got, err := w.book.Carried(w.t.Context(), w.keys(), messages); err != nil || got != news {
		w.t.Errorf("Carried = news %v, %v; want %v", got, err, news)
	}
}

// at gives an order at a time.
func (w *world) at(kind order.Kind, ms int64) []byte {
	w.t.Helper()
	return w.give(kind, func(o *order.Order) {
		if o.Issued = ms; kind == order.KindClock {
			o.Nonce.ID128[0], o.Time = 1, 5
		}
	})
}

// P3: an old stick erases or locks nothing again: not after the list was lost, and not after it has forgotten. What was issued since is done, and so is
// what central itself sends again.
func TestP3AnOldStickDoesNothingAgain(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(w.dir, "orders.cbor")
	lost := time.UnixMilli(5_000)
	wipe := w.at(order.KindWipe, 4_000)
	w.carry(true, wipe)
	w.carry(false, wipe)
	for _, err := range []error{os.WriteFile(path, []byte("no list"), 0o600), os.Chtimes(path, lost, lost)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []order.Kind{order.KindWipe, order.KindLock} { // as the list was set aside, and at the next start
		w.open()
		w.carry(true, w.at(kind, 5_000))
	}
	w.carry(true, wipe)
	done := w.book.Done()
	if len(w.desk.done) != 1 || len(done) != 3 || slices.ContainsFunc(done, func(d wire.OrderDone) bool { return d.Outcome != order.OutcomeFailed }) {
		t.Errorf("done %d times, told %+v; want once, and three that failed", len(w.desk.done), done)
	}
	w.carry(true, w.at(order.KindClock, 1), w.at(order.KindLock, 5_001))
	w.take(true, w.at(order.KindWipe, 4_000))
	if len(w.desk.done) != 4 {
		t.Errorf("done %d times, want also the clock, what was issued since, and what central sends", len(w.desk.done))
	}
	w.open()
	if news, err := w.book.Retry(t.Context()); news || err != nil || len(w.desk.done) != 4 {
		t.Errorf("Retry = %v, %v, done %d times; want nothing tried again", news, err, len(w.desk.done))
	}
}

// P3: an order that is older than those that the full list has forgotten is none to do.
func TestP3AFullListForgetsNoAge(t *testing.T) {
	w := newWorld(t)
	type entry struct {
		ID      order.ID      `cbor:"1,keyasint"`
		Outcome order.Outcome `cbor:"2,keyasint"`
		Told    bool          `cbor:"4,keyasint"`
		Issued  int64         `cbor:"6,keyasint"`
	}
	full := make([]entry, 1024)
	for n := range full {
		full[n] = entry{order.NewID(), order.OutcomeDone, true, int64(10 + n)}
	}
	b, err := canon.Encode(struct {
		Version uint8   `cbor:"1,keyasint"`
		Entries []entry `cbor:"2,keyasint"`
	}{1, full})
	if err == nil {
		err = os.WriteFile(filepath.Join(w.dir, "orders.cbor"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.open()
	first := w.give(order.KindLock, func(o *order.Order) { o.ID, o.Issued = full[0].ID, 10 })
	w.carry(true, first) // it is told again
	w.carry(true, w.at(order.KindLock, 2_000))
	w.carry(true, w.at(order.KindLock, 9)) // the second was forgotten, which was issued at 11
	w.open()
	w.carry(true, w.give(order.KindLock, func(o *order.Order) { o.ID, o.Issued = full[1].ID, 11 }))
	if len(w.desk.done) != 1 {
		t.Errorf("done %d times, want what is new once", len(w.desk.done))
	}
}

// FuzzOpenBook reads whatever lies there as a list: never a panic, and orders are taken afterwards.
func FuzzOpenBook(f *testing.F) {
	f.Add([]byte{0xa2, 1, 1, 2, 0x80})
	f.Add([]byte("no list"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := &world{t: t, dir: t.TempDir(), box: record.NewBoxID(), desk: &desk{}}
		if err := os.WriteFile(filepath.Join(w.dir, "orders.cbor"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		w.open()
		if err := w.book.Told(w.book.Done()); err != nil {
			t.Fatal(err)
		}
	})
}
