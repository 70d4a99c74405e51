package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
)

// MaxOrders caps what Orders lists.
const MaxOrders = 100

// outcomeWithdrawn closes an order that central itself took back. A box may have done it meanwhile.
const outcomeWithdrawn order.Outcome = "withdrawn"

// Errors of Order.
var (
	// ErrTime says that a clock cannot be lowered to a time.
	ErrTime = errors.New("a clock is lowered to a time after 2020 that has passed already")
	// ErrKind says that there is no such order.
	ErrKind = errors.New("no such order")
)

// earliest is before every release of this software, so that no mistyped year passes.
var earliest = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// Order gives a box an order, which it gets with its next poll, in service or not. to is the floor of order.KindClock, and not looked at
// otherwise. An open order of the same kind is withdrawn. Wipe and lock keep the site's keys from the box until Reinstate, and the
// site seals under a new one. ErrUnknown, ErrTime, ErrKind.
func (r *Registry) Order(ctx context.Context, id record.BoxID, kind order.Kind, to time.Time) (store.Order, error) {
	now := r.Now()
	o := store.Order{ID: order.NewID(), Box: id, Kind: kind, Given: now}
	switch {
	case !kind.Known():
		return o, ErrKind
	case kind == order.KindClock && (to.Before(earliest) || to.After(now)):
		return o, ErrTime
	case kind == order.KindClock:
		o.Time = to
	}
	err := r.Store.Update(ctx, func(tx store.Tx) error {
		was, err := tx.Box(id)
		if err != nil {
			return err
		}
		box := was
		box.Withheld = box.Withheld || kind != order.KindClock
		if err := r.withdraw(tx, id, kind); err != nil {
			return err
		}
		if err := r.withhold(tx, was, box); err != nil {
			return err
		}
		return tx.AddOrder(o)
	})
	if err = unknown(err); err != nil && !errors.Is(err, ErrUnknown) {
		err = fmt.Errorf("keeping an order to box %s: %w", id, err)
	}
	return o, err
}

// withdraw closes a box's open orders of some kinds.
func (r *Registry) withdraw(tx store.Tx, id record.BoxID, kinds ...order.Kind) error {
	open, err := tx.OpenOrders(id, MaxOrders)
	if err != nil {
		return err
	}
	for _, o := range open {
		if !slices.Contains(kinds, o.Kind) {
			continue
		}
		if _, err := tx.CloseOrder(id, o.ID, outcomeWithdrawn, nil, r.Now()); err != nil {
			return err
		}
	}
	return nil
}

// Orders lists a box's orders, newest first, the first MaxOrders. ErrUnknown.
func (r *Registry) Orders(ctx context.Context, id record.BoxID) (all []store.Order, err error) {
	err = r.Store.View(ctx, func(tx store.Tx) error {
		if _, err := tx.Box(id); err != nil {
			return err
		}
		all, err = tx.OrdersOf(id, MaxOrders)
		return err
	})
	return all, unknown(err)
}
