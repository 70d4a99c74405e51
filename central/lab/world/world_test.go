package world_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/certid"
)

var day = time.Date(2026, 11, 22, 12, 0, 0, 0, people.JST)

// files reads everything below a folder but the lock.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "world.lock" {
			return err
		}
		b, err := os.ReadFile(path)
		out[path[len(dir):]] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSameSeedMakesTheSameOctets(t *testing.T) {
	a, b := worldtest.Open(t, world.Config{Seed: 7, Now: day}), worldtest.Open(t, world.Config{Seed: 7, Now: day})
	fa, fb := files(t, a.Dir()), files(t, b.Dir())
	if len(fa) < 20*3 || len(fa) != len(fb) {
		t.Fatalf("files made = %d and %d, want the same, at least 60", len(fa), len(fb))
	}
	for name := range fa {
		if !bytes.Equal(fa[name], fb[name]) {
			t.Errorf("%s differs between two worlds of one seed and day", name)
		}
	}
	other := files(t, worldtest.Open(t, world.Config{Seed: 8, Now: day}).Dir())
	if bytes.Equal(fa["/people/hanako/auth.cer"], other["/people/hanako/auth.cer"]) {
		t.Error("seeds 7 and 8 give hanako the same certificate")
	}
}

func TestOpenAgainChangesNothing(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 7, Now: day})
	before := files(t, w.Dir())
	again, err := world.Open(t.Context(), w.Dir(), world.Config{Keys: worldtest.KeyDir(), Now: day.AddDate(1, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if !again.Made().Equal(w.Made()) {
		t.Errorf("Made() after reopening = %v, want %v", again.Made(), w.Made())
	}
	after := files(t, w.Dir())
	for name := range after {
		if !bytes.Equal(before[name], after[name]) {
			t.Errorf("%s changed by opening the world again", name)
		}
	}
	_, err = world.Open(t.Context(), w.Dir(), world.Config{Keys: worldtest.KeyDir(), Seed: 8})
	if !errors.Is(err, world.ErrOther) {
		t.Errorf("Open with another seed = %v, want ErrOther", err)
	}
	_, err = world.Open(t.Context(), w.Dir(), world.Config{Keys: t.TempDir()})
	if !errors.Is(err, world.ErrOther) {
		t.Errorf("Open with other keys = %v, want ErrOther", err)
	}
}

func TestKeysAreMadeOnce(t *testing.T) {
	dir, keys := t.TempDir(), t.TempDir()
	if _, err := world.Open(t.Context(), dir, world.Config{People: 1, Keys: keys, Now: day}); err != nil {
		t.Fatal(err)
	}
	first := files(t, keys)
	if _, err := world.Open(t.Context(), t.TempDir(), world.Config{People: 1, Keys: keys, Now: day, Seed: 9}); err != nil {
		t.Fatal(err)
	}
	second := files(t, keys)
	if len(first) == 0 || len(first) != len(second) {
		t.Fatalf("keys after one and two worlds = %d and %d, want the same", len(first), len(second))
	}
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("key %s was made twice", name)
		}
	}
}

func TestInterruptedMakingStartsAgain(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cfg := world.Config{Seed: 7, People: 3, Now: day, Keys: worldtest.KeyDir()}
	if _, err := world.Open(ctx, dir, cfg); !errors.Is(err, context.Canceled) {
		t.Fatalf("Open with an ended context = %v, want context.Canceled", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "world.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("world.json after an interruption: %v, want none", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "people", "hanako"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "people", "hanako", "auth.cer"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := world.Open(t.Context(), dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := w.Person("hanako"); err != nil {
		t.Error(err)
	} else if _, err := p.Auth.X509(); err != nil {
		t.Errorf("certificate after starting again: %v", err)
	}
}

func TestRenewAgainAfterACutOff(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 2, Now: day})
	ledger := filepath.Join(w.Dir(), "world.json")
	before, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	first, err := w.Renew("taro", day)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ledger, before, 0o600); err != nil { // as if the process had died before the ledger was written
		t.Fatal(err)
	}
	again, err := w.Renew("taro", day)
	if err != nil || len(again) != 2 || again[0] != first[0] {
		t.Fatalf("Renew after a cut-off = %d pairs, %v, want the same as before", len(again), err)
	}
	p, err := w.Person("taro")
	if err != nil {
		t.Fatal(err)
	}
	profile, err := vcard.LoadProfile(p.Profile)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := p.Auth.X509()
	if err != nil || !bytes.Equal(profile.AuthCert, cert.Raw) {
		t.Errorf("card after renewing again does not carry the ledger's certificate: %v", err)
	}
}

