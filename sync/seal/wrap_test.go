package seal_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"

	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/seal"
)

// P3: a wrapped secret opens for its recipient and info alone, also where the recipient's P-256 half is somewhere else.
func TestP3WrapOpensForItsRecipient(t *testing.T) {
	half, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hardware, err := seal.HardwareKey(half, bytes.Repeat([]byte{3}, 64))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hardware.Bytes(); err == nil {
		t.Error("Bytes of a key in hardware = nil, want an error")
	}
	about := []byte("what it is for")
	for name, mine := range map[string]seal.PrivateKey{"in memory": testkey.Sealing(t, "seal mine"), "in hardware": hardware} {
		enc, sealed, err := seal.Wrap(mine.Public(), about, content)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := seal.Unwrap(mine, about, enc, sealed); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: Unwrap = %q, %v, want %q", name, got, err, content)
		}
		again, _, err := seal.Wrap(mine.Public(), about, content)
		if err != nil || bytes.Equal(again, enc) {
			t.Errorf("%s: two encapsulations are the same (%v)", name, err)
		}
		for what, err := range map[string]error{
			"another key":         unwrap(testkey.Sealing(t, "seal other"), about, enc, sealed),
			"another info":        unwrap(mine, about[1:], enc, sealed),
			"a cut secret":        unwrap(mine, about, enc, sealed[1:]),
			"a cut encapsulation": unwrap(mine, about, enc[1:], sealed),
			"another's enc":       unwrap(mine, about, again, sealed),
		} {
			if !errors.Is(err, seal.ErrOpen) {
				t.Errorf("%s: Unwrap with %s = %v, want ErrOpen", name, what, err)
			}
		}
	}
	if _, err := seal.HardwareKey(half, []byte("short")); !errors.Is(err, seal.ErrKey) {
		t.Errorf("HardwareKey(a short seed) = %v, want ErrKey", err)
	}
	if _, _, err := seal.Wrap(seal.PublicKey{}, about, content); !errors.Is(err, seal.ErrKey) {
		t.Errorf("Wrap(to nobody) = %v, want ErrKey", err)
	}
	if _, err := seal.Unwrap(seal.PrivateKey{}, about, nil, nil); !errors.Is(err, seal.ErrKey) {
		t.Errorf("Unwrap(with nothing) = %v, want ErrKey", err)
	}
}

func unwrap(with seal.PrivateKey, info, enc, sealed []byte) error {
	_, err := seal.Unwrap(with, info, enc, sealed)
	return err
}
