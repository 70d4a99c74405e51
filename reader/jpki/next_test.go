package jpki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

// Generations of both algorithms stand under one name; who signed is found by key identifier and signature.
func TestExamineAcrossAlgorithms(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	posing := w.next.as(func(c *x509.Certificate) { c.SubjectKeyId = w.gen[2].cert.SubjectKeyId })
	rsaPosing := w.gen[2].as(func(c *x509.Certificate) { c.SubjectKeyId = w.next.cert.SubjectKeyId })
	nameless := w.next.as(func(c *x509.Certificate) { c.SubjectKeyId = nil })
	old := must(jpki.NewAnchors(anchor(w.gen[0]), anchor(w.gen[1]), anchor(w.gen[2])))
	person := func(by authority, pub crypto.PublicKey) []byte { return issueTo(t, by, personTemplate(), pub, nil) }
	rsaKey, curveKey := &w.person.PublicKey, &w.nextPerson.PublicKey
	flawed := person(w.next, curveKey)
	flawed[len(flawed)-1] ^= 1
	for _, tt := range []struct {
		name string
		as   *jpki.Anchors
		der  []byte
		want jpki.ChainStatus
		by   authority
	}{
		{"P-384 throughout", as, person(w.next, curveKey), jpki.ChainVerified, w.next},
		{"P-384 certifies an RSA key", as, person(w.next, rsaKey), jpki.ChainVerified, w.next},
		{"RSA certifies a P-384 key", as, person(w.gen[2], curveKey), jpki.ChainVerified, w.gen[2]},
		{"no key identifier", as, person(nameless, curveKey), jpki.ChainVerified, w.next},
		{"P-384 signature, identifier of the RSA generation", as, person(posing, curveKey), jpki.ChainBroken, authority{}},
		{"RSA signature, identifier of the P-384 generation", as, person(rsaPosing, rsaKey), jpki.ChainBroken, authority{}},
		{"signature flawed", as, flawed, jpki.ChainBroken, authority{}},
		{"generation that is not known here", old, person(w.next, curveKey), jpki.ChainIssuerUnknown, authority{}},
	} {
		c := examine(t, tt.as, tt.der)
		want := certid.KeyID{}
		if tt.by.cert != nil {
			want = jpki.KeyIDOf(tt.by.cert)
		}
		if c.Chain != tt.want || c.Issuer != want || c.Profile != nil || c.Phone {
			t.Errorf("%s: chain %v, profile %v, phone %v, want chain %v", tt.name, c.Chain, c.Profile, c.Phone, tt.want)
		}
	}
	sha256 := w.issueNext(t, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA256 })
	if c := examine(t, as, sha256); !errors.Is(c.Profile, jpki.ErrAlgorithm) || c.Chain != jpki.ChainBroken {
		t.Errorf("P-384 with SHA-256: profile %v, chain %v, want ErrAlgorithm, broken", c.Profile, c.Chain)
	}
}

// P7: a list signed on P-384 is known by its own key, never by that of an RSA generation.
func TestP7ListsAcrossAlgorithms(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	_, scope, key, err := as.ExamineCRL(list(t, w.next, nil))
	if auth := (certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}); err != nil || scope != auth || key != jpki.KeyIDOf(w.next.cert) {
		t.Errorf("ExamineCRL(list on P-384) = %v, %v, %v, want %v by its own key", scope, key, err, auth)
	}
	flawed := list(t, w.next, nil)
	flawed[len(flawed)-1] ^= 1
	posing := w.next.as(func(c *x509.Certificate) { c.SubjectKeyId = w.gen[2].cert.SubjectKeyId })
	for name, der := range map[string][]byte{
		"flawed": flawed, "identifier of the RSA generation": list(t, posing, nil),
		"SHA-256": list(t, w.next, func(l *x509.RevocationList) { l.SignatureAlgorithm = x509.ECDSAWithSHA256 }),
	} {
		if _, _, _, err := as.ExamineCRL(der); !errors.Is(err, jpki.ErrCRLSignature) {
			t.Errorf("list on P-384, %s: ExamineCRL = %v, want ErrCRLSignature", name, err)
		}
	}
}

