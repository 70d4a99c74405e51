package pki_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

var (
	from = time.Date(2023, 7, 15, 15, 0, 0, 0, time.UTC)
	to   = from.AddDate(10, 0, 0).Add(-time.Second)
)

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func authority(t *testing.T, p certid.Purpose, gen int, serial uint32) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(p, gen, serial, from, to, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func resident(t *testing.T) pki.Resident {
	return pki.Resident{
		Serial: 170_000_001, CommonName: "ABCDEFGHIJ012348201001A", OCSP: "http://127.0.0.1:7443/ocsp",
		NotBefore: from.AddDate(1, 0, 0), NotAfter: time.Date(2029, 2, 17, 14, 59, 59, 0, time.UTC),
		Prefecture: "Kakuu-ken", Municipality: "Renshuu-shi", Public: newKey(t).Public(),
		Personal: [6]string{"練習　花子", "", "2", "319800217", "架空県練習市", ""},
	}
}

// extensions by dotted OID, with their criticality as the map's second word.
func extensions(c *x509.Certificate) (order []string, critical map[string]bool, value map[string][]byte) {
	critical, value = map[string]bool{}, map[string][]byte{}
	for _, e := range c.Extensions {
		id := e.Id.String()
		order = append(order, id)
		critical[id], value[id] = e.Critical, e.Value
	}
	return order, critical, value
}

func TestRootProfile(t *testing.T) {
	one, two := authority(t, certid.PurposeAuth, 2, 20_169_545), authority(t, certid.PurposeAuth, 3, 114_393_094)
	if !bytes.Equal(one.Cert.RawSubject, two.Cert.RawIssuer) {
		t.Error("generations have different names, want one")
	}
	for _, a := range []*pki.Authority{one, two, authority(t, certid.PurposeSign, 2, 20_104_363)} {
		c := a.Cert
		if err := c.CheckSignatureFrom(c); err != nil {
			t.Errorf("self-signature: %v", err)
		}
		if c.SignatureAlgorithm != x509.SHA256WithRSA || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || !c.IsCA || c.MaxPathLen != -1 {
			t.Errorf("root of generation %d: algorithm %v, usage %b, CA %v, path length %d",
				a.Generation, c.SignatureAlgorithm, c.KeyUsage, c.IsCA, c.MaxPathLen)
		}
		if !slices.Contains(c.Subject.Organization, "JPKI-PRACTICE (NOT REAL)") || len(c.Subject.OrganizationalUnit) != 2 {
			t.Errorf("root's name = %v, want the practice mark and two units", c.Subject)
		}
		_, critical, value := extensions(c)
		for id, want := range map[string]bool{"2.5.29.15": true, "2.5.29.19": true, "2.5.29.17": false, "2.5.29.31": false, "2.5.29.14": false} {
			if value[id] == nil || critical[id] != want {
				t.Errorf("root extension %s: present %v, critical %v, want critical %v", id, value[id] != nil, critical[id], want)
			}
		}
		if !bytes.Contains(value["2.5.29.31"], c.RawSubject) {
			t.Error("root's distribution point is not its own name")
		}
	}
}

// Each relative distinguished name holds one attribute, in the national order.
func TestNameOrder(t *testing.T) {
	a := authority(t, certid.PurposeAuth, 3, 1)
	var rdns []asn1.RawValue
	if _, err := asn1.Unmarshal(a.Cert.RawSubject, &rdns); err != nil {
		t.Fatal(err)
	}
	want := []string{"0603550406", "060355040a", "060355040b", "060355040b"} // C, O, OU, OU
	if len(rdns) != len(want) {
		t.Fatalf("name of %d parts, want %d", len(rdns), len(want))
	}
	for i, r := range rdns {
		if got := hex.EncodeToString(r.FullBytes); !strings.Contains(got, want[i]) || strings.Count(got, "06035504") != 1 {
			t.Errorf("part %d = %s, want one attribute %s", i, got, want[i])
		}
	}
}

func TestAuthProfile(t *testing.T) {
	a := authority(t, certid.PurposeAuth, 3, 114_393_094)
	c, err := a.Issue(resident(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSignatureFrom(a.Cert); err != nil {
		t.Errorf("signature: %v", err)
	}
	if c.Version != 3 || c.SerialNumber.Cmp(big.NewInt(170_000_001)) != 0 || len(c.SerialNumber.Bytes()) != 4 {
		t.Errorf("version %d, serial of %d octets, want 3 and 4", c.Version, len(c.SerialNumber.Bytes()))
	}
	// SET { C=JP PrintableString }, SET { CN of 23 as UTF8String (0C 17) }
	wantName := "302f310b3009060355040613024a503120301e06035504030c17" + hex.EncodeToString([]byte("ABCDEFGHIJ012348201001A"))
	if got := hex.EncodeToString(c.RawSubject); got != wantName {
		t.Errorf("subject = %s, want %s", got, wantName)
	}
	if c.KeyUsage != x509.KeyUsageDigitalSignature || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) {
		t.Errorf("usage %b, extended %v, want digitalSignature and clientAuth", c.KeyUsage, c.ExtKeyUsage)
	}
	if got := c.NotAfter.Format(time.RFC3339); got != "2029-02-17T14:59:59Z" {
		t.Errorf("notAfter = %s", got)
	}
	if !slices.Equal(c.OCSPServer, []string{"http://127.0.0.1:7443/ocsp"}) || len(c.CRLDistributionPoints) != 0 {
		t.Errorf("OCSP %v, CRL URIs %v, want one and none", c.OCSPServer, c.CRLDistributionPoints)
	}
	if len(c.UnhandledCriticalExtensions) != 0 {
		t.Errorf("unhandled critical extensions %v", c.UnhandledCriticalExtensions)
	}
	order, critical, value := extensions(c)
	for _, id := range order {
		if want := id == "2.5.29.15" || id == "2.5.29.32"; critical[id] != want {
			t.Errorf("extension %s critical = %v, want %v", id, critical[id], want)
		}
	}
	checkDER(t, a, c, value)
}

// checkDER compares what crypto/x509 does not show against octets put together by hand.
func checkDER(t *testing.T, a *pki.Authority, c *x509.Certificate, value map[string][]byte) {
	t.Helper()
	tlv := func(tag byte, parts ...[]byte) []byte {
		v := bytes.Join(parts, nil)
		switch {
		case len(v) < 0x80:
			return append([]byte{tag, byte(len(v))}, v...)
		case len(v) < 0x100:
			return append([]byte{tag, 0x81, byte(len(v))}, v...)
		default:
			return append([]byte{tag, 0x82, byte(len(v) >> 8), byte(len(v))}, v...)
		}
	}
	aki := tlv(0x30, tlv(0x80, a.Cert.SubjectKeyId), tlv(0xA1, tlv(0xA4, a.Cert.RawSubject)), tlv(0x82, a.Cert.SerialNumber.Bytes()))
	if !bytes.Equal(value["2.5.29.35"], aki) {
		t.Errorf("AKI = %x, want the long form %x", value["2.5.29.35"], aki)
	}
	policy, err := hex.DecodeString("0b2a83088c9b55080501031e") // 1.2.392.200149.8.5.1.3.30
	if err != nil {
		t.Fatal(err)
	}
	cps := tlv(0x30, []byte{6, 8, 0x2b, 6, 1, 5, 5, 7, 2, 1}, tlv(0x16, []byte("http://www.jpki.go.jp/cps.html")))
	if want := tlv(0x30, tlv(0x30, append([]byte{6}, policy...), tlv(0x30, cps))); !bytes.Equal(value["2.5.29.32"], want) {
		t.Errorf("policies = %x, want %x", value["2.5.29.32"], want)
	}
	point := value["2.5.29.31"]
	if !bytes.Contains(point, []byte("Kakuu-ken")) || !bytes.Contains(point, []byte("Renshuu-shi CRLDP")) || bytes.Contains(point, []byte("http")) {
		t.Errorf("distribution point = %x, want a directory name and no URI", point)
	}
	var points []asn1.RawValue
	if _, err := asn1.Unmarshal(point, &points); err != nil || len(points) != 1 || !bytes.HasPrefix(points[0].Bytes, []byte{0xA0}) {
		t.Errorf("distribution points = %d, %v, want one with a name", len(points), err)
	}
	if !bytes.Contains(value["2.5.29.18"], []byte("利用者証明用")) || value["2.5.29.18"][3] != 0xA4 {
		t.Errorf("issuerAltName = %x, want a Japanese directory name", value["2.5.29.18"])
	}
	if hash, err := pki.KeyHash(c.PublicKey); err != nil || !bytes.Equal(hash, c.SubjectKeyId) {
		t.Errorf("SKI = %x, want %x, %v", c.SubjectKeyId, hash, err)
	}
}

func TestSignProfile(t *testing.T) {
	a := authority(t, certid.PurposeSign, 2, 20_104_363)
	c, err := a.Issue(resident(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment || len(c.ExtKeyUsage) != 0 {
		t.Errorf("usage %b, extended %v, want digitalSignature, nonRepudiation and none", c.KeyUsage, c.ExtKeyUsage)
	}
	if len(c.Policies) != 1 || c.Policies[0].String() != "1.2.392.200149.8.5.1.1.20" {
		t.Errorf("policies = %v", c.Policies)
	}
	_, _, value := extensions(c)
	var names []asn1.RawValue
	if _, err := asn1.Unmarshal(value["2.5.29.17"], &names); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, n := range names {
		var id asn1.ObjectIdentifier
		rest, err := asn1.Unmarshal(n.Bytes, &id)
		if err != nil || n.Tag != 0 || n.Class != asn1.ClassContextSpecific {
			t.Fatalf("alternative name with tag %d: %v", n.Tag, err)
		}
		var text string
		if _, err := asn1.UnmarshalWithParams(rest, &text, "explicit,tag:0,utf8"); err != nil {
			t.Fatal(err)
		}
		got[strings.TrimPrefix(id.String(), "1.2.392.200149.8.5.5.")] = text
	}
	want := map[string]string{"1": "練習　花子", "3": "2", "4": "319800217", "5": "架空県練習市"}
	if len(got) != len(want) {
		t.Errorf("personal attributes = %v, want %v", got, want)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("personal attribute %s = %q, want %q", k, got[k], v)
		}
	}
}

func TestForgedAndRefused(t *testing.T) {
	a := authority(t, certid.PurposeAuth, 3, 114_393_094)
	r := resident(t)
	r.Forger = newKey(t)
	c, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(c.RawIssuer, a.Cert.RawSubject) || !bytes.Equal(c.AuthorityKeyId, a.Cert.SubjectKeyId) {
		t.Error("forged certificate does not name the authority")
	}
	if err := c.CheckSignatureFrom(a.Cert); err == nil {
		t.Error("forged certificate verifies, want a failure")
	}
	r.CommonName = "SHORT"
	if _, err := a.Issue(r); !errors.Is(err, pki.ErrRequest) {
		t.Errorf("Issue with a short CN = %v, want ErrRequest", err)
	}
}

func TestList(t *testing.T) {
	a := authority(t, certid.PurposeAuth, 3, 114_393_094)
	entries := []pki.Entry{
		{Serial: big.NewInt(170_000_001), At: from, Reason: pki.Superseded},
		{Serial: big.NewInt(170_000_002), At: from, Reason: pki.CertificateHold},
	}
	der, err := a.List(17, to.AddDate(-1, 0, 0), to.AddDate(-1, 0, 1), entries)
	if err != nil {
		t.Fatal(err)
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.CheckSignatureFrom(a.Cert); err != nil {
		t.Errorf("signature: %v", err)
	}
	if l.Number.Int64() != 17 || !bytes.Equal(l.AuthorityKeyId, a.Cert.SubjectKeyId) || len(l.RevokedCertificateEntries) != 2 {
		t.Fatalf("list number %v with %d entries", l.Number, len(l.RevokedCertificateEntries))
	}
	for i, e := range l.RevokedCertificateEntries {
		if e.ReasonCode != int(entries[i].Reason) || e.SerialNumber.Cmp(entries[i].Serial) != 0 || !e.RevocationTime.Equal(from) {
			t.Errorf("entry %d: reason %d at %v, want %v", i, e.ReasonCode, e.RevocationTime, entries[i])
		}
	}
}

func TestReasons(t *testing.T) {
	for _, name := range []string{"keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "certificateHold"} {
		r, err := pki.ParseReason(name)
		if err != nil || r.String() != name || !r.Valid() {
			t.Errorf("ParseReason(%s) = %v, %v", name, r, err)
		}
	}
	if _, err := pki.ParseReason("removeFromCRL"); !errors.Is(err, pki.ErrRequest) {
		t.Errorf("ParseReason(removeFromCRL) = %v, want ErrRequest", err)
	}
}

// The next generation: P-384 with SHA-384 throughout, and the same octets each time.
func TestNextGeneration(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := resident(t)
	r.Public = key.Public()
	var first []byte
	for range 2 {
		a, err := pki.NewAuthority(certid.PurposeAuth, 4, 199_990_001, from, to, key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.Issue(r)
		if err != nil {
			t.Fatal(err)
		}
		list, err := a.List(17, from, from.AddDate(0, 0, 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		l, err := x509.ParseRevocationList(list)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(a.Cert.CheckSignatureFrom(a.Cert), c.CheckSignatureFrom(a.Cert), l.CheckSignatureFrom(a.Cert)); err != nil {
			t.Errorf("signatures: %v", err)
		}
		for what, got := range map[string]x509.SignatureAlgorithm{"root": a.Cert.SignatureAlgorithm, "certificate": c.SignatureAlgorithm, "list": l.SignatureAlgorithm} {
			if got != x509.ECDSAWithSHA384 {
				t.Errorf("%s is signed with %v, want ECDSA with SHA-384", what, got)
			}
		}
		all := slices.Concat(a.Cert.Raw, c.Raw, list)
		if first != nil && !bytes.Equal(first, all) {
			t.Error("the same key and request give other octets the second time")
		}
		first = all
	}
}

// Certificates on telephones differ from a card's in issuer and policy.
func TestPhoneAuthority(t *testing.T) {
	a, err := pki.NewPhone(78, from, to, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Issue(resident(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Policies) != 1 || c.Policies[0].String() != "1.2.392.200149.8.5.1.3.40" || c.CheckSignatureFrom(a.Cert) != nil {
		t.Errorf("policies %v", c.Policies)
	}
	if bytes.Equal(c.RawIssuer, authority(t, certid.PurposeAuth, 3, 1).Cert.RawSubject) || !slices.Contains(c.Issuer.Organization, pki.PracticeMark) {
		t.Errorf("issuer %v, want a name of its own with the practice mark", c.Issuer)
	}
}
