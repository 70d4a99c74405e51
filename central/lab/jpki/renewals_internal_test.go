package jpki

import (
	"testing"

	"kazashi.example/central/lab/world"
)

// A long table comes in pieces that fit together.
func TestRenewalsInPieces(t *testing.T) {
	all := make([]world.Renewal, 2*MaxRenewals+1)
	for i := range all {
		all[i].N = i + 1
	}
	next := 0
	for _, want := range []struct {
		n    int
		more bool
	}{{MaxRenewals, true}, {MaxRenewals, true}, {1, false}, {0, false}} {
		got := renewalsSince(all, next)
		if len(got.Renewals) != want.n || got.More != want.more || got.Last != next+want.n {
			t.Fatalf("since %d = %d lines up to %d, more %v, want %d, %v", next, len(got.Renewals), got.Last, got.More, want.n, want.more)
		}
		if want.n > 0 && got.Renewals[0].N != next+1 {
			t.Errorf("since %d begins with line %d", next, got.Renewals[0].N)
		}
		next = got.Last
	}
}
