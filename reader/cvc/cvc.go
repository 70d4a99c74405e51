// Package cvc reads the card-verifiable certificates of a My Number Card (EF 0004 of both 券面 applications, EF 0014 and 0004 of the
// practice form of the next card) and says whose authority signed one.
//
// Such a certificate has no dates, no serial and no name: it says that the key named Issuer certifies the key named Subject. The
// issuer's key is not on the card. It is handed in as an [Authority], from the trust bundle.
//
// All types are immutable once made and safe to use from any goroutine. Nothing is kept on disk and nothing is logged. An issuer's number
// says for which application it signs, and [Authorities.Verify] enforces that; whether the certified key signed a file is for the caller to
// check. No authority is built in: a program that is handed none believes none.
package cvc

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/reader/jpki"
	"kazashi.example/reader/tlv"
)

// Errors of this package.
var (
	// ErrCVC says that octets are no card-verifiable certificate, or no public key, of the two forms known here.
	ErrCVC = errors.New("not a card-verifiable certificate")
	// ErrAuthority says that an authority cannot be believed; the message names the reason.
	ErrAuthority = errors.New("unusable card authority")
	// ErrUnknownAuthority says that a certificate names an issuer key that is not known here. Nothing was checked.
	ErrUnknownAuthority = errors.New("issuer of the card-verifiable certificate is not known here")
	// ErrOtherUse says that a certificate's issuer signs for another application than the one asked about.
	ErrOtherUse = errors.New("issuer of the card-verifiable certificate signs for another application")
)

// Tags and lengths of a certificate (soltia48/myna-card src/data.rs; names of the tags: ISO/IEC 7816-8).
const (
	tagCertificate = tlv.Tag(0x7F21) // card-verifiable certificate
	tagBody        = tlv.Tag(0x5F4E) // certificate content: two key identifiers and a public key
	tagSignature   = tlv.Tag(0x5F37) // digital signature over the value of 5F4E

	filler = 0xFF // what the card puts behind a file's contents

	// maxFiller bounds what may follow: the file is read whole, and no file of the card is longer than its short offsets reach.
	maxFiller = 0x7FFF
)

// Certificate is one card-verifiable certificate, unverified until [Authorities.Verify] has said so. It prints as REDACTED: Subject
// names the municipality that made the card.
type Certificate struct {
	Issuer  KeyID            // 証明者鍵ID, the key that is said to have signed
	Subject KeyID            // 被証明者鍵ID, the key that is certified
	Key     crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey, as ParseKey gives them

	body      []byte
	signature []byte
}

// Parse reads a file's whole contents: 7F21 { 5F4E { issuer, subject, key }, 5F37 signature } and after it nothing but filler FF. The
// signature has the length of one of the two kinds of key; whether it verifies is not looked at. Nothing of b is kept. ErrCVC
// otherwise.
func Parse(b []byte) (Certificate, error) {
	outer, rest, err := tlv.Decode(b)
	switch {
	case err != nil:
		return Certificate{}, fmt.Errorf("%w: %w", ErrCVC, err)
	case outer.Tag != tagCertificate:
		return Certificate{}, fmt.Errorf("%w: file begins with %s", ErrCVC, outer.Tag)
	case len(rest) > maxFiller || len(bytes.TrimLeft(rest, string([]byte{filler}))) > 0:
		return Certificate{}, fmt.Errorf("%w: %d octets after it that are not filler", ErrCVC, len(rest))
	}
	parts, err := outer.Children()
	switch {
	case err != nil:
		return Certificate{}, fmt.Errorf("%w: %w", ErrCVC, err)
	case len(parts) != 2 || parts[0].Tag != tagBody || parts[1].Tag != tagSignature:
		return Certificate{}, fmt.Errorf("%w: want 5F4E and 5F37 inside, have %d objects", ErrCVC, len(parts))
	}
	return decode(bytes.Clone(parts[0].Value), bytes.Clone(parts[1].Value))
}

func decode(body, signature []byte) (Certificate, error) {
	c := Certificate{body: body, signature: signature}
	if len(body) < 2*len(c.Issuer) {
		return Certificate{}, fmt.Errorf("%w: body of %d octets", ErrCVC, len(body))
	}
	n := copy(c.Issuer[:], body)
	n += copy(c.Subject[:], body[n:])
	if !c.Issuer.valid() || !c.Subject.valid() {
		return Certificate{}, fmt.Errorf("%w: key identifier without its digits", ErrCVC)
	}
	var err error
	if c.Key, err = ParseKey(body[n:]); err != nil {
		return Certificate{}, err
	}
	if len(signature) != rsaLen && len(signature) != 2*fieldLen {
		return Certificate{}, fmt.Errorf("%w: signature of %d octets", ErrCVC, len(signature))
	}
	return c, nil
}

// verify checks the signature over the value of 5F4E; jpki.ErrSignature.
func (c Certificate) verify(key crypto.PublicKey) error {
	return jpki.VerifySignature(key, c.body, c.signature) //nolint:wrapcheck // Authorities.Verify wraps
}

// String prints REDACTED.
func (Certificate) String() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (Certificate) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (Certificate) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// MarshalText writes REDACTED.
func (Certificate) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }
