package cvc_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/card"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/certid"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The octets of both forms are written out by hand from the layout that reader/SOURCES.md names, not by an encoder. The modulus is no
// product of two primes that anybody knows: nothing here is signed with it.
const (
	rsaKeyHex = "90 03 010001 91 820100 C9"           // and 254 octets AA, and 01
	idFace    = "39303030303233 0805 303031 00000000" // 9000023, group 001
	idTown    = "39343832303132 0805 303031 00000000" // 9482012, group 001
	// The base point of P-384 (SEC 2 §2.5.1).
	pointHex = "86 61 04" +
		"AA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7" +
		"3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F"
)

func rsaKeyOctets(t testing.TB) []byte {
	t.Helper()
	return append(append(unhex(t, rsaKeyHex), bytes.Repeat([]byte{0xAA}, 254)...), 0x01)
}

// rsaForm is the 568 octets of a certificate with RSA-2048, signature 256 times 5A.
func rsaForm(t testing.TB) []byte {
	t.Helper()
	b := unhex(t, "7F21 820233 5F4E 820129"+idFace+idTown)
	b = append(b, rsaKeyOctets(t)...)
	b = append(b, unhex(t, "5F37 820100")...)
	return append(b, bytes.Repeat([]byte{0x5A}, 256)...)
}

// nextForm is the 238 octets of one on P-384, signature 96 times 5A: 131 octets inside 5F4E, 234 inside 7F21.
func nextForm(t testing.TB) []byte {
	t.Helper()
	b := unhex(t, "7F21 81EA 5F4E 8183"+idFace+idTown+pointHex+"5F37 60")
	return append(b, bytes.Repeat([]byte{0x5A}, 96)...)
}

func TestParseVectors(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
		kind string
	}{
		{"RSA", rsaForm(t), "*rsa.PublicKey"},
		{"RSA with filler", append(rsaForm(t), 0xFF, 0xFF, 0xFF), "*rsa.PublicKey"},
		{"P-384", nextForm(t), "*ecdsa.PublicKey"},
	} {
		c, err := cvc.Parse(tt.in)
		if err != nil {
			t.Errorf("Parse(%s) = %v", tt.name, err)
			continue
		}
		if got := c.Issuer.String(); got != "9000023/001/00000000" {
			t.Errorf("Parse(%s).Issuer = %s, want 9000023/001/00000000", tt.name, got)
		}
		if got := c.Subject.Number(); got != "9482012" {
			t.Errorf("Parse(%s).Subject.Number() = %s, want 9482012", tt.name, got)
		}
		if got := fmt.Sprintf("%T", c.Key); got != tt.kind {
			t.Errorf("Parse(%s).Key is a %s, want %s", tt.name, got, tt.kind)
		}
	}
	if n := len(rsaForm(t)); n != 568 {
		t.Errorf("RSA vector of %d octets, want 568", n)
	}
}

// changed is b with one octet replaced.
func changed(b []byte, at int, to byte) []byte {
	b = bytes.Clone(b)
	b[at] = to
	return b
}

