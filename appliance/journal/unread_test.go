package journal_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
)

// TestP1AJournalThatTheDiskDoesNotGive: reading at the beginning of a process's memory is EIO (proc(5)), which no program can help: a file that opens, is
// there, and gives no octet. More of this is tried in the integration lane.
func TestP1AJournalThatTheDiskDoesNotGive(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	must(t, os.Symlink("/proc/self/mem", path))
	var log bytes.Buffer
	j := c.open(path, func(o *journal.Options) { o.Log, o.Fresh = slog.New(slog.NewTextHandler(&log, nil)), false })
	id := add(t, j, 1)
	c.settle(j, ack.Received)
	if h := c.header(id.Epoch); h.Cause != epoch.CauseSetAside || h.Predecessor.Lineage != epoch.LineageUnknown {
		t.Errorf("cause %s, lineage %d; want set_aside, unknown", h.Cause, h.Predecessor.Lineage)
	}
	shut(t, j)
	if left, err := filepath.Glob(path + ".set-aside-*"); err != nil || len(left) != 1 {
		t.Errorf("set aside are %q, %v, want one", left, err)
	}
	if !strings.Contains(log.String(), "ERROR") || !strings.Contains(log.String(), "the disk does not give all of it") {
		t.Errorf("log = %q, want an error that names the disk", log.String())
	}
}

// TestWhatIsInTheWayIsNoDamage: it stays where it is, and nothing begins in its place.
func TestWhatIsInTheWayIsNoDamage(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	must(t, os.Mkdir(path, 0o700))
	j, err := journal.Open(t.Context(), path, c.options())
	if err == nil {
		shut(t, j)
	}
	if err == nil || errors.Is(err, journal.ErrDisk) || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("Open(folder) = %v, want that it is a directory", err)
	}
	if left, err := filepath.Glob(path + ".set-aside-*"); err != nil || len(left) != 0 {
		t.Errorf("set aside are %q, %v, want none", left, err)
	}
}

// TestAJournalThatIsDamagedAsSoonAsItBegins: its disk fails, and is not filled with one after the other. After a while another is tried.
func TestAJournalThatIsDamagedAsSoonAsItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, path := newCentral(t), newPath(t)
		j := c.open(path)
		add(t, j, 1)
		hurt := func() {
			change(t, path, `DROP TABLE record`)
			if _, err := j.Append(t.Context(), text(2), clearOf(2)); !errors.Is(err, journal.ErrNotDurable) {
				t.Fatalf("Append() = %v, want ErrNotDurable", err)
			}
			synctest.Wait()
		}
		hurt()
		add(t, j, 3)
		hurt()
		for range 5 {
			if _, err := j.Append(t.Context(), text(4), clearOf(4)); !errors.Is(err, journal.ErrNotDurable) || !errors.Is(err, journal.ErrDisk) {
				t.Errorf("Append() = %v, want ErrNotDurable for ErrDisk", err)
			}
		}
		if aside := j.SetAside(); len(aside) != 1 {
			t.Errorf("SetAside() = %+v, want one", aside)
		}
		time.Sleep(time.Minute)
		id := add(t, j, 5)
		c.settle(j, ack.Received)
		if aside, h := j.SetAside(), c.header(id.Epoch); len(aside) != 2 || h.Cause != epoch.CauseSetAside {
			t.Errorf("SetAside() = %+v, cause %s, want two, set_aside", aside, h.Cause)
		}
		shut(t, j)
	})
}

// TestAJournalThatIsDamagedAsSoonAsItBeginsInAnotherRun: starting the box again fills the disk no faster.
func TestAJournalThatIsDamagedAsSoonAsItBeginsInAnotherRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, path := newCentral(t), newPath(t)
		shut(t, c.open(path))
		hurt := func() { overwrite(t, path, 0, noise(4096)) }
		hurt()
		shut(t, c.open(path))
		hurt()
		for range 3 {
			if _, err := journal.Open(t.Context(), path, c.options()); !errors.Is(err, journal.ErrDisk) {
				t.Fatalf("Open() = %v, want ErrDisk", err)
			}
		}
		time.Sleep(time.Minute)
		j := c.open(path)
		if aside := j.SetAside(); len(aside) != 2 {
			t.Errorf("SetAside() = %+v, want two", aside)
		}
		shut(t, j)
	})
}
