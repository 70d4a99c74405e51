package clock_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/clock"
	"kazashi.example/sync/record"
)

var built = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// hand is a machine whose time is set by hand, and on which none passes.
type hand struct{ at time.Time }

func (h *hand) now() (time.Time, time.Duration) { return h.at, 0 }

func file(t *testing.T) clock.File {
	t.Helper()
	return clock.File(filepath.Join(t.TempDir(), "floor"))
}

func open(t *testing.T, source clock.Source, f clock.File) *clock.Clock {
	t.Helper()
	return clock.New(t.Context(), source, f, built, slog.New(slog.DiscardHandler))
}

func want(t *testing.T, what string, c *clock.Clock, at time.Time, confidence record.Confidence) {
	t.Helper()
	now, got := c.Now()
	if !now.Equal(at) || got != confidence {
		t.Errorf("%s: Now() = %v %s, want %v %s", what, now, got, at, confidence)
	}
}

func TestP8DeadClockStartsAtTheBuildAndLearns(t *testing.T) {
	h, f := &hand{time.Unix(0, 0)}, file(t)
	c := open(t, h.now, f)
	want(t, "dead clock", c, built, record.ConfidenceNone)
	c.Learn(built.Add(-time.Hour))
	h.at = built.Add(time.Minute)
	want(t, "news from before the build, the machine right", c, h.at, record.ConfidenceNone)
	h.at = time.Unix(0, 0)
	signed := built.AddDate(1, 0, 0)
	c.Learn(signed)
	want(t, "after news", c, signed, record.ConfidenceNone)
	c.Learn(built)
	want(t, "after old news", c, signed, record.ConfidenceNone)
	want(t, "after a restart", open(t, h.now, f), signed, record.ConfidenceNone)
	h.at = signed.Add(time.Hour)
	want(t, "after the machine's time was set", c, signed.Add(time.Hour), record.ConfidenceFloor)
}

// A floor says nothing of how long the box was off: where the machine's time is before it, only central can tell.
func TestP8MachineBehindTheFloorIsNotBelieved(t *testing.T) {
	floor := built.AddDate(0, 6, 0)
	for _, tc := range []struct {
		name string
		wall time.Time
		want record.Confidence
	}{
		{"dead", time.Unix(0, 0), record.ConfidenceNone},
		{"before the build", built.Add(-time.Hour), record.ConfidenceNone},
		{"an hour behind", floor.Add(-time.Hour), record.ConfidenceNone},
		{"behind by what two clocks may differ", floor.Add(-clock.Tolerance), record.ConfidenceFloor},
		{"at the floor", floor, record.ConfidenceFloor},
		{"ahead", floor.AddDate(0, 1, 0), record.ConfidenceFloor},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := file(t)
			if err := f.Store(floor); err != nil {
				t.Fatal(err)
			}
			h := &hand{tc.wall}
			c := open(t, h.now, f)
			if _, got := c.Now(); got != tc.want {
				t.Errorf("confidence = %s, want %s", got, tc.want)
			}
			live := floor.AddDate(1, 0, 0)
			c.Check(live)
			want(t, "after central was heard", c, live, record.ConfidenceFloor)
			want(t, "after another restart", open(t, h.now, f), live, record.ConfidenceNone)
		})
	}
}

func TestMachineSetBehindTheFloorWhileRunning(t *testing.T) {
	h := &hand{built.AddDate(0, 1, 0)}
	c := open(t, h.now, file(t))
	c.Learn(h.at)
	want(t, "unchecked", c, h.at, record.ConfidenceFloor)
	start := h.at
	h.at = built
	want(t, "set back", c, start, record.ConfidenceNone)
}

func TestTimeNeverGoesBackInOneRun(t *testing.T) {
	h := &hand{built.AddDate(0, 1, 0)}
	c := open(t, h.now, file(t))
	start := h.at
	h.at = start.Add(time.Minute)
	want(t, "on", c, start.Add(time.Minute), record.ConfidenceNone)
	h.at = start.Add(-time.Hour)
	want(t, "set back", c, start.Add(time.Minute), record.ConfidenceNone)
}

func TestCheckedUntilTheSourceSteps(t *testing.T) {
	start := built.AddDate(0, 1, 0)
	for _, tc := range []struct {
		name  string
		apart time.Duration
		want  record.Confidence
	}{
		{"agrees", 0, record.ConfidenceChecked},
		{"a minute behind", time.Minute, record.ConfidenceChecked},
		{"a minute ahead", -time.Minute, record.ConfidenceChecked},
		{"an hour behind", time.Hour, record.ConfidenceFloor},
		{"an hour ahead", -time.Hour, record.ConfidenceFloor},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &hand{start}
			c := open(t, h.now, file(t))
			c.Check(start.Add(tc.apart))
			if _, got := c.Now(); got != tc.want {
				t.Errorf("confidence = %s, want %s", got, tc.want)
			}
			h.at = h.at.Add(-time.Hour)
			if _, got := c.Now(); got != record.ConfidenceFloor {
				t.Errorf("confidence after a step = %s, want floor", got)
			}
		})
	}
}

func TestTimePassesWithTheMonotonicClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, clock.System(), file(t)) // the bubble begins in 2000, long before the build
		time.Sleep(36 * time.Hour)
		want(t, "a day and a half", c, built.Add(36*time.Hour), record.ConfidenceNone)
	})
}

func TestFloorIsKeptInStepsOfAnHour(t *testing.T) {
	h, f := &hand{built}, file(t)
	c := open(t, h.now, f)
	for n := range 90 {
		c.Learn(built.Add(time.Hour + time.Duration(n)*time.Minute))
	}
	got, err := f.Load()
	if err != nil || !got.Equal(built.Add(2*time.Hour)) {
		t.Errorf("Load() = %v, %v, want %v", got, err, built.Add(2*time.Hour))
	}
	want(t, "in memory", c, built.Add(149*time.Minute), record.ConfidenceNone)
}

func TestUnreadableFloorIsReportedAndSurvived(t *testing.T) {
	f := file(t)
	if err := os.WriteFile(string(f), []byte("yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := clock.New(t.Context(), (&hand{}).now, f, built, slog.New(slog.NewTextHandler(&log, nil)))
	want(t, "unreadable", c, built, record.ConfidenceNone)
	if !strings.Contains(log.String(), "floor failed") {
		t.Errorf("log = %q, want the fault", log.String())
	}
}
