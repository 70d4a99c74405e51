package journal_test

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/record"
)

// TestP2NoWordFromBeforeCentralWasRestored: a journal that begins anew knows of no central, and an old stick may come. What central lacks now
// must not be deleted for it.
func TestP2NoWordFromBeforeCentralWasRestored(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	for n := range 10 {
		add(t, j, n)
	}
	p, err := j.Unsent(t.Context(), journal.Limits{})
	must(t, err)
	c.take(p.Headers, p.Envelopes)
	old := c.acknowledge(ack.Safe)
	k := c.open(newPath(t), func(o *journal.Options) { o.CentralEpoch = func() uint64 { return 2 } })
	if _, err := k.Adopt(t.Context(), p.Headers, p.Envelopes); err != nil {
		t.Fatal(err)
	}
	if err := k.Accept(t.Context(), old); !errors.Is(err, journal.ErrCentralBehind) {
		t.Errorf("Accept(of before the restoring) = %v, want ErrCentralBehind", err)
	}
	c.epoch = 2
	c.accept(k, c.acknowledge(ack.Safe))
	if n, err := k.Unsafe(t.Context()); n != 0 || err != nil {
		t.Errorf("Unsafe() = %d, %v, want 0", n, err)
	}
}

// TestP2AFileInTheWayKeepsNothingFromBeingRead: whatever else has such a name is no journal.
func TestP2AFileInTheWayKeepsNothingFromBeingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lade(t, 50)
		must(t, os.Mkdir(l.path+".set-aside-19990101T000000Z", 0o755))
		must(t, os.Symlink("/dev/zero", l.path+".set-aside-19990102T000000Z"))
		overwrite(t, l.path, 0, noise(4096))
		j := l.c.open(l.path)
		if got, err := j.Has(t.Context(), record.NewTapID(), 0); got || err != nil {
			t.Errorf("Has() = %t, %v, want false", got, err)
		}
		time.Sleep(time.Hour)
		if aside := j.SetAside(); len(aside) != 1 || aside[0].Whole != 50 {
			t.Errorf("SetAside() = %+v, want the one with 50 records", aside)
		}
		shut(t, j)
	})
}

// TestWhatWasSafeDoesNotComeBack: a journal that is damaged later has what was taken over from the first, and has deleted it.
func TestWhatWasSafeDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lade(t, 50)
		for n := range 3 {
			change(t, l.path, `DROP TABLE held`)
			j := l.c.open(l.path)
			add(t, j, n)
			time.Sleep(time.Hour)
			waits, err := j.Waiting(t.Context())
			if n > 0 && waits > 2 || err != nil {
				t.Errorf("damage no. %d: %d wait, %v; want the newest alone", n+1, waits, err)
			}
			l.c.settle(j, ack.Safe)
			if _, err := j.Prune(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			shut(t, j)
		}
	})
}

// TestP2WhatWasTakenOverIsNotLostWithTheJournalThatHasIt: until central has it safe, a journal set aside earlier is worth another reading.
func TestP2WhatWasTakenOverIsNotLostWithTheJournalThatHasIt(t *testing.T) {
	for name, hurt := range map[string]func(*testing.T, string){
		"overwritten": func(t *testing.T, path string) { overwrite(t, path, 0, noise(int(size(t, path)))) },
		"emptied":     func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"removed":     func(t *testing.T, path string) { must(t, os.Remove(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := lade(t, 50)
				overwrite(t, l.path, 0, noise(4096))
				for n := range 2 {
					j := l.c.open(l.path)
					add(t, j, n)
					time.Sleep(time.Hour)
					if waits, err := j.Waiting(t.Context()); err != nil || waits < 50 {
						t.Errorf("after damage no. %d: Waiting() = %d, %v, want 50 or more", n+1, waits, err)
					}
					shut(t, j)
					hurt(t, l.path)
				}
			})
		})
	}
}

// TestWhatIsShownOfARecordMustBePossible: no chain value covers it, and the lists of the counter must not fail for it. The record itself is taken over.
func TestWhatIsShownOfARecordMustBePossible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lade(t, 25)
		change(t, l.path, `UPDATE record SET time = 9000000000000000 WHERE id & 0xff = 3; UPDATE record SET desk = CAST(x'ff00fe' AS TEXT) WHERE id & 0xff = 4;
			UPDATE record SET verdict = 99 WHERE id & 0xff = 5; UPDATE record SET code = CAST(x'ff' AS TEXT) WHERE id & 0xff = 6; DROP TABLE held`)
		j := l.c.open(l.path)
		time.Sleep(time.Hour)
		rows, err := j.Taps(t.Context(), 100)
		if err != nil || len(rows) != 25-4 {
			t.Errorf("Taps() = %d rows, %v, want %d", len(rows), err, 25-4)
		}
		if n, err := j.Waiting(t.Context()); err != nil || n != 25 {
			t.Errorf("Waiting() = %d, %v, want 25", n, err)
		}
		shut(t, j)
	})
}

// TestACorrectionIsTakenOverOnlyIfItIsOurs: one that no signature covers would be refused for ever.
func TestACorrectionIsTakenOverOnlyIfItIsOurs(t *testing.T) {
	for damage, want := range map[string]int{
		`DROP TABLE held`: 1,
		`UPDATE correction SET message = zeroblob(length(message)); DROP TABLE held`: 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			c, path := newCentral(t), newPath(t)
			j := c.open(path, func(o *journal.Options) { o.Stretch = func() string { return "one" } })
			add(t, j, 1)
			if _, err := j.Correct(t.Context(), "one", time.Hour, time.Now()); err != nil {
				t.Fatal(err)
			}
			shut(t, j)
			change(t, path, damage)
			j = c.open(path)
			time.Sleep(time.Hour)
			if got, err := j.Corrections(t.Context()); err != nil || len(got) != want {
				t.Errorf("after %s: %d corrections, %v, want %d", damage, len(got), err, want)
			}
			shut(t, j)
		})
	}
}

// TestACrashThatDamagesMarksTheLastTaps: they are perhaps seen by nobody as after any other crash.
func TestACrashThatDamagesMarksTheLastTaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, path := newCentral(t), newPath(t)
		j := c.open(path)
		var last record.ID
		for n := range 4 {
			last = add(t, j, 60*n)
		}
		image := newPath(t)
		copyFiles(t, path, image) // with its log
		overwrite(t, image, 0, noise(4096))
		k := c.open(image)
		add(t, k, 600)
		time.Sleep(time.Hour)
		if rows, err := k.Restored(t.Context()); err != nil || len(rows) != 1 || rows[0].ID != last || !rows[0].Restored {
			t.Errorf("Restored() = %+v, %v, want %s alone", rows, err, last)
		}
		shut(t, k)
		shut(t, j)
	})
}

// TestTheLogNeedNotBeLeft: SQLite may have taken it in by itself before the damage was found, and what the crash cut short is as long ago.
func TestTheLogNeedNotBeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, path := newCentral(t), newPath(t)
		j := c.open(path)
		var last record.ID
		for n := range 4 {
			last = add(t, j, 60*n)
		}
		shut(t, j)
		change(t, path, `UPDATE record SET chain = zeroblob(32) WHERE id & 0xff = 3`)
		must(t, os.WriteFile(path+"-wal", noise(100), 0o600))
		j = c.open(path)
		time.Sleep(time.Hour)
		if rows, err := j.Restored(t.Context()); err != nil || len(rows) != 1 || rows[0].ID != last {
			t.Errorf("Restored() = %+v, %v, want %s alone", rows, err, last)
		}
		shut(t, j)
	})
}
