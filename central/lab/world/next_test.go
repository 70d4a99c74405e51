package world_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/certid"
)

// point reads 86 61 04 and the coordinates.
func point(t *testing.T, b []byte) *ecdsa.PublicKey {
	t.Helper()
	if len(b) != 99 || b[0] != 0x86 || b[1] != 0x61 {
		t.Fatalf("public key of %d octets beginning % X, want 86 61 04", len(b), b[:min(3, len(b))])
	}
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), b[2:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func checkCurve(t *testing.T, what string, key *ecdsa.PublicKey, over, sig []byte) {
	t.Helper()
	sum := sha512.Sum384(over)
	if len(sig) != 96 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:48]), new(big.Int).SetBytes(sig[48:])) {
		t.Errorf("%s: signature of %d octets does not verify", what, len(sig))
	}
}

// TestTapOfTheNextCard does by hand what a tap with evidence "card" rests on, in the practice form of the next card: two applications of our
// own, P-384 throughout.
func TestTapOfTheNextCard(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: day})
	anchors, err := w.CardAnchors()
	if err != nil {
		t.Fatal(err)
	}
	next := anchors[2]
	root, err := x509.ParsePKIXPublicKey(next.Key)
	ca, ok := root.(*ecdsa.PublicKey)
	if err != nil || !ok || next.Name != "next" {
		t.Fatalf("third card anchor is %q, %v, want the next card's on P-384", next.Name, err)
	}
	p, err := w.Person("mirai")
	if err != nil {
		t.Fatal(err)
	}
	c, err := vcard.Open(p.Profile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.BirthKey()
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, append([]byte{0x00, 0xA4, 0x04, 0x0C, 0x0A}, "\xF0KAZASHI\x00\x02"...)...)
	cvc := send(t, c, 0x00, 0xB0, 0x84, 0x00, 0x00, 0x00, 0x00)
	send(t, c, append([]byte{0x00, 0x20, 0x00, 0x91, 0x06}, key...)...)
	age := send(t, c, 0x00, 0xB0, 0x81, 0x00, 0x00, 0x00, 0x00)
	challenge := sha512.Sum384([]byte("challenge"))
	proof := send(t, c, append(append([]byte{0x80, 0x2A, 0x00, 0x00, 0x30}, challenge[:]...), 0x00)...)

	// 7F21 81EA | 5F4E 8183 131 octets of body | 5F37 60 signature
	body, sig := cvc[8:139], cvc[142:238]
	if !bytes.HasPrefix(cvc, []byte{0x7F, 0x21, 0x81, 0xEA, 0x5F, 0x4E, 0x81, 0x83}) || !bytes.Equal(body[:16], next.KeyID[:]) {
		t.Fatalf("certificate begins % X and names issuer %q", cvc[:8], body[:16])
	}
	checkCurve(t, "certificate", ca, body, sig)
	// FF10 81D4 | DF11 08 birth | DF12 63 key | DF13 60 signature
	if !bytes.HasPrefix(age, []byte{0xFF, 0x10, 0x81, 0xD4, 0xDF, 0x11, 0x08}) || string(age[7:15]) != "19960616" {
		t.Fatalf("age record begins % X", age[:7])
	}
	checkCurve(t, "age record", point(t, body[32:]), age[4:117], age[120:216])
	checkCurve(t, "internal authentication", point(t, age[18:117]), []byte("challenge"), proof)
}

// P4: nothing on the practice next card is, or is computed from, the Individual Number.
func TestP4NextCardHasNoIndividualNumber(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: day})
	p, err := w.Person("mirai")
	if err != nil {
		t.Fatal(err)
	}
	profile, err := vcard.LoadProfile(p.Profile)
	if err != nil {
		t.Fatal(err)
	}
	if profile.Kind != vcard.Next || profile.IndividualNumber != "" || profile.NumberB != "" {
		t.Errorf("profile of kind %q has number A or B", profile.Kind)
	}
	// FF30 8196: DF32 30 digest, DF33 60 signature, and no DF31.
	if r := profile.InputIntegrity; len(r) != 154 || !bytes.HasPrefix(r, []byte{0xFF, 0x30, 0x81, 0x96, 0xDF, 0x32, 0x30}) {
		t.Errorf("integrity record of %d octets begins % X", len(r), r[:7])
	}
}

