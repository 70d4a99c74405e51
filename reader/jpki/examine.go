package jpki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"kazashi.example/sync/certid"
)

var (
	hierarchies = map[string]certid.Hierarchy{
		OrganizationProduction: certid.HierarchyProduction,
		OrganizationTest:       certid.HierarchyTest,
		OrganizationPractice:   certid.HierarchyPractice,
	}
	purposes = map[string]certid.Purpose{UnitAuth: certid.PurposeAuth, UnitSign: certid.PurposeSign}
)

// Examine reads one certificate (DER, nothing after it) and says what it is. It returns an error, ErrNotCertificate, only
// when there is no certificate: every other finding, good or bad, is in the AuthCert. It asks no clock; see AuthCert.DatesAt.
// One verification of a signature a call and candidate.
func (s *Anchors) Examine(der []byte) (AuthCert, error) {
	cert, err := parse(der)
	if err != nil {
		return AuthCert{}, err
	}
	c, purpose := s.findings(cert)
	c.Profile = checkAuth(cert, c)
	if c.Profile == nil && purpose != 0 && purpose != certid.PurposeAuth {
		c.Profile = ErrPurpose
	}
	c.Phone = phone(cert, c.Chain)
	return c, nil
}

// ExamineSign is Examine for a signature certificate, whose holder's attributes it reads as well. Errors and findings are
// Examine's; the Profile faults ErrAttributes and ErrBirthDate come last, and with any fault Attributes is empty.
func (s *Anchors) ExamineSign(der []byte) (SignCert, error) {
	cert, err := parse(der)
	if err != nil {
		return SignCert{}, err
	}
	found, purpose := s.findings(cert)
	c := signCertOf(found)
	c.Profile = checkSign(cert, c)
	if c.Profile == nil && purpose != 0 && purpose != certid.PurposeSign {
		c.Profile = ErrPurpose
	}
	if c.Profile == nil {
		c.Attributes, c.Profile = attributesOf(cert)
	}
	c.Phone = phone(cert, c.Chain)
	return c, nil
}

// parse takes a certificate, whole and alone.
func parse(der []byte) (*x509.Certificate, error) {
	if len(der) > MaxCertificateLen {
		return nil, ErrNotCertificate
	}
	cert, err := x509.ParseCertificate(der)
	switch {
	case err == nil:
		return cert, nil
	case duplicated(der): // the cause is not wrapped: it may quote the certificate
		return nil, fmt.Errorf("%w: %w", ErrNotCertificate, ErrDuplicate)
	}
	return nil, ErrNotCertificate
}

// findings fills everything but Profile and Phone, and returns what the issuer signs for, or claims to; 0 for a foreign name.
func (s *Anchors) findings(cert *x509.Certificate) (AuthCert, certid.Purpose) {
	c := AuthCert{NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(), Claims: claims(cert.Issuer), PublicKey: cert.PublicKey}
	c.Serial, _ = certid.SerialOf(cert.SerialNumber) // the zero serial is reported by the profile
	c.CRLPoint, _ = crlPointOf(cert)                 // as above
	return c, c.findIssuer(s, cert)
}

// findIssuer fills the chain's findings and returns what the issuer signs for, or claims to; 0 for a foreign name.
func (c *AuthCert) findIssuer(s *Anchors, cert *x509.Certificate) certid.Purpose {
	candidates := s.candidates(cert.AuthorityKeyId, cert.RawIssuer)
	if len(candidates) == 0 {
		c.Chain = ChainIssuerUnknown
		return c.Claims.Purpose
	}
	for _, a := range candidates {
		if bytes.Equal(a.Cert.RawSubject, cert.RawIssuer) && signedBy(cert, a.Cert) == nil {
			c.Chain, c.Hierarchy, c.Issuer = ChainVerified, a.Hierarchy, KeyIDOf(a.Cert)
			c.IssuerNotBefore, c.IssuerNotAfter = a.Cert.NotBefore.UTC(), a.Cert.NotAfter.UTC()
			return a.Purpose
		}
	}
	c.Chain = ChainBroken
	return c.Claims.Purpose
}

// phone is AuthCert.Phone.
func phone(cert *x509.Certificate, chain ChainStatus) bool {
	return phonePolicy(cert) || chain == ChainIssuerUnknown && phoneIssuer(cert.Issuer)
}

// claims reads hierarchy and purpose from an authority's name; zero when either is not known.
func claims(n pkix.Name) certid.Scope {
	if len(n.Organization) != 1 || len(n.OrganizationalUnit) == 0 || len(n.Country) != 1 || n.Country[0] != "JP" {
		return certid.Scope{}
	}
	scope := certid.Scope{Hierarchy: hierarchies[n.Organization[0]], Purpose: purposes[n.OrganizationalUnit[0]]}
	if !scope.Valid() {
		return certid.Scope{}
	}
	return scope
}

// duplicated reports whether octets that are no certificate to crypto/x509 are one with an extension that stands twice.
func duplicated(der []byte) bool {
	var outer struct {
		Signed struct {
			Version    int `asn1:"optional,explicit,default:0,tag:0"`
			Serial     asn1.RawValue
			Algorithm  asn1.RawValue
			Issuer     asn1.RawValue
			Validity   asn1.RawValue
			Subject    asn1.RawValue
			Key        asn1.RawValue
			IssuerUID  asn1.BitString   `asn1:"optional,tag:1"`
			SubjectUID asn1.BitString   `asn1:"optional,tag:2"`
			Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
		}
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 {
		return false
	}
	seen := map[string]bool{}
	for _, e := range outer.Signed.Extensions {
		if seen[e.Id.String()] {
			return true
		}
		seen[e.Id.String()] = true
	}
	return false
}
