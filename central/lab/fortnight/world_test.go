package fortnight_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/record"
	"kazashi.example/sync/trust"
)

// start is the true time at which a bubble begins: noon in Japan.
var start = simcentral.Start

// bubble is the time that synctest says then.
var bubble = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// truth is the true time. The bubble's own is 26 years behind.
func truth() time.Time { return start.Add(time.Since(bubble)) }

const (
	site     record.SiteID     = "renshu-school"
	city     record.VerifierID = "renshu-city"
	practice                   = certid.HierarchyPractice
)

var scope = certid.Scope{Hierarchy: practice, Purpose: certid.PurposeAuth}

// crowdSize is how many people come with nothing but their certificate.
const crowdSize = 160

// listed are those of the crowd whom the box's list names, late are those who were revoked after it was made.
const (
	listed = 4
	late   = 4
)

// somebody is a person with a card.
type somebody struct {
	name   string
	serial certid.Serial
	card   *vcard.Card
	world  world.Person // zero of the crowd
}

// town is the people and their authorities: the same for all tests of the process, and changed by none.
type town struct {
	world   *world.World
	anchors []trust.Anchor
	cards   []trust.CardCA
	issuers []certid.KeyID
	plastic *vcard.Profile // of whom the crowd's cards are copies
	crowd   []*x509.Certificate
}

var (
	townDir string
	theTown = sync.OnceValues(func() (*town, error) { return settle(townDir) })
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fortnight")
	if err != nil {
		panic(err)
	}
	townDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func newTown(t *testing.T) *town {
	t.Helper()
	w, err := theTown()
	must(t, err)
	return w
}

// settle makes the town outside any bubble.
func settle(dir string) (*town, error) {
	w, err := world.Open(context.Background(), dir, world.Config{Keys: worldtest.KeyDir(), Now: start})
	if err != nil {
		return nil, err
	}
	all := &town{world: w}
	if err := all.authorities(); err != nil {
		return nil, err
	}
	p, err := w.Person("hanako")
	if err != nil {
		return nil, err
	}
	if all.plastic, err = vcard.LoadProfile(p.Profile); err != nil {
		return nil, err
	}
	return all, all.gather()
}

// authorities are the practice ones.
func (w *town) authorities() error {
	for _, a := range w.world.Anchors() {
		w.anchors = append(w.anchors, trust.Anchor{Hierarchy: practice, Purpose: a.Scope.Purpose, Certificate: a.Cert})
		if a.Scope.Purpose != certid.PurposeAuth || a.Generation > 3 {
			continue
		}
		cert, err := x509.ParseCertificate(a.Cert)
		if err != nil {
			return err
		}
		w.issuers = append(w.issuers, jpki.KeyIDOf(cert))
	}
	cards, err := w.world.CardAnchors()
	for _, c := range cards {
		w.cards = append(w.cards, trust.CardCA{Hierarchy: practice, Issuer: c.KeyID[:], Public: c.Key})
	}
	return err
}

// gather issues the crowd's certificates, all over the key of one card.
func (w *town) gather() error {
	a, err := w.world.Authority(certid.PurposeAuth, 0)
	if err != nil {
		return err
	}
	like, err := x509.ParseCertificate(w.plastic.AuthCert)
	if err != nil {
		return err
	}
	for n := range crowdSize {
		cert, err := a.Issue(pki.Resident{
			Serial: 0x5e000001 + 7919*uint32(n), CommonName: fmt.Sprintf("CROWD%010dRENSHU%02d", n, n%100), //nolint:gosec // small
			NotBefore: start.AddDate(-1, 0, 0), NotAfter: start.AddDate(3, 0, 0), Prefecture: "Kakuu-ken", Municipality: "Renshuu-shi",
			OCSP: world.DefaultOCSP, Public: like.PublicKey,
		})
		if err != nil {
			return err
		}
		w.crowd = append(w.crowd, cert)
	}
	return nil
}

// stranger is one of the crowd: of their card only what is free to read is ever asked for.
func (w *town) stranger(t *testing.T, n int) *somebody {
	t.Helper()
	profile := *w.plastic
	profile.AuthCert, profile.CardID = w.crowd[n].Raw, fmt.Sprintf("crowd-%d", n)
	card, err := vcard.Replayed(&profile)
	must(t, err)
	serial, err := certid.SerialOf(w.crowd[n].SerialNumber)
	must(t, err)
	return &somebody{name: fmt.Sprintf("crowd %d", n), serial: serial, card: card}
}

// resident is one with a whole card.
func (w *town) resident(t *testing.T, key string) *somebody {
	t.Helper()
	p, err := w.world.Person(key)
	must(t, err)
	profile, err := vcard.LoadProfile(p.Profile)
	must(t, err)
	card, err := vcard.New(profile, &vcard.MemoryStore{})
	must(t, err)
	return &somebody{name: key, serial: p.Auth.ID.Serial, card: card, world: p}
}

// list exports the revocation set of a day, signed by central, under a number.
func (w *town) list(t *testing.T, o *office, at time.Time, number int) (dir string) {
	t.Helper()
	c := settest.New(t, scope, w.issuers...)
	c.Key = o.Keys.Sign
	entries := settest.Random(7, 3000, at.Add(-time.Hour))
	for _, cert := range w.crowd[:listed] {
		serial, err := certid.SerialOf(cert.SerialNumber)
		must(t, err)
		entries = append(entries, crlset.Entry{Key: crlset.KeyOf(serial), Reason: 1, Date: at.Add(-48 * time.Hour).Unix()})
	}
	dir = filepath.Join(t.TempDir(), "list")
	must(t, os.Mkdir(dir, 0o700))
	for range number - 1 { // the numbers before
		c.Publish(at.Add(-time.Hour), entries...)
	}
	c.Export(dir, c.Publish(at, entries...), false)
	return dir
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
