package scan_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"kazashi.example/central/crl/scan"
	"kazashi.example/central/lab/crlgen"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
)

// theirs is what crypto/x509 reads, after jpki looked at it.
func theirs(t *testing.T, der []byte) (*x509.RevocationList, certid.KeyID, []crlset.Entry) {
	t.Helper()
	l, _, id, err := practice().anchors.ExamineCRL(der)
	if err != nil {
		t.Fatalf("ExamineCRL = %v", err)
	}
	return l, id, entriesOf(l)
}

func entriesOf(l *x509.RevocationList) []crlset.Entry {
	var list []crlset.Entry
	for _, e := range l.RevokedCertificateEntries {
		list = append(list, crlset.Entry{Key: key(e.SerialNumber), Date: e.RevocationTime.Unix(), Reason: crlset.Reason(e.ReasonCode)})
	}
	return list
}

// agrees reads a list and compares it with what crypto/x509 says.
func agrees(t *testing.T, name string, r io.Reader, der []byte) {
	t.Helper()
	want, id, entries := theirs(t, der)
	l, got, err := read(t.Context(), r)
	if err != nil || !slices.Equal(got, entries) {
		t.Errorf("%s: Read = %d entries, %v, want the %d of crypto/x509", name, len(got), err, len(entries))
		return
	}
	point, _ := jpki.PartitionOf(want)
	if l.Key != id || l.Number != want.Number.Uint64() || !l.ThisUpdate.Equal(want.ThisUpdate) || !l.NextUpdate.Equal(want.NextUpdate) ||
		!bytes.Equal(l.Point, point) || l.Entries != uint64(len(entries)) || l.Octets != int64(len(der)) {
		t.Errorf("%s: Read = %+v, want what crypto/x509 says: %v", name, l, want.Number)
	}
}

// P7: a list says the same here and in crypto/x509, whatever its shape and however it comes.
func TestP7ReadAgreesWithX509(t *testing.T) {
	w := practice()
	point := w.rsa.Cert.RawSubject // any name does
	for name, s := range map[string]crlgen.Spec{
		"empty": {}, "one": {Entries: 1, Universe: 1}, "sorted": {Entries: 8_000, Universe: 1 << 40},
		"shuffled":  {Entries: 5_000, Universe: 1 << 50, Shuffled: true, NoReason: .3, Duplicates: .1},
		"clustered": {Entries: 5_000, Shape: crlgen.Clustered, Invalidity: .2, Point: point},
		"random":    {Entries: 5_000, Shape: crlgen.Random, Octets: 20, Generalized: true},
		"nine":      {Entries: 2000, Shape: crlgen.Random, Octets: 9}, "small": {Entries: 120, Universe: 200, NoReason: .5},
	} {
		s.ThisUpdate = now.Add(-time.Hour)
		for _, by := range []*pki.Authority{w.rsa, w.rsa2, w.curve} {
			var b bytes.Buffer
			if _, err := must(crlgen.New(s)).Write(&b, by); err != nil {
				t.Fatal(err)
			}
			agrees(t, name, bytes.NewReader(b.Bytes()), b.Bytes())
			agrees(t, name+" in pieces", iotest.HalfReader(bytes.NewReader(b.Bytes())), b.Bytes())
		}
	}
}

func TestReadAccepts(t *testing.T) {
	w := practice()
	when := utcText("261101000000Z")
	one := func(e ...[]byte) func(*paper) { return func(p *paper) { p.entries = seq(e...) } }
	also := func(x ...[]byte) func(*paper) { return func(p *paper) { p.exts = append(p.exts, x...) } }
	long := slices.Repeat([]byte{0xff}, 20)
	tests := map[string]func(*paper){
		"one entry":                    func(*paper) {},
		"no list of entries":           func(p *paper) { p.entries = nil },
		"empty list of entries":        func(p *paper) { p.entries = seq() },
		"no parameters":                func(p *paper) { p.algorithm = rsaWithoutNull },
		"no authority key":             func(p *paper) { p.exts = p.exts[1:] },
		"authority key without its id": func(p *paper) { p.exts[0] = ext(35, false, seq()) },
		"greatest number":              func(p *paper) { p.exts[1] = ext(20, false, integer(append([]byte{0}, long[:8]...)...)) },
		"generalized times":            func(p *paper) { p.this, p.next = general("20261122020000Z"), general("20500101000000Z") },
		"a few minutes ahead":          func(p *paper) { p.this = utc(now.Add(5 * time.Minute)) },
		"people only":                  also(ext(28, true, seq([]byte{0x81, 0x01, 0xff}))),
		"limits written out as none":   also(ext(28, true, seq([]byte{0x82, 0x01, 0x00, 0x84, 0x01, 0x00}))),
		"partition":                    also(ext(28, true, seq(tlv(0xa0, tlv(0xa0, tlv(0xa4, w.rsa.Cert.RawSubject)))))),
		"unknown extension":            also(ext(99, false, []byte("anything"))),
		"critical reason":              one(entry(integer(5), when, ext(21, true, []byte{0x0a, 1, 6}))),
		"critical written out":         one(entry(integer(5), when, seq([]byte{6, 3, 0x55, 0x1d, 21, 1, 1, 0, 4, 3, 0x0a, 1, 6}))),
		"invalidity":                   one(entry(integer(5), when, ext(24, false, general("20261001000000Z")), reason(4))),
		"unknown in an entry":          one(entry(integer(5), when, ext(99, false))),
		"empty extensions":             one(seq(integer(5), when, seq())),
		"longest serial":               one(entry(integer(append([]byte{0}, long...)...), when)),
		"generalized date":             one(entry(integer(0x7f), general("20260228235959Z"), reason(9))),
		"leap day":                     one(entry(integer(0, 0x80), utcText("240229120000Z"))),
		"first second of UTCTime":      one(entry(integer(1, 0), utcText("500101000000Z"))),
		"last second of UTCTime":       one(entry(integer(1, 0), utcText("491231235959Z"))),
		"64 extensions":                also(unknown(62)...),
		"16 extensions in an entry":    one(entry(integer(5), when, unknown(16)...)),
		"twice":                        one(entry(integer(5), when), entry(integer(5), when, reason(6))),
	}
	for name, change := range tests {
		der := sheet(w.rsa).with(change).der()
		agrees(t, name, bytes.NewReader(der), der)
	}
	l, _, err := read(t.Context(), bytes.NewReader(sheet(w.rsa).der()))
	if sum := sha256.Sum256(sheet(w.rsa).tbs()); err != nil || !bytes.Equal(l.Digest, sum[:]) {
		t.Errorf("Read = digest %x, %v, want %x of what is signed", l.Digest, err, sum)
	}
}

