//go:build integration

package bench_test

import (
	"bytes"
	"log/slog"
	"testing"

	"kazashi.example/central/lab/bench"
)

// TestP1JournalFigures prints every figure that is owed, once, of a small journal: the bench itself makes sure that all of it is verified, compacted,
// carried and read again.
func TestP1JournalFigures(t *testing.T) {
	var out bytes.Buffer
	c := bench.Config{Dir: t.TempDir(), Quick: true, Out: &out, Log: slog.New(slog.DiscardHandler)}
	if err := bench.RunJournal(t.Context(), bench.JournalConfig{Config: c, Records: 20_000}); err != nil {
		t.Fatalf("RunJournal = %v", err) // ErrMissing names what was not printed
	}
	got := figures(t, out.String())
	for _, name := range bench.JournalFigures() {
		if _, ok := got[name]; !ok {
			t.Errorf("figure %s was not printed", name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("figures nobody asked for: %v", got)
	}
}
