// Package testcard makes the profile of one made-up person for the tests of the virtual card.
//
// Keys are made once a process and are safe to share; each call of [Profile] returns a fresh value. Nothing touches a disk. It makes
// no issuing hierarchy: the certificates are self-made and chain to nothing.
package testcard

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"time"

	"kazashi.example/reader/vcard"
)

type keys struct{ auth, sign, card, input *rsa.PrivateKey }

var made = sync.OnceValue(func() keys { return keys{newKey(), newKey(), newKey(), newKey()} })

type nextKeys struct{ auth, sign, card *ecdsa.PrivateKey }

var madeNext = sync.OnceValue(func() nextKeys { return nextKeys{newNextKey(), newNextKey(), newNextKey()} })

func newNextKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// NextKeys are the public halves of the authentication, signature and card keys of [Next].
func NextKeys() (auth, sign, card *ecdsa.PublicKey) {
	k := madeNext()
	return &k.auth.PublicKey, &k.sign.PublicKey, &k.card.PublicKey
}

func newKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

// AuthKey is the public half of the authentication key.
func AuthKey() *rsa.PublicKey { return &made().auth.PublicKey }

// SignKey is the public half of the signature key.
func SignKey() *rsa.PublicKey { return &made().sign.PublicKey }

// CardKey is the public half of the card-face AP's key.
func CardKey() *rsa.PublicKey { return &made().card.PublicKey }

// InputKey is the public half of the input-assist AP's key.
func InputKey() *rsa.PublicKey { return &made().input.PublicKey }

// Profile is a whole card with real, self-made certificates.
func Profile() *vcard.Profile {
	p := Fixed()
	p.AuthCert = certificate("practice authentication", 1001, made().auth)
	p.AuthCA = certificate("practice authentication CA", 1, made().auth)
	p.SignCert = certificate("practice signature", 2002, made().sign)
	p.SignCA = certificate("practice signature CA", 2, made().sign)
	return p
}

// Fixed is a whole card whose files hold known octets, so that answers can be written down by hand. Its authentication certificate
// is 300 octets: 30 82 01 28 and then A0, A1, A2 and so on.
func Fixed() *vcard.Profile {
	k := made()
	return &vcard.Profile{
		Label:    "practice card 1",
		AuthCert: sequence(0x128, 0xA0), AuthCA: sequence(0x100, 0xB0),
		SignCert: sequence(0x110, 0xC0), SignCA: sequence(0x101, 0xD0),
		AuthKey: pkcs8(k.auth), SignKey: pkcs8(k.sign),
		AuthPIN: "1234", SignPassword: "KAZASHI1", InputPIN: "5678",
		IndividualNumber: "123456789012", BirthKey: "550217", NumberB: "55021720352285",
		CardKey: pkcs8(k.card), InputKey: pkcs8(k.input),
		FaceAge:    []byte("\xFF\x10\x02AG"),
		FaceRecord: []byte("\xFF\x20\x02RE"),
		FaceInfo:   []byte("\xFF\x30\x02IN"),
		FaceCVC:    []byte("\x7F\x21\x02CV"),

		InputAttributes: []byte("\xFF\x20\x02AT"),
		InputIntegrity:  []byte("\xFF\x30\x02IG"),
		InputCVC:        []byte("\x7F\x21\x02cv"),
		InputInfo:       []byte("\xFF\x40\x02in"),
		InputPublic:     []byte("\xFF\x50\x02PU"),
		CommonRecord:    "4000000127198431322120350217",
	}
}

// Next is a practice next-generation card whose files hold known octets.
func Next() *vcard.Profile {
	k := madeNext()
	return &vcard.Profile{
		Label: "practice next card", Kind: vcard.Next, CardID: "next-1",
		AuthCert: sequence(0x190, 0x10), SignCert: sequence(0x191, 0x20),
		AuthKey: pkcs8(k.auth), SignKey: pkcs8(k.sign), CardKey: pkcs8(k.card),
		AuthPIN: "1234", SignPassword: "KAZASHI1", BirthKey: "550217",
		FaceAge:         []byte("\xFF\x10\x02AG"),
		FaceCVC:         []byte("\x7F\x21\x02CV"),
		InputAttributes: []byte("\xFF\x20\x02AT"),
		InputIntegrity:  []byte("\xFF\x30\x02IG"),
		InputCVC:        []byte("\x7F\x21\x02cv"),
	}
}

// Phone is a phone with both certificates of [Fixed].
func Phone() *vcard.Profile {
	p := Fixed()
	return &vcard.Profile{
		Label: "practice phone", Kind: vcard.Phone,
		AuthCert: p.AuthCert, AuthCA: p.AuthCA, AuthKey: p.AuthKey, AuthPIN: p.AuthPIN,
		SignCert: p.SignCert, SignCA: p.SignCA, SignKey: p.SignKey, SignPassword: p.SignPassword,
	}
}

// sequence is a DER SEQUENCE of n octets that count up from first.
func sequence(n int, first byte) []byte {
	b := bytes.NewBuffer([]byte{0x30, 0x82, byte(n >> 8), byte(n)})
	for i := range n {
		b.WriteByte(first + byte(i))
	}
	return b.Bytes()
}

func pkcs8(k any) []byte {
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return b
}

func certificate(name string, serial int64, k *rsa.PrivateKey) []byte {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"PRACTICE, NOT REAL"}},
		NotBefore:    time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	b, err := x509.CreateCertificate(rand.Reader, t, t, &k.PublicKey, k)
	if err != nil {
		panic(err)
	}
	return b
}
