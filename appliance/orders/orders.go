// Package orders does what central orders this box to do, each order once, and keeps what became of it until central knows.
//
// An order counts only with C-sign's signature for that purpose, for this box, and under an id whose outcome is not on the disk yet. What
// became of it is durable before central is told. A crash between the doing and the noting does it once more, which every kind bears: to
// erase or lock again changes nothing, and a clock is lowered under a nonce that its use spends. To erase or to lock that failed is told as
// failed and tried again, also over restarts, until it is done, which is then told. A [Book] may be used from any goroutine;
// orders are done one at a time. How an order is done is the [Doer]'s; the package never logs what an order touches.
package orders

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// fileBook is where outcomes are kept, in the data directory; fileAside takes a damaged one.
const (
	fileBook  = "orders.cbor"
	fileAside = "orders.damaged"
)

// Caps. Outcomes are kept when central knows them, so that an old order does nothing; certificates of the newest alone.
const (
	maxKept         = 1024
	maxCertificates = 16
	maxFile         = 256 << 10
)

// ErrAgain is for a Doer: the order is bound to a nonce that is not the one of now, nothing was done, and central binds it anew.
var ErrAgain = errors.New("order is bound to another nonce")

// Doer does orders.
type Doer interface {
	// Order returns nil once the order is done for good, with the signed certificate of an erasure. ErrAgain.
	Order(ctx context.Context, o order.Order) (erasure []byte, err error)
}

// entry is one order that has an outcome.
type entry struct {
	ID      order.ID      `cbor:"1,keyasint"`
	Outcome order.Outcome `cbor:"2,keyasint"`
	Erasure []byte        `cbor:"3,keyasint,omitempty"`
	Told    bool          `cbor:"4,keyasint,omitempty"` // central knows
	Again   order.Kind    `cbor:"5,keyasint,omitempty"` // of what failed and is to be tried again
	Issued  int64         `cbor:"6,keyasint,omitempty"` // by central, Unix milliseconds
}

// file is the book on the disk.
type file struct {
	Version uint8   `cbor:"1,keyasint"`
	Entries []entry `cbor:"2,keyasint"`           // oldest first
	Floor   int64   `cbor:"3,keyasint,omitempty"` // Book.floor
}

// Book is a box's orders.
type Book struct {
	path string
	box  record.BoxID
	doer Doer
	log  *slog.Logger

	doing sync.Mutex // one order at a time

	mu      sync.Mutex // guards what follows; held across a write of the file, which is small
	entries []entry
	floor   int64 // orders issued up to then, Unix milliseconds, may have been done and forgotten
}

// Open reads the book in the box's data directory. A damaged one is set aside and reported: at worst an order that central sends again
// is done again. Whatever was done by it was issued before it was written last.
func Open(ctx context.Context, dir string, box record.BoxID, doer Doer, log *slog.Logger) (*Book, error) {
	b := &Book{path: filepath.Join(dir, fileBook), box: box, doer: doer, log: log}
	raw, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading orders: %w", err)
	}
	var f file
	err = canon.Decode(raw, &f, maxFile)
	if err == nil && f.Version == 1 {
		b.entries, b.floor = f.Entries, f.Floor
		return b, nil
	}
	log.ErrorContext(ctx, "the list of orders is damaged and was set aside", slog.Any("error", err))
	if err := os.Rename(b.path, filepath.Join(dir, fileAside)); err != nil {
		return nil, fmt.Errorf("setting damaged orders aside: %w", err)
	}
	if info, err := os.Stat(filepath.Join(dir, fileAside)); err == nil {
		b.floor = info.ModTime().UnixMilli()
	}
	if err := b.change(func(all []entry) []entry { return all }); err != nil {
		log.ErrorContext(ctx, "a new list of orders could not be written", slog.Any("error", err))
	}
	return b, nil
}

// Carried is Take for orders that did not come from central itself but on a stick, which may be an old one: central may have ordered otherwise since.
// One to erase or to lock that may have been done before, and forgotten, is not done again; its outcome is that it failed.
func (b *Book) Carried(ctx context.Context, keys sign.Keys, messages [][]byte) (news bool, err error) {
	return b.take(ctx, keys, messages, true)
}

// Take does those of the signed orders that have no outcome yet, in their order, and reports whether anything is news for central: what
// was about to be said is none. One at fault does not keep the others from being done; the error names the last fault.
func (b *Book) Take(ctx context.Context, keys sign.Keys, messages [][]byte) (news bool, err error) {
	return b.take(ctx, keys, messages, false)
}

func (b *Book) take(ctx context.Context, keys sign.Keys, messages [][]byte, carried bool) (news bool, err error) {
	b.doing.Lock()
	defer b.doing.Unlock()
	for _, msg := range messages[:min(len(messages), wire.MaxOrders)] {
		o, fault := order.Open(keys, b.box, msg)
		came := false
		if fault == nil {
			came, fault = b.one(ctx, o, carried)
		}
		news = news || came
		switch {
		case fault == nil:
		case errors.Is(fault, ErrAgain):
			b.log.InfoContext(ctx, "an order was bound to a nonce that is over; central binds it anew", slog.String("order", o.Kind.String()))
		default:
			err = fmt.Errorf("taking an order: %w", fault)
		}
	}
	return news, err
}

