package sign_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"slices"
	"testing"

	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/sign"
)

// ring is Keys of several keys for one purpose.
type ring map[sign.KeyID]sign.PublicKey

func (r ring) SigningKey(p sign.Purpose, id sign.KeyID) (sign.PublicKey, error) {
	if k, ok := r[id]; ok && p == sign.PurposeRoot {
		return k, nil
	}
	return sign.PublicKey{}, sign.ErrUnknownKey
}

func ringOf(t *testing.T, keys ...*ecdsa.PrivateKey) ring {
	t.Helper()
	r := ring{}
	for _, k := range keys {
		p := testkey.Public(t, k)
		r[p.ID()] = p
	}
	return r
}

func signMany(t *testing.T, keys ...crypto.Signer) []byte {
	t.Helper()
	msg, err := sign.SignMany(keys, sign.PurposeRoot, payload)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// P9: a threshold counts people, not signatures.
func TestP9OpenManyCountsEachKnownSignerOnce(t *testing.T) {
	a, b, stranger := byhand.Key("root a"), byhand.Key("root b"), byhand.Key("root of somebody else")
	idA, idB := testkey.Public(t, a).ID(), testkey.Public(t, b).ID()
	known := ringOf(t, a, b)
	for _, c := range []struct {
		name string
		by   []crypto.Signer
		want []sign.KeyID
	}{
		{"one", []crypto.Signer{a}, []sign.KeyID{idA}},
		{"both", []crypto.Signer{a, b}, []sign.KeyID{idA, idB}},
		{"one twice", []crypto.Signer{a, a}, []sign.KeyID{idA}},
		{"a stranger first", []crypto.Signer{stranger, b}, []sign.KeyID{idB}},
		{"a stranger alone", []crypto.Signer{stranger}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, by, err := sign.OpenMany(known, sign.PurposeRoot, signMany(t, c.by...))
			if err != nil || !bytes.Equal(got, payload) || !slices.Equal(by, c.want) {
				t.Errorf("OpenMany = %q by %v, %v, want %q by %v", got, by, err, payload, c.want)
			}
		})
	}
	if _, by, err := sign.OpenMany(known, sign.PurposeTrust, signMany(t, a, b)); err != nil || len(by) != 0 {
		t.Errorf("OpenMany(another purpose) = by %v, %v, want by nobody", by, err)
	}
}

// many puts a COSE_Sign together by hand from its body header and signatures.
func many(body []byte, signatures ...[]byte) []byte {
	return append([]byte{0xd8, 0x62}, byhand.Array(body, byhand.Map(), byhand.Bytes(payload), byhand.Array(signatures...))...)
}

func signature(t *testing.T, k *ecdsa.PrivateKey, unprotected []byte) []byte {
	t.Helper()
	protected := byhand.Protected(testkey.Public(t, k).ID())
	sig := byhand.ES256(k, byhand.ToBeSigned("Signature", protected, string(sign.PurposeRoot), payload))
	return byhand.Array(byhand.Bytes(protected), unprotected, byhand.Bytes(sig))
}

func TestOpenManyTakesAMessageMadeByHand(t *testing.T) {
	a := byhand.Key("root a")
	got, by, err := sign.OpenMany(ringOf(t, a), sign.PurposeRoot, many(byhand.Bytes(nil), signature(t, a, byhand.Map())))
	if err != nil || len(by) != 1 || !bytes.Equal(got, payload) {
		t.Errorf("OpenMany(by hand) = %q by %v, %v, want %q by one", got, by, err, payload)
	}
}

func TestP9OpenManyRefuses(t *testing.T) {
	a := byhand.Key("root a")
	good := signature(t, a, byhand.Map())
	bad := bytes.Clone(good)
	bad[len(bad)-1] ^= 1
	none := byhand.Bytes(nil)
	sixteen := make([][]byte, 17)
	for i := range sixteen {
		sixteen[i] = good
	}
	whole := many(none, good)
	for _, c := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"a bad signature of a known key", many(none, bad), sign.ErrSignature},
		{"a bad one beside a good one", many(none, bad, good), sign.ErrSignature},
		{"no signature", many(none), sign.ErrMessage},
		{"seventeen signatures", many(none, sixteen...), sign.ErrMessage},
		{"body header as an empty map", many([]byte{0x41, 0xa0}, good), sign.ErrMessage},
		{"body header with a field", many(byhand.Bytes(byhand.Map(byhand.Uint(1), []byte{0x26})), good), sign.ErrMessage},
		{"unprotected field beside a signature", many(none, signature(t, a, byhand.Map(byhand.Uint(4), byhand.Bytes([]byte("x"))))), sign.ErrMessage},
		{"empty map in two octets", many(none, signature(t, a, []byte{0xb8, 0})), sign.ErrMessage},
		{"COSE_Sign1", append([]byte{0xd2}, whole[2:]...), sign.ErrMessage},
		{"cut", whole[:len(whole)-1], sign.ErrMessage},
		{"more after it", append(bytes.Clone(whole), 0), sign.ErrMessage},
		{"larger than its cap", make([]byte, sign.MaxMessage+1), sign.ErrMessage},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, by, err := sign.OpenMany(ringOf(t, a), sign.PurposeRoot, c.msg); !errors.Is(err, c.want) || got != nil || by != nil {
				t.Errorf("OpenMany = %q by %v, %v, want nothing and %v", got, by, err, c.want)
			}
		})
	}
}

func TestPeekReadsWithoutBelieving(t *testing.T) {
	msg := signMany(t, byhand.Key("root of somebody else"))
	if got, err := sign.Peek(msg); err != nil || !bytes.Equal(got, payload) {
		t.Errorf("Peek = %q, %v, want %q", got, err, payload)
	}
	if _, err := sign.Peek(msg[1:]); !errors.Is(err, sign.ErrMessage) {
		t.Errorf("Peek(cut) = %v, want ErrMessage", err)
	}
	if _, err := sign.SignMany(nil, sign.PurposeRoot, payload); err == nil {
		t.Error("SignMany(no key) = nil, want an error")
	}
}
