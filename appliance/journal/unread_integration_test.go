//go:build integration

package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
)

// The clock of a box whose disk fails, and how its journal is called once it is set aside.
const (
	failingNow   = "1795312800"
	failingAside = ".set-aside-20261122T020000Z"
)

// onFailingDisk runs a box for one record. strace answers its system calls on one file in the kernel's place, as the faults say: those of the thread
// alone in which the journal is opened, or of all.
func onFailingDisk(t *testing.T, c *central, file string, all bool, faults ...string) (said string, failed bool) {
	t.Helper()
	args := []string{"-qq", "-o", os.DevNull, "-P", file}
	if all {
		args = append(args, "-f")
	}
	for _, f := range faults {
		args = append(args, "-e", "inject="+f)
	}
	path := file[:strings.Index(file, "journal.db")] + "journal.db"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "strace", append(args, os.Args[0])...)
	cmd.Env = c.environment(t, path, envCount+"=1", envNow+"="+failingNow)
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("strace: %v: %s", err, b)
	}
	return string(b), err != nil
}

// TestP1P2ADiskThatFailsUnderTheJournal: wherever it gives no octets at the start, taps go on at once and nothing is lost. What only looks like it, and what
// leaves no way to go on, is refused with its own words, and all files are as they were.
func TestP1P2ADiskThatFailsUnderTheJournal(t *testing.T) {
	const records = 8
	original := crashed(t, records/2)
	for _, tc := range []struct {
		name    string
		file    string // at fault
		faults  []string
		refused string // "": it runs
		aside   int
	}{
		{"database", "", []string{"pread64:error=EIO:when=1..3", "read:error=EIO:when=1"}, "", 1},
		{"log", "-wal", []string{"pread64:error=EIO:when=1..3", "read:error=EIO:when=1"}, "", 1},
		{"all that comes", "", []string{"pread64,read:error=EIO"}, journal.ErrDisk.Error(), 1},
		{"for one moment", "", []string{"pread64:error=EIO:when=1..3"}, "", 0},
		{"for renaming as well", "", []string{"pread64,read,renameat:error=EIO"}, journal.ErrDisk.Error(), 0},
		{"for the folder", "-wal", []string{"newfstatat:error=EIO"}, journal.ErrDisk.Error(), 0},
		{"may not be read", "", []string{"open,openat:error=EACCES"}, "permission denied", 0},
		{"is read-only", "", []string{"open,openat:error=EROFS"}, "read-only file system", 0},
		{"takes no index", "-shm", []string{"pwrite64:error=EIO"}, journal.ErrDisk.Error(), 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := original.copy(t)
			c, path := l.c, l.path
			reserve := filepath.Join(filepath.Dir(path), "journal.reserve")
			must(t, os.WriteFile(reserve, nil, 0o600))
			before := contents(t, path)
			said, failed := onFailingDisk(t, c, path+tc.file, false, tc.faults...)
			if failed != (tc.refused != "") || !strings.Contains(said, tc.refused) {
				t.Fatalf("the box said %s, want %q", said, tc.refused)
			}
			if tc.refused != "" && tc.aside == 0 && contents(t, path) != before {
				t.Error("the files are not what they were")
			}
			if _, err := os.Stat(reserve); err != nil {
				t.Errorf("what was kept back for a full disk: %v", err)
			}
			if tc.refused == "" && !strings.Contains(said, "has another tap: false <nil>") {
				t.Errorf("the box said %s, want that it knows every tap", said)
			}
			if tc.refused != journal.ErrDisk.Error() && strings.Contains(said, journal.ErrDisk.Error()) {
				t.Errorf("the box blames the disk: %s", said)
			}
			j := c.open(path)
			for i := 0; i < len(j.SetAside()); {
				if j.SetAside()[i].Read {
					i++
				}
			}
			if aside := j.SetAside(); len(aside) != tc.aside {
				t.Errorf("SetAside() = %+v, want %d", aside, tc.aside)
			}
			c.settle(j, ack.Received)
			want := records
			if tc.refused == "" {
				want++
			}
			if got := len(c.opened()); got != want {
				t.Errorf("central has %d records, want %d", got, want)
			}
		})
	}
}

