// Package card makes the signed files of the practice card's card-face AP (券面事項確認AP) and input-assist AP (券面事項入力補助AP): the
// card-verifiable certificate, the age record, the card face, the attributes with their integrity record and the published keys.
//
// Tags, lengths and what each signature covers follow soltia48/myna-card (src/data.rs, src/ap/surface.rs, src/ap/text.rs), whose author
// read physical and test cards; the official specification is not public. The reader has its own code for these files: nothing here is
// shared with it, so that one checks the other.
//
// The files of the practice form of the next card are here too (P-384). Nothing of the true one's files is public: they are assumptions, as like
// today's as they can be.
//
// Functions are pure and safe from any goroutine. Where the contents of a field are not publicly known (the trailing blocks of the
// basic information files) they are filled with octets derived from the person, in the known length.
package card

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// ErrField says that a field cannot be written: a key that is neither RSA-2048 with exponent 65537 nor on P-384, or contents too long for the
// file.
var ErrField = errors.New("card file cannot be made")

// Lengths in octets.
const (
	modulusLen    = 256 // RSA-2048
	coordinateLen = 48  // of a point on P-384, and of half a signature
)

// tlv is tag, BER length and value; tags are written as their octets (0x5F4E is two).
func tlv(tag uint32, value []byte) []byte {
	var out []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if b := byte(tag >> shift); b != 0 || len(out) > 0 {
			out = append(out, b)
		}
	}
	switch n := len(value); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	default:
		out = append(out, 0x82, byte(n>>8), byte(n))
	}
	return append(out, value...)
}

// publicKey is 90 exponent, 91 modulus: 265 octets for RSA-2048. On P-384 it is 86 with the uncompressed point, 99 octets (ISO/IEC 7816-8's
// tag; that the next card writes it so is a practice assumption).
func publicKey(pub crypto.PublicKey) ([]byte, error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if k.E == 65537 && k.N.BitLen() == modulusLen*8 {
			return append(tlv(0x90, []byte{1, 0, 1}), tlv(0x91, k.N.FillBytes(make([]byte, modulusLen)))...), nil
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P384() {
			point, err := k.Bytes()
			if err != nil {
				return nil, fmt.Errorf("encoding a point: %w", err)
			}
			return tlv(0x86, point), nil
		}
	}
	return nil, fmt.Errorf("%w: key is neither RSA-2048 with exponent 65537 nor on P-384", ErrField)
}

// sign is PKCS #1 v1.5 with SHA-256 over the octets as written, or ECDSA with SHA-384, r and s of 48 octets each, without random
// choices (RFC 6979).
func sign(key crypto.Signer, over []byte) ([]byte, error) {
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		return signCurve(key, over)
	}
	sum := sha256.Sum256(over)
	sig, err := key.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing a card file: %w", err)
	}
	return sig, nil
}

func signCurve(key crypto.Signer, over []byte) ([]byte, error) {
	sum := sha512.Sum384(over)
	der, err := key.Sign(nil, sum[:], crypto.SHA384)
	if err != nil {
		return nil, fmt.Errorf("signing a card file: %w", err)
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil, fmt.Errorf("reading a signature: %w", err)
	}
	return append(sig.R.FillBytes(make([]byte, coordinateLen)), sig.S.FillBytes(make([]byte, coordinateLen))...), nil
}

// signed closes a record: the body followed by its signature under sigTag, all inside outer.
func signed(outer, sigTag uint32, body []byte, key crypto.Signer) ([]byte, error) {
	sig, err := sign(key, body)
	if err != nil {
		return nil, err
	}
	return tlv(outer, append(append([]byte(nil), body...), tlv(sigTag, sig)...)), nil
}

// join concatenates.
func join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
