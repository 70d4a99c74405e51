package roster

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"kazashi.example/appliance/fetch"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
)

// Timing of Run.
const (
	retryFirst  = 500 * time.Millisecond // after a line that was cut
	retryLast   = 5 * time.Minute
	refuseFirst = time.Minute // after something that was fetched and refused
	refuseLast  = time.Hour
	scrubFirst  = 15 * time.Minute // after the start
	scrubEvery  = 24 * time.Hour
	scrubPause  = 10 * time.Millisecond // between two chunks: 6 MiB a second at most
)

// Run fetches and takes into use what is offered, mends what was found damaged and reads rosters through now and then, all in the
// background, until ctx ends; its error is then ctx's. A line that fails, and what is refused, are tried again later, after longer and
// longer pauses with jitter.
func (s *Store) Run(ctx context.Context, from Remote) error {
	line, refused := fetch.Backoff{First: retryFirst, Last: retryLast}, fetch.Backoff{First: refuseFirst, Last: refuseLast}
	scrub := time.NewTimer(scrubFirst)
	defer scrub.Stop()
	for ctx.Err() == nil {
		err := s.across(ctx, func(ctx context.Context) error { return s.catchUp(ctx, from) })
		var wait <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil || errors.Is(err, context.Canceled): // by somebody who wanted the folder; news follow
			line.Reset()
			refused.Reset()
		case errors.Is(err, fetch.ErrLine):
			wait = line.After(fetch.Asked(err))
			s.Log.InfoContext(ctx, "fetching a roster is gone on with later", slog.Any("error", err))
		default:
			wait = refused.After(0)
			s.Log.WarnContext(ctx, "a newer roster could not be taken; it is tried again later", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-s.news:
		case <-wait:
		case <-scrub.C:
			s.Scrub(ctx)
			scrub.Reset(scrubEvery)
		}
	}
	return ctx.Err()
}

// catchUp mends what is damaged, unless something newer takes its place, and takes what is offered. The caller holds changing.
func (s *Store) catchUp(ctx context.Context, from Remote) error {
	s.mu.RLock()
	o := s.offer
	s.mu.RUnlock()
	if o.Version != (rule.Version{}) && s.newer(o.Version) == nil {
		if err := s.take(ctx, from, o); err != nil && !errors.Is(err, ErrOlder) {
			return err
		}
	}
	return s.mend(ctx, from)
}

// Scrub compares every chunk of the rosters in use with its digest, slowly. What is damaged is mended.
func (s *Store) Scrub(ctx context.Context) {
	s.mu.RLock()
	all := []*edition{s.current.borrow(), s.previous.borrow()}
	s.mu.RUnlock()
	seen := map[roster.Root]bool{}
	for _, e := range all {
		for _, h := range e.layers() {
			if seen[h.part.Root] {
				continue
			}
			seen[h.part.Root] = true
			err := h.seg.Scrub(func() error {
				select {
				case <-ctx.Done():
				case <-time.After(scrubPause):
				}
				return ctx.Err()
			})
			if err != nil && ctx.Err() == nil {
				_ = s.hurt(layer{held: h}, err)
			}
		}
		e.release()
	}
}

// Forget lets go of what the site's keys opened, for whoever locks them; the next lookup asks for the keys again.
func (s *Store) Forget() { s.opened.Store(nil) }
