//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/vcard"
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
	b.insert(slot, control.InsertRequest{Profile: profile})
}

func (b *bench) insert(slot int, req control.InsertRequest) {
	b.t.Helper()
	if _, err := b.rig.Control().Insert(b.t.Context(), slot, req); err != nil {
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

// P3: of a card that is no My Number Card a technician sees what kind of identifier it has, in both languages and as JSON, and not which.
func TestP3CardInfoOfAToken(t *testing.T) {
	b := newBench(t)
	for n, tt := range []struct {
		profile    vcard.Profile
		faults     []string
		identifier string // empty: refused
		octets     int
		says       []string
	}{
		{vcard.Profile{Kind: vcard.Token, UID: "0102030405060708"}, nil, "eight", 8, []string{
			"種類 / kind: その他のカード", "token: not a My Number Card", "IDm 8オクテット", "IDm of 8 octets",
		}},
		{vcard.Profile{Kind: vcard.Token, UID: "04a1b2c3d4e5f6"}, nil, "double", 7, []string{"UID 7オクテット / UID of 7 octets"}},
		{vcard.Profile{Kind: vcard.Token, UID: "71727374"}, nil, "single", 4, []string{"perhaps not lasting"}},
		{vcard.Profile{Kind: vcard.Token, UID: "08727374"}, nil, "", 0, []string{"マイナンバーカードではありません", "識別子が毎回変わります", "another each time"}},
		{vcard.Profile{Kind: vcard.Token, UID: "71727375"}, []string{"not-a-my-number-card"}, "", 0, []string{
			"マイナンバーカードではありません", "識別子がありません / it shows no identifier",
		}},
	} {
		t.Run(tt.profile.UID, func(t *testing.T) {
			slot := n % 2 // while one card is lifted the next one comes
			tt.profile.Label = "lent"
			b.insert(slot, control.InsertRequest{Profile: save(t, tt.profile), Faults: tt.faults})
			reader := b.rig.ReaderName(slot)
			text, complaint, err := b.run("card", "info", "--reader", reader)
			for _, want := range tt.says {
				if !strings.Contains(text+complaint, want) {
					t.Errorf("card info = %v, %s%s, want %q", err, text, complaint, want)
				}
			}
			out, errs, jsonErr := b.run("card", "info", "--json", "--reader", reader)
			var got tokenInfo
			if tt.identifier == "" {
				if err == nil || jsonErr == nil || text+out != "" {
					t.Errorf("card info = %v, %v, %s%s, want refusals", err, jsonErr, text, out)
				}
			} else if want := (tokenInfo{"token", tt.identifier, tt.octets}); jsonErr != nil || json.Unmarshal([]byte(out), &got) != nil || got != want {
				t.Errorf("card info --json = %s, %v, want %+v", out, jsonErr, want)
			}
			if strings.Contains(strings.ToLower(text+complaint+out+errs), tt.profile.UID) {
				t.Error("the identifier is printed")
			}
			if _, err := b.rig.Control().Remove(t.Context(), slot); err != nil {
				t.Error(err)
			}
		})
	}
}

func save(t *testing.T, p vcard.Profile) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "card.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
