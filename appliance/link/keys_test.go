package link_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/clock"
	"kazashi.example/appliance/link"
	"kazashi.example/appliance/orders"
	"kazashi.example/appliance/vault"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

// scripted is central that also says what a test wants of keys and orders.
type scripted struct {
	direct
	say func(wire.Poll, *wire.Polled)

	mu     sync.Mutex // guards what follows
	pushed []wire.Push
	asked  []wire.Poll
}

func (s *scripted) Push(ctx context.Context, p wire.Push) (wire.Pushed, error) {
	s.mu.Lock()
	s.pushed = append(s.pushed, p)
	s.mu.Unlock()
	return s.direct.Push(ctx, p)
}

func (s *scripted) Poll(ctx context.Context, p wire.Poll) (wire.Polled, error) {
	s.mu.Lock()
	s.asked = append(s.asked, p)
	s.mu.Unlock()
	var extra wire.Polled
	s.say(p, &extra)
	if extra.Grant != nil || extra.Orders != nil {
		p.Wait = 0
	}
	out, err := s.direct.Poll(ctx, p)
	out.Grant, out.Orders = extra.Grant, extra.Orders
	return out, err
}

// site is the vault as the link sees it: locked until a grant of version 3 came.
type site struct {
	mu    sync.Mutex // guards what follows
	held  rule.Version
	taken [][]byte
}

func (s *site) Take(_ context.Context, grant []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, grant)
	if s.held.N > 0 {
		return vault.ErrOlder
	}
	s.held = rule.Version{CentralEpoch: 1, N: 3}
	return nil
}

func (s *site) Version() rule.Version { s.mu.Lock(); defer s.mu.Unlock(); return s.held }
func (s *site) Wants() bool           { return s.Version().N == 0 }
func (*site) Made() []sitekey.Wrapped { return make([]sitekey.Wrapped, wire.MaxMade+3) }

// lowered does orders, and says that a nonce was spent once.
type lowered struct{ times int }

func (l *lowered) Order(context.Context, order.Order) ([]byte, error) {
	if l.times++; l.times == 1 {
		return nil, orders.ErrAgain
	}
	return nil, nil
}

// What central has for site keys and orders goes where it belongs, and what the box has for central goes up until it was answered.
func TestGrantsAndOrdersComeDown(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		given := order.Order{Box: c.box, ID: order.NewID(), Kind: order.KindLock, Issued: 1}
		msg, err := given.Sign(c.sign)
		must(t, err)
		s := &scripted{direct: direct{central: c}}
		closed := false
		s.say = func(p wire.Poll, out *wire.Polled) {
			if p.Locked {
				out.Grant = []byte("a grant")
			}
			closed = closed || len(p.Done) > 0
			if !closed {
				out.Orders = [][]byte{msg}
			}
		}
		b := newBox(t, c, s, quiet)
		defer b.close()
		keys, doer := &site{}, &lowered{}
		book, err := orders.Open(t.Context(), b.dir, c.box, doer, quiet)
		must(t, err)
		c.bundle = 1
		b.rewire(s, func(l *link.Config) { l.Keys, l.Orders = keys, book })
		stop := b.run()
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		if len(keys.taken) != 1 || doer.times != 2 || len(book.Done()) != 0 {
			t.Errorf("%d grants taken, order tried %d times, %d outcomes untold; want 1, 2 and 0", len(keys.taken), doer.times, len(book.Done()))
		}
		last := s.asked[len(s.asked)-1]
		if last.Locked || last.Grant.N != 3 || len(last.Made) != wire.MaxMade || len(last.Done) != 0 {
			t.Errorf("the last poll says locked %v, grant %v, %d made, %d done", last.Locked, last.Grant, len(last.Made), len(last.Done))
		}
		if n := countDone(s.asked, given.ID); n != 1 {
			t.Errorf("the outcome was said %d times, want once", n)
		}
	})
}

func countDone(polls []wire.Poll, id order.ID) (n int) {
	for _, p := range polls {
		if slices.ContainsFunc(p.Done, func(d wire.OrderDone) bool { return d.Order == id && d.Outcome == order.OutcomeDone }) {
			n++
		}
	}
	return n
}

// An outcome is said again where the answer was lost.
func TestAnOutcomeIsSaidUntilItWasAnswered(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		msg, err := order.Order{Box: c.box, ID: order.NewID(), Kind: order.KindLock, Issued: 1}.Sign(c.sign)
		must(t, err)
		lost, answered := 0, false
		s := &scripted{direct: direct{central: c}}
		said := false
		s.say = func(p wire.Poll, out *wire.Polled) {
			if said = len(p.Done) > 0; !said && !answered {
				out.Orders = [][]byte{msg}
			}
		}
		s.down = func() error {
			if said && lost < 2 {
				lost++
				return errors.New("the answer was lost")
			}
			answered = answered || said
			return nil
		}
		b := newBox(t, c, s, quiet)
		defer b.close()
		book, err := orders.Open(t.Context(), b.dir, c.box, &lowered{times: 1}, quiet)
		must(t, err)
		b.rewire(s, func(l *link.Config) { l.Orders = book })
		stop := b.run()
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		if lost != 2 || !answered || len(book.Done()) != 0 {
			t.Errorf("%d answers lost, answered %v, %d outcomes untold; want 2, true and 0", lost, answered, len(book.Done()))
		}
	})
}

// repair is a clock whose error was measured in one stretch.
type repair struct{ all []clock.Correction }

func (repair) Nonce() [16]byte                   { return [16]byte{7} }
func (r repair) Corrections() []clock.Correction { return r.all }

// P6: central has the correction of a clock with the first records or before them, and once.
func TestP6TheCorrectionGoesWithTheFirstRecords(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		s := &scripted{direct: direct{central: c}, say: func(wire.Poll, *wire.Polled) {}}
		b := newBox(t, c, s, quiet)
		defer b.close()
		b.rewire(s, func(l *link.Config) {
			l.Repair = repair{[]clock.Correction{{Stretch: stretch, Offset: time.Hour, Measured: time.UnixMilli(5)}}}
		})
		b.tap(3)
		stop := b.run()
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		if len(s.pushed) == 0 || len(s.pushed[0].Corrections) != 1 || len(s.pushed[0].Envelopes) != 3 {
			t.Fatalf("%d pushes; the first is to hold three records and their correction", len(s.pushed))
		}
		w, err := wire.OpenCorrection(sign.One{Key: publicOf(t, c.device)}, s.pushed[0].Corrections[0])
		if err != nil || w.Offset != 3_600_000 || len(w.Epochs) != 1 || w.Epochs[0] != c.order[0].Epoch {
			t.Errorf("correction = %+v, %v, want an hour for the records' epoch", w, err)
		}
		for _, p := range s.pushed[1:] {
			if len(p.Corrections) > 0 {
				t.Error("a correction that central has was sent again")
			}
		}
		if got := s.asked[0].Nonce; got != (order.Nonce{ID128: record.ID128{7}}) {
			t.Errorf("the poll says nonce %s, want the clock's", got)
		}
	})
}
