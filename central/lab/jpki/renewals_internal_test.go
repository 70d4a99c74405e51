package jpki

import (
	"strconv"
	"testing"
	"time"

	"kazashi.example/central/lab/world"
)

// table has n lines, a second apart, but for the two around the first answer's end, which are of one time.
func table(n int) []world.Renewal {
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	all := make([]world.Renewal, n)
	for i := range all {
		all[i] = world.Renewal{N: i + 1, At: at.Add(time.Duration(i) * time.Second)}
	}
	all[MaxRenewals].At = all[MaxRenewals-1].At
	return all
}

// A long table comes in pieces that fit together.
func TestRenewalsInPieces(t *testing.T) {
	all, next := table(2*MaxRenewals+1), 0
	for _, want := range []struct {
		n    int
		more bool
	}{{MaxRenewals, true}, {MaxRenewals, true}, {1, false}, {0, false}} {
		got, err := renewals(all, strconv.Itoa(next))
		if err != nil || len(got.Renewals) != want.n || got.More != want.more || got.Last != next+want.n {
			t.Fatalf("since %d = %d lines up to %d, more %v, %v, want %d, %v", next, len(got.Renewals), got.Last, got.More, err, want.n, want.more)
		}
		if want.n > 0 && got.Renewals[0].N != next+1 {
			t.Errorf("since %d begins with line %d", next, got.Renewals[0].N)
		}
		next = got.Last
	}
}

// By time each answer begins with the line that the one before ended with, and lines of one time stay together.
func TestRenewalsByTime(t *testing.T) {
	all := table(2*MaxRenewals + 1)
	all[0], all[5] = all[5], all[0] // added later than its time says
	since, seen := "2026-11-22T12:00:00+09:00", map[int]bool{}
	for _, want := range []struct {
		n    int
		more bool
	}{{MaxRenewals + 1, true}, {MaxRenewals, true}, {3, false}} {
		got, err := renewals(all, since)
		if err != nil || len(got.Renewals) != want.n || got.More != want.more {
			t.Fatalf("since %s = %d lines, more %v, %v, want %d, %v", since, len(got.Renewals), got.More, err, want.n, want.more)
		}
		for i, l := range got.Renewals {
			seen[l.N] = true
			if i > 0 && l.At.Before(got.Renewals[i-1].At) {
				t.Fatalf("line %d of the answer is earlier than the one before", i)
			}
		}
		since = got.Renewals[len(got.Renewals)-1].At.Format(time.RFC3339Nano)
	}
	if len(seen) != len(all) {
		t.Errorf("%d lines seen, want all %d", len(seen), len(all))
	}
	if got, err := renewals(all, "2030-01-01T00:00:00Z"); err != nil || got.Renewals == nil || len(got.Renewals) != 0 {
		t.Errorf("since a time to come = %d lines, %v, want an empty list", len(got.Renewals), err)
	}
}
