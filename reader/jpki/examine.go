package jpki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"

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
// One RSA verification a call and candidate.
func (s *Anchors) Examine(der []byte) (AuthCert, error) {
	if len(der) > MaxCertificateLen {
		return AuthCert{}, ErrNotCertificate
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return AuthCert{}, ErrNotCertificate // the cause may quote the certificate
	}
	c := AuthCert{NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(), Claims: claims(cert.Issuer)}
	c.Serial, _ = certid.SerialOf(cert.SerialNumber) // the zero serial is reported by checkProfile
	c.CRLPoint, _ = crlPointOf(cert)
	purpose := c.findIssuer(s, cert)
	c.Profile = checkProfile(cert, c)
	if c.Profile == nil && purpose != 0 && purpose != certid.PurposeAuth {
		c.Profile = ErrPurpose
	}
	return c, nil
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
