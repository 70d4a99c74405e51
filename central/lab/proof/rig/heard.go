package rig

import (
	"context"
	"sync"
	"time"

	"kazashi.example/localapi"
)

// Heard is what a box's live stream said, in order.
type Heard struct {
	r *Rig

	mu   sync.Mutex // guards what follows
	all  []localapi.Event
	news chan struct{} // closed at the next event
}

func (h *Heard) listen(ctx context.Context, c *localapi.Client) {
	for e, err := range c.Events(ctx) {
		if err != nil {
			return // the box stopped, or is asked to
		}
		h.mu.Lock()
		h.all = append(h.all, e)
		close(h.news)
		h.news = make(chan struct{})
		h.mu.Unlock()
	}
}

// Len is how many events came so far.
func (h *Heard) Len() int { return len(h.All()) }

// All is every event so far.
func (h *Heard) All() []localapi.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]localapi.Event{}, h.all...)
}

// Await waits for the first event from number n on that match takes.
func (h *Heard) Await(n int, match func(localapi.Event) bool) localapi.Event {
	h.r.tb.Helper()
	late := time.After(patience)
	for {
		h.mu.Lock()
		all, news := h.all, h.news
		h.mu.Unlock()
		for ; n < len(all); n++ {
			if match(all[n]) {
				return all[n]
			}
		}
		select {
		case <-news:
		case <-late:
			h.r.tb.Fatalf("the counter heard nothing of the kind within %s", patience)
		}
	}
}
