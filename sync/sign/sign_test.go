package sign_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"

	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/sign"
)

var (
	box     = byhand.Key("sign box")
	central = byhand.Key("sign central")
	payload = []byte("what is believed")
)

// anyName answers one key to every id.
type anyName struct{ key sign.PublicKey }

func (a anyName) SigningKey(sign.Purpose, sign.KeyID) (sign.PublicKey, error) { return a.key, nil }

func TestOpenReturnsWhatWasSigned(t *testing.T) {
	msg, err := sign.Sign(box, sign.PurposeEpoch, payload)
	if err != nil {
		t.Fatal(err)
	}
	pub := testkey.Public(t, box)
	got, id, err := sign.Open(sign.One{Key: pub}, sign.PurposeEpoch, msg)
	if err != nil || !bytes.Equal(got, payload) || id != pub.ID() {
		t.Errorf("Open = %q, %s, %v, want %q, %s", got, id, err, payload, pub.ID())
	}
	if got, err := sign.Payload(msg); err != nil || !bytes.Equal(got, payload) {
		t.Errorf("Payload = %q, %v, want %q", got, err, payload)
	}
}

func TestOpenTakesAMessageMadeByHand(t *testing.T) {
	pub := testkey.Public(t, box)
	msg := byhand.Sign1(box, byhand.Protected(pub.ID()), byhand.Map(), string(sign.PurposeAck), payload)
	got, _, err := sign.Open(sign.One{Key: pub}, sign.PurposeAck, msg)
	if err != nil || !bytes.Equal(got, payload) {
		t.Errorf("Open(by hand) = %q, %v, want %q", got, err, payload)
	}
}

// P9: nothing is believed but what the named key signed for this purpose.
func TestP9OpenRefusesWhatWasNotSignedForThis(t *testing.T) {
	msg, err := sign.Sign(box, sign.PurposeEpoch, payload)
	if err != nil {
		t.Fatal(err)
	}
	known := sign.One{Key: testkey.Public(t, box)}
	flip := func(i int) []byte {
		b := bytes.Clone(msg)
		b[(len(b)+i)%len(b)] ^= 1
		return b
	}
	for _, c := range []struct {
		name    string
		keys    sign.Keys
		purpose sign.Purpose
		msg     []byte
		want    error
	}{
		{"another purpose", known, sign.PurposeAck, msg, sign.ErrSignature},
		{"a key nobody knows", sign.One{Key: testkey.Public(t, central)}, sign.PurposeEpoch, msg, sign.ErrUnknownKey},
		{"no key at all", sign.One{}, sign.PurposeEpoch, msg, sign.ErrUnknownKey},
		{"another key under the id", anyName{testkey.Public(t, central)}, sign.PurposeEpoch, msg, sign.ErrSignature},
		{"signature changed", known, sign.PurposeEpoch, flip(-1), sign.ErrSignature},
		{"payload changed", known, sign.PurposeEpoch, flip(-67), sign.ErrSignature},
		{"key id changed", known, sign.PurposeEpoch, flip(12), sign.ErrUnknownKey},
		{"cut", known, sign.PurposeEpoch, msg[:len(msg)-1], sign.ErrMessage},
		{"more after it", known, sign.PurposeEpoch, append(bytes.Clone(msg), 0), sign.ErrMessage},
		{"nothing", known, sign.PurposeEpoch, nil, sign.ErrMessage},
		{"larger than its cap", known, sign.PurposeEpoch, make([]byte, sign.MaxMessage+1), sign.ErrMessage},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _, err := sign.Open(c.keys, c.purpose, c.msg); !errors.Is(err, c.want) || got != nil {
				t.Errorf("Open = %q, %v, want nothing and %v", got, err, c.want)
			}
		})
	}
}

