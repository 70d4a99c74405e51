package jpki_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"kazashi.example/reader/jpki"
)

// A flaw is what is wrong with one certificate, and the faults that say so.
type flaw struct {
	name   string
	change func(*x509.Certificate)
	want   []error
}

func (f flaw) saidBy(err error) bool {
	for _, want := range f.want {
		if !errors.Is(err, want) {
			return false
		}
	}
	return len(f.want) > 0 || err == nil
}

func faults(list ...error) []error { return list }

// without leaves out the extension with an identifier.
func without(id ...int) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for i := range c.ExtraExtensions {
			if c.ExtraExtensions[i].Id.Equal(id) {
				c.ExtraExtensions = append(c.ExtraExtensions[:i:i], c.ExtraExtensions[i+1:]...)
				return
			}
		}
	}
}

func withSubject(pairs ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.RawSubject = dn(pairs...) }
}

func withPolicies(critical bool, ids ...asn1.ObjectIdentifier) func(*x509.Certificate) {
	return func(c *x509.Certificate) { replaceExt(c, policies(critical, ids...)) }
}

// policy is one of JPKI's, by its last arcs.
func policy(arcs ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1}, arcs...)
}

func withKeyUsage(critical bool, octet byte) func(*x509.Certificate) {
	bits := asn1.BitString{Bytes: []byte{octet}, BitLength: 8}
	for octet&1 == 0 && bits.BitLength > 1 {
		octet, bits.BitLength = octet>>1, bits.BitLength-1
	}
	return func(c *x509.Certificate) { replaceExt(c, ext(critical, must(asn1.Marshal(bits)), 2, 5, 29, 15)) }
}

// withWidePolicy adds 1.2.2^40 behind the policies, which has no place in an asn1.ObjectIdentifier of 32 bits.
func withWidePolicy(ids ...asn1.ObjectIdentifier) func(*x509.Certificate) {
	var list []byte
	for _, id := range ids {
		list = append(list, sequence(must(asn1.Marshal(id)))...)
	}
	list = append(list, sequence([]byte{0x06, 0x07, 0x2A, 0xA0, 0x80, 0x80, 0x80, 0x80, 0x00})...)
	return withExt(true, sequence(list), 2, 5, 29, 32)
}

func withExt(critical bool, value []byte, id ...int) func(*x509.Certificate) {
	return func(c *x509.Certificate) { replaceExt(c, ext(critical, value, id...)) }
}

// common are the flaws that both purposes share.
func common() []flaw {
	return []flaw{
		{"none", nil, nil},
		{"critical extension unknown", withExt(true, []byte{5, 0}, 1, 2, 392, 200149, 8, 5, 9), faults(jpki.ErrCritical)},
		{"extension unknown, not critical", withExt(false, []byte{5, 0}, 1, 2, 392, 200149, 8, 5, 9), nil},
		{"name constraints", func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example"}
		}, faults(jpki.ErrCritical)},
		{"CRL point critical", func(c *x509.Certificate) { criticalExt(c, 2, 5, 29, 31) }, faults(jpki.ErrCritical)},
		{"an authority's", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, faults(jpki.ErrAuthority)},
		{"ends before it begins", func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(-time.Second) }, faults(jpki.ErrValidity)},
		{"six years", func(c *x509.Certificate) { c.NotAfter = c.NotBefore.AddDate(6, 0, 0) }, faults(jpki.ErrLifetime)},
		{"a second less than six years", func(c *x509.Certificate) { c.NotAfter = c.NotBefore.AddDate(6, 0, 0).Add(-time.Second) }, nil},
		{"empty subject", withSubject(), faults(jpki.ErrSubject)},
		{"no key usage", without(2, 5, 29, 15), faults(jpki.ErrMissing, jpki.ErrKeyUsage)},
		{"no policy", without(2, 5, 29, 32), faults(jpki.ErrMissing, jpki.ErrPolicy)},
		{"policy of another tree", withPolicies(true, asn1.ObjectIdentifier{1, 2, 3}), faults(jpki.ErrPolicy)},
		{"policy anyPolicy", withPolicies(true, asn1.ObjectIdentifier{2, 5, 29, 32, 0}), faults(jpki.ErrPolicy)},
		{"policy of signature certificates on phones", withPolicies(true, policy(1, 40)), faults(jpki.ErrPhone)},
		{"policy of phones, inferred", withPolicies(true, policy(3, 40)), faults(jpki.ErrPhone)},
		{"policy of phones, inferred the other way", withPolicies(true, policy(3, 50)), faults(jpki.ErrPhone)},
		{"policy of phones, and one with a number of 41 bits", withWidePolicy(policy(3, 40)), faults(jpki.ErrPhone)},
		{"policy with a number of 41 bits alone", withWidePolicy(), faults(jpki.ErrPolicy)},
		{"two CRL points", func(c *x509.Certificate) { replaceExt(c, crlPoints(municipality, municipality)) }, faults(jpki.ErrCRLPoint)},
		{"CRL point of the national hierarchy", func(c *x509.Certificate) {
			replaceExt(c, crlPoints(dn("C", "JP", "O", "JPKI", "OU", jpki.UnitAuth, "CN", "X")))
		}, faults(jpki.ErrCRLPoint)},
		{"CRL point a URI", func(c *x509.Certificate) {
			without(2, 5, 29, 31)(c)
			c.CRLDistributionPoints = []string{"http://crl.example/"}
		}, faults(jpki.ErrCRLPoint)},
		{"no CRL point", without(2, 5, 29, 31), faults(jpki.ErrMissing, jpki.ErrCRLPoint)},
	}
}

