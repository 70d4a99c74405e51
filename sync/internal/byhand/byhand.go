// Package byhand writes CBOR and COSE octet by octet, and makes keys from names, for the tests of what both ends agree on.
//
// It shares no line with the encoder, the signer or the sealer under test, so that a mistake of theirs does not cancel out.
// All functions are pure but for the random part of a signature. No shipped program imports it, and the keys are in the
// open: whoever knows a name has its key.
package byhand

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
)

// Head is the first octets of an item in their shortest form (RFC 8949 §3): major type and argument.
func Head(major byte, n uint64) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32([]byte{major<<5 | 26}, uint32(n))
	default:
		return binary.BigEndian.AppendUint64([]byte{major<<5 | 27}, n)
	}
}

// Uint is an unsigned integer.
func Uint(n uint64) []byte { return Head(0, n) }

// Bytes is a byte string.
func Bytes(b []byte) []byte { return append(Head(2, uint64(len(b))), b...) }

// Text is a text string.
func Text(s string) []byte { return append(Head(3, uint64(len(s))), s...) }

// Array is an array of encoded items.
func Array(items ...[]byte) []byte {
	return append(Head(4, uint64(len(items))), bytes.Join(items, nil)...)
}

// Map is a map of encoded keys and values, in the order given.
func Map(pairs ...[]byte) []byte {
	return append(Head(5, uint64(len(pairs)/2)), bytes.Join(pairs, nil)...)
}

// Key is the ECDSA P-256 test key of a name.
func Key(name string) *ecdsa.PrivateKey {
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), Seed(name))
	if err != nil {
		panic(err) // a hash that is no scalar: one in 2^32
	}
	return k
}

// Seed is 32 octets of a name: the suite 1 test key of that name, too.
func Seed(name string) []byte {
	sum := sha256.Sum256([]byte("kazashi test key: " + name))
	return sum[:]
}

// Protected is the content of the only accepted protected header: {1: -7, 4: key id}.
func Protected(id [16]byte) []byte {
	return Map(Uint(1), Head(1, 6), Uint(4), Bytes(id[:]))
}

// ToBeSigned is the Sig_structure of a COSE_Sign1 (RFC 9052 §4.4), where context is "Signature1", or that of one signature of
// a COSE_Sign, where it is "Signature" and the body's protected header is empty.
func ToBeSigned(context string, protected []byte, purpose string, payload []byte) []byte {
	head := [][]byte{Text(context), Bytes(protected)}
	if context == "Signature" {
		head = [][]byte{Text(context), Bytes(nil), Bytes(protected)}
	}
	return Array(append(head, Bytes([]byte(purpose)), Bytes(payload))...)
}

// ES256 signs octets: r and s, 32 octets each (RFC 9053 §2.1).
func ES256(key *ecdsa.PrivateKey, octets []byte) []byte {
	sum := sha256.Sum256(octets)
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		panic(err) // fixed key and curve
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig
}

// Sign1 signs a payload for a purpose under a protected header and puts them together with an unprotected header (RFC 9052
// §4.2).
func Sign1(key *ecdsa.PrivateKey, protected, unprotected []byte, purpose string, payload []byte) []byte {
	sig := ES256(key, ToBeSigned("Signature1", protected, purpose, payload))
	return append([]byte{0xd2}, Array(Bytes(protected), unprotected, Bytes(payload), Bytes(sig))...)
}

// OtherSignature gives a COSE_Sign1 the other signature that verifies as well: (r, n−s) for (r, s).
func OtherSignature(msg []byte) []byte {
	out := bytes.Clone(msg)
	s := out[len(out)-32:]
	new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(s)).FillBytes(s)
	return out
}