func TestEveryCardProfileLoads(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 20, Now: day})
	all, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 20 {
		t.Fatalf("People() = %d, want 20", len(all))
	}
	for _, p := range all {
		profile, err := vcard.LoadProfile(p.Profile)
		if err != nil {
			t.Errorf("LoadProfile(%s) = %v", p.Key, err)
			continue
		}
		if has := len(profile.SignCert) > 0; has != p.HasSign() {
			t.Errorf("%s: signature certificate on the card = %v, want %v", p.Key, has, p.HasSign())
		}
	}
}

func TestCasesAreWhatTheySay(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: day})
	all, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		got, err := w.Status(p.Auth.ID, p.Auth.Generation)
		if err != nil {
			t.Fatal(err)
		}
		want := world.Status{Known: true}
		switch p.Case {
		case people.Revoked:
			want.Revoked, want.Reason, want.At = true, pki.CessationOfOperation, got.At
		case people.OnHold:
			want.Revoked, want.Reason, want.At = true, pki.CertificateHold, got.At
		case people.BrokenChain, people.UnknownIssuer:
			want.Known = false
		default:
		}
		if got != want {
			t.Errorf("Status(%s) = %+v, want %+v", p.Key, got, want)
		}
		if expired := p.Auth.NotAfter.Before(day); expired != (p.Case == people.Expired) {
			t.Errorf("%s of case %s: expired = %v", p.Key, p.Case, expired)
		}
		if p.Auth.NotBefore.After(day) {
			t.Errorf("%s: issued after the world's day", p.Key)
		}
	}
}

func TestLedger(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 8, Now: day})
	jiro, err := w.Person("jiro")
	if err != nil {
		t.Fatal(err)
	}
	id, at := jiro.Auth.ID, day
	steps := []struct {
		name    string
		do      func() error
		err     error
		revoked bool
		reason  pki.Reason
	}{
		{"unhold before hold", func() error { return w.Unhold(id, at) }, world.ErrState, false, 0},
		{"hold", func() error { return w.Hold(id, at) }, nil, true, pki.CertificateHold},
		{"hold twice", func() error { return w.Hold(id, at) }, world.ErrState, true, pki.CertificateHold},
		{"unhold", func() error { return w.Unhold(id, at) }, nil, false, 0},
		{"hold again", func() error { return w.Hold(id, at) }, nil, true, pki.CertificateHold},
		{"revoke for a hold", func() error { return w.Revoke(id, pki.CertificateHold, at) }, world.ErrState, true, pki.CertificateHold},
		{"revoke", func() error { return w.Revoke(id, pki.KeyCompromise, at) }, nil, true, pki.KeyCompromise},
		{"revoke twice", func() error { return w.Revoke(id, pki.Superseded, at) }, world.ErrState, true, pki.KeyCompromise},
		{"unhold the revoked", func() error { return w.Unhold(id, at) }, world.ErrState, true, pki.KeyCompromise},
	}
	for _, s := range steps {
		if err := s.do(); !errors.Is(err, s.err) {
			t.Errorf("%s = %v, want %v", s.name, err, s.err)
		}
		got, err := w.Status(id, jiro.Auth.Generation)
		if err != nil || got.Revoked != s.revoked || got.Reason != s.reason {
			t.Errorf("after %s: Status = %+v, %v, want revoked %v for %v", s.name, got, err, s.revoked, s.reason)
		}
	}
	forged, err := w.Person("ren")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Revoke(forged.Auth.ID, pki.KeyCompromise, at); !errors.Is(err, world.ErrUnknown) {
		t.Errorf("Revoke of a forged certificate = %v, want ErrUnknown", err)
	}
}

