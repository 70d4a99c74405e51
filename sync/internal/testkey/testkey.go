// Package testkey turns the keys that package byhand makes from names into those of packages sign and seal, for tests. It
// keeps no state, and no shipped program imports it.
package testkey

import (
	"crypto/ecdsa"
	"testing"

	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// Public is the public half.
func Public(tb testing.TB, k *ecdsa.PrivateKey) sign.PublicKey {
	tb.Helper()
	p, err := sign.PublicKeyOf(k.Public())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// Only believes one key, for every purpose.
func Only(tb testing.TB, k *ecdsa.PrivateKey) sign.Keys {
	tb.Helper()
	return sign.One{Key: Public(tb, k)}
}

// Sealing is the suite 1 key of a name.
func Sealing(tb testing.TB, name string) seal.PrivateKey {
	tb.Helper()
	k, err := seal.ParsePrivateKey(byhand.Seed(name))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}
