// Package pki issues the practice world's X.509 objects in the shape of the national ones: CA certificates of several generations under
// one name, authentication and signature certificates of residents, responder certificates and revocation lists.
//
// The shape is what is publicly known of the JPKI profile (a published certificate and the CA files of jpki/myna, decoded). The mark that
// nothing here is real is in every issuer name: O=JPKI-PRACTICE (NOT REAL). What a public key infrastructure needs beyond
// making bytes (who may ask, what is written down) is not here; package world keeps the ledger.
//
// Functions are pure and safe from any goroutine. RSA PKCS #1 v1.5 makes no random choices, and ECDSA is the deterministic one of RFC 6979,
// so the same key and template give the same bytes.
package pki

import "encoding/asn1"

// Object identifiers. The JPKI arc is 1.2.392.200149.8.5 (the public OID tree of JPKI and its CPS); the rest are RFC 5280 §4.2 and RFC 6960.
var (
	oidAuthPolicy = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 3, 30}
	// oidPhonePolicy is inferred: the telephone's signature policy is reported as 1.1.40, nothing of its authentication policy is public.
	oidPhonePolicy = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 3, 40}
	oidSignPolicy  = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 1, 20}
	oidPersonal    = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5}

	oidCountry            = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidLocality           = asn1.ObjectIdentifier{2, 5, 4, 7}
	oidOrganization       = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOrganizationalUnit = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidCommonName         = asn1.ObjectIdentifier{2, 5, 4, 3}

	oidSubjectAltName      = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidIssuerAltName       = asn1.ObjectIdentifier{2, 5, 29, 18}
	oidCRLDistribution     = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidCertificatePolicies = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidAuthorityKeyID      = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidQualifierCPS        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 1}
	oidOCSPNoCheck         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
)

// PracticeMark is the organisation in every issuer name of the practice world.
const PracticeMark = "JPKI-PRACTICE (NOT REAL)"

// cpsURI is where the national CPS is; the practice world has none of its own.
const cpsURI = "http://www.jpki.go.jp/cps.html"
