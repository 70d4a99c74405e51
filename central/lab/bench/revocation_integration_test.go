//go:build integration

package bench_test

import (
	"bytes"
	"log/slog"
	"os/exec"
	"path/filepath"
	"testing"

	"kazashi.example/central/lab/bench"
)

// octets are the promises that are counted, not timed, and so the same on every machine.
var octets = map[string]float64{
	"set_serial_bytes_vs_limit": 1.11, "set_full_bytes_vs_limit": 1.07, "delta_bytes_vs_limit": 1.05, "delta_mixed_bytes_vs_limit": 1.05,
}

// TestP7RevocationFigures prints every figure that is owed, once, on a short list, with the real programs and openssl.
func TestP7RevocationFigures(t *testing.T) {
	bin := t.TempDir()
	for _, program := range []string{"central/cmd/kazashi-central", "central/lab/cmd/kazashi-lab"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, filepath.Base(program)), "kazashi.example/"+program)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build = %v: %s", err, out)
		}
	}
	var out bytes.Buffer
	c := bench.Config{Bin: bin, Dir: t.TempDir(), Quick: true, Out: &out, Log: slog.New(slog.DiscardHandler)}
	if err := bench.RunRevocation(t.Context(), bench.RevocationConfig{Config: c, Rounds: 1, Entries: 60_000}); err != nil {
		t.Fatalf("RunRevocation = %v", err) // ErrMissing names what was not printed
	}
	got := figures(t, out.String())
	for name, most := range octets {
		if got[name] < 1 || got[name] > most { // below 1 the limit would be wrong
			t.Errorf("%s = %v, want 1 to %v", name, got[name], most)
		}
	}
	for _, name := range bench.RevocationFigures(false) {
		if _, ok := got[name]; !ok {
			t.Errorf("figure %s was not printed", name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("figures nobody asked for: %v", got)
	}
}
