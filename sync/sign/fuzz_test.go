package sign_test

import (
	"bytes"
	"crypto"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/sign"
)

func FuzzOpen(f *testing.F) {
	pub, err := sign.PublicKeyOf(box.Public())
	if err != nil {
		f.Fatal(err)
	}
	msg, err := sign.Sign(box, sign.PurposeEpoch, payload)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg)
	f.Add(byhand.OtherSignature(msg))
	f.Add(append([]byte{0xd2, 0x84, 0x58}, msg[2:]...))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, id, err := sign.Open(sign.One{Key: pub}, sign.PurposeEpoch, in)
		if err != nil {
			return
		}
		sig := in[len(in)-64:]
		want := append([]byte{0xd2}, byhand.Array(byhand.Bytes(byhand.Protected(id)), byhand.Map(), byhand.Bytes(got), byhand.Bytes(sig))...)
		if !bytes.Equal(in, want) {
			t.Fatalf("accepted %x, whose only form is %x", in, want)
		}
	})
}

func FuzzOpenMany(f *testing.F) {
	a := byhand.Key("root a")
	pub, err := sign.PublicKeyOf(a.Public())
	if err != nil {
		f.Fatal(err)
	}
	for _, by := range [][]crypto.Signer{{a}, {a, box}} {
		msg, err := sign.SignMany(by, sign.PurposeRoot, payload)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		_, by, err := sign.OpenMany(ring{pub.ID(): pub}, sign.PurposeRoot, in)
		if err != nil {
			return
		}
		if len(by) > 1 {
			t.Fatalf("OpenMany = by %v, one key is known", by)
		}
		// Behind its tag the message is in the one form of canonical CBOR.
		var v any
		if err := canon.Decode(in[2:], &v, sign.MaxMessage); err != nil {
			t.Fatalf("accepted %x: %v", in, err)
		}
	})
}
