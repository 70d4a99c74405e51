// Package jpki knows the certificates of the Japanese Public Key Infrastructure (公的個人認証サービス): which authority key
// signed one, and whether it has the shape of an authentication certificate (利用者証明用電子証明書) or of a signature certificate
// (署名用電子証明書), whose holder's attributes it reads.
//
// All generations of an authority share one name, so an issuer is chosen by authority key identifier and signature, never by
// name alone. RSA-2048 with SHA-256 and P-384 with SHA-384 stand side by side. [Anchors.Examine] keeps four answers apart that a counter must not mix up: the chain, the profile, the dates and
// whose hierarchy it is. Which authorities count is the caller's choice: nothing is trusted by being compiled in, and the
// test and practice hierarchies count only where their anchors were handed in.
//
// [Anchors] is immutable and safe for concurrent use. Nothing here reads or writes a disk, a network or a clock. The package
// does not ask about revocation and does not build paths through intermediates (JPKI has none).
// What it returns of a certificate prints as REDACTED: the expiry is the holder's birthday.
package jpki

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/sync/certid"
)

// Organisations (the O attribute) that tell the hierarchies apart, and organisational units (the first OU) that tell the
// purposes apart. Sources: the published authority certificates, jpki/myna src/ta; the test organisation, soltia48/myna-card
// certs/README.md; the practice organisation is this project's own mark.
const (
	OrganizationProduction = "JPKI"
	OrganizationTest       = "JPKI-TEST"
	OrganizationPractice   = "JPKI-PRACTICE (NOT REAL)"
	UnitAuth               = "JPKI for user authentication"
	UnitSign               = "JPKI for digital signature"
)

// MaxCertificateLen bounds the certificates that are looked at, in octets. A published authentication certificate measures
// about 1,570 (docs.rs crate myna 0.3.0, test vector).
const MaxCertificateLen = 8192

// ChainStatus says what the signature on a certificate showed. The zero value is none of the three.
type ChainStatus uint8

// Chain statuses.
const (
	// ChainVerified: the key named in AuthCert.Issuer signed it.
	ChainVerified ChainStatus = 1
	// ChainIssuerUnknown: its authority key identifier is that of no anchor here. Somebody with more anchors can settle it.
	ChainIssuerUnknown ChainStatus = 2
	// ChainBroken: it names an anchor's key, or an anchor's name without any key, and no such key signed it.
	ChainBroken ChainStatus = 3
)

// String names the status.
func (s ChainStatus) String() string {
	switch s {
	case ChainVerified:
		return "verified"
	case ChainIssuerUnknown:
		return "issuer unknown"
	case ChainBroken:
		return "broken"
	}
	return "unknown"
}

// DateStatus says how a certificate's dates stand at one moment. The zero value is none of them.
type DateStatus uint8

// Date statuses.
const (
	// DatesCurrent: within the certificate's own validity, and within its issuer's where the issuer is known.
	DatesCurrent DateStatus = 1
	// DatesNotYetValid: notBefore has not come.
	DatesNotYetValid DateStatus = 2
	// DatesExpired: notAfter has passed.
	DatesExpired DateStatus = 3
	// DatesIssuerNotCurrent: the certificate is in date and the verified issuer is not. No JPKI certificate outlives its
	// issuer (an authority lives ten years and signs for the first four), so this is to be refused like an expired one.
	DatesIssuerNotCurrent DateStatus = 4
)

// String names the status.
func (s DateStatus) String() string {
	switch s {
	case DatesCurrent:
		return "current"
	case DatesNotYetValid:
		return "not yet valid"
	case DatesExpired:
		return "expired"
	case DatesIssuerNotCurrent:
		return "issuer not current"
	}
	return "unknown"
}

// AuthCert is what was found in one certificate. The four findings are independent of each other: Chain (who signed it),
// Profile (whether it has the shape of an authentication certificate), DatesAt, and Hierarchy against Claims. It is a value
// and prints as REDACTED.
type AuthCert struct {
	Serial              certid.Serial // zero when the certificate carries none that is positive and at most 20 octets; Profile says so
	NotBefore, NotAfter time.Time     // UTC, both inclusive
	Chain               ChainStatus
	Hierarchy           certid.Hierarchy // of the anchor that signed it; 0 unless Chain is ChainVerified
	Issuer              certid.KeyID     // key that signed it; zero unless Chain is ChainVerified
	IssuerNotBefore     time.Time        // validity of that anchor; zero unless Chain is ChainVerified
	IssuerNotAfter      time.Time
	// Claims is what the issuer's name says, believed by nobody: it lets a caller tell "of a hierarchy that is not taken
	// here" from "of a generation that is not known here". Zero when the name is none of the known organisations and units.
	Claims certid.Scope
	// Profile is nil or the first fault found, one of the Err sentinels of this package (errors.Is).
	Profile error
	// Phone says that this is a phone's certificate (移動端末設備用利用者証明用電子証明書). They are separate objects in law, their
	// issuers' names and keys are not public, and no anchor of this package is one of theirs: to be refused with a reason of its
	// own. Told by the policy: the phone's signature policy is reported as 1.2.392.200149.8.5.1.1.40, the authentication policy is
	// inferred from it (1.3.40, 1.3.50). Or by an issuer of a JPKI organisation that is neither of the cards' two units, which is
	// inferred too. Only with ChainIssuerUnknown, or with the Profile fault ErrPhone.
	Phone bool
	// PublicKey is the certificate's own; nil when it is of an algorithm that nobody here knows. See Verify.
	PublicKey crypto.PublicKey
	// CRLPoint is the distribution point's directory name (DER), which names the partition of the revocation list and the
	// issuing municipality; nil when there is none of the expected shape.
	CRLPoint []byte
}

// DatesAt compares the dates with one moment. Whether the clock can be believed is the caller's question.
func (c AuthCert) DatesAt(at time.Time) DateStatus {
	switch {
	case at.Before(c.NotBefore):
		return DatesNotYetValid
	case at.After(c.NotAfter):
		return DatesExpired
	case c.Chain == ChainVerified && (at.Before(c.IssuerNotBefore) || at.After(c.IssuerNotAfter)):
		return DatesIssuerNotCurrent
	}
	return DatesCurrent
}

// Verify checks what the card's authentication key signed, as VerifySignature does: ErrSignature, ErrKeyKind. It says nothing
// about the certificate: whoever has none of its findings checked has shown no more than that somebody holds some key.
func (c AuthCert) Verify(message, signature []byte) error {
	return VerifySignature(c.PublicKey, message, signature)
}

// Scope is where the serial is unique: the verified hierarchy, for authentication. Zero unless Chain is ChainVerified.
func (c AuthCert) Scope() certid.Scope {
	if c.Chain != ChainVerified {
		return certid.Scope{}
	}
	return certid.Scope{Hierarchy: c.Hierarchy, Purpose: certid.PurposeAuth}
}

// String prints REDACTED: serial, municipality and birthday are all in here.
func (AuthCert) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (AuthCert) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (AuthCert) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (AuthCert) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// MarshalText writes REDACTED.
func (AuthCert) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// KeyIDOf names a certificate's own public key: SHA-256 of its SubjectPublicKeyInfo.
func KeyIDOf(cert *x509.Certificate) certid.KeyID { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }
