package link

import (
	"testing"
	"testing/synctest"
	"time"
)

// What timers came too late by is made up for, by no more than a wait each.
func TestPaceMakesUpForLateTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Pace{late: 5 * time.Millisecond}
		for i, want := range []time.Duration{0, 0, time.Millisecond, 2 * time.Millisecond} {
			begun := time.Now()
			if err := p.Until(t.Context(), begun, 2*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begun); got != want {
				t.Errorf("wait %d took %v, want %v", i, got, want)
			}
		}
		begun := time.Now()
		time.Sleep(3 * time.Millisecond) // the card computes, in the bubble's time
		if err := p.Until(t.Context(), begun, 2*time.Millisecond); err != nil || time.Since(begun) != 3*time.Millisecond {
			t.Errorf("wait for a slow card = %v after %v, want none after 3 ms", err, time.Since(begun))
		}
	})
}
