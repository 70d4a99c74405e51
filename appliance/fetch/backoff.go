package fetch

import (
	"errors"
	"math/rand/v2"
	"time"

	"kazashi.example/sync/uplink"
)

// Backoff is a pause that doubles.
type Backoff struct {
	First, Last time.Duration
	next        time.Duration
}

// Reset begins anew with the first pause.
func (b *Backoff) Reset() { b.next = 0 }

// After is a time in the second half of the pause, so that boxes do not come back in step, and not before least.
func (b *Backoff) After(least time.Duration) <-chan time.Time {
	d := max(b.next, b.First)
	b.next = min(2*d, b.Last)
	return time.After(max(d/2, least) + rand.N(max(d, least)/2))
}

// Asked is how long the remote asked to wait.
func Asked(err error) time.Duration {
	var r *uplink.Refusal
	if errors.As(err, &r) {
		return r.After
	}
	return 0
}
