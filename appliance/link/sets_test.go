package link_test

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/fetch"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// sets notes what the link says of sets, and holds what the test says.
type sets struct {
	mu      sync.Mutex // guards what follows
	held    []wire.HeldSet
	offered []wire.SetOffer
	trusted int
}

func (s *sets) Held() []wire.HeldSet { s.mu.Lock(); defer s.mu.Unlock(); return s.held }

func (s *sets) Offered(o []wire.SetOffer) { s.mu.Lock(); defer s.mu.Unlock(); s.offered = o }

// Take has at once what is offered.
func (s *sets) Take(_ context.Context, _ fetch.Remote, o []wire.SetOffer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = nil
	for _, o := range o {
		s.held = append(s.held, wire.HeldSet{Hierarchy: o.Hierarchy, Purpose: o.Purpose, Number: o.Number})
	}
	return nil
}

func (s *sets) Trust(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted++
	return nil
}

func offer(n uint64) wire.SetOffer {
	return wire.SetOffer{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Number: rule.Version{CentralEpoch: 1, N: n}}
}

func TestSetsAreNamedAndOffersHandedOn(t *testing.T) {
	onLine(t, func(t *testing.T, c *central, b *box) {
		b.until(time.Minute, func() bool { return len(b.watch.lines) == 1 })
		held := []wire.HeldSet{{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Number: rule.Version{CentralEpoch: 1, N: 4}}}
		b.sets.mu.Lock()
		b.sets.held = held
		b.sets.mu.Unlock()
		time.Sleep(11 * time.Second) // a poll that is held ends
		synctest.Wait()
		c.change(func() {
			if p := c.polls[len(c.polls)-1]; !reflect.DeepEqual(p.Sets, held) {
				t.Errorf("the poll names %+v, want %+v", p.Sets, held)
			}
			c.bundle = 2
			c.spoilPoll = func(p *wire.Polled) error { p.Sets = []wire.SetOffer{offer(5)}; return nil }
		})
		time.Sleep(time.Second)
		synctest.Wait()
		b.sets.mu.Lock()
		defer b.sets.mu.Unlock()
		if len(b.sets.offered) != 1 || b.sets.offered[0].Number.N != 5 || b.sets.trusted != 1 {
			t.Errorf("offered %+v, trust changed %d times, want set 5 and once", b.sets.offered, b.sets.trusted)
		}
	})
}

// P10: what comes is bounded, whoever sent it.
func TestOffersAreBounded(t *testing.T) {
	onLine(t, func(t *testing.T, c *central, b *box) {
		b.until(time.Minute, func() bool { return len(b.watch.lines) == 1 })
		long, full := offer(5), offer(6)
		long.Deltas, full.Deltas = make([]wire.DeltaOffer, wire.MaxDeltas+1), make([]wire.DeltaOffer, wire.MaxDeltas)
		c.change(func() {
			c.spoilPoll = func(p *wire.Polled) error {
				p.Sets = append([]wire.SetOffer{long, full}, make([]wire.SetOffer, wire.MaxOffers)...)
				return nil
			}
		})
		time.Sleep(time.Second)
		b.sets.mu.Lock()
		defer b.sets.mu.Unlock()
		if o := b.sets.offered; len(o) != wire.MaxOffers || len(o[0].Deltas) != 0 || len(o[1].Deltas) != wire.MaxDeltas {
			t.Errorf("handed on %d offers, of %d and %d deltas, want %d, 0 and %d", len(o), len(o[0].Deltas), len(o[1].Deltas), wire.MaxOffers, wire.MaxDeltas)
		}
	})
}
