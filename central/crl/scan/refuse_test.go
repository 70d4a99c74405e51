package scan_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"slices"
	"testing"
	"time"

	"kazashi.example/central/crl/scan"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/crlset"
)

// P7: a list of a kind that would be misread is not read at all. Each list here has one flaw, and is signed with it.
func TestP7ReadRefusesLists(t *testing.T) {
	w := practice()
	also := func(x ...[]byte) func(*paper) { return func(p *paper) { p.exts = append(p.exts, x...) } }
	tests := []struct {
		name   string
		change func(*paper)
		want   error
	}{
		{"version 1", func(p *paper) { p.version = nil }, scan.ErrDER},
		{"version 3", func(p *paper) { p.version = integer(2) }, scan.ErrDER},
		{"stranger's", func(p *paper) { *p = *sheet(w.stranger) }, jpki.ErrCRLIssuerUnknown},
		{"other name", func(p *paper) { p.issuer = w.stranger.Cert.RawSubject }, jpki.ErrCRLIssuerUnknown},
		{"unknown generation", func(p *paper) { p.exts[0] = keyID(w.stranger) }, jpki.ErrCRLIssuerUnknown},
		{"other generation's key", func(p *paper) { p.exts[0] = keyID(w.rsa2) }, jpki.ErrCRLSignature},
		{"signed by a stranger", func(p *paper) { p.by = w.stranger }, jpki.ErrCRLSignature},
		{"other algorithm", func(p *paper) { p.algorithm = ecdsaWithSHA384 }, jpki.ErrCRLSignature},
		{"unknown algorithm", func(p *paper) { p.algorithm = seq([]byte{6, 3, 1, 2, 3}) }, jpki.ErrCRLSignature},
		{"two algorithms", func(p *paper) { p.outer = rsaWithoutNull }, scan.ErrDER},
		{"signature with unused bits", func(p *paper) { p.signature = func(b []byte) []byte { b[4] = 1; return b } }, scan.ErrDER},
		{"no signature", func(p *paper) { p.signature = func([]byte) []byte { return nil } }, scan.ErrDER},
		{"something after the signature", func(p *paper) { p.signature = func(b []byte) []byte { return append(b, 5, 0) } }, scan.ErrDER},
		{"future", func(p *paper) { p.this, p.next = utc(now.Add(6*time.Minute)), utc(now.Add(time.Hour)) }, scan.ErrFuture},
		{"no nextUpdate", func(p *paper) { p.next = nil }, scan.ErrNextUpdate},
		{"nextUpdate before thisUpdate", func(p *paper) { p.next = utc(now.Add(-2 * time.Hour)) }, scan.ErrNextUpdate},
		{"thisUpdate without seconds", func(p *paper) { p.this = utcText("2611220200Z") }, scan.ErrTime},
		{"thisUpdate of another zone", func(p *paper) { p.this = utcText("261122020000+0900") }, scan.ErrTime},
		{"nextUpdate on no day", func(p *paper) { p.next = utcText("270230000000Z") }, scan.ErrTime},
		{"nextUpdate with a fraction", func(p *paper) { p.next = general("20270101000000.5Z") }, scan.ErrTime},
		{"no extensions", func(p *paper) { p.allExts = []byte{} }, scan.ErrNumber},
		{"no number", func(p *paper) { p.exts = p.exts[:1] }, scan.ErrNumber},
		{"negative number", func(p *paper) { p.exts[1] = ext(20, false, integer(0x80)) }, scan.ErrNumber},
		{"number of 65 bits", func(p *paper) { p.exts[1] = ext(20, false, integer(1, 0, 0, 0, 0, 0, 0, 0, 0)) }, scan.ErrNumber},
		{"number not in its shortest form", func(p *paper) { p.exts[1] = ext(20, false, integer(0, 7)) }, scan.ErrNumber},
		{"number and more", func(p *paper) { p.exts[1] = ext(20, false, integer(7), integer(8)) }, scan.ErrNumber},
		{"critical number", func(p *paper) { p.exts[1] = ext(20, true, integer(7)) }, scan.ErrCritical},
		{"two numbers", also(ext(20, false, integer(8))), scan.ErrDuplicate},
		{"two authority keys", also(keyID(w.rsa)), scan.ErrDuplicate},
		{"two unknown", also(ext(99, false), ext(99, false)), scan.ErrDuplicate},
		{"unreadable authority key", func(p *paper) { p.exts[0] = ext(35, false, []byte{0x80, 0}) }, scan.ErrDER},
		{"critical authority key", func(p *paper) { p.exts[0] = ext(35, true, seq()) }, scan.ErrCritical},
		{"critical unknown", also(ext(99, true)), scan.ErrCritical},
		{"delta", also(ext(27, true, integer(6))), scan.ErrDelta},
		{"delta, not critical", also(ext(27, false, integer(6))), scan.ErrDelta},
		{"indirect", also(ext(28, true, seq([]byte{0x84, 1, 0xff}))), scan.ErrIndirect},
		{"authorities only", also(ext(28, true, seq([]byte{0x82, 1, 0xff}))), scan.ErrLimited},
		{"attributes only", also(ext(28, true, seq([]byte{0x85, 1, 0xff}))), scan.ErrLimited},
		{"some reasons", also(ext(28, true, seq([]byte{0x83, 2, 1, 0x60}))), scan.ErrLimited},
		{"point by an address", also(ext(28, true, seq(tlv(0xa0, tlv(0xa0, tlv(0x86, []byte("http://a/"))))))), scan.ErrPoint},
		{"point relative to the issuer", also(ext(28, true, seq(tlv(0xa0, tlv(0xa1))))), scan.ErrPoint},
		{"point of two names", also(ext(28, true, seq(tlv(0xa0, tlv(0xa0, tlv(0xa4, seq()), tlv(0xa4, seq())))))), scan.ErrPoint},
		{"point with an unknown field", also(ext(28, true, seq([]byte{0x87, 1, 0xff}))), scan.ErrPoint},
		{"point and more", also(ext(28, true, seq(), seq())), scan.ErrPoint},
		{"unreadable point", also(ext(28, true, []byte("?"))), scan.ErrPoint},
		{"extensions not in a sequence", func(p *paper) { p.allExts = tlv(0xa0, ext(20, false, integer(7))) }, scan.ErrDER},
		{"extensions under another tag", func(p *paper) { p.allExts = tlv(0xa1, seq(p.exts...)) }, scan.ErrDER},
		{"something after the extensions", func(p *paper) { p.allExts = append(tlv(0xa0, seq(p.exts...)), 5, 0) }, scan.ErrDER},
		{"65 extensions", also(unknown(63)...), scan.ErrExtensions},
		{"very long extension", also(ext(99, false, make([]byte, 70_000))), scan.ErrDER},
		{"very long head", func(p *paper) { p.issuer = seq(make([]byte, 70_000)) }, scan.ErrDER},
	}
	for _, tt := range tests {
		der := sheet(w.rsa).with(tt.change).der()
		if _, _, err := read(t.Context(), bytes.NewReader(der)); !errors.Is(err, tt.want) {
			t.Errorf("%s: Read = %v, want %v", tt.name, err, tt.want)
		}
	}
}

