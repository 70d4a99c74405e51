package opener_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

var errCrash = errors.New("the machine stops here")

// failing stands between central and its database and stops at one update: before its commit, or after it, when the caller
// cannot know that it was committed.
type failing struct {
	store.Store
	at    int64
	after bool
	n     atomic.Int64
}

func (f *failing) Update(ctx context.Context, do func(store.Tx) error) error {
	n := f.n.Add(1)
	switch {
	case n < f.at:
		return f.Store.Update(ctx, do)
	case n == f.at && f.after:
		return errors.Join(f.Store.Update(ctx, do), errCrash)
	default:
		return f.Store.Update(ctx, func(tx store.Tx) error { return errors.Join(do(tx), errCrash) })
	}
}

// script is a box's day: two epochs with enrolments and taps that rest on them, one forged envelope each, one person enrolled twice.
type script struct {
	box    *simbox.Box
	pushes []wire.Push
	taps   []record.TapID
}

func newScript(t *testing.T, k *simcentral.Keys) script {
	t.Helper()
	s := script{box: simbox.New(t, k.Seal.Public())}
	for i := range 2 {
		e := s.box.Start(t, epoch.CauseRotation)
		enrolled := simbox.Known(t, 0x11, byte(i+2)).Enrol(t, s.box.ID)
		tapped := simbox.Known(t, 0x11, byte(i+2)).Tap(t, s.box.ID, enrolled.Tap)
		for _, r := range []content.Record{simbox.Known(t, 0x11, 1).Enrol(t, s.box.ID), tapped, enrolled} { // the tap comes first
			s.taps = append(s.taps, r.Tap)
			e.Tap(t, r)
		}
		p := e.Push()
		forged := append([]byte(nil), p.Envelopes[1]...)
		forged[len(forged)-1] ^= 1
		p.Envelopes = append([][]byte{forged}, p.Envelopes...)
		s.pushes = append(s.pushes, p)
	}
	return s
}

// run plays the day as far as it gets; every part of it may be played again.
func (s script) run(t *testing.T, c *simcentral.Central) error {
	ctx := t.Context()
	for _, p := range s.pushes {
		if _, err := c.Line.Push(ctx, s.box.Public(t), p); err != nil {
			return err
		}
		if err := c.Opener.Drain(ctx); err != nil {
			return err
		}
	}
	if _, err := c.Keeper.Auto(ctx); err != nil {
		return err
	}
	got, err := c.Line.Poll(ctx, s.box.Public(t), wire.Poll{})
	if err != nil || got.Verdicts == nil {
		return err
	}
	_, err = c.Line.Poll(ctx, s.box.Public(t), wire.Poll{Verdicts: simVersion(got.CentralEpoch, uint64(len(s.taps)))})
	return err
}

func (s script) check(t *testing.T, c *simcentral.Central) {
	t.Helper()
	n := c.Counts()
	if n.Records != 6 || n.Applied != 6 || n.Aside != 2 || n.Ready != 0 || n.Persons != 3 || n.Settled != 6 || n.Reports != 0 ||
		n.Enrolments != 3 {
		t.Errorf("counts = %+v, want 6 records of 3 persons, each enrolled, all settled, 2 set aside, no report", n)
	}
	set := c.Roster(s.box)
	if last := simVersion(set.Version.CentralEpoch, 6); len(set.Entries) != 3 || !set.TellsOf(s.box.ID, last) {
		t.Errorf("a roster of %d people that tells of %v, want 3, and all six verdicts", len(set.Entries), set.Through)
	}
	_, _, v := c.Poll(s.box, wire.Poll{})
	once := map[record.TapID]int{}
	for _, w := range v.Verdicts {
		once[w.Tap]++
	}
	for i, tap := range s.taps {
		if once[tap] != 1 || c.PPID(s.box, tap) == "" {
			t.Errorf("tap %d has %d verdicts, PPID %q; want one of each", i, once[tap], c.PPID(s.box, tap))
		}
	}
	if c.PPID(s.box, s.taps[0]) != c.PPID(s.box, s.taps[3]) {
		t.Errorf("one person has two PPIDs")
	}
}

