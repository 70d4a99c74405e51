package journal_test

import (
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/journal"
)

// TestP2WhatWasNeverCommittedStaysAway: a commit that the power cut short leaves whole records in the log, and the next epoch writes over the first few
// frames alone. Its header says where the epoch before ended, and nothing that is read later from a damaged journal goes further.
func TestP2WhatWasNeverCommittedStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, path := newCentral(t), newPath(t)
		j := c.open(path)
		for n := range 5 {
			add(t, j, n)
		}
		release, errs := j.Hold(), make(chan error)
		for n := range 16 {
			go func() {
				_, err := j.Append(t.Context(), make([]byte, 3000), clearOf(n))
				errs <- err
			}()
		}
		for j.Forming() < 16 {
			runtime.Gosched()
		}
		release()
		for range 16 {
			must(t, <-errs)
		}
		cut := newPath(t)
		copyFiles(t, path, cut)
		must(t, os.Truncate(cut+"-wal", size(t, cut+"-wal")-1)) // the last frame, with the mark of the commit
		k := c.open(cut)
		next := add(t, k, 100)
		damaged := newPath(t)
		copyFiles(t, cut, damaged)
		c.pull(k, journal.Limits{})
		before := c.header(next.Epoch).Predecessor
		if before.LastSeq < 5 || before.LastSeq >= 21 {
			t.Fatalf("the epoch before ended at %d, want 5 or more and not the whole commit", before.LastSeq)
		}
		overwrite(t, damaged, 0, noise(4096))
		m := c.open(damaged)
		time.Sleep(time.Hour)
		ends, err := m.Ends(t.Context())
		must(t, err)
		for _, e := range ends {
			if e.Epoch == before.Epoch && e.Last != before.LastSeq {
				t.Errorf("the epoch before goes to %d, and its successor says %d", e.Last, before.LastSeq)
			}
		}
		if aside := m.SetAside(); len(aside) != 1 || aside[0].Whole != uint64(before.LastSeq)+1 || aside[0].Damaged != 0 {
			t.Errorf("SetAside() = %+v, want %d whole and none damaged", aside, before.LastSeq+1)
		}
		shut(t, m)
		shut(t, k)
		shut(t, j)
	})
}
