// Package soak taps many cards on many readers at once while programs are killed at random, and keeps a tray's ledger of each reader.
//
// It moves real programs from outside: it lays cards, listens to the counter's live stream as a person would look at the page, kills, and
// waits until the box can be used again. A tap is heard when the stream has told its verdict; from then on it may not be lost. Of a laying
// whose box died first nobody can say whether a record came of it: the ledger says so, and the box must show its verdict after the restart if
// one did. What all of it came to is not judged here but counted from the tables afterwards (package invariant).
//
// One goroutine a reader, one that listens, one that kills. The moments of the kills come from a seed; when within a tap they fall is up to the
// machine. Nothing is durable but the ledgers.
package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/central/lab/tray"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Errors of Run.
var (
	// ErrSilent says that a box which ran said nothing of a card.
	ErrSilent = errors.New("the counter said nothing of a card")
	// ErrAway says that a box did not become usable in time.
	ErrAway = errors.New("the box cannot be used")
	// ErrVerdict says that a card which is in order was not served.
	ErrVerdict = errors.New("a card that is in order was not served")
)

// Bounds of what must happen.
const (
	heardWithin  = 60 * time.Second // a verdict, on a machine that is busy with all the others
	usableWithin = 60 * time.Second
	goneWithin   = 10 * time.Second
	look         = 25 * time.Millisecond
	progress     = 10 * time.Second
)

// Slot is one reader with its tray and the people who tap there, who have enrolled.
type Slot struct {
	Tray   *tray.Tray
	Reader string // as the box names it
	People []string
}

// Config is one soak.
type Config struct {
	Slots  []Slot
	Client *localapi.Client // of the counter
	People int              // how many the box must know before a card is laid
	Taps   int              // to be heard
	Kills  int              // of the box
	// CentralKills are kills of central.
	CentralKills int
	Seed         uint64
	// Box and Central kill by SIGKILL and start again; they return when the program answers.
	Box, Central func(context.Context) error
	Say          func(format string, a ...any)
}

// Result is what the soak itself saw.
type Result struct {
	Heard   int // verdicts
	Card    int // of them with card evidence
	Unheard int // layings of which nobody can say what became of them
	Failed  int // cards that did not become a tap
	// Kills of the box, and kills of central.
	Kills, CentralKills int
	Broken              int // streams that ended though nothing was killed
	Took                time.Duration
	Taps                map[record.TapID]bool // heard
	Shown               map[record.TapID]bool // shown after a restart as perhaps never seen
}

// soak is one run.
type soak struct {
	Config

	counter *counter
	heard   atomic.Int64 // verdicts and how many of them rest on the card
	card    atomic.Int64
	unheard atomic.Int64
	failed  atomic.Int64
	kills   atomic.Int64
	central atomic.Int64
}

// Run taps until enough was heard.
func Run(ctx context.Context, c Config) (Result, error) {
	s := &soak{Config: c, counter: newCounter(c)}
	began := time.Now()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var listening errgroup.Group
	listening.Go(func() error { return s.counter.listen(ctx) })
	g, work := errgroup.WithContext(ctx)
	done := make(chan struct{}) // closed when enough was heard
	var once sync.Once
	for n := range c.Slots {
		g.Go(func() error {
			err := s.hand(work, &c.Slots[n], n)
			once.Do(func() { close(done) })
			return err
		})
	}
	for n, k := range []killer{
		{"the box", c.Kills, c.Box, &s.kills}, {"central", c.CentralKills, c.Central, &s.central},
	} {
		g.Go(func() error { return s.kill(work, k, rand.New(rand.NewPCG(c.Seed, uint64(n)))) }) //nolint:gosec // a schedule, no secret
	}
	g.Go(func() error { return s.tell(work, done) })
	err := g.Wait()
	stop()
	if lerr := listening.Wait(); err == nil && !errors.Is(lerr, context.Canceled) {
		err = lerr
	}
	return s.result(time.Since(began)), err
}

