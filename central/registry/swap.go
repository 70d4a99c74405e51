package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// ErrReplaced says that a box has a successor already, and what follows from that.
var ErrReplaced = errors.New("another box took this one's place for good; a box that is to serve again starts anew, with a new code")

// ErrLost says that nobody takes the place of a box that was taken out of service: its records would count.
var ErrLost = errors.New("this box was taken out of service, and its records are held; make a new code for its site; what is held is settled by `box settle`")

// ErrSwap is all that a box is told whose code came too late.
var ErrSwap = errors.New("the box that this code replaces was replaced or taken out of service since; make a new code")

// SwapCode makes a one-time code for a box that takes the place of another, at its site: with its name, unless another is given. ttl 0
// means DefaultTTL. Nothing changes before the code is used: until then the old box is served, and several codes may be there. ErrUnknown,
// ErrReplaced, ErrLost, ErrName.
func (r *Registry) SwapCode(ctx context.Context, old record.BoxID, name string, ttl time.Duration) (wire.JoinCode, error) {
	b, err := r.Box(ctx, old)
	if err != nil {
		return wire.JoinCode{}, err
	}
	if err := replaceable(b); err != nil {
		return wire.JoinCode{}, err
	}
	if name == "" {
		name = b.Name
	}
	return r.newCode(ctx, store.Code{Site: b.Site, Name: name, Replaces: old}, ttl)
}

func replaceable(b store.Box) error {
	switch b.State {
	case store.BoxReplaced:
		return ErrReplaced
	case store.BoxRevoked:
		return ErrLost
	default:
		return nil
	}
}

// replace ends a box's service within the step in which another one joins: it keeps its id, and its records count, but it gets no keys, and
// its site seals under a new one.
func (r *Registry) replace(tx store.Tx, id record.BoxID) error {
	was, err := tx.Box(id)
	if err != nil {
		return fmt.Errorf("finding box %s, whose place is taken: %w", id, err)
	}
	if replaceable(was) != nil {
		return ErrSwap
	}
	now := was
	now.State = store.BoxReplaced
	if err := tx.SetBoxState(id, now.State); err != nil {
		return fmt.Errorf("replacing box %s: %w", id, err)
	}
	return r.withhold(tx, was, now)
}

// Replacement is the box that took a box's place; ErrUnknown if none did.
func (r *Registry) Replacement(ctx context.Context, id record.BoxID) (b store.Box, err error) {
	err = r.Store.View(ctx, func(tx store.Tx) error { b, err = tx.Replacement(id); return err })
	return b, unknown(err)
}

// MaxUntold caps what Untold lists.
const MaxUntold = 1000

// Untold lists the records of a box that hears no verdicts any more which were settled otherwise than was said at the counter, the first
// MaxUntold by time: somebody there has to be told. A box in service hears of them by itself.
func (r *Registry) Untold(ctx context.Context, b store.Box) (all []store.Untold, err error) {
	if b.State != store.BoxReplaced && b.State != store.BoxRevoked {
		return nil, nil
	}
	err = r.Store.View(ctx, func(tx store.Tx) error { all, err = tx.Untold(b.ID, MaxUntold); return err })
	return all, err
}
