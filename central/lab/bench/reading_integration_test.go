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

// TestP1ReaderFigures prints every figure that is owed, once, with the real pcscd and OpenSC.
func TestP1ReaderFigures(t *testing.T) {
	bin := t.TempDir()
	for _, program := range []string{"vcard", "cardtime"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, program), "kazashi.example/reader/cmd/"+program)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build = %v: %s", err, out)
		}
	}
	var out bytes.Buffer
	err := bench.RunReader(t.Context(), bench.Config{
		Bin: bin, Dir: t.TempDir(), Keys: worldtest.KeyDir(), Quick: true, Out: &out, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil { // ErrMissing names what was not printed
		t.Fatalf("RunReader = %v", err)
	}
	got := figures(t, out.String())
	checkCounts(t, got)
	for _, name := range bench.ReaderFigures() {
		if _, ok := got[name]; !ok {
			t.Errorf("figure %s was not printed", name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("figures nobody asked for: %v", got)
	}
	if all := figures(t, out.String()); all["opensc_apdus_certificate"] <= all["apdus_certificate"] {
		t.Errorf("OpenSC sent %v commands and we %v, want fewer", all["opensc_apdus_certificate"], all["apdus_certificate"])
	}
}
