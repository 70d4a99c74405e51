//go:build integration

package bench_test

import (
	"bytes"
	"log/slog"
	"os/exec"
	"path/filepath"
	"testing"

	"kazashi.example/central/lab/bench"
	"kazashi.example/central/lab/world/worldtest"
)

// TestP1BoxFigures prints every figure that is owed, once, of a small site and a short list, with the real programs: the bench itself makes
// sure that the box answers from that list, finds everybody on that roster, and accepts each tap.
func TestP1BoxFigures(t *testing.T) {
	bin := t.TempDir()
	for _, program := range []string{"appliance/cmd/kazashi", "central/cmd/kazashi-central", "central/lab/cmd/kazashi-lab"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, filepath.Base(program)), "kazashi.example/"+program)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build = %v: %s", err, out)
		}
	}
	var out bytes.Buffer
	c := bench.Config{Bin: bin, Dir: t.TempDir(), Keys: worldtest.KeyDir(), Quick: true, Out: &out, Log: slog.New(slog.DiscardHandler)}
	if err := bench.RunBox(t.Context(), bench.BoxConfig{Config: c, People: 2000, Entries: 20_000}); err != nil {
		t.Fatalf("RunBox = %v", err) // ErrMissing names what was not printed
	}
	got := figures(t, out.String())
	for _, name := range bench.BoxFigures() {
		if _, ok := got[name]; !ok {
			t.Errorf("figure %s was not printed", name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("figures nobody asked for: %v", got)
	}
}
