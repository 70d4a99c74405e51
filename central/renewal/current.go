package renewal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
)

// Bounds of Current.
const (
	fresh    = time.Minute      // how long a round speaks for every certificate
	patience = 10 * time.Second // of one caller
	quiet    = 30 * time.Second // after a failure, in which nobody is asked for a caller's sake
)

// ErrSilent says that the service cannot be asked now.
var ErrSilent = errors.New("service of renewals is silent")

// Tells reports whether the service is asked about certificates of a hierarchy.
func (a *Asker) Tells(h certid.Hierarchy) bool { return a.URL != "" && h == a.Hierarchy }

// Current returns once the service has told everything about a certificate that began then: by a whole round of less than a minute ago, or
// of two days after it began, the time for which the service may be late with a line. Otherwise a round is run, one for all who call
// meanwhile. ErrSilent after ten seconds; and at once for half a minute after a failure, so that whoever calls for many records is not held up.
func (a *Asker) Current(ctx context.Context, began time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if told, err := a.told(ctx, began); told || err != nil {
		return err
	}
	if a.resting() {
		return ErrSilent
	}
	done, err := a.take(ctx)
	if err != nil {
		a.rest(true)
		return fmt.Errorf("%w: %w", ErrSilent, err)
	}
	defer done()
	if a.resting() || ctx.Err() != nil {
		return ErrSilent // whoever had the turn before had no answer
	}
	if told, err := a.told(ctx, began); told || err != nil {
		return err
	}
	if _, err := a.round(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrSilent, err)
	}
	return nil
}

// told reports whether a round has spoken for a certificate already.
func (a *Asker) told(ctx context.Context, began time.Time) (bool, error) {
	var asked store.Asked
	if err := a.Store.View(ctx, func(tx store.Tx) (err error) { asked, err = tx.RenewalsAsked(); return err }); err != nil {
		return false, fmt.Errorf("looking how far renewals were read: %w", err)
	}
	now := a.Now()
	if asked.Whole.IsZero() || asked.Whole.After(now) {
		return false, nil // never, or the clock was set back
	}
	return now.Sub(asked.Whole) < fresh || asked.Whole.Sub(began) >= overlap, nil
}

// take waits for the turn to ask; done gives it on.
func (a *Asker) take(ctx context.Context) (done func(), err error) {
	select {
	case a.turn <- struct{}{}:
		return func() { <-a.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (a *Asker) rest(failed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.until = time.Time{}
	if failed {
		a.until = a.Now().Add(quiet)
	}
}

func (a *Asker) resting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.Now().Before(a.until)
}
