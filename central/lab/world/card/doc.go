// Package card makes the signed files of the practice card's card-face AP (券面事項確認AP) and input-assist AP (券面事項入力補助AP): the
// card-verifiable certificate, the age record, the card face, the attributes with their integrity record and the published keys.
//
// Tags, lengths and what each signature covers follow soltia48/myna-card (src/data.rs, src/ap/surface.rs, src/ap/text.rs), whose author
// read physical and test cards; the official specification is not public. The reader has its own code for these files: nothing here is
// shared with it, so that one checks the other.
//
// Functions are pure and safe from any goroutine. Where the contents of a field are not publicly known (the trailing blocks of the
// basic information files) they are filled with octets derived from the person, in the known length.
package card

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrField says that a field cannot be written: a key that is not RSA-2048 with exponent 65537, or contents too long for the file.
var ErrField = errors.New("card file cannot be made")

// modulusLen is RSA-2048.
const modulusLen = 256

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

// publicKey is 90 exponent, 91 modulus: 265 octets for RSA-2048.
func publicKey(pub *rsa.PublicKey) ([]byte, error) {
	if pub.E != 65537 || pub.N.BitLen() != modulusLen*8 {
		return nil, fmt.Errorf("%w: key is not RSA-2048 with exponent 65537", ErrField)
	}
	return append(tlv(0x90, []byte{1, 0, 1}), tlv(0x91, pub.N.FillBytes(make([]byte, modulusLen)))...), nil
}

// sign is PKCS #1 v1.5 with SHA-256 over the octets as written.
func sign(key *rsa.PrivateKey, over []byte) ([]byte, error) {
	sum := sha256.Sum256(over)
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return nil, fmt.Errorf("signing a card file: %w", err)
	}
	return sig, nil
}

// signed closes a record: the body followed by its signature under sigTag, all inside outer.
func signed(outer, sigTag uint32, body []byte, key *rsa.PrivateKey) ([]byte, error) {
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