// Certificates of telephones: told by policy or by the issuer's name, and never taken for a generation to come.
func TestPhone(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	organisation := func(o, ou string) authority {
		return newAuthority(dn("C", "JP", "O", o, "OU", ou), 3, date(2023, 7, 16), date(2033, 7, 15))
	}
	for _, tt := range []struct {
		name   string
		by     authority
		change func(*x509.Certificate)
		phone  bool
	}{
		{"unit of phones", organisation(jpki.OrganizationPractice, "JPKI for user authentication on mobile devices"), nil, true},
		{"unit of phones, national", organisation(jpki.OrganizationProduction, "JPKI for something"), nil, true},
		{"generation to come", organisation(jpki.OrganizationPractice, jpki.UnitAuth), nil, false},
		{"another organisation", organisation("SOMEBODY ELSE", "Phones"), nil, false},
		{"another organisation, policy of phones", organisation("SOMEBODY ELSE", "Phones"), withPolicies(true, policy(1, 40)), true},
		{"a card's", w.gen[2], nil, false},
	} {
		c := examine(t, as, w.issue(t, tt.by, tt.change))
		if c.Phone != tt.phone {
			t.Errorf("%s: Phone = %v (chain %v, profile %v), want %v", tt.name, c.Phone, c.Chain, c.Profile, tt.phone)
		}
		if want := c.Chain != jpki.ChainVerified; want != (tt.by.cert != w.gen[2].cert) {
			t.Errorf("%s: chain %v", tt.name, c.Chain)
		}
	}
}

// raw is an ECDSA signature as a card gives it, r and s of 48 octets.
func raw(t *testing.T, key *ecdsa.PrivateKey, message []byte) []byte {
	t.Helper()
	sum := sha512.Sum384(message)
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(must(key.Sign(rand.Reader, sum[:], crypto.SHA384)), &sig); err != nil {
		t.Fatal(err)
	}
	return append(sig.R.FillBytes(make([]byte, 48)), sig.S.FillBytes(make([]byte, 48))...)
}

func TestVerify(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	message := []byte("challenge")
	sum := sha256.Sum256(message)
	rsaSignature := must(w.person.Sign(rand.Reader, sum[:], crypto.SHA256))
	curveSignature := raw(t, w.nextPerson, message)
	rsaCert, curveCert := examine(t, as, w.issue(t, w.gen[2], nil)), examine(t, as, w.issueNext(t, nil))
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p256 := examine(t, as, issueTo(t, w.gen[2], personTemplate(), &other.PublicKey, nil))
	der := must(w.nextPerson.Sign(rand.Reader, sum[:], crypto.SHA384))
	for _, tt := range []struct {
		name      string
		cert      jpki.AuthCert
		message   string
		signature []byte
		want      error
	}{
		{"RSA", rsaCert, "challenge", rsaSignature, nil},
		{"P-384", curveCert, "challenge", curveSignature, nil},
		{"RSA, another message", rsaCert, "Challenge", rsaSignature, jpki.ErrSignature},
		{"P-384, another message", curveCert, "Challenge", curveSignature, jpki.ErrSignature},
		{"RSA key, P-384 signature", rsaCert, "challenge", curveSignature, jpki.ErrSignature},
		{"P-384 key, RSA signature", curveCert, "challenge", rsaSignature, jpki.ErrSignature},
		{"P-384 key, DER signature", curveCert, "challenge", der, jpki.ErrSignature},
		{"P-384, cut", curveCert, "challenge", curveSignature[:95], jpki.ErrSignature},
		{"P-384, zeros", curveCert, "challenge", make([]byte, 96), jpki.ErrSignature},
		{"nothing", curveCert, "challenge", nil, jpki.ErrSignature},
		{"P-256", p256, "challenge", curveSignature, jpki.ErrKeyKind},
		{"no certificate", jpki.AuthCert{}, "challenge", rsaSignature, jpki.ErrKeyKind},
	} {
		if err := tt.cert.Verify([]byte(tt.message), tt.signature); !errors.Is(err, tt.want) {
			t.Errorf("%s: Verify = %v, want %v", tt.name, err, tt.want)
		}
	}
}
