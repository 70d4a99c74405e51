package jpki_test

import (
	"bytes"
	"testing"

	"kazashi.example/central/lab/jpki"
)

// FuzzParseRequest holds the OCSP request parser to: no panic, one named error, and nothing beyond the limits accepted.
func FuzzParseRequest(f *testing.F) {
	hash := bytes.Repeat([]byte{0x5A}, 20)
	id := der(0x30, []byte("\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00"), der(0x04, hash), der(0x04, hash), []byte("\x02\x04\x0a\xc8\x29\x90"))
	list := der(0x30, der(0x30, id))
	nonce := der(0xA2, der(0x30, der(0x30, []byte("\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x02\x04\x04\x04\x02\xbe\xef"))))
	whole := [][]byte{
		der(0x30, der(0x30, list)),
		der(0x30, der(0x30, list, nonce)),
		der(0x30, der(0x30, []byte("\xa0\x03\x02\x01\x00"), list)),
		der(0x30, der(0x30, list), der(0xA0, der(0x30))),
		der(0x30, der(0x30, der(0x30, bytes.Repeat(der(0x30, id), 100)))),
	}
	for _, b := range whole {
		if _, err := jpki.ParseRequest(b); err != nil {
			f.Fatalf("ParseRequest of a seed that is one = %v", err)
		}
		f.Add(b)
	}
	f.Add(der(0x30, der(0x30, list, der(0xA2, der(0x30, []byte("\x00")))))) // extensions that are none
	for _, s := range []string{"", "0", "0\x00", "0\x80", "0\x03\x0a\x01\x01", "0\x84\xff\xff\xff\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := jpki.ParseRequest(b)
		if err != nil {
			if r != nil {
				t.Error("a request beside an error")
			}
			return
		}
		if len(b) > jpki.MaxRequestLen || len(r.Certs) == 0 || len(r.Certs) > jpki.MaxCertIDs {
			t.Errorf("accepted %d octets with %d certificates", len(b), len(r.Certs))
		}
	})
}
