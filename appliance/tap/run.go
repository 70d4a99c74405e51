package tap

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"kazashi.example/localapi"
)

// Run takes taps until ctx ends. A tap under way is finished first: a card that was read is written down.
func (c *Counter) Run(ctx context.Context) error {
	w := workers{counter: c, queues: map[string]chan struct{}{}}
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

// workers is one goroutine a reader that was ever used. Only Watch's goroutine touches the map.
type workers struct {
	counter *Counter
	queues  map[string]chan struct{}
	running sync.WaitGroup
}

func (w *workers) handle(ctx context.Context, e Event) {
	c := w.counter
	switch e.Kind {
	case CardArrived:
		c.publish(localapi.Event{Type: localapi.EventCardPresent, Reader: e.Reader})
		if !e.Already {
			w.lay(ctx, e.Reader)
		}
	case CardMute:
		c.publish(localapi.Event{Type: localapi.EventCardPresent, Reader: e.Reader})
		c.fail(e.Reader, localapi.FailureTorn)
	case CardRemoved:
		c.publish(localapi.Event{Type: localapi.EventCardRemoved, Reader: e.Reader})
	case ReaderRemoved:
		c.fail(e.Reader, localapi.FailureReaderGone)
	case ServiceLost:
		c.Log.ErrorContext(ctx, "card readers cannot be reached", slog.Any("error", e.Err))
		c.fail("", localapi.FailureNoPCSC)
	case ServiceFound, ReaderAdded:
	}
}

// lay hands a laying to the reader's worker. Someone who lays cards faster than they can be read is told so.
func (w *workers) lay(ctx context.Context, reader string) {
	q, ok := w.queues[reader]
	if !ok {
		q = make(chan struct{}, queueLen)
		w.queues[reader] = q
		w.running.Go(func() {
			for range q {
				w.counter.take(ctx, reader)
			}
		})
	}
	select {
	case q <- struct{}{}:
	default:
		w.counter.fail(reader, localapi.FailureBusy)
	}
}

// stop lets every tap under way come to its end.
func (w *workers) stop() {
	for _, q := range w.queues {
		close(q)
	}
	w.running.Wait()
}

func (c *Counter) publish(e localapi.Event) {
	e.Time, _ = c.Clock.Now()
	c.Announcer.Publish(e)
}

func (c *Counter) fail(reader string, f localapi.ReadFailure) {
	c.publish(localapi.Event{Type: localapi.EventReadFailed, Reader: reader, Failure: f})
}
