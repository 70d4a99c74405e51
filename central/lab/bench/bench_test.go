package bench_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"kazashi.example/central/lab/bench"
	"kazashi.example/central/lab/world/worldtest"
)

// TestNothingIsMadeUp runs without any program to measure: no figure may be printed, the error says which are missing, and
// nothing is left behind.
func TestNothingIsMadeUp(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	err := bench.Run(t.Context(), bench.Config{
		Bin: t.TempDir(), Dir: dir, Keys: worldtest.KeyDir(), Quick: true, Out: &out, Log: slog.New(slog.DiscardHandler),
	})
	switch {
	case errors.Is(err, bench.ErrMemoryDisk): // where temporary files are kept in memory nothing is begun
	case !errors.Is(err, bench.ErrMissing) || !strings.Contains(err.Error(), "tap_overhead_p50_us"):
		t.Errorf("Run = %v, want ErrMissing with the names of the figures", err)
	case !strings.Contains(out.String(), "# quick"):
		t.Errorf("Run printed %q, want it to say that it was quick", out.String())
	}
	if strings.Contains(out.String(), "figure ") {
		t.Errorf("Run printed %q, want no figure", out.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("Run left %v behind (%v)", left, err)
	}
}

// TestNoRevocationFigureIsMadeUp does the same for the figures of the revocation engine.
func TestNoRevocationFigureIsMadeUp(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	c := bench.Config{Bin: t.TempDir(), Dir: dir, Quick: true, Out: &out, Log: slog.New(slog.DiscardHandler)}
	err := bench.RunRevocation(t.Context(), bench.RevocationConfig{Config: c, Entries: 10_000})
	if !errors.Is(err, bench.ErrMemoryDisk) && !errors.Is(err, bench.ErrMissing) && !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("RunRevocation = %v, want ErrMissing with the names of the figures", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("RunRevocation left %v behind (%v)", left, err)
	}
	for line := range strings.Lines(out.String()) { // what needs no program is measured
		if f := strings.Fields(line); f[0] == "figure" && !strings.HasPrefix(f[1], "set_") && !strings.HasPrefix(f[1], "delta") {
			t.Errorf("RunRevocation printed %q without a program to measure", line)
		}
	}
}

// TestNoBoxFigureIsMadeUp does the same for the figures of a large site.
func TestNoBoxFigureIsMadeUp(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	c := bench.Config{Bin: t.TempDir(), Dir: dir, Keys: worldtest.KeyDir(), Quick: true, Out: &out, Log: slog.New(slog.DiscardHandler)}
	err := bench.RunBox(t.Context(), bench.BoxConfig{Config: c, People: 500, Entries: 10_000})
	if !errors.Is(err, bench.ErrMemoryDisk) && (!errors.Is(err, bench.ErrMissing) || !strings.Contains(err.Error(), "tap_added_vs_empty")) {
		t.Errorf("RunBox = %v, want ErrMissing with the names of the figures", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("RunBox left %v behind (%v)", left, err)
	}
	for line := range strings.Lines(out.String()) { // what needs no program is measured
		if f := strings.Fields(line); f[0] == "figure" && !strings.HasPrefix(f[1], "roster_") {
			t.Errorf("RunBox printed %q without a program to measure", line)
		}
	}
}

func TestRevocationChildRefuses(t *testing.T) {
	for _, tc := range []struct {
		args []string
		in   string
		want error
	}{
		{nil, "", bench.ErrChild},
		{[]string{"sing"}, "", bench.ErrChild},
		{[]string{"apply"}, "", bench.ErrChild},
		{[]string{"cold", t.TempDir()}, "no hex", bench.ErrChild},
		{[]string{"cold", t.TempDir()}, "01", os.ErrNotExist},
		{[]string{"x509", "/nowhere", "/nowhere"}, "", os.ErrNotExist},
	} {
		if err := bench.RevocationChild(t.Context(), tc.args, strings.NewReader(tc.in), io.Discard); !errors.Is(err, tc.want) {
			t.Errorf("RevocationChild(%q) = %v, want %v", tc.args, err, tc.want)
		}
	}
}
