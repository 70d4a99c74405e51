package jpki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"math/big"
)

// Errors of VerifySignature.
var (
	// ErrSignature says that a key did not make a signature over a message.
	ErrSignature = errors.New("signature does not verify")
	// ErrKeyKind says that a key is neither RSA with 2048 bits and exponent 65537 nor on P-384, or is none.
	ErrKeyKind = errors.New("key is of an algorithm that no such card has")
)

// p384Len is the length of r and of s, in octets.
const p384Len = 48

// Every RSA key of the card has a modulus of 2048 bits and this exponent (soltia48/myna-card src/data.rs).
const (
	rsaBits     = 2048
	rsaExponent = 65537
)

// VerifySignature checks what a card's key signed: RSASSA-PKCS1-v1_5 with SHA-256 for an RSA key of 2048 bits and exponent 65537 (RFC
// 8017 §8.2), and ECDSA with SHA-384 for a key on P-384, as r and s of 48 octets each (ISO/IEC 7816-8, BSI TR-03111 §5.2.1). ErrSignature,
// ErrKeyKind.
func VerifySignature(pub crypto.PublicKey, message, signature []byte) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if k == nil || k.N == nil || k.N.BitLen() != rsaBits || k.E != rsaExponent {
			return ErrKeyKind
		}
		sum := sha256.Sum256(message)
		if rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) != nil {
			return ErrSignature
		}
	case *ecdsa.PublicKey:
		if k == nil || k.Curve != elliptic.P384() || k.X == nil || k.Y == nil { //nolint:staticcheck // Bytes and Verify panic without a point
			return ErrKeyKind
		}
		sum := sha512.Sum384(message)
		if len(signature) != 2*p384Len ||
			!ecdsa.Verify(k, sum[:], new(big.Int).SetBytes(signature[:p384Len]), new(big.Int).SetBytes(signature[p384Len:])) {
			return ErrSignature
		}
	default:
		return ErrKeyKind
	}
	return nil
}
