package link_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/sync/ack"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// errLine is what a network says.
var errLine = errors.New("connection refused")

// inTime runs a test in a time of its own, in which waiting costs nothing and every goroutine must have ended at the end.
func inTime(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// onLine is inTime with a box that runs and a central that answers.
func onLine(t *testing.T, f func(t *testing.T, c *central, b *box)) {
	t.Helper()
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		b := newBox(t, c, direct{central: c}, quiet)
		defer b.close()
		stop := b.run()
		defer stop()
		f(t, c, b)
	})
}

// settled waits until n records have their final verdict on the box, for at most d.
func (b *box) settled(n int, d time.Duration) {
	b.t.Helper()
	b.until(d, func() bool { // a verdict may overtake the acknowledgement of its record
		waiting, err := b.journal.Waiting(b.t.Context())
		return len(b.watch.settled) >= n && waiting == 0 && err == nil
	})
	for id, times := range b.watch.settled {
		if _, ok, err := b.desired.Final(b.t.Context(), id); !ok || err != nil || times != 1 {
			b.t.Errorf("record %s: said settled %d times, on disk %v, %v", id, times, ok, err)
		}
	}
}

// until waits for news of the link until ok, which sees the watcher's state, says yes.
func (b *box) until(d time.Duration, ok func() bool) {
	b.t.Helper()
	deadline := time.After(d)
	for {
		b.watch.mu.Lock()
		done := ok()
		b.watch.mu.Unlock()
		if done {
			return
		}
		select {
		case <-b.watch.news:
		case <-deadline:
			b.t.Fatalf("not within %s: lines %v, settled %d, named %d", d, b.watch.lines, len(b.watch.settled), len(b.watch.named))
		}
	}
}

func TestRecordsGoUpAndVerdictsComeDown(t *testing.T) { // P2, P6
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		b := newBox(t, c, direct{central: c}, quiet)
		defer b.close()
		b.tap(3)
		stop := b.run()
		b.settled(3, time.Second)
		stop()
		first, _ := c.counted()
		b.tap(300) // more than one portion, and all there when the next push begins
		stop = b.run()
		defer stop()
		b.settled(303, 5*time.Second)
		if up, _ := b.link.Line(); !up {
			t.Error("Line = down, want up")
		}
		if pushes, _ := c.counted(); pushes-first > 3 {
			t.Errorf("%d pushes for two portions", pushes-first)
		}
	})
}

// Before central has answered, nobody may be told that it does.
func TestTheLineIsDownUntilCentralAnswers(t *testing.T) { // P6
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		b := newBox(t, c, direct{c, func() error { return errLine }}, quiet)
		defer b.close()
		stop := b.run()
		defer stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		if up, _ := b.link.Line(); up || len(b.watch.lines) != 0 {
			t.Errorf("Line = %v, told %v, want down from the start and nothing to tell", up, b.watch.lines)
		}
	})
}

func TestRetriesBackOffWithJitterAndLogOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		var log bytes.Buffer
		var tries []time.Time
		down := func() error { tries = append(tries, time.Now()); return errLine }
		b := newBox(t, c, direct{c, down}, slog.New(slog.NewTextHandler(&log, nil)))
		defer b.close()
		stop := b.run() // nothing to push: the poll loop alone tries
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		stop()
		jitter := map[time.Duration]bool{}
		for i := 1; i < len(tries); i++ {
			pause, top := tries[i].Sub(tries[i-1]), min(500*time.Millisecond<<(min(i, 9)-1), 30*time.Second)
			if pause < top/2 || pause > top {
				t.Errorf("pause %d = %s, want %s to %s", i, pause, top/2, top)
			}
			jitter[pause] = true
		}
		if len(tries) < 20 || len(jitter) < 10 {
			t.Errorf("%d tries in ten minutes, %d different pauses, want at least 20 and 10", len(tries), len(jitter))
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines of log about one outage, want 1:\n%s", n, &log)
		}
	})
}

// The pause of a long outage is not waited out once any exchange has shown that the line is back.
func TestRecoveryDoesNotWaitOutThePause(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		var dead bool
		down := func() error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if dead {
				return errLine
			}
			return nil
		}
		b := newBox(t, c, direct{c, down}, quiet)
		defer b.close()
		stop := b.run()
		defer stop()
		b.until(time.Minute, func() bool { return len(b.watch.lines) == 1 })
		for range 10 {
			c.change(func() { dead = true })
			b.tap(2)
			b.until(time.Minute, func() bool { return !b.watch.lines[len(b.watch.lines)-1] })
			time.Sleep(10 * time.Minute)
			c.change(func() { dead = false })
			b.until(31*time.Second, func() bool { return b.watch.lines[len(b.watch.lines)-1] })
			b.settled(b.taps, time.Second) // whichever loop found out, the other followed at once
		}
	})
}

