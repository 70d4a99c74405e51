package link_test

import (
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/link"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/trust"
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

// A list from the future moves the clock, when it comes and again after a restart.
func TestP8AListFromTheFutureMovesTheClock(t *testing.T) {
	day := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	by, err := worldtest.Open(t, world.Config{Now: day, People: 1}).Authority(certid.PurposeAuth, 3)
	must(t, err)
	der, err := by.List(7, day, day.Add(24*time.Hour), nil)
	must(t, err)
	inTime(t, func(t *testing.T) { // its time begins in the year 2000
		c := newCentral(t)
		c.anchors = []trust.Anchor{{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Certificate: by.Cert.Raw}}
		c.spoilPoll = func(p *wire.Polled) error {
			p.Lists = []wire.RelayedList{{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, DER: der}}
			return nil
		}
		b := newBox(t, c, direct{central: c}, quiet)
		defer b.close()
		stop := b.run()
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		if got := b.learnt.Load(); got != day.Unix() {
			t.Errorf("learnt %d from a list of %d", got, day.Unix())
		}
		b.learnt.Store(0)
		link.New(b.link.Config)
		if got := b.learnt.Load(); got != day.Unix() {
			t.Errorf("learnt %d at the start, holding a list of %d", got, day.Unix())
		}
	})
}
