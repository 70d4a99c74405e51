package jpki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"kazashi.example/sync/certid"
)

// Object identifiers (RFC 5280 §4.2, and the tree of JPKI policies: jsrsasign's JPKI OID add-on).
var (
	oidKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidAltName     = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidCRLPoints   = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidPolicies    = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidCountry     = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidLocality    = asn1.ObjectIdentifier{2, 5, 4, 7}
	oidCommonName  = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidAuthPolicy  = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 3, 30}
	oidSignPolicy  = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 1, 20}
	commonNameLen  = 23 // 14 random letters and digits, then the nine of the terminal that took the application
	errNoDirectory = errors.New("not one directory name")
)

// phonePolicies: the first is reported, the others are inferred; see AuthCert.Phone.
var phonePolicies = []asn1.ObjectIdentifier{
	{1, 2, 392, 200149, 8, 5, 1, 1, 40}, {1, 2, 392, 200149, 8, 5, 1, 3, 40}, {1, 2, 392, 200149, 8, 5, 1, 3, 50},
}

// criticals are the extensions that may be critical in a person's certificate. What else is critical is not understood here, or, as
// name constraints, has no business there.
var criticals = []asn1.ObjectIdentifier{oidKeyUsage, oidConstraints, oidPolicies, oidExtKeyUsage}

// A check is one line of a profile. A fault whose extension is not there is reported with ErrMissing.
type check struct {
	ok    bool
	fault error
	needs asn1.ObjectIdentifier // extension that the fault is about; nil for none
}

// firstFault walks the lines in order.
func firstFault(cert *x509.Certificate, lines []check) error {
	for _, l := range lines {
		switch {
		case l.needs != nil && find(cert, l.needs) == nil:
			return fmt.Errorf("%w: %w", ErrMissing, l.fault)
		case !l.ok:
			return l.fault
		}
	}
	return nil
}

// personChecks are what RFC 5280 and JPKI ask of any person's certificate.
func personChecks(cert *x509.Certificate, serial certid.Serial) []check {
	key := keyAlgorithm(cert)
	return []check{
		{ok: cert.Version == 3, fault: ErrVersion},
		{ok: acceptedSignature(cert.SignatureAlgorithm), fault: ErrAlgorithm},
		{ok: key != nil, fault: ErrKey},
		{ok: !serial.IsZero(), fault: ErrSerial},
		{ok: criticalsKnown(cert), fault: ErrCritical},
		{ok: !cert.IsCA, fault: ErrAuthority},
		{ok: !cert.NotAfter.Before(cert.NotBefore), fault: ErrValidity},
		{ok: key == nil || cert.NotAfter.Before(cert.NotBefore.AddDate(key.years, 0, 0)), fault: ErrLifetime},
	}
}

// checkAuth returns the first fault of an authentication certificate.
func checkAuth(cert *x509.Certificate, c AuthCert) error {
	return firstFault(cert, append(personChecks(cert, c.Serial),
		check{ok: authSubject(cert.Subject), fault: ErrSubject},
		check{ok: usage(cert, x509.KeyUsageDigitalSignature), fault: ErrKeyUsage, needs: oidKeyUsage},
		check{ok: clientAuthOnly(cert), fault: ErrExtKeyUsage, needs: oidExtKeyUsage},
		check{ok: !phonePolicy(cert), fault: ErrPhone},
		check{ok: policyOnly(cert, oidAuthPolicy), fault: ErrPolicy, needs: oidPolicies},
		check{ok: crlPointFits(c.CRLPoint, c.Claims), fault: ErrCRLPoint, needs: oidCRLPoints},
	))
}

// checkSign returns the first fault of a signature certificate. Its subject and key usage are reported, not seen: soltia48/myna-card
// src/ap/jpki.rs and jsrsasign. Nothing is known of an extended key usage, so none is asked for.
func checkSign(cert *x509.Certificate, c SignCert) error {
	return firstFault(cert, append(personChecks(cert, c.Serial),
		check{ok: signSubject(cert.Subject), fault: ErrSubject},
		check{ok: usage(cert, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment), fault: ErrKeyUsage, needs: oidKeyUsage},
		check{ok: !phonePolicy(cert), fault: ErrPhone},
		check{ok: policyOnly(cert, oidSignPolicy), fault: ErrPolicy, needs: oidPolicies},
		check{ok: crlPointFits(c.CRLPoint, c.Claims), fault: ErrCRLPoint, needs: oidCRLPoints},
	))
}

