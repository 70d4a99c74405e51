package seldom_test

import (
	"testing"
	"time"

	"kazashi.example/central/internal/seldom"
)

func TestOneLineInSoMuchTime(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	l := seldom.New(10*time.Second, func() time.Time { return now })
	for n, c := range []struct {
		after time.Duration
		count int
		due   bool
	}{
		{0, 1, true},
		{0, 0, false},
		{9 * time.Second, 0, false},
		{time.Second, 3, true},
		{time.Millisecond, 0, false},
		{time.Hour, 2, true},
		{-2 * time.Hour, 1, true}, // a clock that was set back silences nothing
	} {
		now = now.Add(c.after)
		if count, due := l.Happened(); count != c.count || due != c.due {
			t.Errorf("event %d: Happened = %d, %v, want %d, %v", n, count, due, c.count, c.due)
		}
	}
}
