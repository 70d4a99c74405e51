package jpki

import (
	"crypto"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/sync/certid"
)

// SignCert is what was found in one signature certificate (署名用電子証明書), which a card gives out after its password only. The
// findings are AuthCert's. It is a value and prints as REDACTED.
type SignCert struct {
	Serial              certid.Serial
	NotBefore, NotAfter time.Time // UTC, both inclusive
	Chain               ChainStatus
	Hierarchy           certid.Hierarchy // 0 unless Chain is ChainVerified
	Issuer              certid.KeyID     // zero unless Chain is ChainVerified
	IssuerNotBefore     time.Time        // zero unless Chain is ChainVerified
	IssuerNotAfter      time.Time
	Claims              certid.Scope
	Profile             error // nil, or the first fault
	Phone               bool
	PublicKey           crypto.PublicKey
	CRLPoint            []byte // directory name (DER)
	// Attributes are what the issuer certified about the holder; empty unless Profile is nil. Believe them only with ChainVerified.
	Attributes Attributes
}

func signCertOf(a AuthCert) SignCert {
	return SignCert{
		Serial: a.Serial, NotBefore: a.NotBefore, NotAfter: a.NotAfter, Chain: a.Chain, Hierarchy: a.Hierarchy, Issuer: a.Issuer,
		IssuerNotBefore: a.IssuerNotBefore, IssuerNotAfter: a.IssuerNotAfter, Claims: a.Claims, PublicKey: a.PublicKey, CRLPoint: a.CRLPoint,
	}
}

// DatesAt compares the dates with one moment, as AuthCert.DatesAt.
func (c SignCert) DatesAt(at time.Time) DateStatus {
	return AuthCert{
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Chain: c.Chain, IssuerNotBefore: c.IssuerNotBefore, IssuerNotAfter: c.IssuerNotAfter,
	}.DatesAt(at)
}

// Verify checks what the card's signature key signed: ErrSignature, ErrKeyKind. It says nothing about the certificate.
func (c SignCert) Verify(message, signature []byte) error {
	return VerifySignature(c.PublicKey, message, signature)
}

// Scope is where the serial is unique: the verified hierarchy, for signatures. Zero unless Chain is ChainVerified.
func (c SignCert) Scope() certid.Scope {
	if c.Chain != ChainVerified {
		return certid.Scope{}
	}
	return certid.Scope{Hierarchy: c.Hierarchy, Purpose: certid.PurposeSign}
}

const redacted = "REDACTED"

// String prints REDACTED.
func (SignCert) String() string { return redacted }

// GoString prints REDACTED.
func (SignCert) GoString() string { return redacted }

// Format prints REDACTED for every verb.
func (SignCert) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue logs REDACTED.
func (SignCert) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes REDACTED.
func (SignCert) MarshalText() ([]byte, error) { return []byte(redacted), nil }
