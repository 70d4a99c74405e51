package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// ErrServed says that a box is in service, so that nothing of it is held.
var ErrServed = errors.New("this box is in service: what comes of it is settled anyway")

// Lose takes a box out of service that was lost, and remembers that it was, with what was heard of it last. What came by now is settled as if the
// box were in service, unless it was held already; what comes later is held, as Revoke has it, until Settle. It changes nothing about a box that is
// known to be lost, and says so. Reinstate ends it. ErrUnknown.
func (r *Registry) Lose(ctx context.Context, id record.BoxID, seen time.Time, waiting uint64) (l store.Loss, known bool, err error) {
	err = r.Store.Update(ctx, func(tx store.Tx) error {
		if l, err = tx.Loss(id); !errors.Is(err, store.ErrNone) {
			known = err == nil
			return err
		}
		was, err := tx.Box(id)
		if err != nil {
			return err
		}
		at := r.Now() // before the site gets a new key, if it does
		if _, err := r.put(tx, was, store.BoxRevoked); err != nil {
			return err
		}
		l = store.Loss{Box: id, At: at, Was: was.State, Seen: seen, Waiting: waiting}
		if l.Generation, err = tx.CurrentSiteKey(was.Site); err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		return tx.AddLoss(l)
	})
	if err = unknown(err); err != nil && !errors.Is(err, ErrUnknown) {
		err = fmt.Errorf("taking lost box %s out of service: %w", id, err)
	}
	return l, known, err
}

// Settle makes what is held by now of a box out of service ready to be opened, on the operator's word that it was written at the counter. The box
// stays out of service and is told and given nothing; what comes later is held again. ErrUnknown, ErrServed.
func (r *Registry) Settle(ctx context.Context, id record.BoxID) error {
	return unknown(r.Store.Update(ctx, func(tx store.Tx) error {
		b, err := tx.Box(id)
		if err != nil {
			return err
		}
		if b.State != store.BoxRevoked {
			return ErrServed
		}
		return tx.ReleaseBox(id)
	}))
}
