//go:build integration

package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
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

// P3: every procedure is recorded through pcscd, on the card of today and on the next one, and the masked transcript holds none of what
// was typed. Replayed without a card, the procedure sends the same commands. No try is spent.
func TestP3EveryProcedureThroughPCSC(t *testing.T) {
	r := newRig(t)
	w := worldtest.Open(t, world.Config{Now: madeOn})
	trust := filepath.Join(t.TempDir(), "trust.pem")
	if err := os.WriteFile(trust, practiceTrust(t, w), 0o600); err != nil {
		t.Fatal(err)
	}
	for slot, key := range []string{"hanako", "mirai"} {
		p, err := w.Person(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Control().Insert(t.Context(), slot, control.InsertRequest{Profile: p.Profile}); err != nil {
			t.Fatal(err)
		}
		if err := r.Control().Connected(t.Context(), slot); err != nil {
			t.Fatal(err)
		}
		before, err := r.Control().Tries(t.Context(), slot)
		if err != nil {
			t.Fatal(err)
		}
		for _, procedure := range procedures {
			r.recordMasked(t, slot, procedure, p, trust)
			r.recordAndReplay(t, slot, procedure, p, trust)
		}
		if after, err := r.Control().Tries(t.Context(), slot); err != nil || !maps.Equal(before, after) {
			t.Errorf("%s: tries %v became %v, %v", key, before, after, err)
		}
	}
}

// typed is what somebody types for a procedure, one value a line.
func typed(p procedure, h world.Person) string {
	input := h.InputPIN
	if h.Kind == people.NextCard { // one PIN opens both
		input = h.AuthPIN
	}
	says := map[string]string{askPIN: h.AuthPIN, askInputPIN: input, askPassword: h.SignPassword, askBirth: h.Birth.Compact()}
	var b strings.Builder
	for _, what := range p.asks {
		b.WriteString(says[what] + "\n")
	}
	return b.String()
}

// recordMasked looks into a masked transcript. Only national cards are recorded so: a next card is looked for with --practice alone.
func (r rig) recordMasked(t *testing.T, slot int, p procedure, h world.Person, trust string) {
	t.Helper()
	values := typed(p, h)
	out, errs, err := r.run(t, values, "record", "--reader", r.ReaderName(slot), "--procedure", p.name, "--trust", trust, "--from", "3")
	if (err == nil) != (h.Kind == people.Card) {
		t.Errorf("record of %s with %s's card = %v: %s", p.name, h.Key, err, errs)
	}
	for value := range strings.FieldsSeq(values + h.Family + " " + h.Address + " " + h.IndividualNumber) {
		if strings.Contains(out+errs, value) || strings.Contains(out, fmt.Sprintf("%X", value)) {
			t.Errorf("record of %s with %s's card holds what names its holder, or was typed", p.name, h.Key)
		}
	}
}

func (r rig) recordAndReplay(t *testing.T, slot int, p procedure, h world.Person, trust string) {
	t.Helper()
	file, values := filepath.Join(t.TempDir(), "card.trace"), typed(p, h)
	_, errs, err := r.run(t, values, "record", "--reader", r.ReaderName(slot), "--procedure", p.name, "--practice", "--trust", trust, "--from", "3", "-o", file)
	if err != nil {
		t.Errorf("record of %s with %s's card = %v: %s", p.name, h.Key, err, errs)
		return
	}
	recorded, err := load(file)
	if err != nil {
		t.Fatal(err)
	}
	out, errs, err := r.run(t, values, "replay", "--trust", trust, "--from", "3", file)
	// P4: today's integrity record is masked here too, and ends the replay. The next card's holds nothing of the Individual Number.
	if h.Kind == people.Card && slices.Contains([]string{"attributes", "enrol"}, p.name) {
		if err == nil || !strings.Contains(errs, "masked") {
			t.Errorf("replay of %s with %s's card = %q %q, %v, want it to end at what is masked", p.name, h.Key, out, errs, err)
		}
		return
	}
	want := fmt.Sprintf("%s: %d of %d commands as recorded", p.name, len(recorded.Exchanges), len(recorded.Exchanges))
	if err != nil || !strings.Contains(out, want) {
		t.Errorf("replay of %s with %s's card = %q %q, %v, want %q", p.name, h.Key, out, errs, err, want)
	}
}
