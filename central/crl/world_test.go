package crl_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/sign"
)

var (
	day   = time.Date(2026, 11, 22, 12, 0, 0, 0, people.JST)
	quiet = slog.New(slog.DiscardHandler)
	auth  = certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is a store with the practice authorities, whose lists the test makes.
type rig struct {
	testing.TB

	dir     string
	now     time.Time
	epoch   uint64
	key     crypto.Signer
	anchors *jpki.Anchors
	by      map[int]*pki.Authority // of the auth scope, by generation
	sign    *pki.Authority
	expect  crl.Expect
	store   *crl.Store
}

// memory is a folder in memory: a store syncs every step, and what that takes is not what is tested here.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "crl-*") //nolint:usetesting // t.TempDir is on a disk
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

func newRig(t testing.TB, expect crl.Expect) *rig {
	t.Helper()
	w := worldtest.Open(t, world.Config{Now: day, People: 1})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	r := &rig{TB: t, dir: filepath.Join(memory(t), "crl"), now: day, epoch: 1, key: key, by: map[int]*pki.Authority{}, expect: expect}
	var own []jpki.Anchor
	for _, a := range w.Authorities() {
		own = append(own, jpki.Anchor{Cert: a.Cert, Hierarchy: certid.HierarchyPractice, Purpose: a.Purpose})
		if a.Purpose == certid.PurposeSign {
			r.sign = a
		} else {
			r.by[a.Generation] = a
		}
	}
	r.anchors, err = jpki.NewAnchors(own...)
	must(t, err)
	r.open()
	return r
}

func (r *rig) config() crl.Config {
	return crl.Config{
		Dir: r.dir, Anchors: r.anchors, Sign: r.key, CentralEpoch: r.epoch, Expect: map[certid.Scope]crl.Expect{auth: r.expect},
		Now: func() time.Time { return r.now }, Log: quiet,
	}
}

// open opens the store, again if it is open.
func (r *rig) open() {
	r.Helper()
	if r.store != nil {
		must(r, r.store.Close())
	}
	var err error
	r.store, err = crl.Open(r.Context(), r.config())
	must(r, err)
	r.Cleanup(func() { must(r, r.store.Close()) })
}

func (r *rig) keys() sign.Keys {
	r.Helper()
	pub, err := sign.PublicKeyOf(r.key.Public())
	must(r, err)
	return sign.One{Key: pub}
}

// entry is one line of a list; hours count from day.
type entry struct {
	serial int64
	hours  int
	reason int
}

// point is the directory name of a partition, as DER.
func point(t testing.TB, name string) []byte {
	t.Helper()
	b, err := asn1.Marshal(pkix.Name{Country: []string{"JP"}, Organization: []string{"KAZASHI PRACTICE"}, CommonName: name}.ToRDNSequence())
	must(t, err)
	return b
}

// idp is an issuingDistributionPoint with one directory name (RFC 5280 §5.2.5).
func idp(t testing.TB, name []byte) pkix.Extension {
	t.Helper()
	wrap := func(class, tag int, b []byte) []byte {
		b, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: true, Bytes: b})
		must(t, err)
		return b
	}
	full := wrap(asn1.ClassContextSpecific, 0, wrap(asn1.ClassContextSpecific, 4, name))
	return pkix.Extension{
		Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true,
		Value: wrap(asn1.ClassUniversal, asn1.TagSequence, wrap(asn1.ClassContextSpecific, 0, full)),
	}
}

// list is a list made so many hours after day, good for a day; name is its partition, empty for a whole list.
func (r *rig) list(a *pki.Authority, name string, number int64, hours int, entries ...entry) []byte {
	r.Helper()
	at := day.Add(time.Duration(hours) * time.Hour)
	tmpl := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: at, NextUpdate: at.Add(24 * time.Hour)}
	if name != "" {
		tmpl.ExtraExtensions = []pkix.Extension{idp(r, point(r, name))}
	}
	for _, e := range entries {
		tmpl.RevokedCertificateEntries = append(tmpl.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: big.NewInt(e.serial), RevocationTime: day.Add(time.Duration(e.hours) * time.Hour), ReasonCode: e.reason,
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, tmpl, a.Cert, a.Key)
	must(r, err)
	return der
}

func (r *rig) ingest(der []byte) (crl.Result, error) {
	return r.store.Ingest(r.Context(), bytes.NewReader(der), crl.IngestOptions{Scope: auth})
}

func (r *rig) take(der []byte) {
	r.Helper()
	res, err := r.ingest(der)
	must(r, err)
	if !res.Fresh {
		r.Fatal("Ingest took nothing, want a new list")
	}
}

func (r *rig) build() manifest.Head {
	r.Helper()
	h, err := r.store.Build(r.Context(), auth)
	must(r, err)
	return h
}

// refuse wants a list refused, and the store as it was.
func (r *rig) refuse(name string, der []byte, want error) {
	r.Helper()
	before := tree(r, r.dir)
	if res, err := r.ingest(der); !errors.Is(err, want) || res.Fresh {
		r.Errorf("Ingest(%s) = fresh %v, %v, want %v", name, res.Fresh, err, want)
	}
	if after := tree(r, r.dir); after != before {
		r.Errorf("Ingest(%s) changed the folder from %s to %s", name, before, after)
	}
}

func serial(t testing.TB, n int64) certid.Serial {
	t.Helper()
	s, err := certid.SerialOf(big.NewInt(n))
	must(t, err)
	return s
}

// forget takes a generation from the anchors.
func (r *rig) forget(generation int) {
	r.Helper()
	var own []jpki.Anchor
	for g, a := range r.by {
		if g != generation {
			own = append(own, jpki.Anchor{Cert: a.Cert, Hierarchy: certid.HierarchyPractice, Purpose: a.Purpose})
		}
	}
	var err error
	r.anchors, err = jpki.NewAnchors(own...)
	must(r, err)
}