func (s *soak) result(took time.Duration) Result {
	taps, shown, broken := s.counter.found()
	return Result{
		Heard: int(s.heard.Load()), Card: int(s.card.Load()), Unheard: int(s.unheard.Load()), Failed: int(s.failed.Load()),
		Kills: int(s.kills.Load()), CentralKills: int(s.central.Load()), Broken: broken - int(s.kills.Load()),
		Took: took, Taps: taps, Shown: shown,
	}
}

// tell says how far things are.
func (s *soak) tell(ctx context.Context, done <-chan struct{}) error {
	tick := time.NewTicker(progress)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.Say("%d of %d taps heard, %d killed under way, box killed %d times, central %d times",
				s.heard.Load(), s.Taps, s.unheard.Load(), s.kills.Load(), s.central.Load())
		case <-done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// killer kills one program so many times.
type killer struct {
	what  string
	times int
	do    func(context.Context) error
	count *atomic.Int64
}

// kill spreads the kills over the taps by the seed, each at a random moment while cards are read.
func (s *soak) kill(ctx context.Context, k killer, r *rand.Rand) error {
	moments := make([]int64, k.times)
	for n := range moments {
		moments[n] = r.Int64N(int64(s.Taps) * 98 / 100)
	}
	slices.Sort(moments)
	for _, at := range moments {
		delay := time.Duration(r.IntN(1500)) * time.Millisecond
		if err := s.counter.reaches(ctx, func() bool { return s.heard.Load() >= at }); err != nil {
			return err
		}
		if _, err := s.counter.usable(ctx); err != nil {
			return err
		}
		if err := pause(ctx, delay); err != nil {
			return err
		}
		if err := k.do(ctx); err != nil {
			return fmt.Errorf("killing %s and starting it again: %w", k.what, err)
		}
		k.count.Add(1)
	}
	return nil
}

// hand lays cards on one reader until enough was heard on all of them, and all kills are done.
func (s *soak) hand(ctx context.Context, slot *Slot, n int) error {
	for turn := n; !s.enough(); turn++ {
		g, err := s.counter.usable(ctx)
		if err != nil {
			return err
		}
		if err := s.tap(ctx, g, slot, slot.People[turn%len(slot.People)]); err != nil {
			return fmt.Errorf("reader %s: %w", slot.Reader, err)
		}
	}
	return nil
}

// enough reports whether all was heard and killed.
func (s *soak) enough() bool {
	return s.heard.Load() >= int64(s.Taps) && s.kills.Load() >= int64(s.Kills) && s.central.Load() >= int64(s.CentralKills)
}

// tap is one card, laid until its verdict was heard or its box has died.
func (s *soak) tap(ctx context.Context, g *generation, slot *Slot, person string) error {
	events := g.follow(slot.Reader)
	defer g.leave(slot.Reader)
	served := tray.Expected{First: tray.OutcomeServed, Final: tray.OutcomeServed}
	if _, err := slot.Tray.LayExpecting(ctx, person, served); err != nil {
		return err
	}
	e, err := g.await(ctx, events, heardWithin, localapi.EventVerdict, localapi.EventReadFailed)
	switch {
	case errors.Is(err, errDead):
		s.unheard.Add(1)
		return slot.Tray.Fail(ctx, "the box died before it was heard")
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrSilent, person, err)
	case e.Type == localapi.EventReadFailed:
		s.failed.Add(1)
		if err := slot.Tray.Fail(ctx, string(e.Failure)); err != nil {
			return err
		}
	case e.Tap == nil || e.Rests == nil || !e.Tap.First.Verdict.Served():
		return fmt.Errorf("%w: %s: %+v", ErrVerdict, person, e.Tap)
	default:
		s.heard.Add(1)
		if e.Rests.Evidence == record.EvidenceCard {
			s.card.Add(1)
		}
		if _, err := slot.Tray.Take(ctx); err != nil {
			return err
		}
	}
	_, err = g.await(ctx, events, goneWithin, localapi.EventCardRemoved)
	if errors.Is(err, errDead) {
		return nil
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
