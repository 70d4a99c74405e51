package tap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"kazashi.example/localapi"
)

// Run takes taps until ctx ends. A tap under way is finished first: a card that was read is written down. It runs once.
func (c *Counter) Run(ctx context.Context) error {
	w := workers{counter: c}
	err := c.Cards.Watch(ctx, func(e Event) {
		c.Seen(e)
		w.handle(ctx, e)
	})
	w.stop()
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("watching the readers: %w", err)
	}
	return nil
}

// place is a reader that a card was seen on, and its worker. Counter.mu guards it.
type place struct {
	reader  string
	layings chan laying
	card    bool   // a card lies there
	number  uint64 // of the layings there so far: the last is the card that lies there, if one does
}

// laying is one card, laid down once. The number tells it from whatever lies on the same reader later.
type laying struct {
	*place

	number uint64
	next   *next // what it was laid for; nil for an ordinary tap
}

// workers is one goroutine a reader that was ever used.
type workers struct {
	counter *Counter
	running sync.WaitGroup
}

func (w *workers) handle(ctx context.Context, e Event) {
	c := w.counter
	switch e.Kind {
	case CardArrived:
		c.publish(localapi.Event{Type: localapi.EventCardPresent, Reader: e.Reader})
		if !w.arrived(ctx, e) {
			c.fail(e.Reader, localapi.FailureBusy)
		}
	case CardMute:
		c.publish(localapi.Event{Type: localapi.EventCardPresent, Reader: e.Reader})
		c.fail(e.Reader, localapi.FailureMute)
	case CardRemoved:
		c.gone(e.Reader)
		c.publish(localapi.Event{Type: localapi.EventCardRemoved, Reader: e.Reader})
	case ReaderRemoved:
		c.gone(e.Reader)
		c.fail(e.Reader, localapi.FailureReaderGone)
	case ServiceLost:
		c.gone("")
		c.Log.ErrorContext(ctx, "card readers cannot be reached", slog.Any("error", e.Err))
		c.fail("", localapi.FailureNoPCSC)
	case ServiceFound, ReaderAdded:
	}
}

// arrived notes a card, and has it handled unless it lay there before. It reports false to someone who lays cards faster than
// they can be read.
func (w *workers) arrived(ctx context.Context, e Event) bool {
	c := w.counter
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.places[e.Reader]
	if !ok {
		p = &place{reader: e.Reader, layings: make(chan laying, queueLen)}
		c.places[e.Reader] = p
		w.running.Go(func() {
			for l := range p.layings {
				c.take(ctx, l)
			}
		})
	}
	p.card = true
	p.number++
	return e.Already || c.lay(p)
}

// lay hands a laying to the reader's worker, and with it what the next card is laid for. The caller holds mu.
func (c *Counter) lay(p *place) bool {
	n := c.next
	if n != nil && !n.takes(p.reader) {
		n = nil
	}
	select {
	case p.layings <- laying{place: p, number: p.number, next: n}:
	default:
		return false
	}
	if n != nil {
		n.handled = true
		n.expiry.Stop()
	}
	return true
}

// errLifted says that the card of a laying is not there any more.
var errLifted = errors.New("the card that was laid down does not lie there any more")

// lies returns a *ReadError unless the card of l lies where it was laid.
func (c *Counter) lies(l laying) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case l.place.number != l.number:
		return &ReadError{localapi.FailureExchanged, errLifted}
	case !l.card:
		return &ReadError{localapi.FailureTorn, errLifted}
	default:
		return nil
	}
}

// held is the card of a laying that something was typed in for. Nothing is sent to another card that was put in its place, were it that
// the reader had been quicker than its events.
type held struct {
	Connection

	counter *Counter
	laying  laying
}

// Transmit is the card's. A *ReadError where the card was lifted.
func (h held) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if err := h.counter.lies(h.laying); err != nil {
		return nil, err
	}
	return h.Connection.Transmit(ctx, command)
}

// gone notes that no card lies on a reader; on none, if it is empty.
func (c *Counter) gone(reader string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, p := range c.places {
		if reader == "" || name == reader {
			p.card = false
		}
	}
}

// stop lets every tap under way come to its end, and forgets what the next card would have been laid for.
func (w *workers) stop() {
	c := w.counter
	c.mu.Lock()
	places := c.places
	c.places = nil // whoever arms now finds no card
	c.mu.Unlock()
	for _, p := range places {
		close(p.layings)
	}
	w.running.Wait()
	c.Disarm()
}

func (c *Counter) publish(e localapi.Event) {
	e.Time, _ = c.Clock.Now()
	c.Announcer.Publish(e)
}

func (c *Counter) fail(reader string, f localapi.ReadFailure) {
	c.publish(localapi.Event{Type: localapi.EventReadFailed, Reader: reader, Failure: f})
}