func TestAnotherOpenerSeesChanges(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 1, Now: day})
	other, err := world.Open(t.Context(), w.Dir(), world.Config{Keys: worldtest.KeyDir()})
	if err != nil {
		t.Fatal(err)
	}
	p, err := other.Person("hanako")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Hold(p.Auth.ID, day); err != nil {
		t.Fatal(err)
	}
	got, err := other.Status(p.Auth.ID, p.Auth.Generation)
	if err != nil || !got.Revoked {
		t.Errorf("Status in the other opener = %+v, %v, want revoked", got, err)
	}
}

func TestEntriesLeaveOutTheExpired(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: day})
	goro, err := w.Person("goro")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   time.Time
		gen  int
		want int
	}{
		{day, 0, 2}, {day, 3, 2}, {day, 2, 0}, // goro and mika, both of generation 3
		{goro.Auth.NotAfter.Add(-time.Second), 0, -1}, {goro.Auth.NotAfter, 0, -2},
	} {
		got, err := w.Entries(certid.PurposeAuth, c.gen, c.at)
		if err != nil {
			t.Fatal(err)
		}
		listed := false
		for _, e := range got {
			listed = listed || e.Serial.Cmp(goro.Auth.ID.Serial.Int()) == 0
		}
		switch {
		case c.want >= 0 && len(got) != c.want:
			t.Errorf("Entries(auth, %d, %v) = %d lines, want %d", c.gen, c.at, len(got), c.want)
		case c.want == -1 && !listed, c.want == -2 && listed:
			t.Errorf("Entries(auth, 0, %v) lists goro = %v", c.at, listed)
		}
	}
}

func TestRenewKeepsTheCard(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 8, Now: day})
	before, err := w.Person("taro")
	if err != nil {
		t.Fatal(err)
	}
	old, err := vcard.LoadProfile(before.Profile)
	if err != nil {
		t.Fatal(err)
	}
	made, err := w.Renew("taro", day)
	if err != nil {
		t.Fatal(err)
	}
	after, err := w.Person("taro")
	if err != nil {
		t.Fatal(err)
	}
	now, err := vcard.LoadProfile(after.Profile)
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 2 || made[0].Old != before.Auth.ID || made[0].New != after.Auth.ID || made[1].New != after.Sign.ID {
		t.Errorf("Renew(taro) gave %d pairs, want auth and sign from the old to the current serials", len(made))
	}
	if after.Auth.Generation != 3 || after.Auth.ID.Serial.Int().Cmp(before.Auth.ID.Serial.Int()) <= 0 {
		t.Errorf("new certificate: generation %d, want 3 with a higher serial", after.Auth.Generation)
	}
	if !bytes.Equal(old.CardKey, now.CardKey) || !bytes.Equal(old.FaceAge, now.FaceAge) || bytes.Equal(old.AuthKey, now.AuthKey) {
		t.Error("renewed card: want the same card key and age record and a new authentication key")
	}
	st, err := w.Status(before.Auth.ID, 2)
	if err != nil || !st.Revoked || st.Reason != pki.Superseded {
		t.Errorf("Status(old) = %+v, %v, want superseded", st, err)
	}
	if table, err := w.Renewals(); err != nil || len(table) != 2 || table[0] != made[0] {
		t.Errorf("Renewals() = %d lines, %v, want the 2 that were made", len(table), err)
	}
	if again, err := w.Renew("taro", day); err != nil || again[0].Old != after.Auth.ID {
		t.Errorf("second Renew(taro) = %v, want it to go on from the first", err)
	}
	if _, err := w.Renew("aoi", day); !errors.Is(err, world.ErrState) {
		t.Errorf("Renew of an unlisted certificate = %v, want ErrState", err)
	}
}
