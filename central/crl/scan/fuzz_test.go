package scan_test

import (
	"bytes"
	"crypto/x509"
	"slices"
	"testing"
)

// FuzzRead puts any octets where the entries and the extensions stand, and signs them: what is taken here, crypto/x509 and package
// jpki take too, and read the same of it. The same octets alone are read as a list, which must not panic.
func FuzzRead(f *testing.F) {
	w := practice()
	for _, p := range []*paper{sheet(w.curve), sheet(w.curve).with(func(p *paper) { p.entries = nil })} {
		f.Add(p.entries, tlv(0xa0, seq(p.exts...)))
		f.Add(p.der(), []byte{})
	}
	f.Add(seq(entry(integer(0, 0xff), general("20260228235959Z"), ext(24, false, general("20261001000000Z")), reason(4))),
		tlv(0xa0, seq(ext(28, true, seq(tlv(0xa0, tlv(0xa0, tlv(0xa4, seq()))), []byte{0x81, 1, 0xff})), ext(20, false, integer(9)))))
	f.Fuzz(func(t *testing.T, entries, exts []byte) {
		_, _, _ = read(t.Context(), bytes.NewReader(entries)) // whatever it says
		der := sheet(w.curve).with(func(p *paper) { p.entries, p.allExts = entries, slices.Concat([]byte{}, exts) }).der()
		_, got, err := read(t.Context(), bytes.NewReader(der))
		if err != nil {
			return
		}
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatalf("Read takes what crypto/x509 does not: %v", err)
		}
		if _, _, _, err := w.anchors.ExamineCRL(der); err != nil {
			t.Fatalf("Read takes what ExamineCRL does not: %v", err)
		}
		if !slices.Equal(got, entriesOf(list)) {
			t.Fatalf("Read gives %d entries, crypto/x509 others (%d)", len(got), len(list.RevokedCertificateEntries))
		}
	})
}
