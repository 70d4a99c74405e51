package simbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// Person is a made-up person with an authentication certificate and a card whose keys sign.
type Person struct {
	Serial      []byte
	Certificate []byte // DER, of the test's own authority
	Auth, Card  *ecdsa.PrivateKey
}

// authority signs the certificates of a test process. It is nobody's trust anchor but Examine's.
var authority = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) })

var (
	mu    sync.Mutex // guards known
	known = map[string]*Person{}
)

// Known is the one made-up person of a test process with this serial number.
func Known(tb testing.TB, serial ...byte) *Person {
	tb.Helper()
	mu.Lock()
	defer mu.Unlock()
	if p := known[string(serial)]; p != nil {
		return p
	}
	p := &Person{Serial: serial, Auth: curve(tb), Card: curve(tb)}
	ca, err := authority()
	if err != nil {
		tb.Fatal(err)
	}
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: "MADE-UP"}, NotBefore: Since, NotAfter: Until,
	}
	if p.Certificate, err = x509.CreateCertificate(rand.Reader, t, parent(), p.Auth.Public(), ca); err != nil {
		tb.Fatal(err)
	}
	known[string(serial)] = p
	return p
}

// Renewed is the person with another certificate, on the same card.
func (p *Person) Renewed(tb testing.TB, serial ...byte) *Person {
	tb.Helper()
	q := *Known(tb, serial...)
	q.Card = p.Card
	return &q
}

func parent() *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: "TEST AUTHORITY"}, SubjectKeyId: []byte{1}}
}

func curve(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// Examine finds what package jpki would in a certificate of a known person, if the test's authority were an anchor: the practice
// hierarchy, and nothing wrong. jpki.ErrNotCertificate for other bytes; a broken chain for a certificate that somebody else signed.
func Examine(der []byte) (jpki.AuthCert, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return jpki.AuthCert{}, jpki.ErrNotCertificate
	}
	ca, err := authority()
	if err != nil {
		return jpki.AuthCert{}, err
	}
	serial, err := certid.SerialOf(c.SerialNumber)
	if err != nil {
		return jpki.AuthCert{}, err
	}
	found := jpki.AuthCert{
		Serial: serial, NotBefore: c.NotBefore, NotAfter: c.NotAfter, Chain: jpki.ChainBroken, PublicKey: c.PublicKey,
	}
	signer := parent()
	signer.PublicKey, signer.PublicKeyAlgorithm = ca.Public(), x509.ECDSA
	if signer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil {
		found.Chain, found.Hierarchy = jpki.ChainVerified, certid.HierarchyPractice
		found.Issuer, found.IssuerNotBefore, found.IssuerNotAfter = certid.KeyID{1, 2, 3, 4, 5, 6, 7, 8}, Since, Until.AddDate(5, 0, 0)
	}
	return found, nil
}

// PIN is a tap of a person at a box, with the PIN proved.
func (p *Person) PIN(tb testing.TB, box record.BoxID) content.Record {
	tb.Helper()
	r := Card(p.Serial...)
	r.Evidence, r.Certificate = record.EvidencePIN, p.Certificate
	p.SignPIN(tb, box, &r)
	return r
}

// SignPIN signs what the record says, as it stands, with the key behind the PIN.
func (p *Person) SignPIN(tb testing.TB, box record.BoxID, r *content.Record) {
	tb.Helper()
	if r.PIN == nil {
		r.PIN = &content.PINProof{Verifier: Verifier}
	}
	r.PIN.Signature = signed(tb, p.Auth, r.PINChallenge(box))
}

// Birthday is everybody's.
const Birthday = "19840217"

// Enrol is PIN with an enrolment that binds the person's card.
func (p *Person) Enrol(tb testing.TB, box record.BoxID) content.Record {
	tb.Helper()
	r := p.PIN(tb, box)
	key, err := x509.MarshalPKIXPublicKey(p.Card.Public())
	if err != nil {
		tb.Fatal(err)
	}
	r.Enrolment = &content.Enrolment{Birth: roster.Birth{Date: Birthday, Form: 1}, Key: key}
	r.Card = &content.CardProof{Verifier: Verifier, Enrolled: r.Tap}
	p.SignCard(tb, box, &r)
	return r
}

// Tap is a tap without the PIN that names an enrolment.
func (p *Person) Tap(tb testing.TB, box record.BoxID, enrolled record.TapID) content.Record {
	tb.Helper()
	r := Card(p.Serial...)
	r.Evidence, r.Card = record.EvidenceCard, &content.CardProof{Verifier: Verifier, Enrolled: enrolled}
	p.SignCard(tb, box, &r)
	return r
}

// SignCard signs what the record says, as it stands, with the card's key.
func (p *Person) SignCard(tb testing.TB, box record.BoxID, r *content.Record) {
	tb.Helper()
	r.Card.Signature = signed(tb, p.Card, r.CardChallenge(box))
}

// signed is r and s of 48 octets each, over SHA-384.
func signed(tb testing.TB, k *ecdsa.PrivateKey, c proof.Challenge) []byte {
	tb.Helper()
	m, err := c.Message()
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha512.Sum384(m)
	r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
	if err != nil {
		tb.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
}