func TestPhone(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: day})
	p, err := w.Person("sumire")
	if err != nil {
		t.Fatal(err)
	}
	profile, err := vcard.LoadProfile(p.Profile)
	if err != nil || profile.Kind != vcard.Phone || len(profile.FaceAge) > 0 || len(profile.SignCert) > 0 {
		t.Errorf("profile of a telephone: %v, kind %q, with a face %v", err, profile.Kind, len(profile.FaceAge) > 0)
	}
	cert, err := p.Auth.X509()
	if err != nil {
		t.Fatal(err)
	}
	if len(cert.Policies) != 1 || cert.Policies[0].String() != "1.2.392.200149.8.5.1.3.40" || p.Auth.Listed {
		t.Errorf("certificate of a telephone: policies %v, listed %v", cert.Policies, p.Auth.Listed)
	}
	for _, a := range w.Anchors() {
		root, err := x509.ParseCertificate(a.Cert)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(root.RawSubject, cert.RawIssuer) {
			t.Errorf("anchor %v of generation %d has the name of the telephones' authority", a.Scope, a.Generation)
		}
	}
}

// The files beside the roots say what central's configuration wants: hierarchy, id, key.
func TestCardAuthoritiesAsFiles(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: day, People: 1})
	anchors, err := w.CardAnchors()
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(w.Dir(), "ca", "card-cas.toml"))
	if err != nil || strings.Count(string(list), "[[card_ca]]") != 3 {
		t.Fatalf("card-cas.toml: %v, %d authorities, want 3", err, strings.Count(string(list), "[[card_ca]]"))
	}
	ids := map[string]string{
		"face":  "39303030303233" + "0805" + "303031" + "00000000",
		"input": "39303030303333" + "0805" + "303031" + "00000000",
		"next":  "39303030303433" + "0805" + "303031" + "00000000",
	}
	for _, a := range anchors {
		if got := hex.EncodeToString(a.KeyID[:]); got != ids[a.Name] || a.Hierarchy != certid.HierarchyPractice {
			t.Errorf("card anchor %q: id %s of %s, want %s of practice", a.Name, got, a.Hierarchy, ids[a.Name])
		}
		want := "[[card_ca]]\nhierarchy = \"practice\"\nid = \"" + ids[a.Name] + "\"\nkey = \"card-ca-" + a.Name + ".pem\"\n"
		if !strings.Contains(string(list), want) {
			t.Errorf("card-cas.toml lacks %q", want)
		}
		text, err := os.ReadFile(a.Path)
		block, _ := pem.Decode(text)
		if err != nil || block == nil || block.Type != "PUBLIC KEY" || !bytes.Equal(block.Bytes, a.Key) {
			t.Errorf("%s: %v, not the key of the anchor", a.Path, err)
		}
	}
}

