//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/vcard/control"
)

// bench is the real program beside a reader with a virtual card.
type bench struct {
	t    *testing.T
	rig  *pcscd.Rig
	path string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	for name, pkg := range map[string]string{"kazashi": ".", "vcard": "../../../reader/cmd/vcard"} {
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, name), pkg).CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v: %s", name, err, out)
		}
	}
	rig, err := pcscd.Start(t.Context(), pcscd.Config{VCard: filepath.Join(dir, "vcard"), Slots: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rig.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &bench{t, rig, filepath.Join(dir, "kazashi")}
}

func (b *bench) lay(slot int, profile string) {
	b.t.Helper()
	if _, err := b.rig.Control().Insert(b.t.Context(), slot, control.InsertRequest{Profile: profile}); err != nil {
		b.t.Fatal(err)
	}
	if err := b.rig.Control().Connected(b.t.Context(), slot); err != nil {
		b.t.Fatal(err)
	}
}

// take removes the card and waits until pcscd has seen it go: the next run would find it otherwise.
func (b *bench) take(slot int) {
	b.t.Helper()
	if _, err := b.rig.Control().Remove(b.t.Context(), slot); err != nil {
		b.t.Fatal(err)
	}
	gone := time.NewTimer(time.Second)
	defer gone.Stop()
	<-gone.C
}

func (b *bench) run(args ...string) (stdout, stderr string, err error) {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), b.path, args...)
	cmd.Env = append(cmd.Environ(), b.rig.Env())
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err = cmd.Run()
	return out.String(), complaint.String(), err
}

// P3, P5: what a technician sees of a card names nobody and costs no try.
func TestP5CardCommands(t *testing.T) {
	b := newBench(t)
	w := worldtest.Open(t, world.Config{})
	all, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	of := func(c people.Case) world.Person {
		for _, p := range all {
			if p.Case == c {
				return p
			}
		}
		t.Fatalf("nobody of case %s", c)
		return world.Person{}
	}
	whole, child := of(people.InOrder), of(people.Child)

	b.lay(0, whole.Profile)
	for range 2 { // twice: asking costs nothing
		out, complaint, err := b.run("card", "pin-status", "--json")
		var got cardPINs
		if err != nil || json.Unmarshal([]byte(out), &got) != nil {
			t.Fatalf("card pin-status = %v, %s%s", err, out, complaint)
		}
		want := cardPINs{Auth: pinState{"open", 3}, Input: pinState{"open", 3}, Password: pinState{"open", 5}, Birth: pinState{"open", 10}}
		if got != want {
			t.Errorf("card pin-status = %+v, want %+v", got, want)
		}
	}
	out, complaint, err := b.run("card", "info")
	if err != nil || !strings.Contains(out, "マイナンバーカード / My Number Card") || !strings.Contains(out, "署名用電子証明書 / signature certificate: あり / present") {
		t.Errorf("card info = %v, %s%s", err, out, complaint)
	}
	for _, secret := range []string{whole.Family, whole.Address, whole.AuthPIN, whole.IndividualNumber, whole.SecurityCode} {
		if strings.Contains(out+complaint, secret) {
			t.Error("card info names the holder")
		}
	}
	b.lay(1, child.Profile)
	if _, complaint, err = b.run("card", "info"); err == nil || !strings.Contains(complaint, "more than one reader") {
		t.Errorf("card info with two cards = %v, %s, want a refusal", err, complaint)
	}
	out, complaint, err = b.run("card", "info", "--json", "--reader", b.rig.ReaderName(1))
	var got cardInfo
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || got.Sign != "absent" || got.Auth != "present" {
		t.Errorf("card info of a child's card = %+v, %v, %s", got, err, complaint)
	}
	b.take(0)
	b.take(1)
	if _, complaint, err = b.run("card", "info", "--wait", "1s"); err == nil || !strings.Contains(complaint, "no card was held on in time") {
		t.Errorf("card info without a card = %v, %s", err, complaint)
	}
}
