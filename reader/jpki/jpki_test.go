package jpki_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

func TestExamineFindsTheGeneration(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	for i, g := range w.gen {
		c := examine(t, as, w.issue(t, g, nil))
		if c.Chain != jpki.ChainVerified || c.Issuer != jpki.KeyIDOf(g.cert) || c.Hierarchy != certid.HierarchyPractice || c.Profile != nil {
			t.Errorf("generation %d: chain %v by %v (%v), profile %v", i+1, c.Chain, c.Issuer, c.Hierarchy, c.Profile)
		}
		if got, want := c.Scope(), (certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}); got != want {
			t.Errorf("generation %d: Scope = %v, want %v", i+1, got, want)
		}
	}
}

func TestExamineReads(t *testing.T) {
	w := practice()
	c := examine(t, w.anchors(t), w.issue(t, w.gen[2], nil))
	if c.Serial.Int().Cmp(big.NewInt(170000001)) != 0 || !c.NotAfter.Equal(date(2030, 6, 15)) || !c.NotBefore.Equal(date(2025, 4, 3)) {
		t.Error("serial or dates differ from what was issued")
	}
	if !bytes.Equal(c.CRLPoint, municipality) {
		t.Errorf("CRLPoint = %X, want %X", c.CRLPoint, municipality)
	}
	if c.Claims != c.Scope() {
		t.Errorf("Claims = %v, want %v", c.Claims, c.Scope())
	}
}

func TestExamineChain(t *testing.T) {
	w := practice()
	all := w.anchors(t)
	two, err := jpki.NewAnchors(anchor(w.gen[0]), anchor(w.gen[1]))
	if err != nil {
		t.Fatal(err)
	}
	none, err := jpki.NewAnchors()
	if err != nil {
		t.Fatal(err)
	}
	renamed := w.gen[2].as(func(c *x509.Certificate) { c.RawSubject = dn("C", "JP", "O", "SOMEBODY ELSE") })
	posing := w.gen[2].as(func(c *x509.Certificate) { c.SubjectKeyId = w.gen[1].cert.SubjectKeyId })
	nameless := w.gen[1].as(func(c *x509.Certificate) { c.SubjectKeyId = nil })
	longForm := func(c *x509.Certificate) {
		keyID := must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Bytes: w.gen[1].cert.SubjectKeyId}))
		serial := must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte{0x01, 0x33, 0xC3, 0x49}}))
		body := append(append(keyID, context(1, context(4, w.gen[1].cert.RawSubject))...), serial...)
		replaceExt(c, ext(false, sequence(body), 2, 5, 29, 35))
	}
	tests := []struct {
		name string
		as   *jpki.Anchors
		der  []byte
		want jpki.ChainStatus
	}{
		{"newer generation than this box knows", two, w.issue(t, w.gen[2], nil), jpki.ChainIssuerUnknown},
		{"no anchors at all", none, w.issue(t, w.gen[2], nil), jpki.ChainIssuerUnknown},
		{"signature flawed", all, w.forge(t, w.gen[2], nil), jpki.ChainBroken},
		{"key identifier of one generation, signature of another", all, w.issue(t, posing, nil), jpki.ChainBroken},
		{"issuer name of somebody else", all, w.issue(t, renamed, nil), jpki.ChainBroken},
		{"no key identifier, good signature", all, w.issue(t, nameless, nil), jpki.ChainVerified},
		{"no key identifier, flawed signature", all, w.forge(t, nameless, nil), jpki.ChainBroken},
		{"long key identifier", all, w.issue(t, w.gen[1], longForm), jpki.ChainVerified},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := examine(t, tt.as, tt.der)
			if c.Chain != tt.want {
				t.Fatalf("Chain = %v, want %v", c.Chain, tt.want)
			}
			if verified := c.Chain == jpki.ChainVerified; verified == (c.Issuer == certid.KeyID{}) || verified == (c.Hierarchy == 0) {
				t.Errorf("Chain %v with issuer %v and hierarchy %v", c.Chain, c.Issuer, c.Hierarchy)
			}
		})
	}
}

func TestExamineProfileOfKeys(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	small := must(rsa.GenerateKey(rand.Reader, 3072))
	curve := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for _, pub := range []any{&small.PublicKey, &curve.PublicKey} {
		der := must(x509.CreateCertificate(rand.Reader, personTemplate(), w.gen[2].cert, pub, w.gen[2].key))
		if c := examine(t, as, der); !errors.Is(c.Profile, jpki.ErrKey) {
			t.Errorf("Profile with %T = %v, want ErrKey", pub, c.Profile)
		}
	}
	sha384 := w.issue(t, w.gen[2], func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA384WithRSA })
	if c := examine(t, as, sha384); !errors.Is(c.Profile, jpki.ErrAlgorithm) || c.Chain != jpki.ChainBroken {
		t.Errorf("Profile with SHA-384 = %v, chain %v, want ErrAlgorithm, broken", c.Profile, c.Chain)
	}
	if c := examine(t, as, w.issue(t, w.sign, nil)); !errors.Is(c.Profile, jpki.ErrCRLPoint) {
		t.Errorf("Profile from the signature authority = %v, want ErrCRLPoint", c.Profile)
	}
	signPoint := dn("C", "JP", "O", jpki.OrganizationPractice, "OU", jpki.UnitSign, "CN", "X")
	der := w.issue(t, w.sign, func(c *x509.Certificate) { replaceExt(c, crlPoints(signPoint)) })
	if c := examine(t, as, der); !errors.Is(c.Profile, jpki.ErrPurpose) {
		t.Errorf("Profile from the signature authority = %v, want ErrPurpose", c.Profile)
	}
}

