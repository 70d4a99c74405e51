package files_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/internal/files"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/vcard"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func changed(b []byte, at int, to byte) []byte {
	b = bytes.Clone(b)
	b[at] = to
	return b
}

func ff(n int) []byte { return bytes.Repeat([]byte{0xFF}, n) }

// Vectors written out by hand from the layouts that reader/SOURCES.md names. The person is made up: 練習　花子, 架空県.
const (
	attributesHex = "FF20 38 DF21 08 000E 0020 002C 0037" +
		"DF22 0F E7B7B4 E7BF92 E38080 E88AB1 E5AD90" +
		"DF23 09 E69EB6 E7A9BA E79C8C" +
		"DF24 08 3139383030323137" +
		"DF25 01 31"
	// SEC 2 §2.5.1: the base point of P-384.
	pointHex = "86 61 04" +
		"AA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7" +
		"3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F"
)

func rsaKey(t testing.TB) []byte {
	t.Helper()
	return join(unhex(t, "90 03 010001 91 820100 C9"), bytes.Repeat([]byte{0xAA}, 254), []byte{0x01})
}

// ageVector is the 547 octets with RSA-2048: FF10 82021E, birth date at 8, key at 21, signature at 291.
func ageVector(t testing.TB) []byte {
	t.Helper()
	return join(unhex(t, "FF10 82021E DF11 08 3139383030323137 DF12 820109"), rsaKey(t),
		unhex(t, "DF13 820100"), bytes.Repeat([]byte{0x5A}, 256))
}

// nextAgeVector is the practice form: 11 + 102 + 99 octets inside.
func nextAgeVector(t testing.TB) []byte {
	t.Helper()
	return join(unhex(t, "FF10 81D4 DF11 08 3139383030323137 DF12 63"), unhex(t, pointHex), unhex(t, "DF13 60"), bytes.Repeat([]byte{0x5A}, 96))
}

func TestParseAgeVectors(t *testing.T) {
	if n := len(ageVector(t)); n != 547 {
		t.Fatalf("vector of %d octets, want 547", n)
	}
	for name, in := range map[string][]byte{
		"RSA": ageVector(t), "RSA with filler": join(ageVector(t), ff(13)), "P-384": nextAgeVector(t),
	} {
		a, err := files.ParseAge(in)
		if err != nil {
			t.Errorf("ParseAge(%s) = %v", name, err)
			continue
		}
		if a.Birth != "19800217" {
			t.Errorf("ParseAge(%s).Birth = %q, want 19800217", name, a.Birth)
		}
		key, err := x509.ParsePKIXPublicKey(a.SPKI)
		if err != nil || !key.(interface{ Equal(crypto.PublicKey) bool }).Equal(a.Key) {
			t.Errorf("ParseAge(%s).SPKI = %T, %v, want Key", name, key, err)
		}
	}
}

func TestParseAgeRefuses(t *testing.T) {
	whole := ageVector(t)
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"filler alone", ff(16)},
		{"cut off", whole[:546]},
		{"the card's face", changed(whole, 1, 0x20)},
		{"something behind", join(whole, []byte{0})},
		{"birth date's tag", changed(whole, 6, 0x14)},
		{"key's tag", changed(whole, 17, 0x14)},
		{"signature's tag", changed(whole, 287, 0x14)},
		{"no 30 February", changed(changed(whole, 14, '3'), 15, '0')},
		{"month 13", changed(changed(whole, 12, '1'), 13, '3')},
		{"day of no month", changed(whole, 13, '0')},
		{"letter in the date", changed(whole, 15, 'x')},
		{"before Meiji", changed(whole, 9, '7')},
		{"another exponent", changed(whole, 25, 3)},
		{"even modulus", changed(whole, 285, 0)},
		{"signature of 255 octets", join(unhex(t, "FF10 82021D"), whole[5:286], unhex(t, "DF13 81FF"), make([]byte, 255), ff(1))},
		{"a fourth part", join(unhex(t, "FF10 820222"), whole[5:], unhex(t, "DF14 0100"))},
	} {
		if a, err := files.ParseAge(tt.in); !errors.Is(err, files.ErrFile) {
			t.Errorf("ParseAge(%s) = %v, %v, want ErrFile", tt.name, a, err)
		}
	}
}

