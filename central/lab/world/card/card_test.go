package card_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"image/png"
	"math/big"
	"testing"

	"kazashi.example/central/lab/world/card"
)

var holder = card.Holder{
	Name: "練習　花子", Address: "架空県", Birth: "19800217", Sex: '1', Expiry: "20350217",
	SecurityCode: "2285", Municipality: "48201", Number: "999900000007",
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// object reads one BER object by hand: a tag of n octets, a length of one to three, the value; it returns the rest.
func object(t *testing.T, b []byte, tag string) (value, rest []byte) {
	t.Helper()
	want, err := hex.DecodeString(tag)
	if err != nil || !bytes.HasPrefix(b, want) {
		t.Fatalf("object begins % X, want tag %s", b[:min(4, len(b))], tag)
	}
	b = b[len(want):]
	n, head := int(b[0]), 1
	switch b[0] {
	case 0x81:
		n, head = int(b[1]), 2
	case 0x82:
		n, head = int(binary.BigEndian.Uint16(b[1:3])), 3
	}
	return b[head : head+n], b[head+n:]
}

func verify(t *testing.T, what string, key *rsa.PublicKey, over, sig []byte) {
	t.Helper()
	sum := sha256.Sum256(over)
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig); err != nil {
		t.Errorf("signature of %s: %v", what, err)
	}
}

// publicKey reads 90 exponent, 91 modulus.
func publicKey(t *testing.T, b []byte) *rsa.PublicKey {
	t.Helper()
	if len(b) != 265 {
		t.Fatalf("public key of %d octets, want 265", len(b))
	}
	e, rest := object(t, b, "90")
	n, rest := object(t, rest, "91")
	if !bytes.Equal(e, []byte{1, 0, 1}) || len(rest) != 0 {
		t.Fatalf("exponent % X, %d octets left", e, len(rest))
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
}

func TestCertificateChain(t *testing.T) {
	ca, municipal, chip := newKey(t), newKey(t), newKey(t)
	cvc, err := card.Certificate(card.MakeKeyID(card.FaceIssuer), card.MakeKeyID(card.MunicipalKey("48201", false)), &municipal.PublicKey, ca)
	if err != nil {
		t.Fatal(err)
	}
	if len(cvc) != 568 || !bytes.HasPrefix(cvc, []byte{0x7F, 0x21, 0x82, 0x02, 0x33, 0x5F, 0x4E, 0x82, 0x01, 0x29}) {
		t.Fatalf("certificate of %d octets beginning % X, want 568 and 7F21 820233 5F4E 820129", len(cvc), cvc[:10])
	}
	outer, rest := object(t, cvc, "7F21")
	body, tail := object(t, outer, "5F4E")
	sig, tail := object(t, tail, "5F37")
	if len(rest) != 0 || len(tail) != 0 {
		t.Error("octets after the certificate")
	}
	if got := string(body[:16]); got != "9000023\x08\x05001\x00\x00\x00\x00" {
		t.Errorf("issuer key id = %q", got)
	}
	if got := string(body[16:32]); got != "9482012\x08\x05001\x00\x00\x00\x00" {
		t.Errorf("subject key id = %q", got)
	}
	verify(t, "certificate", &ca.PublicKey, body, sig)

	age, err := card.AgeRecord(holder, &chip.PublicKey, municipal)
	if err != nil {
		t.Fatal(err)
	}
	if len(age) != 547 || !bytes.HasPrefix(age, []byte{0xFF, 0x10, 0x82, 0x02, 0x1E, 0xDF, 0x11, 0x08}) {
		t.Fatalf("age record of %d octets beginning % X, want 547 and FF10 82021E DF11 08", len(age), age[:8])
	}
	fields, _ := object(t, age, "FF10")
	birth, rest := object(t, fields, "DF11")
	pub, rest := object(t, rest, "DF12")
	sig, _ = object(t, rest, "DF13")
	if string(birth) != "19800217" || !publicKey(t, pub).Equal(&chip.PublicKey) {
		t.Errorf("age record: birth %q or key differ", birth)
	}
	verify(t, "age record", publicKey(t, body[32:]), fields[:len(fields)-261], sig)
}

// The octets are written out by hand: FF20 38, offsets 0E 20 2C 37, then the four fields in UTF-8.
func TestAttributesOctets(t *testing.T) {
	want, err := hex.DecodeString("FF2038" + "DF2108000E0020002C0037" + "DF220FE7B7B4E7BF92E38080E88AB1E5AD90" +
		"DF2309E69EB6E7A9BAE79C8C" + "DF24083139383030323137" + "DF250131")
	if err != nil {
		t.Fatal(err)
	}
	got, err := card.Attributes(holder)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("Attributes = %x, %v, want %x", got, err, want)
	}
}

