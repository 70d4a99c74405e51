//go:build integration

package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestP2Soak: three hundred taps on sixteen readers, box and central killed while cards are read: nothing is lost, nothing doubled. `make soak`
// does it with ten thousand.
func TestP2Soak(t *testing.T) {
	t.Parallel() // it waits for cards most of its time
	cmd := exec.CommandContext(t.Context(), filepath.Join(build(t), "kazashi-lab"), "soak",
		"--taps", "300", "--kills", "6", "--central-kills", "1", "--slots", "16", "--people", "1")
	out, err := cmd.CombinedOutput()
	if t.Logf("%s", out); err != nil {
		t.Fatalf("kazashi-lab soak = %v", err)
	}
	want := regexp.MustCompile(`(?m)^soak: seed=\d+ taps=\d{3,} kills=6 central_kills=1 slots=16 lost=0 doubled=0 unheard=\d+ shown=\d+ records=\d{3,} epochs=\d+ card=\d{3,} seconds=\d+$`)
	if !want.Match(out) {
		t.Errorf("the last line is none of %v", want)
	}
}