// one does an order unless it has an outcome, which is then said again: who sends it once more does not know that outcome. It is news unless it is
// about to be said.
func (b *Book) one(ctx context.Context, o order.Order, carried bool) (news bool, err error) {
	was, had := b.find(o.ID)
	if had && was.Again == 0 {
		news = was.Told
		was.Told = false // in memory: should that be lost, central sends the order again
		b.note(was)
		return news, nil
	}
	e := entry{ID: o.ID, Outcome: order.OutcomeUnknown, Issued: o.Issued}
	switch {
	case !had && carried && b.old(o):
		b.log.WarnContext(ctx, "an order on a stick may have been done before; it is not done", slog.String("order", o.Kind.String()))
		e.Outcome = order.OutcomeFailed
	case o.Kind.Known():
		b.log.WarnContext(ctx, "central gave an order", slog.String("order", o.Kind.String()))
		if e, err = b.do(ctx, o); err != nil {
			return false, err
		}
	}
	err = b.keep(e)
	return err == nil, err
}

// old reports whether an order may be one that was done and forgotten. Lowering a clock is bound to a nonce, and cannot be.
func (b *Book) old(o order.Order) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return o.Kind != order.KindClock && o.Issued <= b.floor
}

// do does an order of a known kind. It returns an error if there is no outcome yet.
func (b *Book) do(ctx context.Context, o order.Order) (entry, error) {
	e := entry{ID: o.ID, Outcome: order.OutcomeDone, Issued: o.Issued}
	erasure, err := b.doer.Order(ctx, o)
	switch {
	case err == nil:
	case errors.Is(err, ErrAgain), ctx.Err() != nil:
		return e, err
	default:
		b.log.ErrorContext(ctx, "an order could not be done", slog.String("order", o.Kind.String()), slog.Any("error", err))
		e.Outcome = order.OutcomeFailed
		if o.Kind == order.KindWipe || o.Kind == order.KindLock {
			e.Again = o.Kind
		}
	}
	if len(erasure) <= wire.MaxErasure {
		e.Erasure = erasure
	}
	return e, nil
}

// Retry tries again what failed and must not stay undone, and reports whether anything is news for central. The error names the last fault of
// keeping what became of it.
func (b *Book) Retry(ctx context.Context) (news bool, err error) {
	b.doing.Lock()
	defer b.doing.Unlock()
	for _, e := range b.failed() {
		next, fault := b.do(ctx, order.Order{Version: 1, Box: b.box, ID: e.ID, Kind: e.Again, Issued: e.Issued})
		if fault != nil || next.Outcome == e.Outcome {
			continue
		}
		if fault := b.keep(next); fault != nil {
			err = fault
			continue
		}
		news = true
	}
	return news, err
}

func (b *Book) failed() (all []entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.Again == order.KindWipe || e.Again == order.KindLock {
			all = append(all, e)
		}
	}
	return all
}

func (b *Book) find(id order.ID) (entry, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := at(b.entries, id)
	if i < 0 {
		return entry{}, false
	}
	return b.entries[i], true
}

func at(all []entry, id order.ID) int {
	return slices.IndexFunc(all, func(e entry) bool { return e.ID == id })
}

// note changes what is known of an order in memory alone.
func (b *Book) note(e entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := at(b.entries, e.ID); i >= 0 {
		b.entries[i] = e
	}
}

// keep makes durable what became of an order.
func (b *Book) keep(e entry) error {
	return b.change(func(all []entry) []entry {
		if i := at(all, e.ID); i >= 0 {
			all[i] = e
			return all
		}
		return append(all, e)
	})
}

// Done lists the outcomes that central is not known to have, oldest first, as many as a poll takes.
func (b *Book) Done() (all []wire.OrderDone) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if !e.Told && len(all) < wire.MaxDone {
			all = append(all, wire.OrderDone{Order: e.ID, Outcome: e.Outcome, Erasure: e.Erasure})
		}
	}
	return all
}

// Told notes that central has some outcomes; one that has changed meanwhile is told again. It is durable when it returned nil.
func (b *Book) Told(done []wire.OrderDone) error {
	if len(done) == 0 {
		return nil
	}
	return b.change(func(all []entry) []entry {
		for i := range all {
			if slices.ContainsFunc(done, func(d wire.OrderDone) bool { return d.Order == all[i].ID && d.Outcome == all[i].Outcome }) {
				all[i].Told = true
			}
		}
		return all
	})
}

// change makes the entries durable and only then what counts. The oldest that central knows go first where there are too many.
func (b *Book) change(f func([]entry) []entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next, floor := f(slices.Clone(b.entries)), b.floor
	for len(next) > maxKept {
		i := max(slices.IndexFunc(next, func(e entry) bool { return e.Told && e.Again == 0 }), 0)
		floor = max(floor, next[i].Issued)
		next = slices.Delete(next, i, i+1)
	}
	for i := range next[:max(0, len(next)-maxCertificates)] {
		next[i].Erasure = nil
	}
	raw, err := canon.Encode(file{Version: 1, Entries: next, Floor: floor})
	if err == nil {
		err = durable.WriteFile(b.path, raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keeping what became of orders: %w", err)
	}
	b.entries, b.floor = next, floor
	return nil
}