func criticalExt(c *x509.Certificate, id ...int) {
	for i := range c.ExtraExtensions {
		if c.ExtraExtensions[i].Id.Equal(id) {
			c.ExtraExtensions[i].Critical = true
		}
	}
}

// Fixtures with one flaw each, named after it.
func TestExamineProfile(t *testing.T) {
	w := practice()
	flaws := append(common(), []flaw{
		{"common name of 22", withSubject("C", "JP", "CN", "K4Z9QW7TB2M8XN99999001"), faults(jpki.ErrSubject)},
		{"common name of 24", withSubject("C", "JP", "CN", "K4Z9QW7TB2M8XN99999001AB"), faults(jpki.ErrSubject)},
		{"common name with a space", withSubject("C", "JP", "CN", "K4Z9QW7TB2M8XN99999001 "), faults(jpki.ErrSubject)},
		{"another country", withSubject("C", "XX", "CN", "K4Z9QW7TB2M8XN99999001A"), faults(jpki.ErrSubject)},
		{"common name before country", withSubject("CN", "K4Z9QW7TB2M8XN99999001A", "C", "JP"), faults(jpki.ErrSubject)},
		{"subject with organisation", withSubject("C", "JP", "O", "x", "CN", "K4Z9QW7TB2M8XN99999001A"), faults(jpki.ErrSubject)},
		{"key usage not critical", withKeyUsage(false, 0x80), faults(jpki.ErrKeyUsage)},
		{"key usage nonRepudiation too", withKeyUsage(true, 0xC0), faults(jpki.ErrKeyUsage)},
		{"key usage keyCertSign", withKeyUsage(true, 0x04), faults(jpki.ErrKeyUsage)},
		{"no extended key usage", func(c *x509.Certificate) { c.ExtKeyUsage = nil }, faults(jpki.ErrMissing, jpki.ErrExtKeyUsage)},
		{"serverAuth", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, faults(jpki.ErrExtKeyUsage)},
		{"any usage", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, faults(jpki.ErrExtKeyUsage)},
		{"clientAuth and more", func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} }, faults(jpki.ErrExtKeyUsage)},
		{"policy of signature certificates", withPolicies(true, policy(1, 20)), faults(jpki.ErrPolicy)},
		{"policy not critical", withPolicies(false, authPolicy()), faults(jpki.ErrPolicy)},
		{"its policy, and one with a number of 41 bits", withWidePolicy(authPolicy()), faults(jpki.ErrPolicy)},
		{"two policies", withPolicies(true, authPolicy(), asn1.ObjectIdentifier{1, 2, 3}), faults(jpki.ErrPolicy)},
	}...)
	as := w.anchors(t)
	issuers := map[string]func(func(*x509.Certificate)) []byte{
		"RSA":   func(change func(*x509.Certificate)) []byte { return w.issue(t, w.gen[2], change) },
		"P-384": func(change func(*x509.Certificate)) []byte { return w.issueNext(t, change) },
	}
	for algorithm, issue := range issuers {
		for _, f := range flaws {
			t.Run(algorithm+"/"+f.name, func(t *testing.T) {
				if f.name == "six years" && algorithm == "P-384" {
					f.change, f.want = func(c *x509.Certificate) { c.NotAfter = c.NotBefore.AddDate(11, 0, 0) }, faults(jpki.ErrLifetime)
				}
				c := examine(t, as, issue(f.change))
				if !f.saidBy(c.Profile) || c.Chain != jpki.ChainVerified {
					t.Errorf("Profile = %v, chain %v, want %v on a verified chain", c.Profile, c.Chain, f.want)
				}
				if c.Phone != errors.Is(c.Profile, jpki.ErrPhone) {
					t.Errorf("Phone = %v with profile %v", c.Phone, c.Profile)
				}
			})
		}
	}
}

