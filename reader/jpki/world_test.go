package jpki_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"sync"
	"testing"
	"time"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

// A practice world in small: three generations of the authentication authority under one name, the first expired, a fourth on
// P-384, the signature authority in two generations, and one person's keys.
type mini struct {
	gen        [3]authority
	next       authority
	sign       authority
	signNext   authority
	person     *rsa.PrivateKey
	nextPerson *ecdsa.PrivateKey
}

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// as is the authority with a certificate that says something else: its key signs in another's name.
func (a authority) as(change func(*x509.Certificate)) authority {
	c := must(x509.ParseCertificate(bytes.Clone(a.cert.Raw)))
	change(c)
	return authority{c, a.key}
}

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func date(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 14, 59, 59, 0, time.UTC) }

var practice = sync.OnceValue(func() *mini {
	auth := dn("C", "JP", "O", jpki.OrganizationPractice, "OU", jpki.UnitAuth, "OU", "Practice Agency")
	sign := dn("C", "JP", "O", jpki.OrganizationPractice, "OU", jpki.UnitSign, "OU", "Practice Agency")
	w := &mini{person: newKey(), nextPerson: newCurveKey()}
	w.gen[0] = newAuthority(auth, 1, date(2015, 10, 20), date(2025, 10, 19))
	w.gen[1] = newAuthority(auth, 20169545, date(2019, 9, 14), date(2029, 9, 14))
	w.gen[2] = newAuthority(auth, 114393094, date(2023, 7, 16), date(2033, 7, 15))
	w.sign = newAuthority(sign, 1, date(2023, 7, 16), date(2033, 7, 15))
	w.next = authorityOf(newCurveKey(), x509.ECDSAWithSHA384, auth, 199990001, date(2026, 5, 1), date(2046, 5, 1))
	w.signNext = authorityOf(newCurveKey(), x509.ECDSAWithSHA384, sign, 199990002, date(2026, 5, 1), date(2046, 5, 1))
	return w
})

func newCurveKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) }

func newKey() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// dn encodes a name from pairs of C, O, OU, CN and a value, all UTF8String as the national authority writes them.
func dn(pairs ...string) []byte {
	types := map[string]asn1.ObjectIdentifier{"C": {2, 5, 4, 6}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "L": {2, 5, 4, 7}, "CN": {2, 5, 4, 3}}
	var seq pkix.RDNSequence
	for i := 0; i < len(pairs); i += 2 {
		v := asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(pairs[i+1])}
		seq = append(seq, pkix.RelativeDistinguishedNameSET{{Type: types[pairs[i]], Value: v}})
	}
	return must(asn1.Marshal(seq))
}

func newAuthority(rawName []byte, serial int64, from, to time.Time) authority {
	return authorityOf(newKey(), x509.SHA256WithRSA, rawName, serial, from, to)
}

func authorityOf(key crypto.Signer, by x509.SignatureAlgorithm, rawName []byte, serial int64, from, to time.Time) authority {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial), RawSubject: rawName, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
		SignatureAlgorithm: by,
	}
	der := must(x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key))
	return authority{must(x509.ParseCertificate(der)), key}
}

func context(tag int, content []byte) []byte {
	return must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: content}))
}

func sequence(content []byte) []byte {
	return must(asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content}))
}

func ext(critical bool, value []byte, id ...int) pkix.Extension {
	return pkix.Extension{Id: id, Critical: critical, Value: value}
}

// pointName is a DistributionPointName of one directory name.
func pointName(rawName []byte) []byte { return context(0, context(0, context(4, rawName))) }

func crlPoints(rawNames ...[]byte) pkix.Extension {
	var points []byte
	for _, n := range rawNames {
		points = append(points, sequence(pointName(n))...)
	}
	return ext(false, sequence(points), 2, 5, 29, 31)
}

func policies(critical bool, ids ...asn1.ObjectIdentifier) pkix.Extension {
	var infos []byte
	for _, id := range ids {
		infos = append(infos, sequence(must(asn1.Marshal(id)))...)
	}
	return ext(critical, sequence(infos), 2, 5, 29, 32)
}

func authPolicy() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 3, 30}
}

var municipality = dn("C", "JP", "O", jpki.OrganizationPractice, "OU", jpki.UnitAuth, "OU", "CRL Distribution Points",
	"OU", "Practice-ken", "CN", "Practice-shi CRLDP")

// personTemplate has no flaw.
func personTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(170000001), RawSubject: dn("C", "JP", "CN", "K4Z9QW7TB2M8XN99999001A"),
		NotBefore: date(2025, 4, 3), NotAfter: date(2030, 6, 15), SignatureAlgorithm: x509.SHA256WithRSA,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{
			ext(true, must(asn1.Marshal(asn1.BitString{Bytes: []byte{0x80}, BitLength: 1})), 2, 5, 29, 15),
			policies(true, authPolicy()), crlPoints(municipality),
		},
	}
}

func (w *mini) issue(t testing.TB, by authority, change func(*x509.Certificate)) []byte {
	t.Helper()
	return issueTo(t, by, personTemplate(), &w.person.PublicKey, change)
}

// issueNext is issue on P-384 throughout.
func (w *mini) issueNext(t testing.TB, change func(*x509.Certificate)) []byte {
	t.Helper()
	return issueTo(t, w.next, personTemplate(), &w.nextPerson.PublicKey, change)
}

// issueTo takes the signature algorithm from the authority's key.
func issueTo(t testing.TB, by authority, tmpl *x509.Certificate, pub crypto.PublicKey, change func(*x509.Certificate)) []byte {
	t.Helper()
	if _, curve := by.key.(*ecdsa.PrivateKey); curve {
		tmpl.SignatureAlgorithm = x509.ECDSAWithSHA384
	}
	if change != nil {
		change(tmpl)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, by.cert, pub, by.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (w *mini) anchors(t testing.TB) *jpki.Anchors {
	t.Helper()
	list := []jpki.Anchor{signAnchor(w.sign), signAnchor(w.signNext)}
	for _, g := range w.gen {
		list = append(list, anchor(g))
	}
	list = append(list, anchor(w.next))
	as, err := jpki.NewAnchors(list...)
	if err != nil {
		t.Fatal(err)
	}
	return as
}

func anchor(a authority) jpki.Anchor {
	return jpki.Anchor{Cert: a.cert, Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}
}

func signAnchor(a authority) jpki.Anchor {
	return jpki.Anchor{Cert: a.cert, Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeSign}
}

func examine(t testing.TB, as *jpki.Anchors, der []byte) jpki.AuthCert {
	t.Helper()
	c, err := as.Examine(der)
	if err != nil {
		t.Fatalf("Examine = %v", err)
	}
	return c
}

// replaceExt puts e in the place of the extension with its identifier, or adds it.
func replaceExt(c *x509.Certificate, e pkix.Extension) {
	for i := range c.ExtraExtensions {
		if c.ExtraExtensions[i].Id.Equal(e.Id) {
			c.ExtraExtensions[i] = e
			return
		}
	}
	c.ExtraExtensions = append(c.ExtraExtensions, e)
}

// forge makes a certificate with one flawed octet in its signature.
func (w *mini) forge(t testing.TB, by authority, change func(*x509.Certificate)) []byte {
	t.Helper()
	der := w.issue(t, by, change)
	flawed := bytes.Clone(der)
	flawed[len(flawed)-1] ^= 1
	return flawed
}