// Certificates that crypto/x509 would not make, and that a card may still hold.
func TestExamineSerialAndVersion(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	der := w.issue(t, w.gen[2], nil)
	serial := []byte{0x02, 0x04, 0x0A, 0x21, 0xFE, 0x81} // 170000001
	if bytes.Count(der, serial) != 1 {
		t.Fatal("serial not found where it was expected")
	}
	zero := bytes.Replace(bytes.Clone(der), serial, []byte{0x02, 0x01, 0x00}, 1)
	zero[3] -= 3 // outer length
	zero[7] -= 3 // length of the signed part
	if c := examine(t, as, zero); !errors.Is(c.Profile, jpki.ErrSerial) || !c.Serial.IsZero() {
		t.Errorf("Profile with serial 0 = %v, want ErrSerial", c.Profile)
	}
	negative := bytes.Replace(bytes.Clone(der), serial, []byte{0x02, 0x04, 0xFA, 0x21, 0xFE, 0x81}, 1)
	if _, err := as.Examine(negative); !errors.Is(err, jpki.ErrNotCertificate) {
		t.Errorf("Examine with a negative serial = %v, want ErrNotCertificate", err)
	}
}

func TestExamineRefusesWhatIsNoCertificate(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	der := w.issue(t, w.gen[2], nil)
	for name, in := range map[string][]byte{
		"nothing": nil, "filler": bytes.Repeat([]byte{0xFF}, 64), "cut": der[:len(der)-1], "followed by filler": append(bytes.Clone(der), 0xFF),
		"too long": make([]byte, jpki.MaxCertificateLen+1),
	} {
		if _, err := as.Examine(in); !errors.Is(err, jpki.ErrNotCertificate) {
			t.Errorf("%s: Examine = %v, want ErrNotCertificate", name, err)
		}
	}
}

// The national anchors do not know a practice card, and the finding says whose it claims to be: refused by default.
func TestPracticeIsUnknownWithoutItsAnchors(t *testing.T) {
	w := practice()
	none := must(jpki.NewAnchors())
	c := examine(t, none, w.issue(t, w.gen[2], nil))
	if c.Chain != jpki.ChainIssuerUnknown || c.Claims.Hierarchy != certid.HierarchyPractice || c.Scope() != (certid.Scope{}) || none.Has(c.Claims) {
		t.Errorf("Examine without anchors = chain %v, claims %v, scope %v", c.Chain, c.Claims, c.Scope())
	}
}

func TestDatesAt(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	current := examine(t, as, w.issue(t, w.gen[2], nil))
	outlives := examine(t, as, w.issue(t, w.gen[0], nil))
	tests := []struct {
		name string
		c    jpki.AuthCert
		at   time.Time
		want jpki.DateStatus
	}{
		{"in date", current, now, jpki.DatesCurrent},
		{"first second", current, current.NotBefore, jpki.DatesCurrent},
		{"a second before", current, current.NotBefore.Add(-time.Second), jpki.DatesNotYetValid},
		{"last second of the birthday in Japan", current, time.Date(2030, 6, 15, 14, 59, 59, 0, time.UTC), jpki.DatesCurrent},
		{"midnight in Japan", current, time.Date(2030, 6, 15, 15, 0, 0, 0, time.UTC), jpki.DatesExpired},
		{"issuer expired", outlives, now, jpki.DatesIssuerNotCurrent},
		{"before the issuer expired", outlives, date(2025, 10, 1), jpki.DatesCurrent},
	}
	for _, tt := range tests {
		if got := tt.c.DatesAt(tt.at); got != tt.want {
			t.Errorf("%s: DatesAt = %v, want %v", tt.name, got, tt.want)
		}
	}
	if outlives.Chain != jpki.ChainVerified || outlives.Profile != nil {
		t.Errorf("an expired issuer changed chain to %v, profile to %v", outlives.Chain, outlives.Profile)
	}
}