// P7: a list is taken whole, or not at all.
func TestP7ReadRefusesEveryCut(t *testing.T) {
	for _, by := range []*pki.Authority{practice().rsa, practice().curve} {
		der := sheet(by).der()
		for n := range der {
			if _, _, err := read(t.Context(), bytes.NewReader(der[:n])); !errors.Is(err, scan.ErrTruncated) || !errors.Is(err, jpki.ErrNotCRL) {
				t.Errorf("Read of %d of %d octets = %v, want ErrTruncated", n, len(der), err)
			}
		}
	}
}

// P7: no octet of a list can change unnoticed.
func TestP7ReadRefusesEveryFlippedBit(t *testing.T) {
	for by, step := range map[*pki.Authority]int{practice().rsa: 1, practice().curve: 7} { // checking on P-384 takes long
		der := sheet(by).der()
		for i := 0; i < 8*len(der); i += step {
			der[i/8] ^= 1 << (i % 8)
			if _, _, err := read(t.Context(), bytes.NewReader(der)); err == nil {
				t.Errorf("Read with bit %d of octet %d flipped = nil", i%8, i/8)
			}
			der[i/8] ^= 1 << (i % 8)
		}
	}
}

func manyEntries(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	s := crlgen.Spec{Entries: 100_000, ThisUpdate: now.Add(-time.Hour)}
	if _, err := must(crlgen.New(s)).Write(&b, practice().rsa); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A bubble of synctest does not end while a goroutine is left in it.
func TestReadLeavesNoGoroutine(t *testing.T) {
	der := manyEntries(t)
	full := errors.New("full")
	for name, tt := range map[string]struct {
		r      func() io.Reader
		sink   func(context.CancelFunc) error
		want   error
		before bool
	}{
		"sink fails":     {func() io.Reader { return bytes.NewReader(der) }, func(context.CancelFunc) error { return full }, full, false},
		"cancelled":      {func() io.Reader { return bytes.NewReader(der) }, func(c context.CancelFunc) error { c(); return nil }, context.Canceled, false},
		"too late":       {func() io.Reader { return bytes.NewReader(der) }, nil, context.Canceled, true},
		"source fails":   {func() io.Reader { return io.MultiReader(bytes.NewReader(der[:len(der)/2]), iotest.ErrReader(full)) }, nil, full, false},
		"source is mute": {func() io.Reader { return iotest.ErrReader(full) }, nil, full, false},
		"end fails":      {func() io.Reader { return io.MultiReader(bytes.NewReader(der), iotest.ErrReader(full)) }, nil, full, false},
		"entry is wrong": {func() io.Reader { return bytes.NewReader(spoiled(der)) }, nil, jpki.ErrNotCRL, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.before {
				cancel()
			}
			_, err := scan.Read(ctx, tt.r(), scan.Options{Anchors: practice().anchors, Now: now}, func([]crlset.Entry) error {
				if tt.sink == nil {
					return nil
				}
				return tt.sink(cancel)
			})
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: Read = %v, want %v", name, err, tt.want)
			}
		})
	}
}

// spoiled breaks an entry far into the list, whatever is at that place.
func spoiled(der []byte) []byte {
	b := bytes.Clone(der)
	copy(b[len(b)/2:], strings.Repeat("\xff", 100))
	return b
}

func TestReadTellsProgress(t *testing.T) {
	der := manyEntries(t)
	var at, of, calls int64
	o := scan.Options{Anchors: practice().anchors, Now: now, Progress: func(octets, all int64) {
		if calls++; octets < at {
			t.Errorf("progress fell from %d to %d", at, octets)
		}
		at, of = octets, all
	}}
	_, err := scan.Read(t.Context(), bytes.NewReader(der), o, func([]crlset.Entry) error { return nil })
	if err != nil || at != int64(len(der)) || of != at || calls < 10 {
		t.Errorf("Read = %v, progress %d of %d in %d calls, want all %d octets", err, at, of, calls, len(der))
	}
}
