package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

func TestP2EverythingAppendedOpensAtCentral(t *testing.T) {
	c := newCentral(t)
	j := c.open(newPath(t))
	want := map[record.ID]string{}
	for n := range 20 {
		id := add(t, j, n)
		if id.Seq != record.Seq(n+1) {
			t.Errorf("Append(%d) = %s, want seq %d", n, id, n+1)
		}
		want[id] = string(text(n))
	}
	if got, err := j.Waiting(t.Context()); err != nil || got != 20 {
		t.Errorf("Waiting() = %d, %v, want 20", got, err)
	}
	c.settle(j, ack.Received)
	c.want(want)
	if got, err := j.Waiting(t.Context()); err != nil || got != 0 {
		t.Errorf("Waiting() after acknowledgement = %d, %v, want 0", got, err)
	}
}

func TestFirstEpochSaysWhetherThereWasAJournal(t *testing.T) {
	for _, tc := range []struct {
		fresh bool
		want  epoch.Lineage
	}{{true, epoch.LineageFirst}, {false, epoch.LineageUnknown}} {
		t.Run(fmt.Sprint(tc.fresh), func(t *testing.T) {
			c, path := newCentral(t), newPath(t)
			fresh := func(o *journal.Options) { o.Fresh = tc.fresh }
			shut(t, c.open(path, fresh)) // the answer is the file's, not the next start's
			j := c.open(path, func(o *journal.Options) { o.Fresh = !tc.fresh })
			id := add(t, j, 1)
			c.pull(j, journal.Limits{})
			if got := c.header(id.Epoch).Predecessor.Lineage; got != tc.want {
				t.Errorf("lineage = %d, want %d", got, tc.want)
			}
		})
	}
}

func TestP2EveryStartOpensAnEpochThatNamesTheLast(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	want := map[record.ID]string{}
	var epochs []record.EpochID
	for n := range 5 {
		j := c.open(path)
		a, b := add(t, j, 2*n), add(t, j, 2*n+1)
		want[a], want[b] = string(text(2*n)), string(text(2*n+1))
		epochs = append(epochs, a.Epoch)
		shut(t, j)
		shut(t, c.open(path)) // a start without a tap leaves nothing behind
	}
	c.settle(c.open(path), ack.Received)
	c.want(want)
	for i := 1; i < len(epochs); i++ {
		h := c.header(epochs[i])
		if got, want := h.Predecessor, c.end(epochs[i-1]); got != want {
			t.Errorf("predecessor of epoch %d = %+v, want %+v", i, got, want)
		}
		if h.Cause != epoch.CauseStart {
			t.Errorf("cause of epoch %d = %s, want start", i, h.Cause)
		}
	}
}

func TestEpochTurnsAfterAnHourWhileTapsCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentral(t)
		j := c.open(newPath(t))
		var ids []record.ID
		for n := range 5 * 24 { // every half hour, sixty hours long
			ids = append(ids, add(t, j, n))
			time.Sleep(30 * time.Minute)
		}
		for n, id := range ids {
			if got, want := id.Seq, record.Seq(n%2+1); got != want {
				t.Fatalf("tap %d has seq %d, want %d", n, got, want)
			}
		}
		c.settle(j, ack.Received)
		if len(c.opened()) != len(ids) {
			t.Errorf("opened %d, want %d", len(c.opened()), len(ids))
		}
		h := c.header(ids[2].Epoch)
		if h.Cause != epoch.CauseRotation || h.Predecessor != c.end(ids[0].Epoch) {
			t.Errorf("second epoch: cause %s, predecessor %+v; want rotation, %+v", h.Cause, h.Predecessor, c.end(ids[0].Epoch))
		}
		shut(t, j)
	})
}

func TestEpochTurnsWhenTheClockWentBack(t *testing.T) {
	c := newCentral(t)
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	j := c.open(newPath(t), func(o *journal.Options) { o.Now = func() time.Time { return now } })
	a := add(t, j, 1)
	now = now.Add(-time.Minute)
	if b := add(t, j, 2); a.Epoch == b.Epoch {
		t.Error("one epoch across a step back of the clock")
	}
}

func TestEpochTurnsWithTheRecipient(t *testing.T) {
	c := newCentral(t)
	var to atomic.Pointer[seal.PublicKey]
	first := c.private.Public()
	to.Store(&first)
	j := c.open(newPath(t), func(o *journal.Options) {
		o.Recipient = func() (seal.PublicKey, error) { return *to.Load(), nil }
	})
	a := add(t, j, 1)
	key, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	second := key.Public()
	to.Store(&second)
	b, d := add(t, j, 2), add(t, j, 3)
	if a.Epoch == b.Epoch || b.Epoch != d.Epoch {
		t.Fatalf("epochs %s, %s, %s; want the second and third alike and new", a.Epoch, b.Epoch, d.Epoch)
	}
	c.pull(j, journal.Limits{})
	if got := c.header(b.Epoch).Recipient; got != second.ID() {
		t.Errorf("recipient = %s, want the new key", got)
	}
}

func TestWithoutARecipientTheOpenEpochGoesOn(t *testing.T) {
	c := newCentral(t)
	gone := errors.New("no trust bundle")
	var fail atomic.Bool
	j := c.open(newPath(t), func(o *journal.Options) {
		ok := o.Recipient
		o.Recipient = func() (seal.PublicKey, error) {
			if fail.Load() {
				return seal.PublicKey{}, gone
			}
			return ok()
		}
	})
	a := add(t, j, 1)
	fail.Store(true)
	if b := add(t, j, 2); b.Epoch != a.Epoch {
		t.Error("the open epoch was given up")
	}
	j.Renew(epoch.CauseClock)
	if _, err := j.Append(t.Context(), text(3), clearOf(3)); !errors.Is(err, gone) || !errors.Is(err, journal.ErrNotDurable) {
		t.Errorf("Append() without a key to seal to = %v, want ErrNotDurable and the cause", err)
	}
	fail.Store(false)
	d := add(t, j, 4)
	c.settle(j, ack.Received)
	if got := c.header(d.Epoch).Cause; got != epoch.CauseClock {
		t.Errorf("cause = %s, want clock", got)
	}
}