func TestParseRefuses(t *testing.T) {
	whole, next := rsaForm(t), nextForm(t)
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"filler alone", []byte{0xFF, 0xFF}},
		{"cut off", whole[:567]},
		{"without its template", whole[5:]},
		{"another template", changed(whole, 1, 0x4E)},
		{"zero octet behind", append(bytes.Clone(whole), 0x00)},
		{"second certificate behind", append(bytes.Clone(whole), whole...)},
		{"filler, then something", append(bytes.Clone(whole), 0xFF, 0x30)},
		{"outer length longer than the file", changed(whole, 4, 0x34)},
		{"outer length shorter than its parts", changed(whole, 4, 0x32)},
		{"endless length", changed(whole, 2, 0x80)},
		{"body's tag", changed(whole, 6, 0x4C)},
		{"signature's tag", changed(whole, 5+302+1, 0x38)},
		{"signature before the body", append(unhex(t, "7F21 820233"), append(bytes.Clone(whole[5+302:]), whole[5:5+302]...)...)},
		{"a third part", append(unhex(t, "7F21 820236"), append(bytes.Clone(whole[5:]), 0x80, 0x01, 0x00)...)},
		{"letter in the issuer's number", changed(whole, 10, 'A')},
		{"letter in the subject's group", changed(whole, 10+16+9, 'A')},
		{"another exponent", changed(whole, 10+32+4, 0x03)},
		{"even modulus", changed(whole, 10+32+9+255, 0x00)},
		{"modulus of 2047 bits", changed(whole, 10+32+9, 0x49)},
		{"point with a wrong coordinate", changed(next, 4+4+32+3, 0xAB)},
		{"compressed point", changed(next, 4+4+32+2, 0x02)},
		{"signature of 255 octets", append(append(unhex(t, "7F21 820232"), whole[5:5+302]...), append(unhex(t, "5F37 81FF"), make([]byte, 255)...)...)},
	} {
		if c, err := cvc.Parse(tt.in); !errors.Is(err, cvc.ErrCVC) {
			t.Errorf("Parse(%s) = %v, %v, want ErrCVC", tt.name, c, err)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	key, point := rsaKeyOctets(t), unhex(t, pointHex)
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"modulus cut off", key[:264]},
		{"octet behind the modulus", append(bytes.Clone(key), 0xFF)},
		{"exponent in four octets", append(unhex(t, "90 04 00010001"), key[5:]...)},
		{"modulus first", append(bytes.Clone(key[5:]), key[:5]...)},
		{"modulus with a leading zero octet", append(unhex(t, "90 03 010001 91 820101 00"), key[9:]...)},
		{"point cut off", point[:98]},
		{"octet behind the point", append(bytes.Clone(point), 0x00)},
		{"infinity", unhex(t, "86 61 00"+strings.Repeat("00", 96))},
		{"coordinates not below the prime", unhex(t, "86 61 04"+strings.Repeat("FF", 96))},
		{"origin", unhex(t, "86 61 04"+strings.Repeat("00", 96))},
		{"point of P-256", unhex(t, "86 41 04"+strings.Repeat("11", 64))},
	} {
		if _, err := cvc.ParseKey(tt.in); !errors.Is(err, cvc.ErrCVC) {
			t.Errorf("ParseKey(%s) = %v, want ErrCVC", tt.name, err)
		}
	}
}

// authorities of the practice world, as a trust bundle hands them in.
func practiceAuthorities(t *testing.T, w *world.World) []cvc.Authority {
	t.Helper()
	list, err := w.CardAnchors()
	if err != nil {
		t.Fatal(err)
	}
	var out []cvc.Authority
	for _, a := range list {
		key, err := x509.ParsePKIXPublicKey(a.Key)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, cvc.Authority{Hierarchy: certid.HierarchyPractice, ID: a.KeyID, Key: key})
	}
	return out
}

func TestVerifyPracticeCards(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 2})
	set, err := cvc.NewAuthorities(practiceAuthorities(t, w))
	if err != nil {
		t.Fatal(err)
	}
	people, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range people {
		profile, err := vcard.LoadProfile(p.Profile)
		if err != nil {
			t.Fatal(err)
		}
		for use, file := range map[cvc.Use][]byte{cvc.ForFace: profile.FaceCVC, cvc.ForInput: profile.InputCVC} {
			c, err := cvc.Parse(file)
			if err != nil {
				t.Errorf("Parse(%s of %s) = %v", use, p.Key, err)
				continue
			}
			if h, err := set.Verify(c, use); err != nil || h != certid.HierarchyPractice {
				t.Errorf("Verify(%s of %s) = %v, %v, want practice", use, p.Key, h, err)
			}
			flawed, err := cvc.Parse(changed(file, len(file)-1, file[len(file)-1]^1))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := set.Verify(flawed, use); !errors.Is(err, jpki.ErrSignature) {
				t.Errorf("Verify(%s of %s, last octet changed) = %v, want jpki.ErrSignature", use, p.Key, err)
			}
			other, err := cvc.Parse(changed(file, 10+16+2, '7')) // another municipality's number, same signature
			if err != nil {
				t.Fatal(err)
			}
			if _, err := set.Verify(other, use); !errors.Is(err, jpki.ErrSignature) {
				t.Errorf("Verify(%s of %s, subject changed) = %v, want jpki.ErrSignature", use, p.Key, err)
			}
		}
	}
}