func TestNewAnchorsRefuses(t *testing.T) {
	w := practice()
	good := anchor(w.gen[2])
	with := func(change func(*jpki.Anchor)) jpki.Anchor {
		a := good
		a.Cert = must(x509.ParseCertificate(bytes.Clone(good.Cert.Raw)))
		change(&a)
		return a
	}
	leaf := must(x509.ParseCertificate(w.issue(t, w.gen[2], nil)))
	tests := map[string][]jpki.Anchor{
		"practice authority said to be national": {with(func(a *jpki.Anchor) { a.Hierarchy = certid.HierarchyProduction })},
		"practice authority said to be test":     {with(func(a *jpki.Anchor) { a.Hierarchy = certid.HierarchyTest })},
		"authentication said to be signature":    {with(func(a *jpki.Anchor) { a.Purpose = certid.PurposeSign })},
		"practice P-384 said to be national":     {jpki.Anchor{Cert: w.next.cert, Hierarchy: certid.HierarchyProduction, Purpose: certid.PurposeAuth}},
		"practice P-384 said to be test":         {jpki.Anchor{Cert: w.next.cert, Hierarchy: certid.HierarchyTest, Purpose: certid.PurposeAuth}},
		"practice P-384 among national ones":     {anchor(w.next), jpki.Anchor{Cert: w.signNext.cert, Hierarchy: certid.HierarchyProduction, Purpose: certid.PurposeSign}},
		"curve that no card has":                 {anchor(odd(elliptic.P256(), x509.ECDSAWithSHA256))},
		"P-384 with another hash":                {anchor(odd(elliptic.P384(), x509.ECDSAWithSHA256))},
		"no hierarchy":                           {with(func(a *jpki.Anchor) { a.Hierarchy = 0 })},
		"no certificate":                         {with(func(a *jpki.Anchor) { a.Cert = nil })},
		"a person's certificate":                 {with(func(a *jpki.Anchor) { a.Cert = leaf })},
		"signature flawed":                       {with(func(a *jpki.Anchor) { a.Cert.Signature[0] ^= 1 })},
		"twice the same key":                     {good, good},
	}
	for name, list := range tests {
		if _, err := jpki.NewAnchors(list...); !errors.Is(err, jpki.ErrAnchor) {
			t.Errorf("%s: NewAnchors = %v, want ErrAnchor", name, err)
		}
	}
}

// odd is an authority with a key or a hash that JPKI has not announced.
func odd(curve elliptic.Curve, by x509.SignatureAlgorithm) authority {
	return authorityOf(must(ecdsa.GenerateKey(curve, rand.Reader)), by, practice().next.cert.RawSubject, 5, date(2026, 5, 1), date(2046, 5, 1))
}

func TestAnchorsLookUp(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	scope := certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}
	if got := as.IssuerCerts(scope); len(got) != 4 || got[0] != w.gen[0].cert {
		t.Errorf("IssuerCerts(%v) = %d certificates, want the four generations in order", scope, len(got))
	}
	if a, ok := as.ByKey(jpki.KeyIDOf(w.gen[1].cert)); !ok || a.Cert != w.gen[1].cert || a.Scope() != scope {
		t.Errorf("ByKey(second generation) = %v, %v", a.Scope(), ok)
	}
	if _, ok := as.ByKey(certid.KeyID{1}); ok {
		t.Error("ByKey(nobody's) = true, want false")
	}
}

// P3: nothing of a certificate may reach a log.
func TestP3AuthCertPrintsRedacted(t *testing.T) {
	w := practice()
	c := examine(t, w.anchors(t), w.issue(t, w.gen[2], nil))
	var buf bytes.Buffer
	slog.New(slog.NewJSONHandler(&buf, nil)).Info("x", slog.Any("cert", c))
	slog.New(slog.NewTextHandler(&buf, nil)).Info("x", slog.Any("cert", &c))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		fmt.Fprintf(&buf, verb+" "+verb, c, &c)
	}
	out := strings.ToLower(buf.String())
	for _, leak := range []string{"170000001", "a21fe81", "2030", "practice"} {
		if strings.Contains(out, leak) {
			t.Errorf("printing an AuthCert shows %q", leak)
		}
	}
	if !strings.Contains(buf.String(), "REDACTED") {
		t.Error("printing an AuthCert shows nothing at all")
	}
}

func FuzzExamine(f *testing.F) {
	w := practice()
	as := w.anchors(f)
	f.Add(w.issue(f, w.gen[2], nil))
	f.Add(w.issueNext(f, nil))
	f.Add(w.issue(f, w.gen[2], func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, c.ExtraExtensions[0]) }))
	f.Add(w.issue(f, w.gen[0], func(c *x509.Certificate) { replaceExt(c, crlPoints()) }))
	f.Add(w.gen[1].cert.Raw)
	f.Add([]byte{0x30, 0x82, 0x05, 0x00})
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := as.Examine(der)
		if err != nil {
			if !errors.Is(err, jpki.ErrNotCertificate) {
				t.Fatalf("Examine = %v, want ErrNotCertificate", err)
			}
			return
		}
		if (c.Chain == jpki.ChainVerified) != (c.Hierarchy != 0) || c.Chain == 0 || c.Profile == nil && c.Serial.IsZero() {
			t.Fatalf("Examine gave chain %v, hierarchy %v, profile %v", c.Chain, c.Hierarchy, c.Profile)
		}
		_ = c.DatesAt(now)
	})
}
