package jpki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"testing"

	"kazashi.example/reader/jpki"
)

// exponentThree is an RSA key of 2048 bits as no card has one.
func exponentThree(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	one, three := big.NewInt(1), big.NewInt(3)
	for {
		p, err := rand.Prime(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		q, err := rand.Prime(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		if d := new(big.Int).ModInverse(three, phi); d != nil && n.BitLen() == 2048 && p.Cmp(q) != 0 {
			return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 3}, D: d, Primes: []*big.Int{p, q}}
		}
	}
}

// A key that no card has verifies nothing, and one that is none is an error and no panic.
func TestVerifySignatureRefusesKeys(t *testing.T) {
	w := practice()
	message := []byte("challenge")
	sum := sha256.Sum256(message)
	three := exponentThree(t)
	signature := must(rsa.SignPKCS1v15(nil, three, crypto.SHA256, sum[:]))
	if err := rsa.VerifyPKCS1v15(&three.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
		t.Fatalf("crypto/rsa does not take the signature itself: %v", err)
	}
	for _, tt := range []struct {
		name string
		key  crypto.PublicKey
	}{
		{"exponent 3", &three.PublicKey},
		{"exponent 0", &rsa.PublicKey{N: w.person.N}},
		{"no key", nil},
		{"nil RSA key", (*rsa.PublicKey)(nil)},
		{"RSA without modulus", &rsa.PublicKey{E: 65537}},
		{"nil ECDSA key", (*ecdsa.PublicKey)(nil)},
		{"ECDSA without curve", &ecdsa.PublicKey{}},
		{"ECDSA without point", &ecdsa.PublicKey{Curve: elliptic.P384()}},
		{"RSA key by value", w.person.PublicKey},
	} {
		for _, s := range [][]byte{nil, signature, make([]byte, 96)} {
			if err := jpki.VerifySignature(tt.key, message, s); !errors.Is(err, jpki.ErrKeyKind) {
				t.Errorf("VerifySignature(%s, signature of %d octets) = %v, want ErrKeyKind", tt.name, len(s), err)
			}
		}
	}
}