func criticalsKnown(cert *x509.Certificate) bool {
	for _, e := range cert.Extensions {
		if e.Critical && !slices.ContainsFunc(criticals, e.Id.Equal) {
			return false
		}
	}
	return len(cert.UnhandledCriticalExtensions) == 0
}

// find returns an extension, or nil.
func find(cert *x509.Certificate, id asn1.ObjectIdentifier) *pkix.Extension {
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(id) {
			return &cert.Extensions[i]
		}
	}
	return nil
}

func critical(cert *x509.Certificate, id asn1.ObjectIdentifier) bool {
	e := find(cert, id)
	return e != nil && e.Critical
}

func usage(cert *x509.Certificate, want x509.KeyUsage) bool {
	return cert.KeyUsage == want && critical(cert, oidKeyUsage)
}

func clientAuthOnly(cert *x509.Certificate) bool {
	return len(cert.ExtKeyUsage) == 1 && cert.ExtKeyUsage[0] == x509.ExtKeyUsageClientAuth && len(cert.UnknownExtKeyUsage) == 0
}

// policyOnly reads Policies: crypto/x509 leaves identifiers with a number above 31 bits out of PolicyIdentifiers.
func policyOnly(cert *x509.Certificate, want asn1.ObjectIdentifier) bool {
	ids := cert.Policies
	return critical(cert, oidPolicies) && len(ids) == 1 && len(cert.PolicyIdentifiers) == 1 && ids[0].EqualASN1OID(want)
}

func phonePolicy(cert *x509.Certificate) bool {
	return slices.ContainsFunc(cert.Policies, func(id x509.OID) bool {
		return slices.ContainsFunc(phonePolicies, id.EqualASN1OID)
	})
}

// phoneIssuer reports whether an issuer's name is that of a JPKI organisation and of neither unit of the cards.
func phoneIssuer(n pkix.Name) bool {
	if len(n.Organization) != 1 || hierarchies[n.Organization[0]] == 0 || len(n.OrganizationalUnit) == 0 {
		return false
	}
	return purposes[n.OrganizationalUnit[0]] == 0
}

// authSubject takes C=JP, CN=<23 letters and digits> and nothing else.
func authSubject(n pkix.Name) bool {
	if len(n.Names) != 2 || !n.Names[0].Type.Equal(oidCountry) || !n.Names[1].Type.Equal(oidCommonName) {
		return false
	}
	return slices.Equal(n.Country, []string{"JP"}) && len(n.CommonName) == commonNameLen && lettersAndDigits(n.CommonName)
}

// signSubject takes C=JP, one or two localities, CN=<letters and digits>. How many of them is not published, so the length is free.
func signSubject(n pkix.Name) bool {
	last := len(n.Names) - 1
	if last < 2 || last > 3 || !n.Names[0].Type.Equal(oidCountry) || !n.Names[last].Type.Equal(oidCommonName) {
		return false
	}
	for _, l := range n.Names[1:last] {
		if !l.Type.Equal(oidLocality) {
			return false
		}
	}
	return slices.Equal(n.Country, []string{"JP"}) && n.CommonName != "" && lettersAndDigits(n.CommonName)
}

func lettersAndDigits(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// crlPointFits takes a directory name (DER) of the hierarchy that issued the certificate.
func crlPointFits(raw []byte, claimed certid.Scope) bool {
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

// crlPointOf returns the directory name (DER) of the only distribution point: of RFC 5280 §4.2.1.13 the one choice that JPKI uses, by
// hand, since it is read at every tap.
func crlPointOf(cert *x509.Certificate) ([]byte, error) {
	e := find(cert, oidCRLPoints)
	if e == nil {
		return nil, errNoDirectory
	}
	all := cryptobyte.String(e.Value)
	var points, point, name, full, directory, raw cryptobyte.String
	if !only(&all, &points, der.SEQUENCE) || !only(&points, &point, der.SEQUENCE) || !only(&point, &name, choice(0)) ||
		!only(&name, &full, choice(0)) || !only(&full, &directory, choice(4)) {
		return nil, errNoDirectory
	}
	if !directory.ReadAnyASN1Element(&raw, new(der.Tag)) || !directory.Empty() {
		return nil, errNoDirectory
	}
	return raw, nil
}

// only reads the one element that s holds.
func only(s, value *cryptobyte.String, tag der.Tag) bool { return s.ReadASN1(value, tag) && s.Empty() }

// choice is a constructed context-specific tag.
func choice(n uint8) der.Tag { return der.Tag(n).ContextSpecific().Constructed() }

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
