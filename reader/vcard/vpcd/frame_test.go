package vpcd_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"kazashi.example/reader/vcard/vpcd"
)

func FuzzReadFrame(f *testing.F) {
	for _, s := range []string{"", "00", "0000", "000104", "000500B08A0000", "FFFF00", "0002000000"} {
		f.Add(octets(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		payload, err := vpcd.ReadFrame(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("ReadFrame(%X) = %v, want an end of input", b, err)
			}
			return
		}
		if again := vpcd.Frame(payload); !bytes.HasPrefix(b, again) {
			t.Fatalf("Frame(ReadFrame(%X)) = %X, want the same octets", b, again)
		}
	})
}