// TestP2APageThatTheDiskDoesNotGiveIsAskedForAgain: a journal set aside is read as far as the disk gives it, what it does not give is counted and said, and
// comes after a later start at which it does.
func TestP2APageThatTheDiskDoesNotGiveIsAskedForAgain(t *testing.T) {
	const records = 2 * perEpoch
	l := lade(t, records)
	overwrite(t, l.path, 0, noise(4096))
	for run, words := range [][]string{
		{"the disk fails", "pages_unreadable=", "has another tap: true <nil>"}, // what is not given may be of any tap
		{"has another tap: true <nil>"},                                        // also of one before the run before set its journal aside
	} {
		said, failed := onFailingDisk(t, l.c, l.path+failingAside, true, "pread64:error=EIO:when=2+2")
		for _, want := range words {
			if failed || !strings.Contains(said, want) {
				t.Fatalf("run %d: the box said %s, want %q", run, said, want)
			}
		}
	}
	j := l.c.open(l.path)
	for began := time.Now(); ; {
		aside := j.SetAside()
		if len(aside) != 1 || !aside[0].Read {
			t.Fatalf("SetAside() = %+v, want one that was read", aside)
		}
		if aside[0].Unreadable == 0 && aside[0].Whole == records && aside[0].Damaged == 0 {
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("SetAside() = %+v, want all of it", aside)
		}
		runtime.Gosched()
	}
	l.c.settle(j, ack.Received)
	if got := len(l.c.opened()); got != records+2 {
		t.Errorf("central has %d records, want %d", got, records+2)
	}
}

// TestP2OneReadThatFailsIsNoDamage: wherever in the start the disk fails once and no more, the journal goes on, with its lineage.
func TestP2OneReadThatFailsIsNoDamage(t *testing.T) {
	original := crashed(t, 4)
	for n := 6; n <= 14; n++ { // the first are of opening alone, which the test above fails
		l := original.copy(t)
		said, failed := onFailingDisk(t, l.c, l.path, false, fmt.Sprintf("pread64:error=EIO:when=%d", n))
		if aside, err := filepath.Glob(l.path + ".set-aside-*"); failed || len(aside) != 0 || err != nil {
			t.Fatalf("at read no. %d: set aside are %q, %v, and the box said %s", n, aside, err, said)
		}
	}
}

// TestADiskThatGivesNothingIsNotFilledByRestarts: one journal is set aside, however often the box is started, and no other comes to lie beside it.
func TestADiskThatGivesNothingIsNotFilledByRestarts(t *testing.T) {
	l := crashed(t, 4).copy(t)
	before := contents(t, l.path)
	for range 3 {
		said, failed := onFailingDisk(t, l.c, l.path, false, "pread64,read:error=EIO")
		if !failed || !strings.Contains(said, journal.ErrDisk.Error()) {
			t.Fatalf("the box said %s, want %q", said, journal.ErrDisk)
		}
	}
	left, err := filepath.Glob(l.path + "*")
	want := []string{l.path + ".lock", l.path + failingAside, l.path + failingAside + "-wal"}
	if err != nil || !slices.Equal(left, want) {
		t.Errorf("there are %q, %v, want %q", left, err, want)
	}
	if contents(t, l.path+failingAside) != before {
		t.Error("what was set aside is not what it was")
	}
}

// contents are database and log.
func contents(t *testing.T, path string) string {
	t.Helper()
	main, err1 := os.ReadFile(path)
	log, err2 := os.ReadFile(path + "-wal")
	must(t, errors.Join(err1, err2))
	return string(main) + "|" + string(log)
}
