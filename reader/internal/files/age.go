package files

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"log/slog"

	"kazashi.example/reader/cvc"
	"kazashi.example/reader/tlv"
)

// Tags of the age record, EF 0001 of 券面事項確認AP (soltia48/myna-card src/ap/surface.rs; AokiApp/jsapdu
// packages/mynacard/src/schema.ts).
const (
	tagAge          = tlv.Tag(0xFF10)
	tagAgeBirth     = tlv.Tag(0xDF11)
	tagAgeKey       = tlv.Tag(0xDF12)
	tagAgeSignature = tlv.Tag(0xDF13)
)

// Age is the age record: whose birth date it is that opened the card-face application, and the key that the application signs with.
// It is unverified until [Age.Verify] has returned nil. It prints as REDACTED.
type Age struct {
	Birth string           // YYYYMMDD, Gregorian; 00 where month or day is not known
	Key   crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
	SPKI  []byte           // Key as SubjectPublicKeyInfo, DER (RFC 5280 §4.1.2.7)

	signed, signature []byte
}

// ParseAge reads the age record: FF10 { DF11 birth date, DF12 public key, DF13 signature } and after it nothing but filler. 547 octets
// with RSA-2048. ErrFile otherwise.
func ParseAge(b []byte) (Age, error) {
	outer, err := object(b, tagAge)
	if err != nil {
		return Age{}, err
	}
	list, err := fields(outer, tagAgeBirth, tagAgeKey, tagAgeSignature)
	if err != nil {
		return Age{}, err
	}
	birth, key, sig := list[0], list[1], list[2]
	switch {
	case !isDate(birth.Value):
		return Age{}, fmt.Errorf("%w: birth date", ErrFile)
	case len(sig.Value) != rsaSignature && len(sig.Value) != ecdsaSignature:
		return Age{}, fmt.Errorf("%w: length of the signature", ErrFile)
	}
	a := Age{Birth: string(birth.Value), signed: bytes.Clone(before(outer, sig)), signature: bytes.Clone(sig.Value)}
	if a.Key, err = cvc.ParseKey(key.Value); err != nil {
		return Age{}, fmt.Errorf("%w: public key", ErrFile)
	}
	if a.SPKI, err = x509.MarshalPKIXPublicKey(a.Key); err != nil {
		return Age{}, fmt.Errorf("%w: public key", ErrFile)
	}
	return a, nil
}

// Verify checks that signer made the record: its signature covers DF11 and DF12 as the card wrote them. signer is the key of the
// card-verifiable certificate in EF 0004, itself verified. jpki.ErrSignature otherwise.
func (a Age) Verify(signer crypto.PublicKey) error {
	return checkSignature("the age record", signer, a.signed, a.signature)
}

// String prints REDACTED.
func (Age) String() string { return redacted }

// Format prints REDACTED for every verb.
func (Age) Format(f fmt.State, _ rune) { redact(f) }

// LogValue logs REDACTED.
func (Age) LogValue() slog.Value { return redactedValue() }

// MarshalText writes REDACTED.
func (Age) MarshalText() ([]byte, error) { return []byte(redacted), nil }