func TestUnknownBirthDays(t *testing.T) {
	for date, ok := range map[string]bool{
		"19500300": true, "19500000": true, "19500015": false, "18680125": true, "20000229": true, "19000229": false, "00000000": false,
	} {
		in := ageVector(t)
		copy(in[8:], date)
		if _, err := files.ParseAge(in); ok != (err == nil) {
			t.Errorf("ParseAge(birth date %s) = %v, want ok %v", date, err, ok)
		}
	}
}

func TestParseAttributesVector(t *testing.T) {
	want := files.Attributes{Name: "練習　花子", Address: "架空県", Birth: "19800217", Sex: '1'}
	for name, in := range map[string][]byte{"as long as it is": unhex(t, attributesHex), "with filler": join(unhex(t, attributesHex), ff(5))} {
		if got, err := files.ParseAttributes(in); err != nil || got != want {
			t.Errorf("ParseAttributes(%s) = %v, want the four attributes: %v", name, err, got == want)
		}
	}
}

func TestParseAttributesRefuses(t *testing.T) {
	whole := unhex(t, attributesHex)
	long := func(n int) []byte { // an address of n octets; offsets as they have to be, with the outer length in three octets
		head := 5
		at := head + 11
		b := unhex(t, "DF21 08")
		for _, size := range []int{18, 5 + n, 11} {
			b = append(b, byte(at>>8), byte(at))
			at += size
		}
		b = append(b, byte(at>>8), byte(at))
		b = join(b, whole[14:32], []byte{0xDF, 0x23, 0x82, byte(n >> 8), byte(n)}, bytes.Repeat([]byte{'a'}, n), whole[44:])
		return join([]byte{0xFF, 0x20, 0x82, byte(len(b) >> 8), byte(len(b))}, b)
	}
	if _, err := files.ParseAttributes(long(1200)); err != nil {
		t.Errorf("ParseAttributes(address of 1200 octets) = %v", err)
	}
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"cut off", whole[:len(whole)-1]},
		{"the Individual Number's tag", changed(whole, 1, 0x10)},
		{"something behind", join(whole, []byte{0x30})},
		{"offset of the name", changed(whole, 7, 0x0F)},
		{"offset of the address", changed(whole, 9, 0x21)},
		{"offset of the sex, upper octet", changed(whole, 12, 0x01)},
		{"three offsets", join(unhex(t, "FF20 36 DF21 06 000C 001E 002A"), whole[14:])},
		{"name and address exchanged", join(whole[:14], whole[32:44], whole[14:32], whole[44:])},
		{"half a character", changed(whole, 31, 'a')},
		{"line feed in the address", changed(changed(changed(whole, 41, 'a'), 42, '\n'), 43, 'b')},
		{"no name", join(unhex(t, "FF20 29 DF21 08 000E 0011 001D 0028 DF22 00"), whole[32:])},
		{"address of 1201 octets", long(1201)},
		{"month 99", changed(changed(whole, 51, '9'), 52, '9')},
		{"sex 3", changed(whole, len(whole)-1, '3')},
		{"sex of two digits", join(unhex(t, "FF20 39"), whole[3:len(whole)-2], unhex(t, "02 3131"))},
	} {
		if _, err := files.ParseAttributes(tt.in); !errors.Is(err, files.ErrFile) {
			t.Errorf("ParseAttributes(%s) = %v, want ErrFile", tt.name, err)
		}
	}
}

// signers makes one key of each kind.
func signers(t testing.TB) (*rsa.PrivateKey, *ecdsa.PrivateKey) {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return r, e
}

// numberDigest stands for the digest of the Individual Number's file: octets that are easy to look for.
var numberDigest = bytes.Repeat([]byte{0xC7}, 32)

