package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// heardWithin bounds the wait for one event of the counter. A tap takes well under a second.
const heardWithin = 15 * time.Second

var errUnheard = errors.New("the counter said nothing of it")

// heard is everything a box's live stream said, in order. It is what a person at the counter could have seen.
type heard struct {
	mu     sync.Mutex // guards what follows
	events []localapi.Event
	names  map[record.TapID]record.Subject // PPIDs as they came
	news   chan struct{}                   // closed and replaced at each event
	err    error                           // why the stream ended
}

// listen collects until ctx ends or the stream breaks. The returned function waits for the end.
func listen(ctx context.Context, client *localapi.Client) (*heard, func()) {
	h := &heard{names: map[record.TapID]record.Subject{}, news: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range client.Events(ctx) {
			h.add(e, err)
		}
	}()
	return h, func() { <-done }
}

func (h *heard) add(e localapi.Event, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.err = err
	} else {
		h.events = append(h.events, e)
	}
	if e.Tap != nil && e.Subject.Reveal() != "" {
		h.names[e.Tap.Tap] = e.Subject
	}
	close(h.news)
	h.news = make(chan struct{})
}

// mark is a place in the stream; await looks only at what comes after it.
func (h *heard) mark() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.events)
}

// await returns the first event after a mark that fits.
func (h *heard) await(ctx context.Context, mark int, what string, fits func(localapi.Event) bool) (localapi.Event, error) {
	var found localapi.Event
	err := h.until(ctx, what, func() bool {
		for ; mark < len(h.events); mark++ {
			if fits(h.events[mark]) {
				found = h.events[mark]
				return true
			}
		}
		return false
	})
	return found, err
}

// name returns the PPID of a tap once the live page has shown it.
func (h *heard) name(ctx context.Context, tap record.TapID) (record.Subject, error) {
	err := h.until(ctx, "the PPID of a tap", func() bool { _, ok := h.names[tap]; return ok })
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.names[tap], err
}

// until looks again at every event until come is true; come is called under the lock.
func (h *heard) until(ctx context.Context, what string, come func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, heardWithin, errUnheard)
	defer cancel()
	for {
		h.mu.Lock()
		ok, news, err := come(), h.news, h.err
		h.mu.Unlock()
		if ok {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for %s: the counter's stream ended: %w", what, err)
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		}
	}
}