func TestOffsetsWithLongFields(t *testing.T) {
	for _, n := range []int{10, 60, 300} {
		h := holder
		h.Address = string(bytes.Repeat([]byte("a"), n))
		got, err := card.Attributes(h)
		if err != nil {
			t.Fatal(err)
		}
		outer, _ := object(t, got, "FF20")
		table, _ := object(t, outer, "DF21")
		for i, tag := range []string{"DF22", "DF23", "DF24", "DF25"} {
			object(t, got[binary.BigEndian.Uint16(table[2*i:]):], tag)
		}
	}
	h := holder
	h.Address = string(bytes.Repeat([]byte("a"), 1<<15))
	if _, err := card.Attributes(h); !errors.Is(err, card.ErrField) {
		t.Errorf("Attributes with 32 KiB of address = %v, want ErrField", err)
	}
}

func TestIntegrity(t *testing.T) {
	issuer := newKey(t)
	got, err := card.Integrity(holder, issuer)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 336 {
		t.Fatalf("integrity record of %d octets, want 336", len(got))
	}
	fields, _ := object(t, got, "FF30")
	number, rest := object(t, fields, "DF31")
	attrs, rest := object(t, rest, "DF32")
	sig, _ := object(t, rest, "DF33")
	file := append([]byte("\xFF\x10\x0C"+holder.Number), 0xFF, 0xFF)
	if want := sha256.Sum256(file); !bytes.Equal(number, want[:]) {
		t.Errorf("DF31 = %x, want the digest of EF 0001 with its filler, %x", number, want)
	}
	attributes, err := card.Attributes(holder)
	if err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(attributes[14:]); !bytes.Equal(attrs, want[:]) {
		t.Errorf("DF32 = %x, want the digest of the attributes after the offset table, %x", attrs, want)
	}
	verify(t, "integrity record", &issuer.PublicKey, fields[:70], sig)
}

func TestFaceRecord(t *testing.T) {
	issuer, chip := newKey(t), newKey(t)
	got, err := card.FaceRecord(holder, &chip.PublicKey, issuer)
	if err != nil {
		t.Fatal(err)
	}
	outer, rest := object(t, got, "FF20")
	if len(rest) != 0 {
		t.Errorf("%d octets after the record", len(rest))
	}
	table, _ := object(t, outer, "DF21")
	tags := []string{"DF22", "DF23", "DF24", "DF25", "DF26", "DF27", "DF28", "DF29", "DF2A"}
	if len(table) != 2*len(tags) {
		t.Fatalf("offset table of %d octets, want %d", len(table), 2*len(tags))
	}
	at := func(i int) int {
		if i == len(tags) {
			return len(got)
		}
		return int(binary.BigEndian.Uint16(table[2*i:]))
	}
	values := map[string][]byte{}
	for i, tag := range tags {
		values[tag], _ = object(t, got[at(i):], tag)
	}
	var digests []byte
	for _, s := range [][2]int{{0, 3}, {3, 5}, {5, 6}} {
		sum := sha256.Sum256(got[at(s[0]):at(s[1])])
		digests = append(digests, sum[:]...)
	}
	head, err := hex.DecodeString("3071300d06096086480165030402010500" + "0460")
	if err != nil {
		t.Fatal(err)
	}
	if err := rsa.VerifyPKCS1v15(&issuer.PublicKey, crypto.Hash(0), append(head, digests...), values["DF28"]); err != nil {
		t.Errorf("signature of the card face: %v", err)
	}
	if !publicKey(t, values["DF24"]).Equal(&chip.PublicKey) || string(values["DF29"]) != holder.Expiry {
		t.Error("card key or expiry differ")
	}
	for _, tag := range []string{"DF25", "DF26", "DF27", "DF2A"} {
		if _, err := png.Decode(bytes.NewReader(values[tag])); err != nil {
			t.Errorf("%s is no PNG: %v", tag, err)
		}
	}
}