// P7: no entry is guessed at.
func TestP7ReadRefusesEntries(t *testing.T) {
	when := utcText("261101000000Z")
	const good = "\x02\x01\x05\x17\x0d261101000000Z"
	tests := []struct {
		name string
		of   []byte
		want error
	}{
		{"no sequence", integer(5), scan.ErrDER},
		{"empty", seq(), scan.ErrDER},
		{"no date", seq(integer(5)), scan.ErrTime},
		{"serial of no octets", entry(integer(), when), scan.ErrDER},
		{"serial not in its shortest form", entry(integer(0, 5), when), scan.ErrDER},
		{"zero", entry(integer(0), when), scan.ErrSerial},
		{"negative", entry(integer(0x80), when), scan.ErrSerial},
		{"negative, not in its shortest form", entry(integer(0xff, 0x80), when), scan.ErrDER},
		{"negative of 20 octets", entry(integer(slices.Repeat([]byte{0x90}, 20)...), when), scan.ErrSerial},
		{"serial of 21 octets", entry(integer(slices.Repeat([]byte{1}, 21)...), when), scan.ErrSerial},
		{"removed", entry(integer(5), when, reason(8)), scan.ErrReason},
		{"reason 7", entry(integer(5), when, reason(7)), scan.ErrReason},
		{"reason 11", entry(integer(5), when, reason(11)), scan.ErrReason},
		{"negative reason", entry(integer(5), when, reason(0x80)), scan.ErrReason},
		{"reason of two octets", entry(integer(5), when, ext(21, false, []byte{0x0a, 2, 1, 1})), scan.ErrReason},
		{"reason not in its shortest form", entry(integer(5), when, ext(21, false, []byte{0x0a, 2, 0, 1})), scan.ErrDER},
		{"reason as INTEGER", entry(integer(5), when, ext(21, false, integer(1))), scan.ErrDER},
		{"reason and more", entry(integer(5), when, ext(21, false, []byte{0x0a, 1, 1, 5, 0})), scan.ErrDER},
		{"17 extensions", entry(integer(5), when, unknown(17)...), scan.ErrExtensions},
		{"two reasons", entry(integer(5), when, reason(6), reason(1)), scan.ErrDuplicate},
		{"certificateIssuer", entry(integer(5), when, ext(29, true, seq())), scan.ErrIndirect},
		{"certificateIssuer, not critical", entry(integer(5), when, ext(29, false, seq())), scan.ErrIndirect},
		{"critical invalidityDate", entry(integer(5), when, ext(24, true, general("20261001000000Z"))), scan.ErrCritical},
		{"critical unknown", entry(integer(5), when, ext(99, true)), scan.ErrCritical},
		{"critical neither true nor false", entry(integer(5), when, seq([]byte{6, 3, 0x55, 0x1d, 99, 1, 1, 1, 4, 0})), scan.ErrDER},
		{"extension without a value", entry(integer(5), when, seq([]byte{6, 3, 0x55, 0x1d, 99})), scan.ErrDER},
		{"extension and more", entry(integer(5), when, seq([]byte{6, 3, 0x55, 0x1d, 99, 4, 0, 5, 0})), scan.ErrDER},
		{"identifier not in its shortest form", entry(integer(5), when, seq([]byte{6, 3, 0x55, 0x80, 1, 4, 0})), scan.ErrDER},
		{"identifier without an end", entry(integer(5), when, seq([]byte{6, 2, 0x55, 0x81, 4, 0})), scan.ErrDER},
		{"something after the extensions", seq(integer(5), when, seq(reason(1)), []byte{5, 0}), scan.ErrDER},
		{"something instead of extensions", seq(integer(5), when, []byte{5, 0}), scan.ErrDER},
		{"length not in its shortest form", []byte("\x30\x81\x12" + good), scan.ErrDER},
		{"length of no form", []byte("\x30\x80" + good), scan.ErrDER},
		{"length longer than the list", []byte("\x30\x13" + good), scan.ErrDER},
		{"length shorter than the entry", []byte("\x30\x11" + good), scan.ErrTime},
		{"very long", entry(integer(5), when, ext(99, false, make([]byte, 9000))), scan.ErrDER},
		{"day 0", entry(integer(5), utcText("261100000000Z")), scan.ErrTime},
		{"month 13", entry(integer(5), utcText("261301000000Z")), scan.ErrTime},
		{"29 February of a common year", entry(integer(5), utcText("230229000000Z")), scan.ErrTime},
		{"hour 24", entry(integer(5), utcText("261101240000Z")), scan.ErrTime},
		{"minute 60", entry(integer(5), utcText("261101006000Z")), scan.ErrTime},
		{"leap second", entry(integer(5), utcText("261101235960Z")), scan.ErrTime},
		{"no digit", entry(integer(5), utcText("2611010000:0Z")), scan.ErrTime},
		{"no Z", entry(integer(5), utcText("261101000000z")), scan.ErrTime},
		{"no seconds", entry(integer(5), utcText("2611010000Z")), scan.ErrTime},
		{"empty time and another", seq(integer(5), utcText(""), general("20260228235959Z")), scan.ErrTime},
		{"another zone", entry(integer(5), utcText("261101000000+0900")), scan.ErrTime},
		{"time as text", entry(integer(5), tlv(0x13, []byte("261101000000Z"))), scan.ErrTime},
	}
	for _, tt := range tests {
		for _, among := range []int{0, 40} { // alone, and where the quick way is taken
			others := bytes.Repeat(entry(integer(9), when, reason(4)), among)
			der := sheet(practice().rsa).with(func(p *paper) { p.entries = seq(others, tt.of, others) }).der()
			if tt.name == "length longer than the list" && among > 0 {
				continue
			}
			if _, _, err := read(t.Context(), bytes.NewReader(der)); !errors.Is(err, tt.want) {
				t.Errorf("%s among %d: Read = %v, want %v", tt.name, among, err, tt.want)
			}
		}
	}
}