// P9: one message, one identity. Each of these carries a signature that verifies under its own Sig_structure.
func TestP9OpenRefusesEveryOtherForm(t *testing.T) {
	id := testkey.Public(t, box).ID()
	only := byhand.Protected(id)
	empty := byhand.Map()
	purpose := string(sign.PurposeEpoch)
	sig := byhand.ES256(box, byhand.ToBeSigned("Signature1", only, purpose, payload))
	signed := func(protected, unprotected []byte) []byte {
		return byhand.Sign1(box, protected, unprotected, purpose, payload)
	}
	array := func(items ...[]byte) []byte { return append([]byte{0xd2}, byhand.Array(items...)...) }
	long := func(b []byte) []byte { return append([]byte{0x58, byte(len(b))}, b...) }
	alg, kid := []byte{1, 0x26}, append([]byte{4}, byhand.Bytes(id[:])...)
	for _, c := range []struct {
		name string
		msg  []byte
	}{
		{"length of the header not in its shortest form", array(long(only), empty, byhand.Bytes(payload), byhand.Bytes(sig))},
		{"length of the payload not in its shortest form", array(byhand.Bytes(only), empty, long(payload), byhand.Bytes(sig))},
		{"empty map in two octets", array(byhand.Bytes(only), []byte{0xb8, 0}, byhand.Bytes(payload), byhand.Bytes(sig))},
		{"indefinite array", append(append([]byte{0xd2, 0x9f}, array(byhand.Bytes(only), empty, byhand.Bytes(payload), byhand.Bytes(sig))[2:]...), 0xff)},
		{"indefinite payload", array(byhand.Bytes(only), empty, append(append([]byte{0x5f}, byhand.Bytes(payload)...), 0xff), byhand.Bytes(sig))},
		{"no tag", signed(only, empty)[1:]},
		{"tag in two octets", append([]byte{0xd8, 0x12}, signed(only, empty)[1:]...)},
		{"tag of COSE_Sign", append([]byte{0xd8, 0x62}, signed(only, empty)[1:]...)},
		{"header in another order", signed(bytes.Join([][]byte{{0xa2}, kid, alg}, nil), empty)},
		{"algorithm in two octets", signed(bytes.Join([][]byte{{0xa2, 1, 0x38, 6}, kid}, nil), empty)},
		{"algorithm by name", signed(bytes.Join([][]byte{{0xa2, 1}, byhand.Text("ES256"), kid}, nil), empty)},
		{"another algorithm", signed(bytes.Join([][]byte{{0xa2, 1, 0x38, 0x22}, kid}, nil), empty)},
		{"no algorithm", signed(append([]byte{0xa1}, kid...), empty)},
		{"no key id", signed(append([]byte{0xa1}, alg...), empty)},
		{"short key id", signed(byhand.Map(byhand.Uint(1), []byte{0x26}, byhand.Uint(4), byhand.Bytes(id[:15])), empty)},
		{"one field more", signed(bytes.Join([][]byte{{0xa3}, alg, {3, 0x18, 60}, kid}, nil), empty)},
		{"unprotected key id", signed(only, append([]byte{0xa1}, kid...))},
		{"unprotected unknown field", signed(only, byhand.Map(byhand.Uint(99), byhand.Uint(1)))},
		{"no payload", array(byhand.Bytes(only), empty, []byte{0xf6}, byhand.Bytes(sig))},
		{"no signature", array(byhand.Bytes(only), empty, byhand.Bytes(payload), byhand.Bytes(nil))},
		{"fifth element", array(byhand.Bytes(only), empty, byhand.Bytes(payload), byhand.Bytes(sig), byhand.Uint(0))},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := sign.Open(anyName{testkey.Public(t, box)}, sign.PurposeEpoch, c.msg)
			if err == nil || got != nil {
				t.Errorf("Open(%x) = %q, %v, want nothing and an error", c.msg, got, err)
			}
			if !errors.Is(err, sign.ErrMessage) && c.name != "no payload" {
				t.Errorf("Open = %v, want ErrMessage", err)
			}
		})
	}
}

// An ECDSA signature has a twin that verifies as well, so nothing may be identified by the octets of a signed message.
func TestTheTwinOfASignatureVerifies(t *testing.T) {
	msg, err := sign.Sign(box, sign.PurposeEpoch, payload)
	if err != nil {
		t.Fatal(err)
	}
	twin := byhand.OtherSignature(msg)
	got, _, err := sign.Open(sign.One{Key: testkey.Public(t, box)}, sign.PurposeEpoch, twin)
	if bytes.Equal(twin, msg) || err != nil || !bytes.Equal(got, payload) {
		t.Errorf("Open(twin) = %q, %v, want %q", got, err, payload)
	}
}

func TestOnlyKeysOnP256(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sign.PublicKeyOf(p384.Public()); !errors.Is(err, sign.ErrKey) {
		t.Errorf("PublicKeyOf(P-384) = %v, want ErrKey", err)
	}
	if _, err := sign.Sign(p384, sign.PurposeAck, payload); !errors.Is(err, sign.ErrKey) {
		t.Errorf("Sign(P-384) = %v, want ErrKey", err)
	}
	if _, err := sign.ParsePublicKey([]byte("no key")); !errors.Is(err, sign.ErrKey) {
		t.Errorf("ParsePublicKey(text) = %v, want ErrKey", err)
	}
	if p := testkey.Public(t, box); (sign.PublicKey{}).Equal(p) || p.Equal(sign.PublicKey{}) || !p.Equal(p) {
		t.Error("Equal(no key) = true, or a key differs from itself")
	}
}
