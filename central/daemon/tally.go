package daemon

import (
	"context"
	"fmt"
	"time"

	"kazashi.example/central/admin"
)

// Bounds on counting, which reads whole tables.
const (
	recentFor    = 5 * time.Second  // how long a count is shown to whoever asks again and again
	countTimeout = 20 * time.Second // for one count, the wait for a turn included
)

// turn lets one at a time do something costly.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn; done gives it on.
func (t turn) take(ctx context.Context) (done func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// tally counts, one count at a time, and remembers the last. It may be used from any goroutine.
type tally struct {
	count func(context.Context) (admin.Status, error)
	turn  turn // guards what follows
	last  admin.Status
	at    time.Time // when last was had; zero: never
}

func newTally(count func(context.Context) (admin.Status, error)) *tally {
	return &tally{count: count, turn: newTurn()}
}

// fresh counts what is true now.
func (t *tally) fresh(ctx context.Context) (admin.Status, error) { return t.within(ctx, 0) }

// recent counts at most every recentFor, however many ask. A count that failed is remembered by nobody.
func (t *tally) recent(ctx context.Context) (admin.Status, error) { return t.within(ctx, recentFor) }

func (t *tally) within(ctx context.Context, age time.Duration) (admin.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	done, err := t.turn.take(ctx)
	if err != nil {
		return admin.Status{}, fmt.Errorf("waiting for a turn to count: %w", err)
	}
	defer done()
	if !t.at.IsZero() && time.Since(t.at) < age {
		return t.last, nil
	}
	s, err := t.count(ctx)
	if err != nil {
		return s, err
	}
	t.last, t.at = s, time.Now()
	return s, nil
}
