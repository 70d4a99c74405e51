package journal_test

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// P2: whoever keeps something that belongs to a record finds out whether there is one, also after a start.
func TestP2HasFindsTheRecordOfATap(t *testing.T) {
	c := newCentral(t)
	path := filepath.Join(t.TempDir(), "journal.db")
	j := c.open(path)
	k := clearOf(1)
	has := func(when string, j *journal.Journal, tap record.TapID, after int64, want bool) {
		t.Helper()
		if got, err := j.Has(t.Context(), tap, after); got != want || err != nil {
			t.Errorf("%s: Has = %t, %v, want %t", when, got, err, want)
		}
	}
	mark := j.Mark()
	has("before", j, k.Tap, mark, false)
	if _, err := j.Append(t.Context(), text(1), k); err != nil {
		t.Fatal(err)
	}
	add(t, j, 2)
	has("after", j, k.Tap, mark, true)
	has("another tap", j, record.NewTapID(), mark, false)
	has("after a later mark", j, k.Tap, j.Mark(), false)
	again := clearOf(9)
	mark = j.Mark()
	if _, err := j.Append(t.Context(), text(9), again); err != nil {
		t.Fatal(err)
	}
	has("the next", j, again.Tap, mark, true)
	shut(t, j)
	if _, err := j.Has(t.Context(), k.Tap, 0); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Has of a closed journal = %v, want ErrClosed", err)
	}
	j = c.open(path, func(o *journal.Options) { o.Fresh = false })
	has("after a start", j, again.Tap, mark, true)
	mark = j.Mark()
	last := clearOf(10)
	if _, err := j.Append(t.Context(), text(10), last); err != nil {
		t.Fatal(err)
	}
	has("in a new epoch", j, last.Tap, mark, true)
}

// TestP2HasFindsARecordInAJournalSetAside: a mark of that journal means nothing in the new one, and what is whole may not have been read yet.
func TestP2HasFindsARecordInAJournalSetAside(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	for range 3 {
		add(t, j, 1)
		j.Renew(epoch.CauseClock)
	}
	mark, last := j.Mark(), clearOf(10)
	if _, err := j.Append(t.Context(), text(10), last); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	overwrite(t, path, 0, noise(100))
	synctest.Test(t, func(t *testing.T) {
		j := c.open(path)
		for range 2 { // before it was read, and after
			if got, err := j.Has(t.Context(), last.Tap, mark); !got || err != nil {
				t.Errorf("Has() = %t, %v, want true", got, err)
			}
			if got, err := j.Has(t.Context(), record.NewTapID(), mark); got || err != nil {
				t.Errorf("Has(another tap) = %t, %v, want false", got, err)
			}
			time.Sleep(time.Hour)
		}
		shut(t, j)
	})
}
