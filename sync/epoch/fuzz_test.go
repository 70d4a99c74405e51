package epoch_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/sign"
)

func FuzzOpenHeader(f *testing.F) {
	s, _ := begin(f)
	f.Add(s.Message)
	f.Fuzz(func(t *testing.T, in []byte) {
		o, id, err := epoch.OpenHeader(keys(t), in)
		if err != nil {
			return
		}
		payload, err := sign.Payload(in)
		if err != nil || o.Root != sha256.Sum256(payload) {
			t.Fatalf("accepted %x: root %s, %v", in, o.Root, err)
		}
		sig := byhand.Bytes(in[len(in)-64:])
		only := append([]byte{0xd2}, byhand.Array(byhand.Bytes(byhand.Protected(id)), byhand.Map(), byhand.Bytes(payload), sig)...)
		if !bytes.Equal(in, only) {
			t.Fatalf("accepted %x, whose only form is %x", in, only)
		}
	})
}

// FuzzHeader fuzzes the payload under the signature: what a device with a right key and wrong software could sign.
func FuzzHeader(f *testing.F) {
	s, _ := begin(f)
	payload, err := sign.Payload(s.Message)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(device, sign.PurposeEpoch, append([]byte{}, in...))
		if err != nil {
			t.Fatal(err)
		}
		o, _, err := epoch.OpenHeader(keys(t), msg)
		r, rerr := epoch.Read(msg)
		if len(msg) <= epoch.MaxHeader && ((err == nil) != (rerr == nil) || o.Root != r.Root) {
			t.Fatalf("OpenHeader = %v, %s, Read = %v, %s", err, o.Root, rerr, r.Root)
		}
		if err != nil {
			return
		}
		again, err := o.Header.Sign(device)
		if err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
		var v any
		if err := canon.Decode(in, &v, epoch.MaxHeader); err != nil {
			t.Fatalf("accepted %x: %v", in, err)
		}
		if back, err := epoch.Read(again.Message); err != nil || back.Header.Predecessor != o.Header.Predecessor || !bytes.Equal(back.Header.Enc, o.Header.Enc) {
			t.Fatalf("accepted %x reads back differently: %v", in, err)
		}
	})
}

func FuzzDecodeEnvelope(f *testing.F) {
	s, key := begin(f)
	for _, r := range write(f, epoch.NewWriter(s, key), 2) {
		f.Add(r.Bytes)
	}
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := epoch.DecodeEnvelope(in)
		if err != nil {
			return
		}
		out, err := e.Encode()
		if err != nil || !bytes.Equal(in, out) {
			t.Fatalf("accepted %x re-encodes to %x, %v", in, out, err)
		}
	})
}
