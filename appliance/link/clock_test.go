package link_test

import (
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/sync/wire"
)

// The clock hears the time only from polls that were answered.
func TestTheClockIsTold(t *testing.T) { // P8
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		c.spoilPoll = func(p *wire.Polled) error { p.Time = 1_800_000_000_000; return nil }
		b := newBox(t, c, direct{central: c}, quiet)
		defer b.close()
		stop := b.run()
		defer stop()
		if got := <-b.checks; got.UnixMilli() != 1_800_000_000_000 {
			t.Errorf("Check(%v), want central's time", got)
		}
	})
}

// Whatever was verified was signed in the past: each kind of it moves the clock, and what is held does so at the start.
func TestP8TheClockLearnsFromWhatWasSigned(t *testing.T) {
	const signed = 1_800_000_000
	for name, say := range map[string]func(*central){
		"bundle": func(c *central) { c.issued, c.bundle = signed, 2 },
		"rules": func(c *central) {
			c.issued = signed
			c.spoilPoll = func(p *wire.Polled) error { p.Rules = c.rules(9); return nil }
		},
		"acknowledgement": func(c *central) { c.issued = signed },
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				c := newCentral(t)
				b := newBox(t, c, direct{central: c}, quiet)
				defer b.close()
				if got := b.learnt.Load(); got != 1 {
					t.Errorf("learnt %d at the start, want what the bundle held says", got)
				}
				c.change(func() { say(c) })
				stop := b.run()
				defer stop()
				if name == "acknowledgement" {
					b.tap(1)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := b.learnt.Load(); got != signed {
					t.Errorf("learnt %d, want %d", got, signed)
				}
			})
		})
	}
}