// P7: what is no list at all says why.
func TestP7ReadRefusesOctets(t *testing.T) {
	der := sheet(practice().rsa).der()
	tbs := sheet(practice().rsa).tbs()
	lying := func(at int, by int8) []byte { // the outer length has two octets, at 2
		b := bytes.Clone(der)
		b[at] += byte(by)
		return b
	}
	tests := []struct {
		name string
		of   []byte
		want error
	}{
		{"nothing", nil, scan.ErrTruncated},
		{"text", []byte("<html>not found</html>"), scan.ErrDER},
		{"PEM", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), scan.ErrPEM},
		{"an octet too much", append(bytes.Clone(der), 0), scan.ErrTrailing},
		{"twice", append(bytes.Clone(der), der...), scan.ErrTrailing},
		{"outer length too great", lying(3, 1), scan.ErrTruncated},
		{"outer length too small", lying(3, -1), scan.ErrTrailing},
		{"inner length too great", lying(7, 1), jpki.ErrNotCRL},
		{"inner length too small", lying(7, -1), jpki.ErrNotCRL},
		{"inner length beyond the outer", lying(6, 2), scan.ErrDER},
		{"length of six octets", []byte("\x30\x86\x01\x00\x00\x00\x00\x00"), scan.ErrDER},
		{"length without an end", []byte("\x30\x80\x00\x00"), scan.ErrDER},
		{"five gigabytes", []byte("\x30\x85\x01\x40\x00\x00\x00\x30"), scan.ErrTooLarge},
		{"the signed part alone", tbs, scan.ErrDER},
	}
	for _, tt := range tests {
		_, _, err := read(t.Context(), bytes.NewReader(tt.of))
		if !errors.Is(err, tt.want) || errors.Is(err, jpki.ErrNotCRL) == errors.Is(tt.want, scan.ErrTooLarge) {
			t.Errorf("%s: Read = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestReadKeepsToMaxOctets(t *testing.T) {
	der := sheet(practice().rsa).der()
	for _, tt := range []struct {
		limit int
		want  error
	}{{len(der), nil}, {len(der) - 1, scan.ErrTooLarge}} {
		o := scan.Options{Anchors: practice().anchors, Now: now, MaxOctets: int64(tt.limit)}
		_, err := scan.Read(t.Context(), bytes.NewReader(der), o, func([]crlset.Entry) error { return nil })
		if !errors.Is(err, tt.want) {
			t.Errorf("Read of %d octets with a limit of %d = %v, want %v", len(der), tt.limit, err, tt.want)
		}
	}
}