// An expired certificate keeps what else was found in it.
func TestExpiredKeepsItsFindings(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	old := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = date(2020, 1, 1), date(2024, 6, 15) }
	c := examine(t, as, w.issue(t, w.gen[1], old))
	if c.Chain != jpki.ChainVerified || c.Profile != nil || c.DatesAt(now) != jpki.DatesExpired || c.Serial.IsZero() {
		t.Errorf("expired: chain %v, profile %v, dates %v", c.Chain, c.Profile, c.DatesAt(now))
	}
	c = examine(t, as, w.issue(t, w.gen[1], func(c *x509.Certificate) {
		old(c)
		withKeyUsage(true, 0xC0)(c)
	}))
	if !errors.Is(c.Profile, jpki.ErrKeyUsage) || c.DatesAt(now) != jpki.DatesExpired {
		t.Errorf("expired and of wrong key usage: profile %v, dates %v", c.Profile, c.DatesAt(now))
	}
}

// An extension that stands twice makes octets that are no certificate, with a reason of its own.
func TestDuplicateExtension(t *testing.T) {
	w := practice()
	der := w.issue(t, w.gen[2], func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, policies(false, policy(1, 40)))
	})
	for name, examine := range map[string]func([]byte) error{
		"Examine":     func(b []byte) error { _, err := w.anchors(t).Examine(b); return err },
		"ExamineSign": func(b []byte) error { _, err := w.anchors(t).ExamineSign(b); return err },
	} {
		if err := examine(der); !errors.Is(err, jpki.ErrDuplicate) || !errors.Is(err, jpki.ErrNotCertificate) {
			t.Errorf("%s with two policy extensions = %v, want ErrDuplicate and ErrNotCertificate", name, err)
		}
		if err := examine(der[:len(der)-1]); errors.Is(err, jpki.ErrDuplicate) || !errors.Is(err, jpki.ErrNotCertificate) {
			t.Errorf("%s of it cut short = %v, want ErrNotCertificate alone", name, err)
		}
	}
}

func TestVersionTwo(t *testing.T) {
	w := practice()
	der := w.issue(t, w.gen[2], nil)
	three, two := []byte{0xA0, 0x03, 0x02, 0x01, 0x02}, []byte{0xA0, 0x03, 0x02, 0x01, 0x01}
	if bytes.Count(der, three) != 1 {
		t.Fatal("version not found where it was expected")
	}
	if c := examine(t, w.anchors(t), bytes.Replace(der, three, two, 1)); !errors.Is(c.Profile, jpki.ErrVersion) || c.Chain != jpki.ChainBroken {
		t.Errorf("Profile of version 2 = %v, chain %v, want ErrVersion, broken", c.Profile, c.Chain)
	}
}
