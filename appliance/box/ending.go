package box

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"kazashi.example/appliance/closing"
)

// retryEvery is how many rounds of housekeeping pass before an order that failed is tried again: a minute.
const retryEvery = 6

// errErasing refuses a record that would be erased before central has it.
var errErasing = errors.New("everything on this box is being erased; it takes no more taps")

// adding is whether records may be added.
type adding struct {
	mu    sync.RWMutex // held for reading while one is added, so that whoever ends it waits for the last, and for nothing else
	ended bool
}

// halt ends taps; when it returns none is being written. What it returns lets them go on.
func (b *Box) halt() func() {
	b.adding.set(true)
	return func() { b.adding.set(false) }
}

func (a *adding) set(ended bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = ended
}

// resume goes on with a closing that was interrupted. One that cannot be finished keeps the box from nothing but taps into what is to go.
func (b *Box) resume(ctx context.Context, closer *closing.Closing) {
	switch done, again, err := closer.Resume(ctx); {
	case err != nil:
		b.log.ErrorContext(ctx, "a closing that was interrupted is not finished; close the site again, or start the box again",
			slog.Any("error", err))
	case again:
		b.log.WarnContext(ctx, "a closing that was interrupted is finished", slog.String("certificate", done.Certificate.ID.String()))
	}
}

// retry tries again what central ordered and could not be done.
func (b *Box) retry(ctx context.Context) {
	if _, err := b.orders.Retry(ctx); err != nil && ctx.Err() == nil {
		b.log.ErrorContext(ctx, "trying an order again failed", slog.Any("error", err))
	}
}

// expire lets go of what rules keep no longer, once an hour, and only by a time that is sound: one that is ahead would erase everything.
func (b *Box) expire(ctx context.Context) {
	now, sound := b.clock.Sound()
	if !sound || now.Sub(b.expired).Abs() < time.Hour {
		return
	}
	if err := b.book.Expire(ctx, now, b.bookDays); err != nil {
		if ctx.Err() == nil {
			b.log.ErrorContext(ctx, "letting go of what rules keep no longer failed", slog.Any("error", err))
		}
		return
	}
	b.expired = now
}
