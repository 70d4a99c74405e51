//go:build integration

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/vcard/control"
)

// limit bounds one run of the program.
const limit = 30 * time.Second

// rig is a real pcscd with two readers, and the program beside it.
type rig struct {
	*pcscd.Rig
	program string
}

func newRig(t *testing.T) rig {
	t.Helper()
	dir := t.TempDir()
	programs := map[string]string{"vcard": filepath.Join(dir, "vcard"), "cardtrace": filepath.Join(dir, "cardtrace")}
	for name, path := range programs {
		if out, err := exec.Command("go", "build", "-o", path, "kazashi.example/reader/cmd/"+name).CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v: %s", name, err, out)
		}
	}
	r, err := pcscd.Start(t.Context(), pcscd.Config{VCard: programs["vcard"], Slots: 2, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Errorf("stopping the rig = %v", err)
		}
	})
	return rig{r, programs["cardtrace"]}
}

// run runs the program with values on file descriptor 3 and returns what it printed.
func (r rig) run(t *testing.T, values string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	file := filepath.Join(t.TempDir(), "values")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, r.program, args...)
	c.Env, c.ExtraFiles, c.Stdout, c.Stderr = append(os.Environ(), r.Env()), []*os.File{f}, &out, &errs
	err = c.Run()
	return out.String(), errs.String(), err
}

// Through pcscd and a virtual reader the program sees what it sees of a card in its own process.
func TestRecordThroughPCSC(t *testing.T) {
	r := newRig(t)
	w := worldtest.Open(t, world.Config{Now: madeOn})
	p, err := w.Person("hanako")
	if err != nil {
		t.Fatal(err)
	}
	if out, _, err := r.run(t, "", "readers"); err != nil || strings.Count(out, "no card") != 2 {
		t.Errorf("readers = %q, %v, want two without a card", out, err)
	}
	if _, errs, err := r.run(t, "", "record", "--wait", "1s"); err == nil || !strings.Contains(errs, "no card on the reader") {
		t.Errorf("record without a card = %q, %v, want it to say so", errs, err)
	}
	if _, err := r.Control().Insert(t.Context(), 1, control.InsertRequest{Profile: p.Profile}); err != nil {
		t.Fatal(err)
	}
	trust := filepath.Join(t.TempDir(), "trust.pem")
	if err := os.WriteFile(trust, practiceTrust(t, w), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "card.trace")
	_, errs, err := r.run(t, p.Birth.Compact()+"\n", "record", "--procedure", "card", "--practice", "--trust", trust, "--from", "3", "-o", file)
	if err != nil || !strings.Contains(errs, "8 commands on "+r.ReaderName(1)) {
		t.Fatalf("record of card = %q, %v, want 8 commands on %s", errs, err, r.ReaderName(1))
	}
	if out, errs, err := r.run(t, p.Birth.Compact()+"\n", "replay", "--trust", trust, "--from", "3", file); err != nil ||
		!strings.Contains(out, "card: 8 of 8 commands as recorded") {
		t.Errorf("replay = %q %q, %v, want 8 of 8", out, errs, err)
	}
	if out, _, err := r.run(t, "", "readers"); err != nil || !strings.Contains(out, fmt.Sprintf("%-9s  %s", "card", r.ReaderName(1))) {
		t.Errorf("readers = %q, %v, want a card on %s", out, err, r.ReaderName(1))
	}
	masked, _, err := r.run(t, p.AuthPIN+"\n", "record", "--reader", r.ReaderName(1), "--procedure", "pin", "--from", "3")
	if err != nil || !strings.Contains(masked, "00200098 S 4:* - = - 9000\n802A0097 S 51:* 256 = 256:* 9000\nend 5\n") {
		t.Errorf("record of pin = %s, %v", masked, err)
	}
	if strings.Contains(masked, fmt.Sprintf("%X", p.AuthPIN)) {
		t.Error("the PIN is in the transcript")
	}
}