func TestARestoredCentralIsSentWhatItLacks(t *testing.T) { // P2, design §5.6
	onLine(t, func(t *testing.T, c *central, b *box) {
		b.tap(5)
		b.settled(5, time.Second)
		c.change(func() { // an older copy: the last two are gone
			c.epoch, c.acks = 2, 0
			for _, id := range c.order[3:] {
				delete(c.held[id.Epoch], id.Seq)
			}
			c.order = c.order[:3]
		})
		b.watch.mu.Lock()
		clear(b.watch.settled)
		b.watch.mu.Unlock()
		b.settled(5, time.Minute)
		if len(c.order) != 5 {
			t.Errorf("restored central holds %d records, want 5", len(c.order))
		}
	})
}

func TestTrustIsAppliedBeforeWhatItVouchesFor(t *testing.T) { // P8, P9
	onLine(t, func(t *testing.T, c *central, b *box) {
		b.until(time.Minute, func() bool { return len(b.watch.lines) == 1 })
		c.change(func() {
			c.bundle, c.sign = 2, newKey(t)
			c.order = append(c.order, record.ID{Epoch: record.NewEpochID(), Seq: 1})
			c.spoilPoll = func(p *wire.Polled) error { // everything in one answer, signed by the new key
				if _, v, _ := b.desired.For("kiyose.library"); v.N < 9 {
					p.Rules = c.rules(9)
				}
				return nil
			}
		})
		b.until(time.Minute, func() bool { return len(b.watch.settled) == 1 })
		if _, v, ok := b.desired.For("kiyose.library"); !ok || v.N != 9 || b.desired.Trust().Number != 2 {
			t.Errorf("rules %v, trust %d, want 9 and 2", v, b.desired.Trust().Number)
		}
		if _, n := c.counted(); n > 10 {
			t.Errorf("%d polls, want a few", n)
		}
	})
}

// long is how long central goes on with answers that lead nowhere.
const long = 5 * time.Minute

// spin counts what reaches central in that time.
func spin(t *testing.T, c *central, b *box) (pushes, polls int) {
	t.Helper()
	stop := b.run()
	defer stop()
	b.tap(2)
	time.Sleep(long)
	synctest.Wait()
	return c.counted()
}

// No answer makes a loop spin, however often it is repeated, and none of them is an outage of the line.
func TestNoAnswerMakesALoopSpin(t *testing.T) {
	const seconds = int(long / time.Second)
	for name, try := range map[string]struct {
		spoil                func(c *central)
		mostPushes, mostPoll int
		up                   bool
	}{
		"acknowledgements of nothing": {func(c *central) {
			c.spoilPush = func(p *wire.Pushed) error { p.Ack = c.acknowledge(nil); return nil }
		}, 30, 50, true},
		"acknowledgements that do not verify": {func(c *central) {
			c.spoilPush = func(p *wire.Pushed) error { p.Ack = []byte("no acknowledgement"); return nil }
		}, 30, 50, true},
		"acknowledgements for another box": {func(c *central) {
			c.spoilPush = func(p *wire.Pushed) error { p.Ack = c.forAnother(); return nil }
		}, 30, 50, true},
		"refused pushes": {func(c *central) {
			c.spoilPush = func(*wire.Pushed) error { return &uplink.Refusal{Code: wire.CodeUnavailable, Message: "full"} }
		}, 30, 50, true},
		"refused polls": {func(c *central) {
			c.spoilPoll = func(*wire.Polled) error { return &uplink.Refusal{Code: wire.CodeRevokedBox, Message: "out of service"} }
		}, 10, 30, false},
		"the same rules in every poll": {func(c *central) {
			rules := c.rules(3)
			c.spoilPoll = func(p *wire.Polled) error { p.Rules = rules; return nil }
		}, 10, seconds + 20, true},
		"the same trust in every poll": {func(c *central) {
			bundle := c.trust()
			c.spoilPoll = func(p *wire.Polled) error { p.Bundle = bundle; return nil }
		}, 10, seconds + 20, true},
		"an acknowledgement in every poll": {func(c *central) {
			c.spoilPoll = func(p *wire.Polled) error { p.Ack = c.acknowledge(nil); return nil }
		}, 10, seconds + 20, true},
		"the same offer in every poll": {func(c *central) {
			c.spoilPoll = func(p *wire.Polled) error { p.Sets = []wire.SetOffer{offer(5)}; return nil }
		}, 10, seconds + 20, true},
		"broken rules in every poll": {func(c *central) {
			c.spoilPoll = func(p *wire.Polled) error {
				p.Rules = []byte("no rules")
				return nil
			}
		}, 10, 30, true},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				c := newCentral(t)
				try.spoil(c)
				b := newBox(t, c, direct{central: c}, quiet)
				defer b.close()
				pushes, polls := spin(t, c, b)
				if pushes > try.mostPushes || polls > try.mostPoll || pushes == 0 || polls < 10 {
					t.Errorf("%d pushes, %d polls in %s, want 1 to %d, 10 to %d", pushes, polls, long, try.mostPushes, try.mostPoll)
				}
				if up, _ := b.link.Line(); up != try.up || len(b.watch.lines) > 3 {
					t.Errorf("Line = %v after %v, want %v without flapping", up, b.watch.lines, try.up)
				}
			})
		})
	}
}

