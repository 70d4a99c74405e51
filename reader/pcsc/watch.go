package pcsc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
	// hangLimit is how long the service may take for what it does at once, and for a wait beyond waitLimit.
	hangLimit  = 10 * time.Second
	backoffMin = 250 * time.Millisecond
	backoffMax = 4 * time.Second
)

// Watch calls handle for every change of service, readers and cards, in order and from one goroutine, until ctx ends; then
// it returns nil. While handle runs nothing is watched, and nothing is lost: what happened meanwhile follows, a card that was
// exchanged for another as removed and arrived. A service that is missing, restarted or hanging is tried again for ever, at
// most backoffMax apart, and everything on it is reported anew. While it runs, a worker is kept ready for the next Connect.
// ErrWorker when this program does not begin with Main.
func Watch(ctx context.Context, handle func(Event)) error {
	if !hooked.Load() {
		return wrap("watching readers", errUnhooked)
	}
	w := watcher{handle: handle, hang: hangLimit, backoff: backoffMin}
	w.run(ctx)
	return nil
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	warm()
	defer cool()
	defer w.end()
	for ctx.Err() == nil {
		err := w.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if died(err) {
			w.worker = nil
		}
		w.lose(err)
		sleep(ctx, w.backoff)
		w.backoff = min(2*w.backoff, backoffMax)
	}
}

type watcher struct {
	handle  func(Event)
	hang    time.Duration // hangLimit, less in tests
	worker  *worker       // nil until there is one
	track   tracker
	lost    bool // ServiceLost was reported and nothing since
	backoff time.Duration
}

// session watches over one context of the service until that fails.
func (w *watcher) session(ctx context.Context) (err error) {
	if w.worker == nil {
		if w.worker, err = start(); err != nil {
			return wrap("watching readers", err)
		}
	}
	w.track = tracker{}
	found := false
	for ctx.Err() == nil {
		if err := w.round(ctx, &found); err != nil {
			return err
		}
	}
	return nil
}

func (w *watcher) end() {
	if w.worker != nil {
		w.worker.end() // once more does no harm
	}
}

// round lists the readers, waits for one change and reports it.
func (w *watcher) round(ctx context.Context, found *bool) error {
	names, err := list(ctx, w.worker, w.hang)
	if err != nil {
		return wrap("listing readers", err)
	}
	if !*found {
		*found, w.lost, w.backoff = true, false, backoffMin
		w.handle(Event{Kind: ServiceFound})
	}
	w.report(w.track.list(names))
	states := w.track.states()
	err = wait(ctx, w.worker, states, waitLimit+w.hang)
	switch {
	case err == nil:
		w.report(w.track.update(states))
	case errors.Is(err, scard.ErrTimeout):
	case errors.Is(err, scard.ErrUnknownReader), errors.Is(err, scard.ErrReaderUnavailable):
		sleep(ctx, backoffMin) // it went away between listing and waiting: list again, not at once
	default:
		return wrap("waiting for cards", err)
	}
	return nil
}

// list is SCardListReaders; no reader is no error.
func list(ctx context.Context, p *worker, limit time.Duration) ([]string, error) {
	answer, err := ask(ctx, p, limit, opList)
	if errors.Is(err, scard.ErrNoReadersAvailable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeNames(answer)
}

// wait is SCardGetStatusChange. When ctx ends the worker is killed in the middle of it.
func wait(ctx context.Context, p *worker, states []scard.ReaderState, limit time.Duration) error {
	body := binary.BigEndian.AppendUint32(nil, uint32(waitLimit/time.Millisecond))
	answer, err := ask(ctx, p, limit, opWait, appendStates(body, states))
	if err != nil {
		return err
	}
	return decodeEvents(answer, states)
}

// ask is a call with a limit beyond which the service hangs.
func ask(ctx context.Context, p *worker, limit time.Duration, what byte, body ...[]byte) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: %w", ErrNoService, ErrHung))
	defer cancel()
	answer, _, err := p.call(ctx, what, body...)
	return answer, err
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