func TestInfoFiles(t *testing.T) {
	face, _ := object(t, card.FaceInfo(holder), "FF30")
	for _, tag := range []string{"DF31", "DF32", "DF33"} {
		_, face = object(t, face, tag)
	}
	code, face := object(t, face, "DF34")
	block, _ := object(t, face, "DF35")
	if string(code) != "48201" || len(block) != 272 {
		t.Errorf("face info: municipality %q, block of %d octets, want 48201 and 272", code, len(block))
	}
	input, rest := object(t, card.InputInfo(holder), "FF40")
	_, input = object(t, input, "DF41")
	_, input = object(t, input, "DF42")
	trailing, _ := object(t, input, "DF43")
	if len(trailing) != 128 || trailing[127] != 0xFF || len(rest) != 0 {
		t.Errorf("input info: trailing block of %d octets, want 128 with filler", len(trailing))
	}
	issuer, chip := newKey(t), newKey(t)
	pub, err := card.InputPublic(&chip.PublicKey, issuer)
	if err != nil {
		t.Fatal(err)
	}
	fields, _ := object(t, pub, "FF50")
	enc, tail := object(t, fields, "DF51")
	sig, _ := object(t, tail, "DF52")
	verify(t, "public key file", &issuer.PublicKey, fields[:len(fields)-261], sig)
	if !publicKey(t, enc).Equal(&chip.PublicKey) {
		t.Error("public key file has another key")
	}
}

func TestShortKeyIsRefused(t *testing.T) {
	short := &rsa.PublicKey{N: big.NewInt(35), E: 65537}
	if _, err := card.AgeRecord(holder, short, nil); !errors.Is(err, card.ErrField) {
		t.Errorf("AgeRecord with a short key = %v, want ErrField", err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := card.AgeRecord(holder, &curve.PublicKey, nil); !errors.Is(err, card.ErrField) {
		t.Errorf("AgeRecord with a key on P-256 = %v, want ErrField", err)
	}
}

// The practice form of the next card: the same records on P-384, with the integrity record free of anything of the Individual Number.
func TestNextCardFiles(t *testing.T) {
	ca, municipal, chip := newCurveKey(t), newCurveKey(t), newCurveKey(t)
	cvc, err := card.Certificate(card.MakeKeyID(card.NextIssuer), card.MakeKeyID(card.NextMunicipalKey("48201", false)), &municipal.PublicKey, ca)
	if err != nil {
		t.Fatal(err)
	}
	outer, rest := object(t, cvc, "7F21")
	body, tail := object(t, outer, "5F4E")
	sig, tail := object(t, tail, "5F37")
	if len(cvc) != 238 || len(body) != 131 || len(rest)+len(tail) != 0 || string(body[:7])+string(body[16:23]) != "90000439482014" {
		t.Errorf("certificate of %d octets, body of %d, ids %q", len(cvc), len(body), body[:32])
	}
	verifyCurve(t, "certificate", &ca.PublicKey, body, sig)

	age, err := card.AgeRecord(holder, &chip.PublicKey, municipal)
	if err != nil {
		t.Fatal(err)
	}
	fields, _ := object(t, age, "FF10")
	birth, rest := object(t, fields, "DF11")
	pub, rest := object(t, rest, "DF12")
	sig, _ = object(t, rest, "DF13")
	want, err := chip.PublicKey.Bytes()
	if err != nil || string(birth) != "19800217" || !bytes.Equal(pub, append([]byte{0x86, 0x61}, want...)) {
		t.Errorf("age record: birth %q, key %X, want 86 61 and the point", birth, pub)
	}
	verifyCurve(t, "age record", &municipal.PublicKey, fields[:len(fields)-99], sig)

	got, err := card.NextIntegrity(holder, municipal)
	if err != nil {
		t.Fatal(err)
	}
	fields, _ = object(t, got, "FF30")
	digest, rest := object(t, fields, "DF32")
	sig, _ = object(t, rest, "DF33")
	attributes, err := card.Attributes(holder)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha512.Sum384(attributes[14:]); !bytes.Equal(digest, sum[:]) {
		t.Errorf("DF32 = %x, want the digest of the attributes after the offset table, %x", digest, sum)
	}
	verifyCurve(t, "integrity record", &municipal.PublicKey, fields[:51], sig)
	again, err := card.NextIntegrity(holder, municipal)
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("NextIntegrity gives other octets the second time, %v", err)
	}
}

func newCurveKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func verifyCurve(t *testing.T, what string, key *ecdsa.PublicKey, over, sig []byte) {
	t.Helper()
	sum := sha512.Sum384(over)
	if len(sig) != 96 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:48]), new(big.Int).SetBytes(sig[48:])) {
		t.Errorf("signature of %s, %d octets, does not verify", what, len(sig))
	}
}
