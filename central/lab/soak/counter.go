package soak

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// errDead says that the stream that was followed has ended.
var errDead = errors.New("the counter's stream has ended")

// counter is the box's live stream over all its lives.
type counter struct {
	client  *localapi.Client
	people  int
	readers int

	mu     sync.Mutex // guards what follows
	now    *generation
	news   chan struct{} // closed and replaced at each change
	taps   map[record.TapID]bool
	shown  map[record.TapID]bool
	broken int
}

// generation is one stream: from when the box can be used until it dies.
type generation struct {
	dead chan struct{} // closed at its end

	mu     sync.Mutex // guards follow
	byName map[string]chan localapi.Event
}

func newCounter(c Config) *counter {
	return &counter{
		client: c.Client, people: c.People, readers: len(c.Slots), news: make(chan struct{}),
		taps: map[record.TapID]bool{}, shown: map[record.TapID]bool{},
	}
}

func (c *counter) found() (taps, shown map[record.TapID]bool, broken int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taps, c.shown, c.broken
}

// listen follows one stream after the other until ctx ends.
func (c *counter) listen(ctx context.Context) error {
	for ctx.Err() == nil {
		c.life(ctx)
		c.mu.Lock()
		if c.now != nil {
			close(c.now.dead)
			c.now = nil
			c.broken++
		}
		c.mu.Unlock()
		_ = pause(ctx, look)
	}
	return nil
}

// life is one stream. Cards are laid only once the box knows everybody and sees every reader.
func (c *counter) life(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := &generation{dead: make(chan struct{}), byName: map[string]chan localapi.Event{}}
	began := make(chan struct{})
	go func() {
		select {
		case <-began:
			c.ready(ctx, g)
		case <-ctx.Done():
		}
	}()
	first := true
	for e, err := range c.client.Events(ctx) {
		if err != nil {
			return
		}
		if first {
			first = false
			close(began)
		}
		if e.Type == localapi.EventVerdict && e.Tap != nil {
			c.mu.Lock()
			c.taps[e.Tap.Tap] = true
			c.mu.Unlock()
		}
		g.hand(e)
	}
}

// ready notes what a box that has just started shows as perhaps never seen, waits until it can be used, and says so.
func (c *counter) ready(ctx context.Context, g *generation) {
	for ctx.Err() == nil {
		taps, err := c.client.Taps(ctx, localapi.MaxTaps)
		if err == nil {
			c.mu.Lock()
			for _, t := range taps {
				if t.Restored {
					c.shown[t.Tap] = true
				}
			}
			c.mu.Unlock()
			break
		}
		_ = pause(ctx, look)
	}
	for ctx.Err() == nil {
		s, err := c.client.Status(ctx)
		if err == nil && len(s.Readers) >= c.readers && !slices.ContainsFunc(s.Readers, card) && s.Keys.State == localapi.KeysOpen && s.Roster.People >= c.people {
			c.mu.Lock()
			if ctx.Err() == nil {
				c.now = g
				close(c.news)
				c.news = make(chan struct{})
			}
			c.mu.Unlock()
			return
		}
		_ = pause(ctx, look)
	}
}

func card(r localapi.Reader) bool { return r.Card }

// usable is the present life of the box, waited for.
func (c *counter) usable(ctx context.Context) (*generation, error) {
	var g *generation
	return g, c.reaches(ctx, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		g = c.now
		return g != nil
	})
}

// reaches waits until something is so.
func (c *counter) reaches(ctx context.Context, so func() bool) error {
	for !so() {
		if err := pause(ctx, look); err != nil {
			return err
		}
	}
	return nil
}

// follow hears what is said of one reader from now on.
func (g *generation) follow(reader string) <-chan localapi.Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	events := make(chan localapi.Event, 64) // far more than one laying brings
	g.byName[reader] = events
	return events
}

func (g *generation) leave(reader string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.byName, reader)
}

func (g *generation) hand(e localapi.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if events := g.byName[e.Reader]; events != nil {
		select {
		case events <- e:
		default:
		}
	}
}

// await is the next event of one of the types; errDead when the stream ends first.
func (g *generation) await(ctx context.Context, events <-chan localapi.Event, within time.Duration, types ...localapi.EventType) (localapi.Event, error) {
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		select {
		case e := <-events:
			if slices.Contains(types, e.Type) {
				return e, nil
			}
		case <-g.dead:
			return localapi.Event{}, errDead
		case <-limit.C:
			return localapi.Event{}, fmt.Errorf("%w: none of %v within %s", ErrAway, types, within)
		case <-ctx.Done():
			return localapi.Event{}, context.Cause(ctx)
		}
	}
}
