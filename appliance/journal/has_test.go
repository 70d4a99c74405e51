package journal_test

import (
	"errors"
	"path/filepath"
	"testing"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/record"
)

// P2: whoever keeps something that belongs to a record finds out whether there is one, also after a start.
func TestP2HasFindsTheRecordOfATap(t *testing.T) {
	c := newCentral(t)
	path := filepath.Join(t.TempDir(), "journal.db")
	j := c.open(path)
	k := clearOf(1)
	has := func(when string, j *journal.Journal, tap record.TapID, want bool) {
		t.Helper()
		if got, err := j.Has(t.Context(), tap); got != want || err != nil {
			t.Errorf("%s: Has = %t, %v, want %t", when, got, err, want)
		}
	}
	has("before", j, k.Tap, false)
	if _, err := j.Append(t.Context(), text(1), k); err != nil {
		t.Fatal(err)
	}
	add(t, j, 2)
	has("after", j, k.Tap, true)
	has("another tap", j, record.NewTapID(), false)
	shut(t, j)
	if _, err := j.Has(t.Context(), k.Tap); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Has of a closed journal = %v, want ErrClosed", err)
	}
	has("after a start", c.open(path, func(o *journal.Options) { o.Fresh = false }), k.Tap, true)
}
