package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // to read central's tables as the count does

	"kazashi.example/central/admin"
	"kazashi.example/central/daemon"
	"kazashi.example/localapi"
)

// awaitOffline waits until the box has noticed for itself that nobody answers.
func (s *story) awaitOffline(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, noticedWithin, errStory)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		st, err := s.client.Status(ctx)
		if err == nil && st.Mode == localapi.ModeOffline {
			s.say("the counter says that it is off-line")
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: the counter says %q %s after the line was cut: %w", context.Cause(ctx), st.Mode, noticedWithin, err)
		}
	}
}

func (s *story) central() *admin.Client {
	return admin.NewClient(filepath.Join(s.path("central"), daemon.Socket))
}

// awaitRenewal waits until central knows of more renewals than before and has asked once more since (both certificates of a card are
// renewed, and the first of the two lines may be known alone), and the box holds a roster that has the news. The roster's number is
// read from central's database: an earlier change may still be on its way to the box.
func (s *story) awaitRenewal(ctx context.Context, before int64) error {
	first, err := s.awaitCentral(ctx, "heard of a renewal", func(st admin.Status) bool { return st.Renewals > before })
	if err != nil {
		return err
	}
	if _, err := s.awaitCentral(ctx, "asked for renewals again", func(st admin.Status) bool { return !st.RenewalsAsked.Equal(first.RenewalsAsked) }); err != nil {
		return err
	}
	n, err := s.newestRoster(ctx)
	if err != nil {
		return err
	}
	return s.awaitRoster(ctx, n)
}

// awaitCentral waits until central's status fits.
func (s *story) awaitCentral(ctx context.Context, what string, fits func(admin.Status) bool) (admin.Status, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settledWithin, errStory)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		st, err := s.central().Status(ctx)
		if err == nil && fits(st) {
			return st, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return st, fmt.Errorf("%w: central has not %s %s later: %w", context.Cause(ctx), what, settledWithin, err)
		}
	}
}

// newestRoster is how often the roster has changed; the box is sent it under the next number.
func (s *story) newestRoster(ctx context.Context) (n uint64, err error) {
	db, err := sql.Open("sqlite", (&url.URL{
		Scheme: "file", OmitHost: true, Path: s.path("central", "central.db"), RawQuery: "_pragma=query_only(1)&_pragma=busy_timeout(10000)",
	}).String())
	if err == nil {
		err = db.QueryRowContext(ctx, "SELECT coalesce(max(n), 0) FROM rosters").Scan(&n)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return 0, fmt.Errorf("reading the number of central's roster: %w", err)
	}
	return n, nil
}

// awaitRoster waits until the box holds a roster of a later number than after, and returns when it does.
func (s *story) awaitRoster(ctx context.Context, after uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settledWithin, errStory)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		st, err := s.client.Status(ctx)
		if err == nil && st.Roster.Number > after {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: the box holds roster number %d %s later, want more than %d: %w", context.Cause(ctx), st.Roster.Number, settledWithin, after, err)
		}
	}
}

// awaitEnrolled waits until every tap is settled and the box knows everybody who has enrolled from central, and nobody from its own book alone.
func (s *story) awaitEnrolled(ctx context.Context) error {
	if err := s.awaitSettled(ctx); err != nil {
		return err
	}
	n, err := s.newestRoster(ctx)
	if err != nil {
		return err
	}
	if err := s.awaitRoster(ctx, n); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, settledWithin, errStory)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		st, err := s.client.Status(ctx)
		if err == nil && st.Roster.People == len(s.people) { // while the book has them too, they count twice
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: the box knows %d people, want %d: %w", context.Cause(ctx), st.Roster.People, len(s.people), err)
		}
	}
}

// allNamed waits until the live page has shown the PPID of every tap that must get one.
func (s *story) allNamed(ctx context.Context) error {
	for _, taps := range s.served {
		for _, t := range taps {
			if _, err := s.heard.name(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// mustWait checks that every tap off-line waits on the box, and that central has none of them.
func (s *story) mustWait(ctx context.Context, when string) error {
	box, err := s.client.Status(ctx)
	if err != nil {
		return fmt.Errorf("asking the box %s: %w", when, err)
	}
	central, err := s.central().Status(ctx)
	if err != nil {
		return fmt.Errorf("asking central %s: %w", when, err)
	}
	if held := len(s.taps) - s.offline; box.Waiting.Records != s.offline || central.Records != int64(held) || s.offline == 0 {
		return fmt.Errorf("%w: %s %d records wait on the box and central has %d, want %d and %d",
			errStory, when, box.Waiting.Records, central.Records, s.offline, held)
	}
	return nil
}

// awaitSettled waits until the box lists central's last word on every tap of the story.
func (s *story) awaitSettled(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settledWithin, errStory)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for settled := 0; ; {
		listed, err := s.client.Taps(ctx, localapi.MaxTaps)
		if err == nil {
			if settled = s.settled(listed); settled == len(s.taps) {
				s.say("all %d taps are settled", settled)
				return nil
			}
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for central's word on every tap: %w: %d of %d after %s: %w", context.Cause(ctx), settled, len(s.taps), settledWithin, err)
		}
	}
}

// settled counts the story's own taps that are listed as settled.
func (s *story) settled(listed []localapi.Tap) int {
	n := 0
	for _, l := range listed {
		for _, t := range s.taps {
			if l.Tap == t.Tap && l.State == localapi.StateSettled {
				n++
			}
		}
	}
	return n
}
