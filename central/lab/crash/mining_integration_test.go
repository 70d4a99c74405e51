//go:build integration

package crash_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/central/lab/crash"
)

func init() {
	children["mine"] = func(dir string) error {
		return inJournal(dir, func(ctx context.Context, j *journal.Journal) error {
			if err := appendOne(ctx, j, 51); err != nil { // intake goes on at once
				return err
			}
			fmt.Println(51)
			if err := mined(j); err != nil {
				return err
			}
			fmt.Println("read")
			return nil
		})
	}
}

// laden is how many records a journal has before it is damaged.
const laden = 100

var errUnread = errors.New("the journal that was set aside is not read")

// mined waits until all that was set aside was read.
func mined(j *journal.Journal) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		aside := j.SetAside()
		if len(aside) > 0 && !slices.ContainsFunc(aside, func(a journal.Aside) bool { return !a.Read }) {
			return nil
		}
		select {
		case <-tick.C:
		case <-limit:
			return fmt.Errorf("%w: %+v", errUnread, aside)
		}
	}
}

// spoilEnd overwrites the page with the last records of a journal that was closed, and tells how many they were. SQLite's file format: a leaf of
// a table begins with 0x0d, then two octets further the number of its cells (https://www.sqlite.org/fileformat.html §1.6).
func spoilEnd(dir string) (lost int, err error) {
	const page, leaf = 4096, 0x0d
	path := filepath.Join(dir, "journal.db")
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	last := -1
	for at := page; at < len(b); at += page {
		if n := int(binary.BigEndian.Uint16(b[at+3:])); b[at] == leaf && n > 2 { // headers are larger: no page has three
			last, lost = at, n
		}
	}
	if last < 0 {
		return 0, errUnread
	}
	copy(b[last:last+page], slices.Repeat([]byte{0xd5}, page))
	return lost, os.WriteFile(path, b, 0o600)
}

// P2: interrupted anywhere, the reading of a journal that was set aside takes every whole record over, once, and what was told meanwhile stays.
func TestP2MiningIsInterruptible(t *testing.T) {
	t.Parallel()
	lost := make(chan int, 100)
	s := crash.Scenario{
		Name: "mining a journal set aside",
		Before: func(dir string) error {
			if err := appendTogether(dir, false, visitors(101, laden)...); err != nil {
				return err
			}
			n, err := spoilEnd(dir)
			select {
			case lost <- n: // the same each time
			default:
			}
			return err
		},
		Child: again("mine"),
		Check: func(st crash.State) error {
			least := laden - <-lost
			lost <- laden - least
			for range 2 { // what was taken over is known again
				err := inJournal(st.Dir, func(ctx context.Context, j *journal.Journal) error {
					if err := errors.Join(hasSaid(ctx, j, st), mined(j)); err != nil {
						return err
					}
					n, err := j.Waiting(ctx)
					if err != nil || int(n) < least || int(n) > laden+1 { //nolint:gosec // a few
						return fmt.Errorf("%d records wait, want %d at least: %w", n, least, err)
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			r, err := checkAll(st.Dir, least)
			if err == nil && r.Aside > 0 {
				err = fmt.Errorf("%w: %v", errUnread, r)
			}
			return err
		},
		Superfluous: map[string]string{
			"fsync journal.db.new-journal": made, "fsync journal.db.new-wal": made, "fsync journal.db.new": made,
			"fsync dir .":                "SQLite flushes the folder as well, whenever it makes a log, and one of the two is enough",
			"fsync .new-journal.aside-*": "a list of what was set aside that is lost is made anew from the files, which are mined again",
		},
	}
	committed(t, s, 0)
	if n := <-lost; n < 1 || n > laden/4 {
		t.Errorf("%d records lay on the page that was overwritten: the test would show nothing", n)
	}
}
