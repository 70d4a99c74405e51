package jpki_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

// Alternative names written out by hand: four otherNames { OID 1.2.392.200149.8.5.5.N, [0] UTF8String }, of name, sex, birth date and
// address.
const handWritten = "306A" +
	"A01F" + "060A2A83088C9B5508050501" + "A011" + "0C0F" + "E7B7B4E7BF92E38080E88AB1E5AD90" +
	"A011" + "060A2A83088C9B5508050503" + "A003" + "0C01" + "32" +
	"A019" + "060A2A83088C9B5508050504" + "A00B" + "0C09" + "333139383030323137" +
	"A019" + "060A2A83088C9B5508050505" + "A00B" + "0C09" + "E69EB6E7A9BAE79C8C"

var signMunicipality = dn("C", "JP", "O", jpki.OrganizationPractice, "OU", jpki.UnitSign, "OU", "CRL Distribution Points",
	"OU", "Practice-ken", "CN", "Practice-shi CRLDP")

// signTemplate has no flaw.
func signTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(150000001), RawSubject: dn("C", "JP", "L", "Practice-ken", "L", "Practice-shi", "CN", "K4Z9QW7TB2M8XN99999001A"),
		NotBefore: date(2025, 4, 3), NotAfter: date(2030, 6, 15), SignatureAlgorithm: x509.SHA256WithRSA,
		ExtraExtensions: []pkix.Extension{
			ext(true, must(asn1.Marshal(asn1.BitString{Bytes: []byte{0xC0}, BitLength: 2})), 2, 5, 29, 15),
			policies(true, policy(1, 20)), crlPoints(signMunicipality),
			ext(false, must(hex.DecodeString(handWritten)), 2, 5, 29, 17),
		},
	}
}

func (w *mini) issueSign(t testing.TB, change func(*x509.Certificate)) []byte {
	t.Helper()
	return issueTo(t, w.sign, signTemplate(), &w.person.PublicKey, change)
}

func examineSign(t testing.TB, as *jpki.Anchors, der []byte) jpki.SignCert {
	t.Helper()
	c, err := as.ExamineSign(der)
	if err != nil {
		t.Fatalf("ExamineSign = %v", err)
	}
	return c
}

func TestExamineSignReads(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	want := jpki.Attributes{Name: "練習　花子", Sex: "2", BirthDate: "319800217", Address: "架空県"}
	for name, der := range map[string][]byte{
		"RSA": w.issueSign(t, nil), "P-384": issueTo(t, w.signNext, signTemplate(), &w.nextPerson.PublicKey, nil),
	} {
		c := examineSign(t, as, der)
		if c.Chain != jpki.ChainVerified || c.Profile != nil || c.DatesAt(now) != jpki.DatesCurrent || c.Phone {
			t.Errorf("%s: chain %v, profile %v, dates %v", name, c.Chain, c.Profile, c.DatesAt(now))
		}
		if c.Scope() != (certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeSign}) || c.Serial.Int().Int64() != 150000001 {
			t.Errorf("%s: scope %v, or another serial", name, c.Scope())
		}
		if c.Attributes != want {
			t.Errorf("%s: attributes differ from what was written by hand", name)
		}
		if !bytes.Equal(c.CRLPoint, signMunicipality) {
			t.Errorf("%s: CRLPoint = %X", name, c.CRLPoint)
		}
	}
	raw := raw(t, w.nextPerson, []byte("contract"))
	next := examineSign(t, as, issueTo(t, w.signNext, signTemplate(), &w.nextPerson.PublicKey, nil))
	if err := next.Verify([]byte("contract"), raw); err != nil {
		t.Errorf("Verify = %v, want nil", err)
	}
	if err := next.Verify([]byte("Contract"), raw); !errors.Is(err, jpki.ErrSignature) {
		t.Errorf("Verify of another message = %v, want ErrSignature", err)
	}
}

// otherName is one attribute, its text under a tag of the universal class.
func otherName(arc int, tag int, text string) []byte {
	id := must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, arc}))
	value := must(asn1.Marshal(asn1.RawValue{Tag: tag, Bytes: []byte(text)}))
	return context(0, append(id, context(0, value)...))
}

func text(arc int, s string) []byte { return otherName(arc, asn1.TagUTF8String, s) }

func altNames(parts ...[]byte) func(*x509.Certificate) {
	return withExt(false, sequence(bytes.Join(parts, nil)), 2, 5, 29, 17)
}

func born(date string) func(*x509.Certificate) {
	return altNames(text(1, "練習"), text(3, "1"), text(4, date), text(5, "架空県"))
}