// integrityRSA is the 336 octets: FF30 82014B { DF31 20, DF32 20, DF33 820100 }.
func integrityRSA(t testing.TB, key *rsa.PrivateKey, attributes []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(attributes[14:])
	body := join(unhex(t, "DF31 20"), numberDigest, unhex(t, "DF32 20"), sum[:])
	digest := sha256.Sum256(body)
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return join(unhex(t, "FF30 82014B"), body, unhex(t, "DF33 820100"), sig)
}

// integrityP384 is the practice form, 154 octets: FF30 8196 { DF32 30, DF33 60 }.
func integrityP384(t testing.TB, key *ecdsa.PrivateKey, attributes []byte) []byte {
	t.Helper()
	sum := sha512.Sum384(attributes[14:])
	body := join(unhex(t, "DF32 30"), sum[:])
	digest := sha512.Sum384(body)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 96)
	r.FillBytes(sig[:48])
	s.FillBytes(sig[48:])
	return join(unhex(t, "FF30 8196"), body, unhex(t, "DF33 60"), sig)
}

// P4: whatever comes of it, the integrity record is gone afterwards, and the error holds nothing of it.
func TestP4VerifyIntegrity(t *testing.T) {
	r, e := signers(t)
	attributes := unhex(t, attributesHex)
	other := changed(attributes, len(attributes)-1, '2')
	classic, next := integrityRSA(t, r, attributes), integrityP384(t, e, attributes)
	if len(classic) != 336 || len(next) != 154 {
		t.Fatalf("vectors of %d and %d octets, want 336 and 154", len(classic), len(next))
	}
	swapped := join(classic[:5], classic[40:75], classic[5:40], classic[75:])
	tests := []struct {
		name       string
		attributes []byte
		record     []byte
		signer     crypto.PublicKey
		want       error
	}{
		{"RSA", attributes, classic, &r.PublicKey, nil},
		{"RSA, both with filler", join(attributes, ff(3)), join(classic, ff(2)), &r.PublicKey, nil},
		{"P-384", attributes, next, &e.PublicKey, nil},
		{"other attributes", other, classic, &r.PublicKey, files.ErrDigest},
		{"other attributes, P-384", other, next, &e.PublicKey, files.ErrDigest},
		{"digest changed", attributes, changed(classic, 50, 0), &r.PublicKey, jpki.ErrSignature},
		{"number's digest changed", attributes, changed(classic, 10, 0), &r.PublicKey, jpki.ErrSignature},
		{"signature changed", attributes, changed(classic, 335, classic[335]^1), &r.PublicKey, jpki.ErrSignature},
		{"another signer's form", attributes, classic, &e.PublicKey, files.ErrFile},
		{"another signer's form, P-384", attributes, next, &r.PublicKey, files.ErrFile},
		{"parts exchanged", attributes, swapped, &r.PublicKey, files.ErrFile},
		{"cut off", attributes, classic[:300], &r.PublicKey, files.ErrFile},
		{"tag that quotes the digest", attributes, join(classic[:5], bytes.Repeat([]byte{0xC7}, 331)), &r.PublicKey, files.ErrFile},
		{"nothing but digest", attributes, numberDigest, &r.PublicKey, files.ErrFile},
		{"something behind", attributes, join(classic, []byte{1}), &r.PublicKey, files.ErrFile},
		{"empty", attributes, nil, &r.PublicKey, files.ErrFile},
		{"attributes unreadable", attributes[:20], classic, &r.PublicKey, files.ErrFile},
		{"no signer", attributes, classic, nil, jpki.ErrKeyKind},
	}
	for _, tt := range tests {
		record := bytes.Clone(tt.record)
		err := files.VerifyIntegrity(tt.attributes, record, tt.signer)
		if !errors.Is(err, tt.want) {
			t.Errorf("VerifyIntegrity(%s) = %v, want %v", tt.name, err, tt.want)
		}
		if !bytes.Equal(record, make([]byte, len(record))) {
			t.Errorf("VerifyIntegrity(%s) left octets of the record behind", tt.name)
		}
		if said := fmt.Sprintf("%v %+v %#v %x", err, err, err, err); strings.Contains(strings.ToLower(said), "c7") {
			t.Errorf("VerifyIntegrity(%s) says %s", tt.name, said)
		}
	}
}

