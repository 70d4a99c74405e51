// Package feed spreads the live events of a box to those who look on, without ever making the sender wait (P1).
//
// A Feed may be used by several goroutines at once. It keeps nothing: an event is for whoever is subscribed at that moment, and
// a subscriber whose buffer is full loses its subscription rather than single events, so that it knows to ask for the state anew.
package feed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"kazashi.example/localapi"
)

// Buffer is the number of events that a subscriber may lag behind before it is dropped.
const Buffer = 64

// MaxSubscribers bounds the memory that on-lookers can take.
const MaxSubscribers = 64

// ErrFull is returned by Subscribe when there are MaxSubscribers already.
var ErrFull = errors.New("too many subscribers to the live events")

// Feed is ready after New.
type Feed struct {
	start string

	mu   sync.Mutex // guards n and subs, and every send and close on the channels in subs
	n    uint64
	subs map[chan localapi.Event]struct{}
}

// New makes a feed. Its event ids differ from those of any feed before it.
func New() *Feed {
	var b [6]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails (Go 1.24)
	return &Feed{start: hex.EncodeToString(b[:]), subs: make(map[chan localapi.Event]struct{})}
}

// Publish numbers e, sets its time if that is zero, and hands it to every subscriber. It never blocks.
func (f *Feed) Publish(e localapi.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	e.ID = fmt.Sprintf("%s-%d", f.start, f.n)
	for ch := range f.subs {
		select {
		case ch <- e:
		default:
			f.drop(ch)
		}
	}
}

// Subscribe returns the events published from now on. The channel is closed when ctx ends or when the subscriber lags by more
// than Buffer events. ErrFull when there are too many.
func (f *Feed) Subscribe(ctx context.Context) (<-chan localapi.Event, error) {
	ch := make(chan localapi.Event, Buffer)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.subs) >= MaxSubscribers {
		return nil, ErrFull
	}
	f.subs[ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.drop(ch)
	})
	return ch, nil
}

// drop closes ch once; f.mu is held.
func (f *Feed) drop(ch chan localapi.Event) {
	if _, ok := f.subs[ch]; ok {
		delete(f.subs, ch)
		close(ch)
	}
}