func signFlaws() []flaw {
	n, s, b, a := text(1, "練習"), text(3, "1"), text(4, "319800217"), text(5, "架空県")
	mail := must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte("a@example")}))
	foreign := context(0, append(must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 3})), context(0, must(asn1.Marshal(7)))...))
	torn := context(0, []byte{0x06, 0x0A, 0x2A})
	return []flaw{
		{"no locality", withSubject("C", "JP", "CN", "K4Z9QW7TB2M8XN99999001A"), faults(jpki.ErrSubject)},
		{"three localities", withSubject("C", "JP", "L", "a", "L", "b", "L", "c", "CN", "K4Z9"), faults(jpki.ErrSubject)},
		{"organisation for locality", withSubject("C", "JP", "O", "a", "CN", "K4Z9"), faults(jpki.ErrSubject)},
		{"common name with a space", withSubject("C", "JP", "L", "a", "CN", "K4Z9 A"), faults(jpki.ErrSubject)},
		{"one locality", withSubject("C", "JP", "L", "a", "CN", "K4Z9"), nil},
		{"key usage digitalSignature alone", withKeyUsage(true, 0x80), faults(jpki.ErrKeyUsage)},
		{"key usage not critical", withKeyUsage(false, 0xC0), faults(jpki.ErrKeyUsage)},
		{"its policy, and one with a number of 41 bits", withWidePolicy(policy(1, 20)), faults(jpki.ErrPolicy)},
		{"policy of authentication certificates", withPolicies(true, authPolicy()), faults(jpki.ErrPolicy)},
		{"CRL point of authentication", func(c *x509.Certificate) { replaceExt(c, crlPoints(municipality)) }, faults(jpki.ErrCRLPoint)},
		{"alternative names critical", func(c *x509.Certificate) { criticalExt(c, 2, 5, 29, 17) }, faults(jpki.ErrCritical)},
		{"no alternative names", without(2, 5, 29, 17), faults(jpki.ErrMissing, jpki.ErrAttributes)},
		{"no name", altNames(s, b, a), faults(jpki.ErrAttributes)},
		{"no sex", altNames(n, b, a), faults(jpki.ErrAttributes)},
		{"no birth date", altNames(n, s, a), faults(jpki.ErrBirthDate)},
		{"no address", altNames(n, s, b), faults(jpki.ErrAttributes)},
		{"name twice", altNames(n, n, s, b, a), faults(jpki.ErrAttributes)},
		{"empty name", altNames(text(1, ""), s, b, a), faults(jpki.ErrAttributes)},
		{"name that is no UTF-8", altNames(text(1, "\xFF\xFE"), s, b, a), faults(jpki.ErrAttributes)},
		{"name as BMPString", altNames(otherName(1, asn1.TagBMPString, "\x7D\xF4"), s, b, a), faults(jpki.ErrAttributes)},
		{"other name cut", altNames(n, s, b, a, torn), faults(jpki.ErrAttributes)},
		{"sex a word", altNames(n, text(3, "12"), b, a), faults(jpki.ErrAttributes)},
		{"sex a letter", altNames(n, text(3, "M"), b, a), faults(jpki.ErrAttributes)},
		{"substitutes", altNames(n, text(2, "01"), s, b, a, text(6, "001")), nil},
		{"attribute that came later", altNames(n, s, b, a, text(7, "レンシュウ")), nil},
		{"mail address and another's name beside", altNames(mail, n, s, b, a, foreign), nil},
		{"sex as PrintableString", altNames(n, otherName(3, asn1.TagPrintableString, "1"), b, a), nil},
		{"birth date without era", born("19800217"), faults(jpki.ErrBirthDate)},
		{"birth date with a letter", born("S19800217"), faults(jpki.ErrBirthDate)},
		{"13th month", born("319801301"), faults(jpki.ErrBirthDate)},
		{"30 February", born("319800230"), faults(jpki.ErrBirthDate)},
		{"29 February of a common year", born("319810229"), faults(jpki.ErrBirthDate)},
		{"31 April", born("319800431"), faults(jpki.ErrBirthDate)},
		{"era that there is not", born("619800217"), faults(jpki.ErrBirthDate)},
		{"Heisei before its first day", born("419890107"), faults(jpki.ErrBirthDate)},
		{"Showa after its last day", born("319890108"), faults(jpki.ErrBirthDate)},
		{"Heisei after its last day", born("420190501"), faults(jpki.ErrBirthDate)},
		{"Taisho before its first day", born("219120729"), faults(jpki.ErrBirthDate)},
		{"Showa, day unknown, in a month of Heisei", born("319890200"), faults(jpki.ErrBirthDate)},
		{"day known in an unknown month", born("319800017"), faults(jpki.ErrBirthDate)},
		{"first day of Heisei", born("419890108"), nil},
		{"last day of Showa", born("319890107"), nil},
		{"first day of Reiwa", born("520190501"), nil},
		{"leap day", born("319800229"), nil},
		{"day unknown, in the month of two eras", born("319890100"), nil},
		{"month unknown, in the year of two eras", born("419890000"), nil},
		{"no era", born("019800217"), nil},
	}
}

