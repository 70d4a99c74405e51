package journal_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	_ "modernc.org/sqlite" // to look at the database from outside

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// Plain file operations stand for the faults that a disk has without root; a full and a read-only file system are tried in the
// integration lane.

func TestP1FullDiskGivesNoRecordAndLosesNone(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	if err := j.LimitPages(40); err != nil {
		t.Fatal(err)
	}
	want := map[record.ID]string{}
	var failed error
	n := 0
	for ; failed == nil && n < 2000; n++ {
		id, err := j.Append(t.Context(), text(n), clearOf(n))
		if failed = err; err == nil {
			want[id] = string(text(n))
		}
	}
	if !errors.Is(failed, journal.ErrNotDurable) || !strings.Contains(failed.Error(), "full") {
		t.Fatalf("Append() on a full disk = %v after %d, want ErrNotDurable that says full", failed, n)
	}
	if _, err := j.Append(t.Context(), text(n), clearOf(n)); !errors.Is(err, journal.ErrNotDurable) {
		t.Fatalf("Append() while still full = %v, want ErrNotDurable", err)
	}
	if err := j.LimitPages(4000); err != nil {
		t.Fatal(err)
	}
	a, b := add(t, j, 5000), add(t, j, 5001)
	want[a], want[b] = string(text(5000)), string(text(5001))
	c.settle(j, ack.Received)
	c.want(want)
	h := c.header(a.Epoch)
	if h.Cause != epoch.CauseAppendFailed || b.Epoch != a.Epoch || b.Seq != 2 {
		t.Errorf("after the failure: cause %s, records %s and %s; want append_failed, one new epoch", h.Cause, a, b)
	}
	if got, want := h.Predecessor, c.end(h.Predecessor.Epoch); got != want {
		t.Errorf("predecessor = %+v, want what is really durable: %+v", got, want)
	}
}

// TestP2UnknownOutcome: the append reports a failure after the record is durable all the same. The next epoch must count it.
func TestP2UnknownOutcome(t *testing.T) {
	c := newCentral(t)
	j := c.open(newPath(t))
	want := map[record.ID]string{}
	id := add(t, j, 1)
	want[id] = string(text(1))
	want[record.ID{Epoch: id.Epoch, Seq: 2}] = string(text(2))
	must(t, j.LoseOutcome())
	if _, err := j.Append(t.Context(), text(2), clearOf(2)); !errors.Is(err, journal.ErrNotDurable) {
		t.Fatalf("Append() = %v, want ErrNotDurable", err)
	}
	next := add(t, j, 3)
	want[next] = string(text(3))
	c.settle(j, ack.Received)
	c.want(want)
	if got := c.header(next.Epoch); got.Predecessor.LastSeq != 2 || got.Cause != epoch.CauseAppendFailed {
		t.Errorf("predecessor = %+v by %s, want last seq 2 by append_failed", got.Predecessor, got.Cause)
	}
}

func TestFailureInTheFirstRecordOfAnEpoch(t *testing.T) {
	c := newCentral(t)
	j := c.open(newPath(t))
	must(t, j.LoseOutcome())
	if _, err := j.Append(t.Context(), text(1), clearOf(1)); !errors.Is(err, journal.ErrNotDurable) {
		t.Fatalf("Append() = %v, want ErrNotDurable", err)
	}
	id := add(t, j, 2)
	c.settle(j, ack.Received)
	h := c.header(id.Epoch)
	if h.Predecessor.Lineage != epoch.LineageKnown || h.Predecessor != c.end(h.Predecessor.Epoch) || h.Predecessor.LastSeq != 1 {
		t.Errorf("predecessor = %+v, want the epoch whose outcome was unknown, with its one record", h.Predecessor)
	}
}

