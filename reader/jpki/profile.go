package jpki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"

	"kazashi.example/sync/certid"
)

// Object identifiers (RFC 5280 §4.2, and the tree of JPKI policies: jsrsasign's JPKI OID add-on).
var (
	oidKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidPolicies    = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidCRLPoints   = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAuthPolicy  = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 3, 30}
	oidCountry     = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidCommonName  = asn1.ObjectIdentifier{2, 5, 4, 3}
	commonNameLen  = 23 // 14 random letters and digits, then the nine of the terminal that took the application
	errNoDirectory = errors.New("not one directory name")
)

// checkProfile returns the first fault of an authentication certificate.
func checkProfile(cert *x509.Certificate, c AuthCert) error {
	checks := []struct {
		ok    bool
		fault error
	}{
		{cert.Version == 3, ErrVersion},
		{acceptedAlgorithm(cert), ErrAlgorithm},
		{acceptedKey(cert), ErrKey},
		{!c.Serial.IsZero(), ErrSerial},
		{len(cert.UnhandledCriticalExtensions) == 0, ErrCritical},
		{!cert.IsCA, ErrAuthority},
		{!cert.NotAfter.Before(cert.NotBefore), ErrValidity},
		{subjectFits(cert.Subject), ErrSubject},
		{cert.KeyUsage == x509.KeyUsageDigitalSignature && critical(cert, oidKeyUsage), ErrKeyUsage},
		{clientAuthOnly(cert), ErrExtKeyUsage},
		{authPolicyOnly(cert), ErrPolicy},
		{crlPointFits(cert, c.Claims), ErrCRLPoint},
	}
	for _, check := range checks {
		if !check.ok {
			return check.fault
		}
	}
	return nil
}

// subjectFits takes C=JP, CN=<23 letters and digits> and nothing else.
func subjectFits(n pkix.Name) bool {
	if len(n.Names) != 2 || !n.Names[0].Type.Equal(oidCountry) || !n.Names[1].Type.Equal(oidCommonName) {
		return false
	}
	if n.Country[0] != "JP" || len(n.CommonName) != commonNameLen {
		return false
	}
	for i := range len(n.CommonName) {
		c := n.CommonName[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func clientAuthOnly(cert *x509.Certificate) bool {
	return len(cert.ExtKeyUsage) == 1 && cert.ExtKeyUsage[0] == x509.ExtKeyUsageClientAuth && len(cert.UnknownExtKeyUsage) == 0
}

func authPolicyOnly(cert *x509.Certificate) bool {
	ids := cert.PolicyIdentifiers
	return critical(cert, oidPolicies) && len(ids) == 1 && ids[0].Equal(oidAuthPolicy)
}

func critical(cert *x509.Certificate, id asn1.ObjectIdentifier) bool {
	for _, e := range cert.Extensions {
		if e.Id.Equal(id) {
			return e.Critical
		}
	}
	return false
}

// crlPointFits takes exactly one distribution point, given as a directory name of the hierarchy that issued it.
func crlPointFits(cert *x509.Certificate, claimed certid.Scope) bool {
	raw, err := crlPointOf(cert)
	if err != nil {
		return false
	}
	var seq pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &seq); err != nil || len(rest) > 0 {
		return false
	}
	var n pkix.Name
	n.FillFromRDNSequence(&seq)
	if claimed == (certid.Scope{}) {
		return true // a foreign issuer: nothing to compare with
	}
	return claims(n) == claimed
}

// distributionPoint is RFC 5280 §4.2.1.13 with the one choice that JPKI uses.
type distributionPoint struct {
	Name struct {
		FullName []asn1.RawValue `asn1:"optional,tag:0"`
	} `asn1:"optional,tag:0"`
	Reasons   asn1.BitString `asn1:"optional,tag:1"`
	CRLIssuer asn1.RawValue  `asn1:"optional,tag:2"`
}

// crlPointOf returns the directory name (DER) of the only distribution point.
func crlPointOf(cert *x509.Certificate) ([]byte, error) {
	for _, e := range cert.Extensions {
		if !e.Id.Equal(oidCRLPoints) {
			continue
		}
		var points []distributionPoint
		rest, err := asn1.Unmarshal(e.Value, &points)
		if err != nil || len(rest) > 0 || len(points) != 1 || points[0].Reasons.BitLength > 0 || len(points[0].CRLIssuer.FullBytes) > 0 {
			return nil, errNoDirectory
		}
		return directoryName(points[0].Name.FullName)
	}
	return nil, errNoDirectory
}

// directoryName takes a GeneralNames of one directoryName [4] (RFC 5280 §4.2.1.6) and returns the Name in it.
func directoryName(names []asn1.RawValue) ([]byte, error) {
	if len(names) != 1 || names[0].Class != asn1.ClassContextSpecific || names[0].Tag != 4 || !names[0].IsCompound {
		return nil, errNoDirectory
	}
	var name asn1.RawValue
	rest, err := asn1.Unmarshal(names[0].Bytes, &name)
	if err != nil || len(rest) > 0 {
		return nil, errNoDirectory
	}
	return name.FullBytes, nil
}