// Fixtures with one flaw each, named after it.
func TestExamineSignProfile(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	for _, f := range append(common(), signFlaws()...) {
		t.Run(f.name, func(t *testing.T) {
			c := examineSign(t, as, w.issueSign(t, f.change))
			if !f.saidBy(c.Profile) || c.Chain != jpki.ChainVerified {
				t.Errorf("Profile = %v, chain %v, want %v on a verified chain", c.Profile, c.Chain, f.want)
			}
			if (c.Attributes == jpki.Attributes{}) != (c.Profile != nil) {
				t.Errorf("with profile %v the attributes are empty: %v", c.Profile, c.Attributes == jpki.Attributes{})
			}
		})
	}
}

func TestPurposesAreNotMixed(t *testing.T) {
	w := practice()
	as := w.anchors(t)
	if c := examine(t, as, w.issueSign(t, nil)); !errors.Is(c.Profile, jpki.ErrSubject) {
		t.Errorf("Examine of a signature certificate: profile %v, want ErrSubject", c.Profile)
	}
	if c := examineSign(t, as, w.issue(t, w.gen[2], nil)); !errors.Is(c.Profile, jpki.ErrSubject) {
		t.Errorf("ExamineSign of an authentication certificate: profile %v, want ErrSubject", c.Profile)
	}
	der := issueTo(t, w.gen[2], signTemplate(), &w.person.PublicKey, func(c *x509.Certificate) { replaceExt(c, crlPoints(municipality)) })
	if c := examineSign(t, as, der); !errors.Is(c.Profile, jpki.ErrPurpose) || c.Attributes != (jpki.Attributes{}) {
		t.Errorf("ExamineSign from the authentication authority: profile %v, want ErrPurpose and no attributes", c.Profile)
	}
	none := must(jpki.NewAnchors(anchor(w.gen[2])))
	if c := examineSign(t, none, w.issueSign(t, nil)); c.Chain != jpki.ChainIssuerUnknown || c.Scope() != (certid.Scope{}) {
		t.Errorf("ExamineSign without the signature anchor: chain %v, scope %v", c.Chain, c.Scope())
	}
}

// P3: nothing of a signature certificate may reach a log.
func TestP3SignCertPrintsRedacted(t *testing.T) {
	w := practice()
	c := examineSign(t, w.anchors(t), w.issueSign(t, nil))
	for _, v := range []any{c, &c, c.Attributes, &c.Attributes} {
		var buf bytes.Buffer
		slog.New(slog.NewJSONHandler(&buf, nil)).Info("x", slog.Any("cert", v))
		slog.New(slog.NewTextHandler(&buf, nil)).Info("x", slog.Any("cert", v))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			fmt.Fprintf(&buf, verb, v)
		}
		buf.Write(must(json.Marshal(v)))
		for _, leak := range []string{"150000001", "19800217", "練習", "架空", "2030", "e7b7b4"} {
			if strings.Contains(strings.ToLower(buf.String()), leak) {
				t.Errorf("printing a %T shows %q", v, leak)
			}
		}
		if strings.Count(buf.String(), "REDACTED") < 10 {
			t.Errorf("printing a %T: %s", v, buf.String())
		}
	}
}

func FuzzExamineSign(f *testing.F) {
	w := practice()
	as := w.anchors(f)
	f.Add(w.issueSign(f, nil))
	f.Add(w.issue(f, w.gen[2], nil))
	for _, flaw := range signFlaws() {
		f.Add(w.issueSign(f, flaw.change))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := as.ExamineSign(der)
		if err != nil {
			if !errors.Is(err, jpki.ErrNotCertificate) {
				t.Fatalf("ExamineSign = %v, want ErrNotCertificate", err)
			}
			return
		}
		if (c.Chain == jpki.ChainVerified) != (c.Hierarchy != 0) || (c.Profile != nil) != (c.Attributes == jpki.Attributes{}) {
			t.Fatalf("ExamineSign gave chain %v, hierarchy %v, profile %v", c.Chain, c.Hierarchy, c.Profile)
		}
		if c.Profile == nil && (c.Attributes.Name == "" || len(c.Attributes.BirthDate) != 9 || len(c.Attributes.Sex) != 1) {
			t.Fatal("a profile without a fault, and attributes missing")
		}
	})
}
