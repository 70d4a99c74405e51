package box

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A lock that goes within a moment, as the copy of it in a program that is just being started, is waited for; one that stays is not.
func TestHoldWaitsForAMoment(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			after time.Duration
			want  error
		}{{lockWithin / 2, nil}, {2 * lockWithin, ErrInUse}} {
			first, err := hold(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			freed := make(chan error, 1)
			time.AfterFunc(c.after, func() { freed <- first.free() })
			second, err := hold(t.Context(), dir)
			if !errors.Is(err, c.want) {
				t.Errorf("hold, freed after %s = %v, want %v", c.after, err, c.want)
			}
			if err := <-freed; err != nil {
				t.Error(err)
			}
			if second != nil {
				if err := second.free(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// Who waits for a lock and is told to stop does so at once.
func TestHoldIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		first, err := hold(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), lockAgain+lockAgain/2)
		defer cancel()
		began := time.Now()
		if second, err := hold(ctx, dir); second != nil || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrInUse) {
			t.Errorf("hold, told to stop = %v, %v, want %v", second, err, context.DeadlineExceeded)
		}
		if took := time.Since(began); took != lockAgain+lockAgain/2 {
			t.Errorf("it stopped after %s", took)
		}
		if err := first.free(); err != nil {
			t.Error(err)
		}
	})
}