func TestAppendRefusesWhatIsNoRecord(t *testing.T) {
	c := newCentral(t)
	j := c.open(newPath(t))
	good := clearOf(1)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name   string
		ctx    context.Context
		plain  []byte
		change func(*journal.Clear)
		want   error
	}{
		{"empty", t.Context(), nil, nil, journal.ErrRecord},
		{"too large", t.Context(), make([]byte, content.MaxContent+1), nil, journal.ErrRecord},
		{"no tap id", t.Context(), text(1), func(c *journal.Clear) { c.Tap = record.TapID{} }, journal.ErrRecord},
		{"desk", t.Context(), text(1), func(c *journal.Clear) { c.Desk = "Desk 1" }, journal.ErrRecord},
		{"verdict", t.Context(), text(1), func(c *journal.Clear) { c.Verdict = 0 }, journal.ErrRecord},
		{"code", t.Context(), text(1), func(c *journal.Clear) { c.Code = "a code that is too long" }, journal.ErrRecord},
		{"cancelled", cancelled, text(1), nil, context.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clear := good
			if tc.change != nil {
				tc.change(&clear)
			}
			if _, err := j.Append(tc.ctx, tc.plain, clear); !errors.Is(err, tc.want) {
				t.Errorf("Append() = %v, want %v", err, tc.want)
			}
		})
	}
	if id := add(t, j, 1); id.Seq != 1 {
		t.Errorf("seq after refusals = %d, want 1: none was spent", id.Seq)
	}
	if id, err := j.Append(t.Context(), make([]byte, content.MaxContent), good); err != nil || id.Seq != 2 {
		t.Errorf("Append(largest) = %s, %v", id, err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	if _, err := journal.Open(t.Context(), path, c.options()); !errors.Is(err, journal.ErrInUse) {
		t.Errorf("Open(open journal) = %v, want ErrInUse", err)
	}
	shut(t, j)
	if _, err := j.Append(t.Context(), text(1), clearOf(1)); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Append(closed) = %v, want ErrClosed", err)
	}
	c.open(path)
}

func TestAnotherBoxsJournalIsLeftAlone(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	add(t, j, 1)
	shut(t, j)
	o := c.options()
	o.Box = record.NewBoxID()
	if _, err := journal.Open(t.Context(), path, o); !errors.Is(err, journal.ErrOtherBox) {
		t.Errorf("Open(other box's) = %v, want ErrOtherBox", err)
	}
	if got := len(c.open(path).SetAside()); got != 0 {
		t.Errorf("%d journals set aside, want 0", got)
	}
}

func TestTapsNewestFirstWithTheirState(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	var clears []journal.Clear
	var ids []record.ID
	for n := range 6 {
		cl := clearOf(n)
		id, err := j.Append(t.Context(), text(n), cl)
		if err != nil {
			t.Fatal(err)
		}
		clears, ids = append(clears, cl), append(ids, id)
		switch n {
		case 1:
			c.settle(j, ack.Safe)
		case 3:
			c.settle(j, ack.Received)
			shut(t, j)
			j = c.open(path)
		}
	}
	rows, err := j.Taps(t.Context(), 5)
	if err != nil || len(rows) != 5 {
		t.Fatalf("Taps(5) = %d rows, %v", len(rows), err)
	}
	states := []journal.State{journal.Safe, journal.Safe, journal.Received, journal.Received, journal.Waiting, journal.Waiting}
	for i, r := range rows {
		n := 5 - i
		if r.Clear != clears[n] || r.ID != ids[n] || r.State != states[n] || r.Restored {
			t.Errorf("row %d = %+v, want tap %d in state %d", i, r, n, states[n])
		}
		one, err := j.Row(t.Context(), r.ID)
		if err != nil || one != r {
			t.Errorf("Row(%s) = %+v, %v, want the same", r.ID, one, err)
		}
	}
	if _, err := j.Row(t.Context(), record.ID{Epoch: ids[0].Epoch, Seq: 99}); !errors.Is(err, journal.ErrNoRow) {
		t.Errorf("Row(none) = %v, want ErrNoRow", err)
	}
	if got, err := j.Oldest(t.Context()); err != nil || !got.Equal(clears[4].Time) {
		t.Errorf("Oldest() = %v, %v, want %v", got, err, clears[4].Time)
	}
}

func TestCrashMarksTheLastTapsAsPerhapsUnseen(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	for n := range 3 {
		add(t, j, 60*n)
	}
	image := newPath(t)
	copyFiles(t, path, image) // what the disk held when the power went
	after := c.open(image)
	add(t, after, 600)
	rows, err := after.Taps(t.Context(), 10)
	if err != nil || len(rows) != 4 {
		t.Fatalf("Taps() = %d rows, %v, want 4", len(rows), err)
	}
	for i, want := range []bool{false, true, false, false} {
		if rows[i].Restored != want {
			t.Errorf("row %d: Restored = %t, want %t", i, rows[i].Restored, want)
		}
	}
}

func TestFileModesAndLockStay(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	shut(t, c.open(path))
	for _, p := range []string{path, path + ".lock"} {
		i, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if i.Mode().Perm()&0o077 != 0 {
			t.Errorf("mode of %s = %v, want nothing for others", p, i.Mode())
		}
	}
}
