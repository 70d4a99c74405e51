//go:build integration

package jpki_test

import (
	"crypto/x509"
	"errors"
	"os"
	"testing"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

// The practice world is made by other hands and other code: each of its people's certificates must be found what it is.
func TestPracticeWorld(t *testing.T) {
	w := worldtest.Open(t, world.Config{})
	as := worldAnchors(t, w)
	everybody, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	chains := map[people.Case]jpki.ChainStatus{people.BrokenChain: jpki.ChainBroken, people.UnknownIssuer: jpki.ChainIssuerUnknown}
	for _, p := range everybody {
		want := jpki.ChainVerified
		if s, ok := chains[p.Case]; ok {
			want = s
		}
		dates := jpki.DatesCurrent
		if p.Case == people.Expired {
			dates = jpki.DatesExpired
		}
		c := examineFile(t, as, p.Auth.Path)
		var fault error
		if p.Kind == people.Phone {
			fault = jpki.ErrPhone
		}
		if c.Chain != want || !errors.Is(c.Profile, fault) || c.DatesAt(w.Made()) != dates || c.Serial != p.Auth.ID.Serial {
			t.Errorf("%s: chain %v, profile %v, dates %v, want %v, %v, %v", p.Key, c.Chain, c.Profile, c.DatesAt(w.Made()), want, fault, dates)
		}
		if c.Phone != (p.Kind == people.Phone) {
			t.Errorf("%s: Phone = %v", p.Key, c.Phone)
		}
		if want == jpki.ChainVerified && c.Scope() != p.Auth.ID.Scope {
			t.Errorf("%s: Scope = %v, want %v", p.Case, c.Scope(), p.Auth.ID.Scope)
		}
		if p.Sign.Path == "" {
			continue
		}
		if s := examineFile(t, as, p.Sign.Path); !errors.Is(s.Profile, jpki.ErrSubject) {
			t.Errorf("%s: signature certificate's profile = %v, want ErrSubject", p.Case, s.Profile)
		}
		examineSignature(t, as, p)
	}
	if len(everybody) < 12 {
		t.Errorf("looked at %d people, want at least 12", len(everybody))
	}
}

// The attributes in the signature certificate are the person's.
func examineSignature(t *testing.T, as *jpki.Anchors, p world.Person) {
	t.Helper()
	der, err := os.ReadFile(p.Sign.Path)
	if err != nil {
		t.Fatal(err)
	}
	birth, err := p.Birth.EraCompact()
	if err != nil {
		t.Fatal(err)
	}
	s := examineSign(t, as, der)
	want := jpki.Attributes{Name: p.FullName(), Sex: string(rune(p.Sex)), BirthDate: birth, Address: p.Address}
	if s.Chain != jpki.ChainVerified || s.Profile != nil || s.Scope() != p.Sign.ID.Scope || s.Serial != p.Sign.ID.Serial || s.Attributes != want {
		t.Errorf("%s: signature certificate: chain %v, profile %v, or other attributes than the person's", p.Key, s.Chain, s.Profile)
	}
}

func examineFile(t *testing.T, as *jpki.Anchors, path string) jpki.AuthCert {
	t.Helper()
	der, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return examine(t, as, der)
}

func worldAnchors(t *testing.T, w *world.World) *jpki.Anchors {
	t.Helper()
	var list []jpki.Anchor
	for _, a := range w.Anchors() {
		cert, err := x509.ParseCertificate(a.Cert)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, jpki.Anchor{Cert: cert, Hierarchy: a.Scope.Hierarchy, Purpose: a.Scope.Purpose})
	}
	as, err := jpki.NewAnchors(list...)
	if err != nil {
		t.Fatal(err)
	}
	if !as.Has(certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}) {
		t.Fatal("practice world has no authentication authority")
	}
	return as
}
