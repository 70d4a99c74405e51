package files_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"kazashi.example/reader/internal/files"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/tlv"
)

func FuzzParseAge(f *testing.F) {
	f.Add(ageVector(f))
	f.Add(nextAgeVector(f))
	f.Add(ff(4))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := files.ParseAge(in)
		if err != nil {
			if !errors.Is(err, files.ErrFile) {
				t.Fatalf("ParseAge = %v, want ErrFile", err)
			}
			return
		}
		if len(a.Birth) != 8 || !bytes.Contains(in, []byte(a.Birth)) || a.Key == nil || len(a.SPKI) == 0 {
			t.Fatal("ParseAge took a record without a birth date or a key")
		}
		if err := a.Verify(a.Key); !errors.Is(err, jpki.ErrSignature) {
			t.Fatalf("Verify by the record's own key = %v, want jpki.ErrSignature", err)
		}
	})
}

func FuzzParseAttributes(f *testing.F) {
	f.Add(unhex(f, attributesHex))
	f.Add(append(unhex(f, attributesHex), 0xFF))
	f.Add(unhex(f, "FF20 00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := files.ParseAttributes(in)
		if err != nil {
			if !errors.Is(err, files.ErrFile) {
				t.Fatalf("ParseAttributes = %v, want ErrFile", err)
			}
			return
		}
		out := encodeAttributes(a)
		if again, err := files.ParseAttributes(out); err != nil || again != a {
			t.Fatalf("ParseAttributes of what it took, written again = %v", err)
		}
		// With the shortest lengths and no filler, what was taken is what is written.
		if trimmed := bytes.TrimRight(in, "\xFF"); len(trimmed) == len(out) && !bytes.Equal(trimmed, out) {
			t.Fatalf("%X was taken, and is written %X", in, out)
		}
	})
}

// encodeAttributes writes an attributes file with the shortest lengths.
func encodeAttributes(a files.Attributes) []byte {
	fields := [][]byte{
		tlv.Append(nil, 0xDF22, []byte(a.Name)), tlv.Append(nil, 0xDF23, []byte(a.Address)),
		tlv.Append(nil, 0xDF24, []byte(a.Birth)), tlv.Append(nil, 0xDF25, []byte{a.Sex}),
	}
	const table = 11
	body := bytes.Join(fields, nil)
	at := len(tlv.Append(nil, 0xFF20, make([]byte, table), body)) - len(body)
	var offsets []byte
	for _, x := range fields {
		offsets = binary.BigEndian.AppendUint16(offsets, uint16(at))
		at += len(x)
	}
	return tlv.Append(nil, 0xFF20, tlv.Append(nil, 0xDF21, offsets), body)
}

// P4: no input leaves the record behind, or makes a record that nobody signed pass.
func FuzzVerifyIntegrity(f *testing.F) {
	r, e := signers(f)
	good := unhex(f, attributesHex)
	f.Add(good, integrityRSA(f, r, good))
	f.Add(good, integrityP384(f, e, good))
	f.Add(good[:9], []byte{0xFF, 0x30, 0x80})
	stranger, strangerNext := signers(f)
	f.Fuzz(func(t *testing.T, attributes, record []byte) {
		for _, key := range []any{&stranger.PublicKey, &strangerNext.PublicKey, nil} {
			b := bytes.Clone(record)
			if err := files.VerifyIntegrity(attributes, b, key); err == nil {
				t.Fatal("VerifyIntegrity by a stranger's key = nil")
			}
			if !bytes.Equal(b, make([]byte, len(b))) {
				t.Fatal("octets of the record are left behind")
			}
		}
	})
}
