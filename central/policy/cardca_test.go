package policy_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kazashi.example/central/config"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/central/policy"
	"kazashi.example/sync/sign"
)

// cardCAs puts the practice world's card authorities into the configuration.
func (r *rig) cardCAs() []world.CardAnchor {
	r.t.Helper()
	all, err := worldtest.Open(r.t, world.Config{Now: day, People: 1}).CardAnchors()
	must(r.t, err)
	for _, a := range all {
		path := filepath.Join(r.dir, "card-"+a.Name+".pem")
		must(r.t, os.WriteFile(path, pemOf("PUBLIC KEY", a.Key), 0o600))
		r.conf.CardCA = append(r.conf.CardCA, config.CardCA{Hierarchy: "practice", ID: hex.EncodeToString(a.KeyID[:]), Key: path})
	}
	return all
}

// P9: card authorities reach boxes in the signed bundle, in one order, and a change of them raises its number.
func TestCardAuthoritiesGoIntoTheBundle(t *testing.T) {
	r := newRig(t)
	before := r.make(1)
	all := r.cardCAs()
	a := r.make(1)
	if a.Trust.Number <= before.Trust.Number || len(a.Trust.CardCAs) != len(all) || len(all) < 2 {
		t.Fatalf("bundle %d, then %d with %d card authorities, want a later one with %d", before.Trust.Number, a.Trust.Number, len(a.Trust.CardCAs), len(all))
	}
	for _, c := range a.Trust.CardCAs {
		if !slices.ContainsFunc(all, func(w world.CardAnchor) bool {
			return w.Hierarchy == c.Hierarchy && bytes.Equal(w.KeyID[:], c.Issuer) && bytes.Equal(w.Key, c.Public)
		}) {
			t.Errorf("authority %x of the bundle is none of the practice world's", c.Issuer)
		}
	}
	slices.Reverse(r.conf.CardCA)
	if b := r.make(1); !bytes.Equal(a.TrustSigned, b.TrustSigned) {
		t.Error("a second start signed anew; the order of the tables is no change")
	}
	if !slices.ContainsFunc(a.Trust.Keys[0].Purposes, func(p sign.Purpose) bool { return p == sign.PurposeRoster }) {
		t.Error("boxes are not told that C-sign signs rosters")
	}
}

// Each fault of a card authority's file is named with the file, and nothing is written.
func TestCardAuthorityFaults(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	spki := func(key any) []byte {
		b, err := x509.MarshalPKIXPublicKey(key)
		must(t, err)
		return b
	}
	for name, try := range map[string]struct {
		spoil func(good []byte) []byte
		want  error
	}{
		"no key":                 {func([]byte) []byte { return []byte("hello") }, policy.ErrCardCA},
		"DER":                    {func(good []byte) []byte { return good }, policy.ErrCardCA},
		"a second one behind it": {func(good []byte) []byte { return append(pemOf("PUBLIC KEY", good), pemOf("PUBLIC KEY", good)...) }, policy.ErrCardCA},
		"a certificate":          {func(good []byte) []byte { return pemOf("CERTIFICATE", good) }, policy.ErrCardCA},
		"cut":                    {func(good []byte) []byte { return pemOf("PUBLIC KEY", good[:50]) }, policy.ErrCardCA},
		"RSA of 1024 bits":       {func([]byte) []byte { return pemOf("PUBLIC KEY", spki(short.Public())) }, policy.ErrCardCA},
		"on P-256":               {func([]byte) []byte { return pemOf("PUBLIC KEY", spki(other.Public())) }, policy.ErrCardCA},
		"gone":                   {nil, os.ErrNotExist},
	} {
		r := newRig(t)
		good := r.cardCAs()[0].Key
		path := r.conf.CardCA[0].Key
		if try.spoil == nil {
			must(t, os.Remove(path))
		} else {
			must(t, os.WriteFile(path, try.spoil(good), 0o600))
		}
		_, err := r.try()
		if !errors.Is(err, try.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Make(%s) = %v, want %v with the file's name", name, err, try.want)
		}
		if left, _ := filepath.Glob(filepath.Join(r.conf.DataDir, "*.cbor")); len(left) != 0 {
			t.Errorf("Make(%s) left %v", name, left)
		}
	}
}
