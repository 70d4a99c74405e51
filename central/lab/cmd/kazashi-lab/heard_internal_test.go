package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

func newHeard() *heard {
	return &heard{names: map[record.TapID]record.Subject{}, news: make(chan struct{})}
}

func isType(want localapi.EventType) func(localapi.Event) bool {
	return func(e localapi.Event) bool { return e.Type == want }
}

func TestHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeard()
		h.add(localapi.Event{Type: localapi.EventVerdict, Reader: "old"}, nil)
		mark := h.mark()
		go func() {
			<-time.After(time.Second)
			h.add(localapi.Event{Type: localapi.EventReading}, nil)
			h.add(localapi.Event{Type: localapi.EventVerdict, Reader: "new"}, nil)
		}()
		began := time.Now()
		e, err := h.await(t.Context(), mark, "a verdict", isType(localapi.EventVerdict))
		if err != nil || e.Reader != "new" || time.Since(began) != time.Second {
			t.Errorf("await = %+v, %v after %s, want the verdict after the mark at once", e, err, time.Since(began))
		}
		if _, err := h.await(t.Context(), h.mark(), "more", isType(localapi.EventVerdict)); !errors.Is(err, errUnheard) {
			t.Errorf("await of what never comes = %v, want errUnheard", err)
		}
		if waited := time.Since(began) - time.Second; waited != heardWithin {
			t.Errorf("await gave up after %s, want %s", waited, heardWithin)
		}
	})
}

func TestHeardEnds(t *testing.T) {
	h := newHeard()
	broken := errors.New("connection reset")
	h.add(localapi.Event{}, broken)
	if _, err := h.await(t.Context(), 0, "a verdict", isType(localapi.EventVerdict)); !errors.Is(err, broken) {
		t.Errorf("await on a stream that ended = %v, want why it ended", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newHeard().await(ctx, 0, "a verdict", isType(localapi.EventVerdict)); !errors.Is(err, context.Canceled) {
		t.Errorf("await after the interrupt = %v, want context.Canceled", err)
	}
}

func TestHeardNames(t *testing.T) {
	h := newHeard()
	tap := localapi.Tap{Tap: record.TapID{ID128: record.ID128{7}}}
	h.add(localapi.Event{Type: localapi.EventSettled, Tap: &tap}, nil)
	h.add(localapi.Event{Type: localapi.EventSettled, Tap: &tap, Subject: record.NewSubject("MADEUP")}, nil)
	if got, err := h.name(t.Context(), tap.Tap); err != nil || got.Reveal() != "MADEUP" {
		t.Errorf("name = %q, %v, want the PPID that came", got.Reveal(), err)
	}
}