// The practice form of the next card: signed over the value of 5F4E with SHA-384, r and s of 48 octets.
func TestVerifyP384(t *testing.T) {
	ca, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := nextForm(t)
	sum := sha512.Sum384(b[8 : 8+131])
	r, s, err := ecdsa.Sign(rand.Reader, ca, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	r.FillBytes(b[len(b)-96 : len(b)-48])
	s.FillBytes(b[len(b)-48:])
	c, err := cvc.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	set, err := cvc.NewAuthorities([]cvc.Authority{{Hierarchy: certid.HierarchyPractice, ID: c.Issuer, Key: &ca.PublicKey}})
	if err != nil {
		t.Fatal(err)
	}
	if h, err := set.Verify(c, cvc.ForFace); err != nil || h != certid.HierarchyPractice {
		t.Errorf("Verify = %v, %v, want practice", h, err)
	}
	b[20]++ // in the issuer's identifier, past the digits: another authority by all sixteen octets
	if c, err = cvc.Parse(b); err != nil {
		t.Fatal(err)
	}
	if _, err := set.Verify(c, cvc.ForFace); !errors.Is(err, cvc.ErrUnknownAuthority) {
		t.Errorf("Verify(issuer with another last octet) = %v, want ErrUnknownAuthority", err)
	}
}

// Each issuer vouches for its own application's files alone, whatever it signed; the practice authority of the next card for both. Verify
// asks the number before the signature: a certificate by the wrong issuer is refused as such even if nobody signed it.
func TestVerifyHoldsIssuersToTheirUse(t *testing.T) {
	ca, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		number      string
		face, input bool
	}{
		{"5000023", true, false},
		{"5000033", false, true},
		{"6000023", true, false},
		{"6000033", false, true},
		{card.FaceIssuer, true, false},
		{card.InputIssuer, false, true},
		{card.NextIssuer, true, true},
		{"9100023", true, true}, // only the whole number tells
	} {
		hierarchy := map[byte]certid.Hierarchy{
			'5': certid.HierarchyProduction, '6': certid.HierarchyTest, '9': certid.HierarchyPractice,
		}[tt.number[0]]
		set, err := cvc.NewAuthorities([]cvc.Authority{{Hierarchy: hierarchy, ID: cvc.KeyID(card.MakeKeyID(tt.number)), Key: &ca.PublicKey}})
		if err != nil {
			t.Fatal(err)
		}
		c := signedBy(t, ca, tt.number)
		for use, good := range map[cvc.Use]bool{cvc.ForFace: tt.face, cvc.ForInput: tt.input, 0: false, 3: false} {
			h, err := set.Verify(c, use)
			if good && (err != nil || h != hierarchy) || !good && (h != 0 || !errors.Is(err, cvc.ErrOtherUse)) {
				t.Errorf("Verify(signed by %s, %s) = %v, %v, want good %v", tt.number, use, h, err, good)
			}
		}
	}
}