func TestPracticeCards(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 2})
	people, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range people {
		profile, err := vcard.LoadProfile(p.Profile)
		if err != nil {
			t.Fatal(err)
		}
		face, err := cvc.Parse(profile.FaceCVC)
		if err != nil {
			t.Fatal(err)
		}
		age, err := files.ParseAge(profile.FaceAge)
		if err != nil || age.Birth != p.Birth.Compact() {
			t.Errorf("ParseAge of %s = %v, birth date as made %v", p.Key, err, age.Birth == p.Birth.Compact())
		}
		if err := age.Verify(face.Key); err != nil {
			t.Errorf("Verify of %s = %v", p.Key, err)
		}
		input, err := cvc.Parse(profile.InputCVC)
		if err != nil {
			t.Fatal(err)
		}
		if err := age.Verify(input.Key); !errors.Is(err, jpki.ErrSignature) {
			t.Errorf("Verify of %s by the other application's key = %v, want jpki.ErrSignature", p.Key, err)
		}
		a, err := files.ParseAttributes(profile.InputAttributes)
		want := files.Attributes{Name: p.FullName(), Address: p.Address, Birth: p.Birth.Compact(), Sex: byte(p.Sex)}
		if err != nil || a != want {
			t.Errorf("ParseAttributes of %s = %v, as made %v", p.Key, err, a == want)
		}
		if err := files.VerifyIntegrity(profile.InputAttributes, bytes.Clone(profile.InputIntegrity), input.Key); err != nil {
			t.Errorf("VerifyIntegrity of %s = %v", p.Key, err)
		}
	}
}

func TestParseToken(t *testing.T) {
	pad := func(s string, n int) []byte { return []byte(s + strings.Repeat(" ", n-len(s))) }
	for _, tt := range []struct {
		name string
		in   []byte
		want string
		err  error
	}{
		{"plastic card", join(pad("JPKIAPICCTOKEN2", 32), make([]byte, 128)), "JPKIAPICCTOKEN2", nil},
		{"label alone", pad("JPKIAPGPSETOKEN", 32), "JPKIAPGPSETOKEN", nil},
		{"full label", pad(strings.Repeat("A", 32), 160), strings.Repeat("A", 32), nil},
		{"too short", pad("JPKIAPICCTOKEN2", 31), "", files.ErrFile},
		{"too long", pad("JPKIAPICCTOKEN2", 161), "", files.ErrFile},
		{"blank", pad("", 160), "", files.ErrFile},
		{"filler", ff(160), "", files.ErrFile},
		{"line feed", pad("JPKI\nAP", 160), "", files.ErrFile},
	} {
		if got, err := files.ParseToken(tt.in); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseToken(%s) = %q, %v, want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestParseAvailable(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want files.Available
		err  error
	}{
		{"8F8F00", files.Available{Sign: true, Auth: true}, nil},
		{"008F00", files.Available{Auth: true}, nil},
		{"8F0000", files.Available{Sign: true}, nil},
		{"8F8F", files.Available{}, files.ErrFile},
		{"8F8F00FF", files.Available{}, files.ErrFile},
	} {
		if got, err := files.ParseAvailable(unhex(t, tt.in)); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseAvailable(%s) = %v, %v, want %v, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

// P3: what names somebody prints as REDACTED.
func TestP3NothingPrints(t *testing.T) {
	age, err := files.ParseAge(ageVector(t))
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := files.ParseAttributes(unhex(t, attributesHex))
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	said.WriteString(age.LogValue().String() + attributes.LogValue().String())
	for _, v := range []any{age, &age, attributes, &attributes} {
		js, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		said.WriteString(string(js))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
			fmt.Fprintf(&said, verb, v)
		}
	}
	for _, leak := range []string{"19800217", "3139383030323137", "花子", "架空"} {
		if strings.Contains(said.String(), leak) {
			t.Errorf("printing shows %q: %s", leak, said.String())
		}
	}
}