// P2: a stop before or after any commit, then everything again: the same single result.
func TestEveryCrashPointEndsInOneResult(t *testing.T) {
	t.Parallel()
	k := simcentral.NewKeys(t)
	updates := crash(t, k, math.MaxInt64, false)
	if updates < 10 {
		t.Errorf("the script has %d updates, want at least 10 crash points", updates)
	}
	for at := int64(1); at <= updates; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("update %d, after the commit: %t", at, after), func(t *testing.T) {
				t.Parallel() // each waits for its own disk
				crash(t, k, at, after)
			})
		}
	}
}

// crash plays a day that stops at an update, then all of it again, and returns how many updates were begun until then.
func crash(t *testing.T, k *simcentral.Keys, at int64, after bool) int64 {
	w := simcentral.NewWorld(t, k)
	s, dir := newScript(t, k), t.TempDir()
	f := &failing{at: at, after: after}
	c := simcentral.Open(t, dir, k, w, func(db store.Store) store.Store { f.Store = db; return f })
	row := s.box.Row(t)
	c.Check(f.Store.Update(t.Context(), func(tx store.Tx) error { return errors.Join(tx.AddBox(row), c.Intake.Adopt(tx, row)) }))
	err := s.run(t, c)
	c.Check(c.DB.Close())
	if err != nil && !errors.Is(err, errCrash) {
		t.Fatalf("the day ended with %v", err)
	}
	begun := f.n.Load()
	c = simcentral.Open(t, dir, k, w, nil)
	c.Check(s.run(t, c))
	s.check(t, c)
	c.Check(c.DB.Close())
	return begun
}

const envDir = "KAZASHI_TEST_CENTRAL_DIR"

// TestVictim is not a test of its own: it is the process that TestKilledWhileWorking kills. Alone it checks that it is alone.
func TestVictim(t *testing.T) {
	dir := os.Getenv(envDir)
	if dir == "" {
		if len(os.Args) == 0 {
			t.Fatal("no test binary")
		}
		return
	}
	k := simcentral.NewKeys(t)
	c := simcentral.Open(t, dir, k, simcentral.NewWorld(t, k), nil)
	b := c.Box()
	for i := 0; ; i++ {
		e := b.Start(t, epoch.CauseRotation)
		for j := range 5 {
			e.Tap(t, simbox.Card(0x11, byte(i), byte(j)))
		}
		c.Push(b, e.Push())
		fmt.Printf("held %s\n", e.Signed.Header.Epoch)
		c.Drain()
		fmt.Printf("applied %s\n", e.Signed.Header.Epoch)
		if i == 3 {
			_, err := c.Keeper.Make(t.Context(), "one")
			c.Check(err)
		}
	}
}

// P2: a process killed at any moment has kept what it said it kept.
func TestKilledWhileWorking(t *testing.T) {
	t.Parallel()
	for _, lines := range []int{1, 2, 7, 8} {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
		cmd.Env = append(os.Environ(), envDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var held, applied []record.EpochID
		in := bufio.NewScanner(out)
		for range lines {
			if !in.Scan() {
				t.Fatalf("the process ended by itself: %v", cmd.Wait())
			}
			var word, id string
			if _, err := fmt.Sscan(in.Text(), &word, &id); err != nil {
				t.Fatal(err)
			}
			i, err := record.ParseID(id)
			if err != nil {
				t.Fatal(err)
			}
			if word == "held" {
				held = append(held, record.EpochID{ID128: i})
			} else {
				applied = append(applied, record.EpochID{ID128: i})
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		survived(t, dir, held, applied)
	}
}

func survived(t *testing.T, dir string, held, applied []record.EpochID) {
	t.Helper()
	k := simcentral.NewKeys(t)
	c := simcentral.Open(t, dir, k, simcentral.NewWorld(t, k), nil)
	defer func() { c.Check(c.DB.Close()) }()
	c.Check(c.DB.View(t.Context(), func(tx store.Tx) error {
		for _, id := range held {
			if links, err := tx.Links(id); err != nil || len(links) != 5 {
				t.Errorf("epoch %s has %d records after the kill, want the 5 that were acknowledged (%v)", id, len(links), err)
			}
		}
		for _, id := range applied {
			for seq := record.Seq(1); seq <= 5; seq++ {
				if _, err := tx.Record(record.ID{Epoch: id, Seq: seq}); err != nil {
					t.Errorf("record %s/%d: %v, want it applied", id, seq, err)
				}
			}
		}
		return nil
	}))
}