// forAnother signs for a box that is not this one.
func (c *central) forAnother() []byte {
	msg, err := ack.Ack{Version: rule.Version{CentralEpoch: 1, N: 1}, Box: record.NewBoxID(), Ranges: []ack.Range{}}.Sign(c.sign)
	must(c.t, err)
	return msg
}

// Broken rules must not keep verdicts out, nor may a record that central never takes keep a new one waiting.
func TestOnePartAtFaultKeepsNothingElseOut(t *testing.T) { // P2
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		c.spoilPoll = func(p *wire.Polled) error {
			p.Rules = []byte("no rules")
			return nil
		}
		b := newBox(t, c, direct{central: c}, quiet)
		defer b.close()
		stop := b.run()
		defer stop()
		for range 5 {
			b.tap(1)
			b.settled(b.taps, 31*time.Second)
			time.Sleep(5 * time.Minute)
		}
	})
}

func TestAStuckRecordDoesNotHoldNewOnesUp(t *testing.T) { // P2
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		nothing := func(p *wire.Pushed) error { p.Ack = c.acknowledge(nil); return nil }
		c.spoilPush = nothing
		b := newBox(t, c, direct{central: c}, quiet)
		defer b.close()
		stop := b.run()
		defer stop()
		b.tap(1)
		time.Sleep(10 * time.Minute) // the pause between two tries is at its longest
		c.change(func() { c.spoilPush = nil })
		b.tap(1)
		b.settled(2, time.Second)
	})
}

func TestPPIDsAreAskedForAndForgotten(t *testing.T) { // P3
	onLine(t, func(t *testing.T, c *central, b *box) {
		b.until(time.Minute, func() bool { return len(b.watch.lines) == 1 })
		soon, never, unasked := record.NewTapID(), record.NewTapID(), record.NewTapID()
		b.link.Want(soon)
		b.link.Want(never)
		time.Sleep(15 * time.Second)
		c.change(func() { // it became safe, which nothing announces
			c.subjects[soon] = "MADEUPPPID"
			c.spoilPoll = func(p *wire.Polled) error {
				p.Subjects = []wire.Subject{{Tap: unasked, PPID: "NOTASKEDFOR"}}
				return nil
			}
		})
		b.until(2*time.Second, func() bool { return b.watch.named[soon] == "MADEUPPPID" })
		time.Sleep(time.Second)
		c.mu.Lock()
		for _, tap := range c.polls[len(c.polls)-1].Subjects {
			if tap == soon {
				t.Error("a PPID that came is asked for again")
			}
		}
		before := len(c.polls)
		c.mu.Unlock()
		if _, ok := b.watch.named[unasked]; ok {
			t.Error("a PPID that nobody asked for was handed on")
		}
		time.Sleep(10 * time.Minute) // a PPID that never comes is asked for with ordinary polls, not every second for ever
		c.mu.Lock()
		defer c.mu.Unlock()
		if n := len(c.polls) - before; n > 200 || n < 100 {
			t.Errorf("%d polls in ten minutes, want about 150", n)
		}
	})
}

// Somebody opens the page while central holds a poll for ten seconds: the PPIDs are asked for at once.
func TestAWishEndsAHeldPoll(t *testing.T) {
	onLine(t, func(t *testing.T, c *central, b *box) {
		b.until(time.Minute, func() bool { return len(b.watch.lines) == 1 })
		time.Sleep(time.Second) // into a held poll
		tap := record.NewTapID()
		c.change(func() { c.subjects[tap] = "MADEUPPPID" })
		time.Sleep(time.Second)
		b.link.Want(tap)
		b.until(time.Millisecond, func() bool { return b.watch.named[tap] == "MADEUPPPID" })
		if up, _ := b.link.Line(); !up {
			t.Error("the line counts as down because a poll was given up")
		}
	})
}

func TestTheLatestWishesAreKept(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		b := newBox(t, c, direct{central: c}, quiet)
		defer b.close()
		var last record.TapID
		for range 3 * wire.MaxSubjects {
			last = record.NewTapID()
			b.link.Want(last)
		}
		stop := b.run()
		b.until(time.Minute, func() bool { return len(b.watch.lines) == 1 })
		stop()
		asked := c.polls[0].Subjects
		if len(asked) != wire.MaxSubjects || asked[len(asked)-1] != last {
			t.Errorf("asked for %d, want the latest %d", len(asked), wire.MaxSubjects)
		}
	})
}

func TestWakeAndWantNeverBlock(t *testing.T) { // P1: nothing runs that could take them
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		b := newBox(t, c, direct{central: c}, quiet)
		defer b.close()
		for range 1000 {
			b.link.Wake()
			b.link.Want(record.NewTapID())
		}
	})
}
