package world_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"testing"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/vcard"
)

// send transmits one command and wants 9000.
func send(t *testing.T, c *vcard.Card, apdu ...byte) []byte {
	t.Helper()
	out := c.Transmit(apdu)
	if !bytes.HasSuffix(out, []byte{0x90, 0x00}) {
		t.Fatalf("% X answers % X", apdu[:min(5, len(apdu))], out[max(0, len(out)-2):])
	}
	return out[:len(out)-2]
}

// modulus is the last 256 octets of 90 03 010001 91 820100 …, which sits at a fixed place in both files.
func modulus(b []byte) *rsa.PublicKey { return &rsa.PublicKey{N: new(big.Int).SetBytes(b), E: 65537} }

// TestTapWithoutPIN does by hand what a tap with evidence "card" rests on (card.md §1.10): age record opened by the birth key, its key
// chained to the practice card CA by the municipality's certificate, and a challenge signed by that key.
func TestTapWithoutPIN(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: day})
	anchors, err := w.CardAnchors()
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParsePKIXPublicKey(anchors[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	ca, ok := root.(*rsa.PublicKey)
	if !ok || anchors[0].Input {
		t.Fatal("first card anchor is not the card-face AP's RSA key")
	}
	all, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Kind != people.Card {
			continue
		}
		c, err := vcard.Open(p.Profile)
		if err != nil {
			t.Fatal(err)
		}
		key, err := p.BirthKey()
		if err != nil {
			t.Fatal(err)
		}
		send(t, c, 0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x02)
		cvc := send(t, c, 0x00, 0xB0, 0x84, 0x00, 0x00, 0x00, 0x00)
		send(t, c, append([]byte{0x00, 0x20, 0x00, 0x91, 0x06}, key...)...)
		age := send(t, c, 0x00, 0xB0, 0x81, 0x00, 0x00, 0x00, 0x00)
		challenge := sha256.Sum256([]byte("challenge for " + p.Key))
		info := append([]byte("\x30\x31\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"), challenge[:]...)
		proof := send(t, c, append(append([]byte{0x80, 0x2A, 0x00, 0x00, 0x33}, info...), 0x00)...)

		// 7F21 820233 5F4E 820129 | 297 octets of body | 5F37 820100 | signature
		body, sig := cvc[10:307], cvc[312:568]
		if !bytes.Equal(body[:16], anchors[0].KeyID[:]) {
			t.Errorf("%s: certificate names issuer %q", p.Key, body[:16])
		}
		check(t, p.Key+": certificate", ca, body, sig)
		// FF10 82021E | DF11 08 birth | DF12 820109 key | DF13 820100 signature
		check(t, p.Key+": age record", modulus(body[297-256:]), age[5:286], age[291:547])
		if err := rsa.VerifyPKCS1v15(modulus(age[286-256:286]), crypto.SHA256, challenge[:], proof); err != nil {
			t.Errorf("%s: internal authentication: %v", p.Key, err)
		}
		if got := string(age[8:16]); got != p.Birth.Compact() {
			t.Errorf("%s: birth date on the card = %s, want %s", p.Key, got, p.Birth.Compact())
		}
	}
}

func check(t *testing.T, what string, key *rsa.PublicKey, over, sig []byte) {
	t.Helper()
	sum := sha256.Sum256(over)
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}
