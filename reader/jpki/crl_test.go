package jpki_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

func list(t testing.TB, by authority, change func(*x509.RevocationList)) []byte {
	t.Helper()
	tmpl := &x509.RevocationList{
		Number: big.NewInt(7), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(24 * time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{
			{SerialNumber: big.NewInt(170000002), RevocationTime: now.Add(-2 * time.Hour), ReasonCode: 6},
		},
	}
	if change != nil {
		change(tmpl)
	}
	der, err := x509.CreateRevocationList(rand.Reader, tmpl, by.cert, by.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func issuing(fields ...byte) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = []pkix.Extension{ext(true, sequence(fields), 2, 5, 29, 28)}
	}
}

func withListExts(exts ...pkix.Extension) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) { l.ExtraExtensions = exts }
}

func TestExamineCRL(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	auth := certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}
	sign := certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeSign}
	tests := []struct {
		name  string
		by    authority
		scope certid.Scope
	}{
		{"expired generation", w.gen[0], auth}, {"second", w.gen[1], auth}, {"third", w.gen[2], auth}, {"signature authority", w.sign, sign},
	}
	for _, tt := range tests {
		l, scope, key, err := as.ExamineCRL(list(t, tt.by, nil))
		if err != nil || scope != tt.scope || key != jpki.KeyIDOf(tt.by.cert) || len(l.RevokedCertificateEntries) != 1 {
			t.Errorf("%s: ExamineCRL = %v, %v, %v, want %v", tt.name, scope, key, err, tt.scope)
		}
	}
}

// P7: a list of a kind that would be misread is not read at all.
func TestP7ExamineCRLRefuses(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	older := must(jpki.NewAnchors(anchor(w.gen[0]), anchor(w.gen[1])))
	whole := list(t, w.gen[2], nil)
	posing := w.gen[2].as(func(c *x509.Certificate) { c.SubjectKeyId = w.gen[1].cert.SubjectKeyId })
	flawed := bytes.Clone(whole)
	flawed[len(flawed)-1] ^= 1
	tests := []struct {
		name string
		as   *jpki.Anchors
		der  []byte
		want error
	}{
		{"nothing", as, nil, jpki.ErrNotCRL},
		{"a certificate", as, w.gen[2].cert.Raw, jpki.ErrNotCRL},
		{"cut", as, whole[:len(whole)-1], jpki.ErrNotCRL},
		{"followed by an octet", as, append(bytes.Clone(whole), 0), jpki.ErrNotCRL},
		{"signature flawed", as, flawed, jpki.ErrCRLSignature},
		{"signed by another generation than named", as, list(t, posing, nil), jpki.ErrCRLSignature},
		{"newer generation", older, whole, jpki.ErrCRLIssuerUnknown},
		{"delta", as, list(t, w.gen[2], func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{ext(true, []byte{2, 1, 6}, 2, 5, 29, 27)}
		}), jpki.ErrCRLProfile},
		{"delta, not critical", as, list(t, w.gen[2], withListExts(ext(false, []byte{2, 1, 6}, 2, 5, 29, 27))), jpki.ErrCRLProfile},
		{"two issuing points, the second indirect", as, list(t, w.gen[2], withListExts(
			ext(true, sequence(nil), 2, 5, 29, 28), ext(true, sequence([]byte{0x84, 1, 0xFF}), 2, 5, 29, 28))), jpki.ErrCRLProfile},
		{"two issuing points alike", as, list(t, w.gen[2], withListExts(
			ext(true, sequence(nil), 2, 5, 29, 28), ext(true, sequence(nil), 2, 5, 29, 28))), jpki.ErrCRLProfile},
		{"two CRL numbers", as, list(t, w.gen[2], withListExts(ext(false, []byte{2, 1, 6}, 2, 5, 29, 20))), jpki.ErrCRLProfile},
		{"unknown extension twice", as, list(t, w.gen[2], withListExts(
			ext(false, []byte{5, 0}, 1, 2, 3), ext(false, []byte{5, 0}, 1, 2, 3))), jpki.ErrCRLProfile},
		{"entry with an extension twice", as, list(t, w.gen[2], func(l *x509.RevocationList) {
			day := ext(false, append([]byte{0x18, 15}, "20260101000000Z"...), 2, 5, 29, 24)
			l.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{day, day}
		}), jpki.ErrCRLProfile},
		{"authorities only", as, list(t, w.gen[2], issuing(0x82, 1, 0xFF)), jpki.ErrCRLProfile},
		{"some reasons only", as, list(t, w.gen[2], issuing(0x83, 2, 6, 0x40)), jpki.ErrCRLProfile},
		{"indirect", as, list(t, w.gen[2], issuing(0x84, 1, 0xFF)), jpki.ErrCRLProfile},
		{"attribute certificates only", as, list(t, w.gen[2], issuing(0x85, 1, 0xFF)), jpki.ErrCRLProfile},
		{"unreadable issuing point", as, list(t, w.gen[2], issuing(0x82, 2, 0xFF)), jpki.ErrCRLProfile},
		{"entry of another issuer", as, list(t, w.gen[2], func(l *x509.RevocationList) {
			l.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{ext(true, sequence(nil), 2, 5, 29, 29)}
		}), jpki.ErrCRLProfile},
	}
	for _, tt := range tests {
		if _, _, _, err := tt.as.ExamineCRL(tt.der); !errors.Is(err, tt.want) {
			t.Errorf("%s: ExamineCRL = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestPartitionOf(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	whole, _, _, err := as.ExamineCRL(list(t, w.gen[2], nil))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := jpki.PartitionOf(whole); p != nil || err != nil {
		t.Errorf("PartitionOf(whole list) = %X, %v, want nil", p, err)
	}
	part, _, _, err := as.ExamineCRL(list(t, w.gen[2], issuing(pointName(municipality)...)))
	if err != nil {
		t.Fatal(err)
	}
	c := examine(t, as, w.issue(t, w.gen[2], nil))
	if p, err := jpki.PartitionOf(part); err != nil || !bytes.Equal(p, c.CRLPoint) {
		t.Errorf("PartitionOf(partition) = %X, %v, want the certificate's CRL point", p, err)
	}
}

func FuzzExamineCRL(f *testing.F) {
	w := practice()
	as := w.anchors(f)
	f.Add(list(f, w.gen[2], nil))
	f.Add(list(f, w.gen[1], issuing(pointName(municipality)...)))
	f.Fuzz(func(t *testing.T, der []byte) {
		l, scope, key, err := as.ExamineCRL(der)
		if err == nil && (l == nil || !scope.Valid() || key == certid.KeyID{}) {
			t.Fatalf("ExamineCRL = %v, %v without error", scope, key)
		}
	})
}
