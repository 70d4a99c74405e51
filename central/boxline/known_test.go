package boxline_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/boxline"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// P2: a box out of service may still bring what it holds, so it is known; a device that never joined is not.
func TestP2KnownIsWhoeverJoined(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	if err := c.Line.Known(t.Context(), b.Public(t)); err != nil {
		t.Errorf("Known(in service) = %v, want nil", err)
	}
	if err := c.Boxes.Revoke(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if err := c.Line.Known(t.Context(), b.Public(t)); err != nil {
		t.Errorf("Known(out of service) = %v, want nil", err)
	}
	stranger := simbox.New(t, c.Keys.Seal.Public())
	var refused *uplink.Refusal
	if err := c.Line.Known(t.Context(), stranger.Public(t)); !errors.As(err, &refused) || refused.Code != wire.CodeUnknownBox {
		t.Errorf("Known(stranger) = %v, want %s", err, wire.CodeUnknownBox)
	}
}

// Whoever knocks with made-up codes cannot fill the log.
func TestBadJoinsAreLoggedSeldom(t *testing.T) {
	c := simcentral.New(t)
	var log strings.Builder
	conf := c.Line.Config
	conf.Log = slog.New(slog.NewTextHandler(&log, nil))
	line := boxline.New(conf)
	stranger := simbox.New(t, c.Keys.Seal.Public())
	knock := func() {
		t.Helper()
		var refused *uplink.Refusal
		q := wire.JoinRequest{Box: stranger.ID, Device: stranger.Public(t).DER(), Sealing: stranger.Sealing}
		if _, err := line.Join(t.Context(), stranger.Public(t), q); !errors.As(err, &refused) || refused.Code != wire.CodeJoinRefused {
			t.Fatalf("Join = %v, want %s", err, wire.CodeJoinRefused)
		}
	}
	for range 50 {
		knock()
	}
	c.World.Pass(10 * time.Second)
	knock()
	if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "count=1\n") || !strings.Contains(got, "count=50\n") {
		t.Errorf("logged %q, want two lines, for 1 and for 50", got)
	}
}
