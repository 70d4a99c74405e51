package vault_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/appliance/vault"
	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/appliance/vault/tpm/swtpm"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

const site = record.SiteID("practice-branch")

// Codes of made-up operators.
var (
	code  = []byte("operators code 1")
	other = []byte("operators code 2")
	wrong = []byte("not the right one")
)

// world is central as a vault sees it.
type world struct {
	t    *testing.T
	sign *ecdsa.PrivateKey // C-sign
	seal seal.PrivateKey   // C-seal
	n    uint64
	way  rule.Unlock
	log  strings.Builder
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, sign: c, seal: s, way: rule.UnlockCode}
}

func (w *world) keys() sign.Keys {
	k, err := sign.PublicKeyOf(w.sign.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	return sign.One{Key: k}
}

// box is an identity in a folder of its own; on a TPM if where names one.
func (w *world) box(dir, where string) *vault.Identity {
	w.t.Helper()
	id, err := vault.Open(dir, vault.Options{TPM: where})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = id.Close() })
	return id
}

func (w *world) site(dir string, id *vault.Identity) *vault.Site {
	w.t.Helper()
	s, err := vault.OpenSite(w.t.Context(), vault.SiteConfig{
		Dir: dir, Identity: id, Site: site, Central: func() (seal.PublicKey, error) { return w.seal.Public(), nil },
		Rule: func() rule.Unlock { return w.way }, Keys: w.keys, AllowSwap: true, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// grant is the next of central's, of these keys (the last is current), to a box; members are those of the site.
func (w *world) grant(to *vault.Identity, ring sitekey.Ring, members ...*vault.Identity) []byte {
	w.t.Helper()
	w.n++
	keys, err := sitekey.WrapAll(to.Sealing.Public(), site, ring)
	if err != nil {
		w.t.Fatal(err)
	}
	current, _, _ := ring.Current()
	g := sitekey.Grant{Version: rule.Version{CentralEpoch: 1, N: w.n}, Site: site, Box: to.Box, Keys: keys, Current: current}
	for _, m := range members {
		d, err := m.Public()
		if err != nil {
			w.t.Fatal(err)
		}
		g.Members = append(g.Members, sitekey.Member{Box: m.Box, Device: d.DER(), Sealing: m.Sealing.Public().Bytes()})
	}
	msg, err := g.Sign(w.sign)
	if err != nil {
		w.t.Fatal(err)
	}
	return msg
}

// made is what central learns from a box.
func (w *world) made(s *vault.Site) sitekey.Ring {
	w.t.Helper()
	r, err := sitekey.UnwrapAll(w.seal, site, s.Made())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func ring(t *testing.T, n int) sitekey.Ring {
	t.Helper()
	var r sitekey.Ring
	for range n {
		var err error
		if r, err = r.With(sitekey.NewKey()); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// lying is what lies in a box's folder.
func lying(t *testing.T, dir string, id *vault.Identity) vault.Lying {
	t.Helper()
	device, err := id.Public()
	ok(t, "Public", err)
	b, err := os.ReadFile(filepath.Join(dir, "site-ring.cbor"))
	ok(t, "ReadFile", err)
	l, err := vault.ReadLying(sign.One{Key: device}, b)
	ok(t, "ReadLying", err)
	return l
}

// next is the ring with one key more, which is current.
func next(t *testing.T, r sitekey.Ring) sitekey.Ring {
	t.Helper()
	r, err := r.With(sitekey.NewKey())
	ok(t, "With", err)
	return r
}

// pass has one box open another's keys.
func pass(t *testing.T, from, to *vault.Site) error {
	t.Helper()
	q, err := to.Request()
	ok(t, "Request", err)
	a, _, err := from.Answer(t.Context(), q)
	ok(t, "Answer", err)
	return to.Receive(t.Context(), a)
}

// wantCurrent fails unless keys are open and that one is current.
func wantCurrent(t *testing.T, what string, s *vault.Site, g sitekey.Generation) {
	t.Helper()
	r, err := s.Ring()
	if got, _, _ := r.Current(); err != nil || got != g {
		t.Errorf("%s: current is %v (%v), want %v", what, got, err, g)
	}
}

// want fails unless the open keys are those.
func want(t *testing.T, s *vault.Site, r sitekey.Ring) {
	t.Helper()
	got, err := s.Ring()
	if err != nil || !got.Equal(r) {
		t.Errorf("Ring = %v of %d generations, want %v", err, got.Len(), r.Generations())
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func ok(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s = %v", what, err)
	}
}

// both runs a test with a TPM and without one.
func both(t *testing.T, f func(t *testing.T, where func() string)) {
	t.Helper()
	t.Run("TPM", func(t *testing.T) { f(t, func() string { return swtpm.Start(t).Where() }) })
	t.Run("file", func(t *testing.T) { f(t, func() string { return tpm.None }) })
}
