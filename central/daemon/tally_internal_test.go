package daemon

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/admin"
)

// counter counts how often it counts, and how many counts were under way at once. A count takes a second.
type counter struct {
	mu               sync.Mutex
	n                int64
	under, most      int
	failing, forever bool
}

func (c *counter) count(ctx context.Context) (admin.Status, error) {
	c.mu.Lock()
	c.n++
	c.under++
	c.most = max(c.most, c.under)
	s, failing, forever := admin.Status{Records: c.n}, c.failing, c.forever
	c.mu.Unlock()
	defer func() { c.mu.Lock(); defer c.mu.Unlock(); c.under-- }()
	took := time.Second
	if forever {
		took = time.Hour
	}
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return admin.Status{}, ctx.Err()
	}
	if failing {
		return admin.Status{}, errors.New("no count")
	}
	return s, nil
}

// Scrapes cannot pile up: however many ask, one count is made in five seconds.
func TestRecentCountsOnceForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counter
		tl := newTally(c.count)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if s, err := tl.recent(t.Context()); err != nil || s.Records != 1 {
					t.Errorf("recent() = %d, %v, want the first count", s.Records, err)
				}
			})
		}
		all.Wait()
		<-time.After(recentFor - time.Second)
		if s, err := tl.recent(t.Context()); err != nil || s.Records != 1 {
			t.Errorf("recent() after 4 seconds = %d, %v, want the first count", s.Records, err)
		}
		<-time.After(time.Second)
		if s, err := tl.recent(t.Context()); err != nil || s.Records != 2 {
			t.Errorf("recent() after 5 seconds = %d, %v, want a second count", s.Records, err)
		}
		for range 3 {
			all.Go(func() {
				if s, err := tl.fresh(t.Context()); err != nil || s.Records < 3 {
					t.Errorf("fresh() = %d, %v, want a count of its own", s.Records, err)
				}
			})
		}
		all.Wait()
		if s, err := tl.recent(t.Context()); err != nil || s.Records != 5 || c.most != 1 {
			t.Errorf("recent() = %d, %v with %d at once, want the operator's last count, one at a time", s.Records, err, c.most)
		}
	})
}

// A failure is not shown again, and a count that hangs holds nobody for longer than the bound.
func TestRecentAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := counter{failing: true}
		tl := newTally(c.count)
		if _, err := tl.recent(t.Context()); err == nil {
			t.Error("recent() of a count that failed = nil, want its error")
		}
		c.failing, c.forever = false, true
		began := time.Now()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if _, err := tl.recent(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("recent() of a count that hangs = %v, want DeadlineExceeded", err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > countTimeout {
			t.Errorf("that took %s, want %s at most", took, countTimeout)
		}
		c.forever = false
		if s, err := tl.recent(t.Context()); err != nil || s.Records != c.n {
			t.Errorf("recent() after it recovered = %d, %v, want count %d", s.Records, err, c.n)
		}
	})
}