// TestEmptyEpochIsAPredecessor: another release may have made a header durable before its first record.
func TestEmptyEpochIsAPredecessor(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	first := add(t, j, 1)
	shut(t, j)
	other := newPath(t)
	copyFiles(t, path, other)
	k := c.open(other)
	empty := add(t, k, 2).Epoch
	shut(t, k)
	db := raw(t, other)
	if _, err := db.Exec(`DELETE FROM record WHERE id = (SELECT max(id) FROM record)`); err != nil {
		t.Fatal(err)
	}
	shut(t, db)
	k = c.open(other)
	id := add(t, k, 3)
	c.pull(k, journal.Limits{})
	h := c.header(id.Epoch)
	if h.Predecessor != (epoch.Predecessor{Lineage: epoch.LineageKnown, Epoch: empty, Head: c.headers[empty].Root}) {
		t.Errorf("predecessor = %+v, want the empty epoch %s", h.Predecessor, empty)
	}
	if got := c.header(empty).Predecessor; got != c.end(first.Epoch) {
		t.Errorf("the empty epoch's header names %+v, want %+v", got, c.end(first.Epoch))
	}
}

func TestDamagedJournalIsSetAsideAndIntakeGoesOn(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(t *testing.T, path string)
	}{
		{"not a database", func(t *testing.T, p string) { overwrite(t, p, 0, []byte("not a database at all")) }},
		{"empty file", func(t *testing.T, p string) { must(t, os.Truncate(p, 0)) }},
		{"cut in the middle of a page", func(t *testing.T, p string) { must(t, os.Truncate(p, 5000)) }},
		{"page zeroed", func(t *testing.T, p string) { overwrite(t, p, 4096, make([]byte, 4096)) }},
		{"envelope changed", func(t *testing.T, p string) {
			change(t, p, `UPDATE record SET envelope = zeroblob(length(envelope)) WHERE id = (SELECT max(id) FROM record)`)
		}},
		{"chain value changed", func(t *testing.T, p string) {
			change(t, p, `UPDATE record SET chain = zeroblob(32) WHERE id = (SELECT max(id) FROM record)`)
		}},
		{"record taken out", func(t *testing.T, p string) { change(t, p, `DELETE FROM record WHERE id & 0xff = 2`) }},
		{"header taken out", func(t *testing.T, p string) { change(t, p, `DELETE FROM epoch`) }},
		{"header changed", func(t *testing.T, p string) { change(t, p, `UPDATE epoch SET header = x'd28440a0'`) }},
		{"table taken out", func(t *testing.T, p string) { change(t, p, `DROP TABLE held`) }},
		{"another program's database", func(t *testing.T, p string) { change(t, p, `PRAGMA application_id = 1`) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, path := newCentral(t), newPath(t)
			j := c.open(path)
			for n := range 8 {
				add(t, j, n)
			}
			shut(t, j)
			tc.damage(t, path)
			before, err := os.ReadFile(path)
			must(t, err)
			var log bytes.Buffer
			j = c.open(path, func(o *journal.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			aside := j.SetAside()
			if len(aside) != 1 {
				t.Fatalf("SetAside() = %v, want one", aside)
			}
			after, err := os.ReadFile(aside[0].Path)
			must(t, err)
			if !bytes.Equal(before, after) {
				t.Error("the file set aside is not what was there")
			}
			id := add(t, j, 100)
			c.settle(j, ack.Received)
			h := c.header(id.Epoch)
			if h.Cause != epoch.CauseSetAside || h.Predecessor.Lineage != epoch.LineageUnknown {
				t.Errorf("cause %s, lineage %d; want set_aside, unknown", h.Cause, h.Predecessor.Lineage)
			}
			j.Renew(epoch.CauseClock)
			if next := add(t, j, 101); next.Epoch != id.Epoch {
				c.settle(j, ack.Received)
				if got := c.header(next.Epoch).Predecessor; got != c.end(id.Epoch) {
					t.Errorf("second epoch's predecessor = %+v, want %+v", got, c.end(id.Epoch))
				}
			}
			shut(t, j)
			if !strings.Contains(log.String(), "set aside") || !strings.Contains(log.String(), "ERROR") {
				t.Errorf("log = %q, want an error about it", log.String())
			}
		})
	}
}

func TestDamageSeenWhileRunning(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	add(t, j, 1)
	db := raw(t, path)
	if _, err := db.Exec(`DROP TABLE record`); err != nil {
		t.Fatal(err)
	}
	shut(t, db)
	if _, err := j.Append(t.Context(), text(2), clearOf(2)); !errors.Is(err, journal.ErrNotDurable) {
		t.Fatalf("Append() = %v, want ErrNotDurable", err)
	}
	id := add(t, j, 3)
	if len(j.SetAside()) != 1 {
		t.Errorf("SetAside() = %v, want one", j.SetAside())
	}
	c.settle(j, ack.Received)
	if h := c.header(id.Epoch); h.Predecessor.Lineage != epoch.LineageUnknown || h.Cause == epoch.CauseStart {
		t.Errorf("header = cause %s, lineage %d; want unknown lineage and a cause that says why", h.Cause, h.Predecessor.Lineage)
	}
}

func TestSettingAsideCutShort(t *testing.T) {
	for _, moved := range [][]string{{""}, {"", "-wal"}} {
		synctest.Test(t, func(t *testing.T) {
			c, path := newCentral(t), newPath(t)
			j := c.open(path)
			old := add(t, j, 1)
			image := newPath(t)
			copyFiles(t, path, image) // with its write-ahead log
			shut(t, j)
			for _, tail := range moved {
				must(t, os.Rename(image+tail, image+".set-aside-20261122T000000Z"+tail))
			}
			k := c.open(image)
			id := add(t, k, 2)
			time.Sleep(time.Hour)
			c.pull(k, journal.Limits{})
			if h := c.header(id.Epoch); h.Predecessor.Lineage != epoch.LineageUnknown || h.Cause != epoch.CauseSetAside {
				t.Errorf("after %v: cause %s, lineage %d; want set_aside, unknown", moved, h.Cause, h.Predecessor.Lineage)
			}
			if aside := k.SetAside(); len(aside) != 1 || aside[0].Whole != 1 || aside[0].Damaged != 0 || c.held[old.Epoch][old.Seq] == nil {
				t.Errorf("after %v: SetAside() = %+v; want one, and its record at central", moved, aside)
			}
			shut(t, k)
		})
	}
}

func TestJournalOfANewerReleaseIsLeftAlone(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	add(t, j, 1)
	shut(t, j)
	change(t, path, `PRAGMA user_version = 4`)
	if _, err := journal.Open(t.Context(), path, c.options()); !errors.Is(err, journal.ErrNewer) {
		t.Errorf("Open(newer) = %v, want ErrNewer", err)
	}
	change(t, path, `PRAGMA user_version = 1`)
	if id := add(t, c.open(path), 2); id.Seq != 1 {
		t.Errorf("seq = %d, want 1", id.Seq)
	}
}

// TestP2RestoredAndCloned: an image of the disk goes on beside the original. No record is lost, and both headers tell of it.
func TestP2RestoredAndCloned(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	want := map[record.ID]string{}
	put := func(j *journal.Journal, n int) record.ID {
		id := add(t, j, n)
		want[id] = string(text(n))
		return id
	}
	common := put(j, 0)
	put(j, 1)
	image := newPath(t)
	copyFiles(t, path, image)
	put(j, 2) // the original goes on in its epoch, and in another
	j.Renew(epoch.CauseClock)
	mine := put(j, 3)
	clone := c.open(image)
	theirs := put(clone, 4)
	put(clone, 5)

	c.settle(j, ack.Received)
	c.pull(clone, journal.Limits{})
	c.want(want)
	a, b := c.header(mine.Epoch).Predecessor, c.header(theirs.Epoch).Predecessor
	if a.Epoch != common.Epoch || b.Epoch != common.Epoch || a.LastSeq != 3 || b.LastSeq != 2 {
		t.Errorf("predecessors = %+v and %+v, want both %s, ended at 3 and at 2: the fork is seen", a, b, common.Epoch)
	}
}

func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	return db
}

func change(t *testing.T, path, statement string) {
	t.Helper()
	db := raw(t, path)
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	shut(t, db)
}

func overwrite(t *testing.T, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(b, at)
	must(t, errors.Join(err, f.Close()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
