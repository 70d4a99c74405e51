package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/central/crl"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/central/policy"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

// partition is a list of one partition: issuing distribution point with a directory name (RFC 5280 §5.2.5).
func partition(t *testing.T, a *pki.Authority, name string, serial int64) []byte {
	t.Helper()
	wrap := func(class, tag int, b []byte) []byte {
		b, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: true, Bytes: b})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	dn, err := asn1.Marshal(pkix.Name{CommonName: name}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	point := wrap(asn1.ClassContextSpecific, 0, wrap(asn1.ClassContextSpecific, 0, wrap(asn1.ClassContextSpecific, 4, dn)))
	now := time.Now().Truncate(time.Second)
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour),
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: wrap(asn1.ClassUniversal, asn1.TagSequence, point)},
		},
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(serial), RevocationTime: now.Add(-time.Hour)}},
	}, a.Cert, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// P7: of a list in partitions nothing goes out before all are here, and the log says which are missing.
func TestP7PartitionsAreFetchedBeforeAnythingGoesOut(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 1})
	newest, err := w.Newest(certid.PurposeAuth)
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string][]byte{"/kiyose": partition(t, newest, "kiyose", 11), "/higashi": partition(t, newest, "higashi", 12)}
	var open atomic.Bool // the second partition
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/higashi" && !open.Load() {
			http.NotFound(rw, r)
			return
		}
		_, _ = rw.Write(lists[r.URL.Path])
	}))
	t.Cleanup(web.Close)
	a, log := partitioned(t, w, web.URL+"/kiyose\n"+web.URL+"/higashi\n")
	scope, came := certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, 0
	if a.fetchOne(t.Context(), a.from[0], func() { came++ }) || came != 0 {
		t.Error("a source that lacks a partition counts as asked, or boxes were told")
	}
	if _, err := a.store.Head(scope); !errors.Is(err, crl.ErrNone) {
		t.Errorf("Head = %v, want ErrNone", err)
	}
	if !strings.Contains(log.String(), web.URL+"/higashi answered 404") {
		t.Errorf("the log does not say which partition is missing:\n%s", log)
	}
	open.Store(true)
	a.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if !a.fetchOne(t.Context(), a.from[0], func() { came++ }) || came != 1 {
		t.Errorf("with all partitions boxes were told %d times, want once", came)
	}
	if h, err := a.store.Head(scope); err != nil || h.Rows != 2 || h.Entries != 2 {
		t.Errorf("Head = %d partitions, %d entries, %v, want 2 and 2", h.Rows, h.Entries, err)
	}
	if n := strings.Count(log.String(), "the revocation set in force is over"); n != 1 {
		t.Errorf("the log says %d times that the lists are over, want once", n)
	}
	if !a.fetchOne(t.Context(), a.from[0], func() { came++ }) || came != 1 {
		t.Errorf("with nothing new boxes were told %d times, want once", came)
	}
}

// A source that fails is asked again soon, and then less and less often.
func TestAFailingSourceIsLetAlone(t *testing.T) {
	s := source{every: 15 * time.Minute}
	for failed, most := range []time.Duration{
		15 * time.Minute, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute,
	} {
		if got := s.pause(failed); got > most || got < most-most/8 {
			t.Errorf("pause(%d) = %v, want %v or an eighth less", failed, got, most)
		}
	}
	if got := (source{every: time.Second}).pause(1 << 20); got > time.Second {
		t.Errorf("pause after very many failures = %v, want at most a second", got)
	}
}

// partitioned is what asks for a list whose partitions are at these addresses, and what it logs.
func partitioned(t *testing.T, w *world.World, urls string) (*authorities, *strings.Builder) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "partitions")
	every := config.Duration(time.Hour)
	c := config.Config{DataDir: dir, JPKI: []config.JPKI{{Hierarchy: "practice", AuthPartitions: path, ListEvery: &every}}}
	var own []jpki.Anchor
	for _, a := range w.Authorities() {
		own = append(own, jpki.Anchor{Cert: a.Cert, Hierarchy: certid.HierarchyPractice, Purpose: a.Purpose})
	}
	anchors, err := jpki.NewAnchors(own...)
	if err = errors.Join(err, os.WriteFile(path, []byte(urls), 0o600)); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	sc, err := StoreConfig(c, anchors, key, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	sc.CentralEpoch = 1
	a, err := newAuthorities(t.Context(), c, &policy.Policy{Anchors: anchors}, sc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(fmt.Errorf("closing: %w", err))
		}
	})
	return a, &log
}
