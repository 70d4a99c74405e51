package pcsc

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ebfe/scard"
)

// Kind says what happened. The zero value is nothing.
type Kind uint8

// Kinds of events.
const (
	ServiceLost   Kind = 1 // the PC/SC service does not answer; Event.Err says what to do. Once until it is found again
	ServiceFound  Kind = 2 // the service answers; readers and cards follow
	ReaderAdded   Kind = 3
	ReaderRemoved Kind = 4 // its card, if any, was reported removed just before
	CardArrived   Kind = 5
	CardRemoved   Kind = 6
	CardMute      Kind = 7 // something lies on the reader and does not answer; CardRemoved follows, or CardArrived if it answers after all
)

// String names the kind.
func (k Kind) String() string {
	names := [...]string{"nothing", "service lost", "service found", "reader added", "reader removed", "card arrived", "card removed", "card mute"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}

// Event is one change. It says nothing about whose card it is.
type Event struct {
	Kind   Kind
	Reader string // the service's name for the reader; empty for ServiceLost and ServiceFound
	// Already: the card lay there when its reader was first seen, at start or after the service was lost. Nobody has just
	// held it on.
	Already bool
	Err     error // of ServiceLost: wraps ErrNoService or says what else is wrong
}

const (
	// pnpReader is the name under which a wait also ends when readers come and go (pcsc-lite SCardGetStatusChange(3)).
	pnpReader = `\\?PnP?\Notification`
	// waitLimit bounds one wait: a reader that came between listing and waiting is seen this much later.
	waitLimit = 5 * time.Second
	// cancelEvery repeats SCardCancel, which is lost when it comes before the wait has begun (LudovicRousseau/PCSC #160).
	cancelEvery = 20 * time.Millisecond
	backoffMin  = 250 * time.Millisecond
	backoffMax  = 4 * time.Second
)

// watching holds Watch to one at a time: ebfe/scard keeps a reader's name alive for C by that name only (scard_unix.go,
// pinned), so that a second wait would free the first one's memory.
var watching atomic.Bool

// Watch calls handle for every change of service, readers and cards, in order and from one goroutine, until ctx ends; then
// it returns nil. While handle runs nothing is watched, and nothing is lost: what happened meanwhile follows, a card that was
// exchanged for another as removed and arrived. A service that is missing or restarted is tried again for ever, at most
// backoffMax apart, and everything on it is reported anew. ErrWatching when the process watches already.
func Watch(ctx context.Context, handle func(Event)) error {
	if !watching.CompareAndSwap(false, true) {
		return ErrWatching
	}
	defer watching.Store(false)
	w := watcher{handle: handle, backoff: backoffMin}
	for ctx.Err() == nil {
		err := w.session(ctx)
		if ctx.Err() != nil {
			break
		}
		w.lose(err)
		sleep(ctx, w.backoff)
		w.backoff = min(2*w.backoff, backoffMax)
	}
	return nil
}

type watcher struct {
	handle  func(Event)
	track   tracker
	lost    bool // ServiceLost was reported and nothing since
	backoff time.Duration
}

// session watches over one context of the service until that fails.
func (w *watcher) session(ctx context.Context) error {
	service, err := scard.EstablishContext()
	if err != nil {
		return wrap("reaching the PC/SC service", err)
	}
	defer func() { _ = service.Release() }() // a service that is gone has nothing to release
	w.track = tracker{}
	found := false
	for ctx.Err() == nil {
		if err := w.round(ctx, service, &found); err != nil {
			return err
		}
	}
	return nil
}

// round lists the readers, waits for one change and reports it.
func (w *watcher) round(ctx context.Context, service *scard.Context, found *bool) error {
	names, err := service.ListReaders()
	if err != nil && !errors.Is(err, scard.ErrNoReadersAvailable) {
		return wrap("listing readers", err)
	}
	if !*found {
		*found, w.lost, w.backoff = true, false, backoffMin
		w.handle(Event{Kind: ServiceFound})
	}
	w.report(w.track.list(names))
	states := w.track.states()
	err = wait(ctx, service, states)
	switch {
	case err == nil:
		w.report(w.track.update(states))
	case errors.Is(err, scard.ErrTimeout), errors.Is(err, scard.ErrCancelled):
	case errors.Is(err, scard.ErrUnknownReader), errors.Is(err, scard.ErrReaderUnavailable):
		sleep(ctx, backoffMin) // it went away between listing and waiting: list again, not at once
	default:
		return wrap("waiting for cards", err)
	}
	return nil
}

func (w *watcher) report(events []Event) {
	for _, e := range events {
		w.handle(e)
	}
}

// lose reports that everything is gone, once.
func (w *watcher) lose(err error) {
	w.report(w.track.list(nil))
	if !w.lost {
		w.lost = true
		w.handle(Event{Kind: ServiceLost, Err: err})
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// wait is SCardGetStatusChange, ended early by ctx. No goroutine outlives it.
func wait(ctx context.Context, service *scard.Context, states []scard.ReaderState) error {
	done := make(chan struct{})
	var canceller sync.WaitGroup
	canceller.Go(func() { cancelUntil(ctx, service, done) })
	err := service.GetStatusChange(states, waitLimit)
	close(done)
	canceller.Wait()
	return err //nolint:wrapcheck // round tells the codes apart
}

func cancelUntil(ctx context.Context, service *scard.Context, done <-chan struct{}) {
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	again := time.NewTicker(cancelEvery)
	defer again.Stop()
	for {
		_ = service.Cancel() // the wait's own result says whether it worked
		select {
		case <-done:
			return
		case <-again.C:
		}
	}
}
