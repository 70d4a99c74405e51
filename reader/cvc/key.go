package cvc

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"

	"kazashi.example/reader/tlv"
)

// Lengths of keys in octets.
const (
	rsaLen   = 256   // modulus of RSA-2048, and a signature by it
	fieldLen = 48    // one coordinate on P-384, and half a signature by it
	exponent = 65537 // of every RSA key of the card (soltia48/myna-card src/ca.rs)
)

// Tags of a public key's parts.
const (
	tagExponent = tlv.Tag(0x90) // soltia48/myna-card src/data.rs; AokiApp/jsapdu packages/mynacard/src/schema.ts
	tagModulus  = tlv.Tag(0x91) // the same
	tagPoint    = tlv.Tag(0x86) // ISO/IEC 7816-8; practice assumption: nothing of the next card's files is public
)

// Heads of the two forms of a public key. A point is uncompressed (SEC 1 §2.3.3).
var (
	rsaHead   = []byte{byte(tagExponent), 0x03, 0x01, 0x00, 0x01, byte(tagModulus), 0x82, 0x01, 0x00}
	pointHead = []byte{byte(tagPoint), 2*fieldLen + 1}
)

// ParseKey reads a public key as the card writes it, exactly and with nothing after it: `90 03 010001 91 820100` and the modulus of an
// RSA-2048 key (265 octets), or `86 61 04` and the two coordinates of a point on P-384 (99 octets). An RSA modulus has its highest and
// its lowest bit set; a point lies on the curve. It returns an *rsa.PublicKey or an *ecdsa.PublicKey; ErrCVC otherwise.
func ParseKey(b []byte) (crypto.PublicKey, error) {
	if n, ok := bytes.CutPrefix(b, rsaHead); ok {
		return rsaKey(n)
	}
	if p, ok := bytes.CutPrefix(b, pointHead); ok {
		return pointKey(p)
	}
	return nil, fmt.Errorf("%w: public key of %d octets in neither known form", ErrCVC, len(b))
}

func rsaKey(modulus []byte) (crypto.PublicKey, error) {
	if len(modulus) != rsaLen {
		return nil, fmt.Errorf("%w: modulus of %d octets", ErrCVC, len(modulus))
	}
	k := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: exponent}
	if !usableRSA(k) {
		return nil, fmt.Errorf("%w: modulus is even or shorter than 2048 bits", ErrCVC)
	}
	return k, nil
}

func pointKey(point []byte) (crypto.PublicKey, error) {
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), point)
	if err != nil {
		return nil, fmt.Errorf("%w: no point on P-384", ErrCVC)
	}
	return k, nil
}

// usable reports whether k is a key of one of the two forms.
func usable(k crypto.PublicKey) bool {
	switch k := k.(type) {
	case *rsa.PublicKey:
		return k != nil && k.N != nil && usableRSA(k)
	case *ecdsa.PublicKey:
		if k == nil || k.Curve != elliptic.P384() {
			return false
		}
		_, err := k.ECDH() // refuses a point that is not on the curve
		return err == nil
	}
	return false
}

func usableRSA(k *rsa.PublicKey) bool {
	return k.E == exponent && k.N.BitLen() == rsaLen*8 && k.N.Bit(0) == 1
}

// equal compares two usable keys.
func equal(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(x crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
