package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/appliance/fetch"
	"kazashi.example/sync/wire"
)

// Timing of Run.
const (
	retryFirst  = 500 * time.Millisecond // after a line that was cut
	retryLast   = 5 * time.Minute
	refuseFirst = time.Minute // after something that was fetched and refused
	refuseLast  = time.Hour
	inboxEvery  = 2 * time.Second
	askLater    = time.Minute      // for the way on from a set that was completed first, which the next poll tells
	scrubFirst  = 10 * time.Minute // after the start
	scrubEvery  = 24 * time.Hour
	scrubPause  = 10 * time.Millisecond // between two chunks: 6 MiB a second at most
)

// Offered takes what central said last of newest sets. It never blocks; whatever is said later replaces it.
func (c *Cache) Offered(offers []wire.SetOffer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	same := func(a, b wire.SetOffer) bool {
		return offered(a) == offered(b) && a.Manifest == b.Manifest && a.Set == b.Set && slices.Equal(a.Deltas, b.Deltas)
	}
	if slices.EqualFunc(c.offers, offers, same) {
		return // what stands in the way of it is not gone by being told again
	}
	c.offers = slices.Clone(offers)
	c.knock()
}

func (c *Cache) knock() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// Run fetches and applies what is offered, takes in what is put into the inbox, and compares the sets with their digests, all in
// the background, until ctx ends; its error is then ctx's. A line that fails, and what is refused, are tried again later, after
// longer and longer pauses with jitter.
func (c *Cache) Run(ctx context.Context, remote Remote) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.follow(ctx, job{c, remote, extPart}) })
	g.Go(func() error { return c.watch(ctx) })
	g.Go(func() error { return c.guard(ctx) })
	return g.Wait()
}

// Fetch takes what is offered into use, where that is newer, and returns when that is done: for whoever does not Run.
func (c *Cache) Fetch(ctx context.Context, remote Remote, offers []wire.SetOffer) error {
	c.setAsideNow(ctx)
	err := c.catchUp(ctx, job{c, remote, extPart}, offers)
	if errors.Is(err, errLater) {
		err = c.catchUp(ctx, job{c, remote, extPart}, offers) // an offer has no second older set
	}
	return err
}

// Take takes what is offered into use, where that is newer, from a remote that is at hand, and returns when that is done. It may be called beside
// Run, whose parts of downloads it leaves alone.
func (c *Cache) Take(ctx context.Context, remote Remote, offers []wire.SetOffer) (err error) {
	c.loading.Lock()
	defer c.loading.Unlock()
	defer func() { err = errors.Join(err, c.unload()) }()
	return c.catchUp(ctx, job{c, remote, extLoad}, offers)
}

// follow keeps up with the offers.
func (c *Cache) follow(ctx context.Context, j job) error {
	line, refused := fetch.Backoff{First: retryFirst, Last: retryLast}, fetch.Backoff{First: refuseFirst, Last: refuseLast}
	mending := fetch.Backoff{First: retryFirst, Last: refuseLast} // a disk that decays again and again is not read and written all day
	for ctx.Err() == nil {
		select {
		case <-c.news: // looked at now
		default:
		}
		if c.setAsideNow(ctx) > 0 {
			pause(ctx, mending.After(0))
		}
		before := c.gained.Load()
		err := c.catchUp(ctx, j, c.latest())
		var wait <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			line.Reset()
			refused.Reset()
		case errors.Is(err, errLater):
			line.Reset()
			wait = (&fetch.Backoff{First: askLater, Last: askLater}).After(0)
		case errors.Is(err, fetch.ErrLine):
			if c.gained.Load() > before {
				line.Reset()
			}
			wait = line.After(fetch.Asked(err))
			c.Log.InfoContext(ctx, "fetching a revocation set is gone on with later", slog.Any("error", err))
		default:
			wait = refused.After(0)
			c.Log.WarnContext(ctx, "a newer revocation set could not be taken; it is tried again later", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-c.news:
		case <-wait:
		}
	}
	return ctx.Err()
}

func (c *Cache) latest() []wire.SetOffer {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.offers
}

// catchUp goes once through what is offered.
func (c *Cache) catchUp(ctx context.Context, j job, offers []wire.SetOffer) error {
	var faults []error
	for _, o := range offers {
		n := offered(o)
		if !n.scope.Valid() || c.newer(n.scope, n.number) != nil {
			continue
		}
		if err := j.pursue(ctx, o); err != nil && !errors.Is(err, ErrOlder) {
			faults = append(faults, err)
		}
		if c.newer(n.scope, n.number) != nil { // it may have come another way, which did not see the parts of this one
			c.report(ctx, n, "sweeping", c.sweepNow(n.scope))
		}
	}
	return errors.Join(faults...)
}

func pause(ctx context.Context, until <-chan time.Time) {
	select {
	case <-ctx.Done():
	case <-until:
	}
}

// watch looks into the inbox.
func (c *Cache) watch(ctx context.Context) error {
	t := time.NewTicker(inboxEvery)
	defer t.Stop()
	for told := ""; ; {
		err := c.takeIn(ctx)
		if err != nil && err.Error() != told && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "looking into the inbox for revocation sets failed", slog.Any("error", err))
		}
		told = fmt.Sprint(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// guard reads the sets through now and then, so that decay of the disk is found before a tap finds it.
func (c *Cache) guard(ctx context.Context) error {
	t := time.NewTimer(scrubFirst)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		c.Scrub(ctx)
		t.Reset(scrubEvery)
	}
}

// Scrub compares every chunk of every set with its digest, slowly. What is damaged goes out of use and is fetched anew.
func (c *Cache) Scrub(ctx context.Context) {
	for _, h := range c.all() {
		if err := h.set.Scrub(slowly{ctx}); err != nil && ctx.Err() == nil {
			c.damage(h, err)
		}
		h.release()
	}
}

// slowly is a context for what asks it before each small step: it has a moment pass first.
type slowly struct{ context.Context }

// Err waits, and is the context's.
func (s slowly) Err() error {
	pause(s.Context, time.After(scrubPause))
	return s.Context.Err()
}

// all borrows every set.
func (c *Cache) all() (sets []*held) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, s := range c.shelves {
		for _, h := range []*held{s.newest, s.previous} {
			if h != nil {
				sets = append(sets, h.borrow())
			}
		}
	}
	return sets
}
