package validity_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"kazashi.example/central/crl"
	practice "kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/central/validity"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/wire"
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

// rig is a practice JPKI, a line to its responder that can be spoilt, and central's side.
type rig struct {
	t         *testing.T
	world     *world.World
	service   *practice.Service
	store     *crl.Store
	authority *validity.Authority
	url       string

	mu    sync.Mutex // guards what follows
	now   time.Time
	asked int
	// answer replaces the responder's, unless nil.
	answer func(rw http.ResponseWriter, r *http.Request)
}

func (r *rig) time() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) add(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// spoil makes every answer of the responder this one; nil lets it speak for itself again.
func (r *rig) spoil(answer func(rw http.ResponseWriter, r *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *rig) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// ServeHTTP is the line to the responder.
func (r *rig) ServeHTTP(rw http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.asked++
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		answer(rw, q)
		return
	}
	r.service.ServeHTTP(rw, q)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, now: day, world: worldtest.Open(t, world.Config{Now: day, People: 9})}
	var err error
	r.service, err = practice.NewService(r.world, practice.Config{Now: r.time})
	must(t, err)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	anchors := r.anchors()
	r.store = openStore(t, anchors, r.time)
	r.authority = &validity.Authority{Anchors: anchors, Lists: r.store, OCSP: r.url + "/ocsp", HTTP: server.Client(), Now: r.time, Log: quiet}
	return r
}

func (r *rig) anchors() *jpki.Anchors {
	r.t.Helper()
	var own []jpki.Anchor
	for _, a := range r.world.Authorities() {
		own = append(own, jpki.Anchor{Cert: a.Cert, Hierarchy: certid.HierarchyPractice, Purpose: a.Purpose})
	}
	anchors, err := jpki.NewAnchors(own...)
	must(r.t, err)
	return anchors
}

// openStore opens an empty store of revocation lists.
func openStore(t testing.TB, anchors *jpki.Anchors, now func() time.Time) *crl.Store {
	t.Helper()
	return openWith(t, crl.Config{Anchors: anchors, Now: now})
}

// openPartitions opens an empty store of lists in so many partitions.
func openPartitions(t testing.TB, r *rig, n int) *crl.Store {
	t.Helper()
	return openWith(t, crl.Config{Anchors: r.anchors(), Now: r.time, Expect: map[certid.Scope]crl.Expect{auth: {Count: n}}})
}

func openWith(t testing.TB, c crl.Config) *crl.Store {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c.Dir, c.Sign, c.CentralEpoch, c.Log = t.TempDir(), key, 1, quiet
	s, err := crl.Open(t.Context(), c)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// fetch publishes a new list, gets it and makes a set of it.
func (r *rig) fetch() {
	r.t.Helper()
	must(r.t, r.service.Publish())
	res, err := r.store.Fetch(r.t.Context(), http.DefaultClient, r.url+"/crl/auth.crl", crl.IngestOptions{Scope: auth})
	if err != nil || !res.Fresh {
		r.t.Fatalf("Fetch = %v, %v, want a new list", res.Fresh, err)
	}
	_, err = r.store.Build(r.t.Context(), auth)
	must(r.t, err)
}

// someone is a made-up person's certificate with the key of the generation that issued it.
func (r *rig) someone() (certid.CertID, content.Issuer) {
	r.t.Helper()
	all, err := r.world.Certificates()
	must(r.t, err)
	for _, c := range all {
		if c.ID.Scope == auth && c.Listed && c.Current && c.NotAfter.After(day.AddDate(0, 2, 0)) {
			return c.ID, r.short(c.Generation)
		}
	}
	r.t.Fatal("nobody has a certificate that lasts two months")
	return certid.CertID{}, content.Issuer{}
}

func (r *rig) generation(n int) *pki.Authority {
	r.t.Helper()
	a, err := r.world.Authority(certid.PurposeAuth, n)
	must(r.t, err)
	return a
}

func (r *rig) short(generation int) content.Issuer {
	return shortOf(r.generation(generation))
}

// want asks, and compares.
func (r *rig) want(name string, id certid.CertID, issuer content.Issuer, at time.Time, want validity.Status) {
	r.t.Helper()
	got, err := r.authority.StatusWithin(r.t.Context(), id, issuer, at, at)
	if err != nil || got.Answer != want.Answer || got.Source != want.Source || got.ThisUpdate.IsZero() {
		r.t.Errorf("%s: StatusWithin = %v from %v of %v, %v, want %v from %v", name, got.Answer, got.Source, got.ThisUpdate, err, want.Answer, want.Source)
	}
}

func (r *rig) refuse(name string, id certid.CertID, issuer content.Issuer, at time.Time, want error) {
	r.t.Helper()
	if got, err := r.authority.StatusWithin(r.t.Context(), id, issuer, at, at); !errors.Is(err, want) || got != (validity.Status{}) {
		r.t.Errorf("%s: StatusWithin = %v, %v, want %v", name, got, err, want)
	}
}

// byHand makes an answer as the library of another maker does it, signed by any key.
func byHand(t testing.TB, a *pki.Authority, signer *x509.Certificate, key crypto.Signer, serial *big.Int, change func(*ocsp.Response)) []byte {
	t.Helper()
	r := ocsp.Response{
		Status: ocsp.Good, SerialNumber: serial, ThisUpdate: day.Add(-time.Minute), NextUpdate: day.Add(time.Minute), IssuerHash: crypto.SHA1,
	}
	if signer != a.Cert {
		r.Certificate = signer
	}
	if change != nil {
		change(&r)
	}
	b, err := ocsp.CreateResponse(a.Cert, signer, r, key)
	must(t, err)
	return b
}

// say answers everything with these octets.
func say(b []byte) func(http.ResponseWriter, *http.Request) {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/ocsp-response")
		_, _ = rw.Write(b)
	}
}

// hang answers nothing until the asker leaves.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

var (
	fromOCSP = wire.SourceOCSP
	fromList = wire.SourceCRL
)

func shortOf(a *pki.Authority) content.Issuer { return content.IssuerOf(jpki.KeyIDOf(a.Cert)) }