// signedBy is nextForm as an issuer of that number signs it.
func signedBy(t *testing.T, ca *ecdsa.PrivateKey, number string) cvc.Certificate {
	t.Helper()
	b := nextForm(t)
	copy(b[8:], number)
	sum := sha512.Sum384(b[8 : 8+131])
	r, s, err := ecdsa.Sign(rand.Reader, ca, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	r.FillBytes(b[len(b)-96 : len(b)-48])
	s.FillBytes(b[len(b)-48:])
	c, err := cvc.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestUnknownAuthority(t *testing.T) {
	c, err := cvc.Parse(rsaForm(t))
	if err != nil {
		t.Fatal(err)
	}
	none, err := cvc.NewAuthorities(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]*cvc.Authorities{"nobody": none, "nil": nil, "zero": {}} {
		if _, err := set.Verify(c, cvc.ForFace); !errors.Is(err, cvc.ErrUnknownAuthority) || set.Len() != 0 {
			t.Errorf("Verify by %s = %v, want ErrUnknownAuthority", name, err)
		}
	}
}

func TestNewAuthorities(t *testing.T) {
	rsaKey, err := cvc.ParseKey(rsaKeyOctets(t))
	if err != nil {
		t.Fatal(err)
	}
	point, err := cvc.ParseKey(unhex(t, pointHex))
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := func(number string) cvc.KeyID { return cvc.KeyID(card.MakeKeyID(number)) }
	const production, test, practice = certid.HierarchyProduction, certid.HierarchyTest, certid.HierarchyPractice
	small := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(3), 1022), E: 65537}
	three := &rsa.PublicKey{N: rsaKey.(*rsa.PublicKey).N, E: 3}
	tests := []struct {
		name string
		in   []cvc.Authority
		ok   bool
	}{
		{"none", nil, true},
		{"production", []cvc.Authority{{production, id("5000023"), rsaKey}, {production, id("5000033"), point}}, true},
		{"test", []cvc.Authority{{test, id("6000023"), rsaKey}, {test, id("6000033"), point}}, true},
		{"one authority twice", []cvc.Authority{{practice, id("9000023"), rsaKey}, {practice, id("9000023"), rsaKey}}, true},
		{"one key under two numbers of a hierarchy", []cvc.Authority{{practice, id("9000023"), rsaKey}, {practice, id("9000033"), rsaKey}}, true},
		{"practice as production", []cvc.Authority{{production, id("9000023"), rsaKey}}, false},
		{"test as production", []cvc.Authority{{production, id("6000023"), rsaKey}}, false},
		{"production as test", []cvc.Authority{{test, id("5000023"), rsaKey}}, false},
		{"production as practice", []cvc.Authority{{practice, id("5000033"), rsaKey}}, false},
		{"test as practice", []cvc.Authority{{practice, id("6000033"), rsaKey}}, false},
		{"no hierarchy", []cvc.Authority{{0, id("9000023"), rsaKey}}, false},
		{"no number", []cvc.Authority{{practice, cvc.KeyID{}, rsaKey}}, false},
		{"no key", []cvc.Authority{{practice, id("9000023"), nil}}, false},
		{"nil key", []cvc.Authority{{practice, id("9000023"), (*rsa.PublicKey)(nil)}}, false},
		{"short key", []cvc.Authority{{practice, id("9000023"), small}}, false},
		{"exponent 3", []cvc.Authority{{practice, id("9000023"), three}}, false},
		{"P-256", []cvc.Authority{{practice, id("9000023"), &p256.PublicKey}}, false},
		{"one number, two keys", []cvc.Authority{{practice, id("9000023"), rsaKey}, {practice, id("9000023"), point}}, false},
		{"one key, two hierarchies", []cvc.Authority{{practice, id("9000023"), rsaKey}, {test, id("6000023"), rsaKey}}, false},
	}
	for _, tt := range tests {
		_, err := cvc.NewAuthorities(tt.in)
		if tt.ok && err != nil || !tt.ok && !errors.Is(err, cvc.ErrAuthority) {
			t.Errorf("NewAuthorities(%s) = %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}

// P3: a certificate names the municipality that made the card.
func TestP3CertificatePrintsNothing(t *testing.T) {
	c, err := cvc.Parse(rsaForm(t))
	if err != nil {
		t.Fatal(err)
	}
	js, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	said.WriteString(string(js) + c.String() + c.LogValue().String())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		said.WriteString(fmt.Sprintf(verb, c) + fmt.Sprintf(verb, &c))
	}
	if strings.Contains(said.String(), "482012") || strings.Contains(said.String(), "34383230") {
		t.Errorf("a certificate prints as %s", said.String())
	}
}

func FuzzParse(f *testing.F) {
	f.Add(rsaForm(f))
	f.Add(nextForm(f))
	f.Add(append(rsaForm(f), 0xFF))
	f.Add([]byte{0x7F, 0x21, 0x80})
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := cvc.Parse(in)
		if err != nil {
			if !errors.Is(err, cvc.ErrCVC) {
				t.Fatalf("Parse = %v, want ErrCVC", err)
			}
			return
		}
		again, err := cvc.Parse(append(bytes.Clone(in), 0xFF))
		if err != nil || again.Issuer != c.Issuer || again.Subject != c.Subject {
			t.Fatalf("Parse with one octet of filler more = %v", err)
		}
		if enc := encodeKey(t, c.Key); !bytes.Contains(in, append(append(c.Issuer[:], c.Subject[:]...), enc...)) {
			t.Fatal("Parse made up a body that is not in its input")
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add(rsaKeyOctets(f))
	f.Add(unhex(f, pointHex))
	f.Add([]byte{0x90, 0x03})
	f.Fuzz(func(t *testing.T, in []byte) {
		key, err := cvc.ParseKey(in)
		if err != nil {
			if !errors.Is(err, cvc.ErrCVC) {
				t.Fatalf("ParseKey = %v, want ErrCVC", err)
			}
			return
		}
		if out := encodeKey(t, key); !bytes.Equal(out, in) {
			t.Fatalf("ParseKey(%X) re-encodes to %X", in, out)
		}
	})
}

// encodeKey writes a key as the card does, by hand.
func encodeKey(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	switch k := key.(type) {
	case *rsa.PublicKey:
		return append(unhex(t, "90 03 010001 91 820100"), k.N.FillBytes(make([]byte, 256))...)
	case *ecdsa.PublicKey:
		b, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return append([]byte{0x86, 0x61}, b...)
	}
	t.Fatalf("key of type %T", key)
	return nil
}
