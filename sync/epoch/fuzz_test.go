package epoch_test

import (
	"bytes"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/sign"
)

func FuzzOpenHeader(f *testing.F) {
	s, _ := begin(f)
	f.Add(s.Message)
	f.Fuzz(func(t *testing.T, in []byte) {
		if o, _, err := epoch.OpenHeader(keys(t), in); err == nil && o.Root != s.Root {
			t.Fatalf("accepted %x, which the device never signed", in)
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