// Renewed on a new card: whatever was bound to the old card's key no longer fits; on the same card it does.
func TestReissueChangesTheCard(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: day})
	for _, key := range []string{"hanako", "mirai"} {
		first := profileOf(t, w, key)
		if _, err := w.Renew(key, day); err != nil {
			t.Fatal(err)
		}
		renewed := profileOf(t, w, key)
		before, err := w.Person(key)
		if err != nil {
			t.Fatal(err)
		}
		made, err := w.Reissue(key, day.AddDate(1, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		reissued := profileOf(t, w, key)
		if !bytes.Equal(first.CardKey, renewed.CardKey) || !bytes.Equal(first.FaceAge, renewed.FaceAge) || first.CardID != renewed.CardID {
			t.Errorf("%s renewed: card key, age record or card id changed", key)
		}
		if bytes.Equal(first.CardKey, reissued.CardKey) || bytes.Equal(first.FaceAge, reissued.FaceAge) || first.CardID == reissued.CardID {
			t.Errorf("%s on a new card: card key, age record or card id is the old one", key)
		}
		if first.BirthKey != reissued.BirthKey || first.AuthPIN != reissued.AuthPIN || first.Kind != reissued.Kind {
			t.Errorf("%s on a new card: birth key, PIN or kind changed", key)
		}
		if bytes.Equal(first.AuthKey, renewed.AuthKey) || bytes.Equal(renewed.AuthKey, reissued.AuthKey) || bytes.Equal(renewed.AuthCert, reissued.AuthCert) {
			t.Errorf("%s: an authentication key or certificate stayed", key)
		}
		after, err := w.Person(key)
		if err != nil {
			t.Fatal(err)
		}
		if len(made) != 2 || made[0].Old != before.Auth.ID || made[0].New != after.Auth.ID || after.Auth.Generation != first.generation() {
			t.Errorf("%s: Reissue gave %d pairs, generation %d, want from the old serials to the new", key, len(made), after.Auth.Generation)
		}
		if _, err := w.Renew(key, day.AddDate(2, 0, 0)); err != nil {
			t.Fatal(err)
		}
		if last := profileOf(t, w, key); !bytes.Equal(last.CardKey, reissued.CardKey) || !bytes.Equal(last.FaceAge, reissued.FaceAge) {
			t.Errorf("%s renewed on the new card: card key or age record changed", key)
		}
	}
}

type profile struct{ *vcard.Profile }

// generation is the key generation that issues for this kind of card.
func (p profile) generation() int {
	if p.Kind == vcard.Next {
		return 4
	}
	return 3
}

func profileOf(t *testing.T, w *world.World, key string) profile {
	t.Helper()
	p, err := w.Person(key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := vcard.LoadProfile(p.Profile)
	if err != nil {
		t.Fatal(err)
	}
	return profile{out}
}

// Keys, certificates and cards of the next generation are on P-384 and sign with SHA-384; all others stay RSA.
func TestAlgorithms(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: day})
	for _, a := range w.Authorities() {
		_, curve := a.Key.Public().(*ecdsa.PublicKey)
		if want := a.Generation == 4; curve != want || (a.Cert.SignatureAlgorithm == x509.ECDSAWithSHA384) != want {
			t.Errorf("%s authority of generation %d: %v", a.Purpose, a.Generation, a.Cert.SignatureAlgorithm)
		}
	}
	all, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[people.Kind]int{}
	for _, p := range all {
		kinds[p.Kind]++
		cert, err := p.Auth.X509()
		if err != nil {
			t.Fatal(err)
		}
		next := p.Kind == people.NextCard
		if (cert.SignatureAlgorithm == x509.ECDSAWithSHA384) != next || (p.Auth.Generation == 4) != next {
			t.Errorf("%s of kind %q: %v by generation %d", p.Key, p.Kind, cert.SignatureAlgorithm, p.Auth.Generation)
		}
		if years := p.Auth.NotAfter.Sub(p.Auth.NotBefore).Hours() / 24 / 365.25; next && (years < 9 || years > 10) || !next && years > 5 {
			t.Errorf("%s of kind %q: valid for %.1f years", p.Key, p.Kind, years)
		}
	}
	if kinds[people.NextCard] == 0 || kinds[people.Phone] == 0 || kinds[people.Card] < 18 {
		t.Errorf("kinds of cards = %v", kinds)
	}
	for _, p := range []certid.Purpose{certid.PurposeAuth, certid.PurposeSign} {
		newest, err := w.Newest(p)
		if err != nil || newest.Generation != 4 {
			t.Errorf("Newest(%s) = %v, want generation 4", p, err)
		}
		if a, err := w.Authority(p, 0); err != nil || a.Generation == 4 {
			t.Errorf("Authority(%s, 0) = %v, want the one for today's cards", p, err)
		}
	}
}
