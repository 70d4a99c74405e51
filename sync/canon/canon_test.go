package canon_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"kazashi.example/sync/canon"
)

type message struct {
	A uint64 `cbor:"1,keyasint"`
	B []byte `cbor:"2,keyasint,omitempty"`
}

func TestDecodeRefusesEveryOtherForm(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"minimal", "a10101", nil},
		{"unknown key ignored", "a2010118646178", nil},
		{"two octets for one", "a1011801", canon.ErrForm},
		{"four octets for one", "a1011a00000001", canon.ErrForm},
		{"duplicate key", "a201010102", canon.ErrForm},
		{"keys out of order", "a2024100" + "0101", canon.ErrForm},
		{"indefinite map", "bf0101ff", canon.ErrForm},
		{"tag", "c1a10101", canon.ErrForm},
		{"float", "a101f93c00", canon.ErrForm},
		{"undefined", "a101f7", canon.ErrForm},
		{"trailing octet", "a1010100", canon.ErrForm},
		{"cut", "a10118", canon.ErrForm},
		{"huge byte string", "a1025b7fffffffffffffff00", canon.ErrForm},
		{"huge array", "a1029b7fffffffffffffff00", canon.ErrForm},
		{"deep", "818181818181818181818181", canon.ErrForm},
		{"wrong type", "a1016161", canon.ErrShape},
		{"empty", "", canon.ErrForm},
		{"map as a map key", "a1a000", canon.ErrForm},
		{"true as a map key", "a1f500", canon.ErrForm},
		{"text that is not UTF-8 under an unknown key", "a20101" + "1861" + "61be", canon.ErrForm},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, err := hex.DecodeString(c.in)
			if err != nil {
				t.Fatal(err)
			}
			var m message
			if got := canon.Decode(in, &m, 64); !errors.Is(got, c.want) {
				t.Errorf("Decode(%s) = %v, want %v", c.in, got, c.want)
			}
		})
	}
}

func TestDecodeCapsSize(t *testing.T) {
	b, err := canon.Encode(message{A: 1, B: make([]byte, 100)})
	if err != nil {
		t.Fatal(err)
	}
	var m message
	if err := canon.Decode(b, &m, len(b)-1); !errors.Is(err, canon.ErrSize) {
		t.Errorf("Decode(one octet over the cap) = %v, want ErrSize", err)
	}
	if err := canon.Decode(b, &m, len(b)); err != nil {
		t.Errorf("Decode(at the cap) = %v, want nil", err)
	}
}

func TestDecodeFixedWantsExactLength(t *testing.T) {
	var dst [4]byte
	for _, in := range []string{"41ff", "43ffffff", "45ffffffffff", "01"} {
		b, _ := hex.DecodeString(in)
		if err := canon.DecodeFixed(dst[:], b); !errors.Is(err, canon.ErrShape) {
			t.Errorf("DecodeFixed(%s) = %v, want ErrShape", in, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"a10101", "a201010241ff", "8301f6f5", "a1011801"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var v any
		if canon.Decode(in, &v, 1<<16) != nil {
			return
		}
		out, err := canon.Encode(v)
		if err != nil {
			t.Fatalf("Encode(accepted) = %v", err)
		}
		if !bytes.Equal(in, out) {
			t.Fatalf("accepted %x re-encodes to %x", in, out)
		}
	})
}
