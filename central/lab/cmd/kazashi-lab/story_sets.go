package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/sync/record"
)

// Who comes onto the list in the story.
const (
	listRevoked = "taro" // revoked while the line is up
	listHeld    = "haru" // put on hold while the line is cut; the box learns it from a folder
)

const onHold = "certificateHold"

// setWithin bounds the way of a new list to the box: central looks for one every other second.
const setWithin = 30 * time.Second

// listed has somebody's certificate revoked or put on hold, and the next list published, which central makes the next set of.
func (s *story) listed(ctx context.Context, card, reason string) error {
	if _, err := s.tray.Tray.Revoke(ctx, card, reason); err != nil {
		return fmt.Errorf("revoking at the practice JPKI: %w", err)
	}
	if _, err := s.tray.Tray.Publish(ctx); err != nil {
		return fmt.Errorf("publishing a list: %w", err)
	}
	return nil
}

// setComes has a certificate revoked and a list published while the line is up: the box must come to the next set by a delta.
func (s *story) setComes(ctx context.Context) error {
	first, err := s.awaitSet(ctx, 1)
	if err != nil {
		return err
	}
	if err := s.listed(ctx, listRevoked, ""); err != nil {
		return err
	}
	s.say("the certificate of %s is revoked, and a new list says so", listRevoked)
	next, err := s.awaitSet(ctx, first+1)
	if err != nil {
		return err
	}
	if err := s.byDelta(ctx, 1); err != nil {
		return err
	}
	s.say("the box is at set %d, which came as a delta over the line", next)
	return nil
}

// setIsCarried puts a certificate on hold and publishes a list while the line is cut: a folder carries the delta to the box.
func (s *story) setIsCarried(ctx context.Context) error {
	st, err := s.client.Status(ctx)
	if err != nil {
		return fmt.Errorf("asking the box for its set: %w", err)
	}
	if err := s.listed(ctx, listHeld, onHold); err != nil {
		return err
	}
	s.say("the certificate of %s is put on hold, and a new list says so, which the box cannot hear of", listHeld)
	stick := s.path("stick")
	if err := s.exported(ctx, stick, st.List.Number+1); err != nil {
		return err
	}
	if _, err := s.once(ctx, "kazashi", "crl", "load", "--config", s.boxConfig(), stick); err != nil {
		return err
	}
	next, err := s.awaitSet(ctx, st.List.Number+1)
	if err != nil {
		return err
	}
	if err := s.byDelta(ctx, 2); err != nil {
		return err
	}
	s.say("the box is at set %d, which came as a delta from a folder", next)
	return s.tap(ctx, listHeld, refusedFor(record.ReasonOnHold))
}

// newestIn is the number of the newest set that a delta in a folder leads to.
func newestIn(folder string) (newest uint64, err error) {
	paths, err := filepath.Glob(filepath.Join(folder, "practice-auth-*.delta"))
	for _, p := range paths {
		var epoch, n uint64
		if _, err := fmt.Sscanf(filepath.Base(p), "practice-auth-%d-%d.delta", &epoch, &n); err == nil {
			newest = max(newest, n)
		}
	}
	return newest, err
}

// exported has central write what leads to its newest set into a folder, as for a USB stick, once that set is number n or later.
func (s *story) exported(ctx context.Context, stick string, n uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setWithin, errStory)
	defer cancel()
	poll := time.NewTicker(250 * time.Millisecond)
	defer poll.Stop()
	for {
		if err := os.RemoveAll(stick); err != nil {
			return fmt.Errorf("emptying a folder: %w", err)
		}
		if _, err := s.once(ctx, "kazashi-central", "crl", "export", "--config", s.centralConfig(), stick); err != nil {
			return err
		}
		newest, err := newestIn(stick)
		if err != nil || newest >= n {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: central has made no set %d", context.Cause(ctx), n)
		}
	}
}

// awaitSet waits until the box answers from set n or a later one, and returns its number.
func (s *story) awaitSet(ctx context.Context, n uint64) (uint64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, setWithin, errStory)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		st, err := s.client.Status(ctx)
		if err == nil && st.List.Number >= n {
			return st.List.Number, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: the box answers from set %d, want %d: %w", context.Cause(ctx), st.List.Number, n, err)
		}
	}
}

// byDelta waits until the box's log says that so many sets came as deltas, after the first one, which came as a whole.
func (s *story) byDelta(ctx context.Context, want int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setWithin, errStory)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		err := s.countSets()
		if err != nil || s.sets == want+1 && s.deltas == want {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %d sets came to the box, %d of them as deltas, want %d and %d", context.Cause(ctx), s.sets, s.deltas, want+1, want)
		}
	}
}

func (s *story) countSets() error {
	b, err := os.ReadFile(s.path("log", "box.log"))
	if err != nil {
		return fmt.Errorf("reading the box's log: %w", err)
	}
	s.sets, s.deltas = 0, 0
	for line := range bytes.Lines(b) {
		var said struct{ Msg, By string }
		if json.Unmarshal(line, &said) != nil || said.Msg != "a revocation set came" {
			continue
		}
		if s.sets++; said.By == "deltas" {
			s.deltas++
		}
	}
	return nil
}
