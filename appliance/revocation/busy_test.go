package revocation_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// busy is a remote that has no room at first.
type busy struct {
	*line
	refusals int
	asked    []time.Time
}

func (b *busy) Blob(ctx context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	if len(b.asked) < b.refusals {
		b.asked = append(b.asked, time.Now())
		return nil, &uplink.Refusal{Code: wire.CodeUnavailable, Message: "full", After: 15 * time.Second}
	}
	return b.line.Blob(ctx, id, from)
}

// A box that central has no room for comes again when it was told to, and not with all others at once.
func TestABusyCentralIsLeftInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		b := &busy{line: newLine(w), refusals: 20}
		w.run(b, w.Offer(0), w.reached(1))
		pauses := map[time.Duration]bool{}
		for i := 1; i < len(b.asked); i++ {
			pause := b.asked[i].Sub(b.asked[i-1])
			if pause < 15*time.Second || i < 5 && pause > 30*time.Second {
				t.Errorf("pause %d = %v, want at least 15 s", i, pause)
			}
			pauses[pause] = true
		}
		if len(pauses) < 10 {
			t.Errorf("%d different pauses of %d, want jitter", len(pauses), len(b.asked)-1)
		}
	})
}
