package mynumber_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/certid"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// link is the way to a card: it counts and may spoil what goes through.
type link struct {
	to    func(cmd []byte) ([]byte, error)
	sent  [][]byte
	spoil func(n int, cmd []byte) ([]byte, error, bool)
}

func (l *link) Transmit(ctx context.Context, cmd []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.sent = append(l.sent, bytes.Clone(cmd))
	if l.spoil != nil {
		if answer, err, done := l.spoil(len(l.sent), cmd); done {
			return answer, err
		}
	}
	return l.to(cmd)
}

// extended reports a command that needs extended lengths.
func extended(cmd []byte) bool {
	c, err := apdu.ParseCommand(cmd)
	return err == nil && c.Extended()
}

// What the made-up holder of every test card knows, and says.
const (
	authPIN  = "1234"
	inputPIN = "5678"
	password = "KAZASHI1"
	birthDay = "19800217"
	holder   = "練習\u3000花子"
	address  = "練習県見本市中央一丁目1番1号"
	// individualNumber is made up; its check digit does not fit.
	individualNumber = "999900000000"
)

// keys of one issuing world; RSA for the card of today, P-384 for the next.
type keys struct{ auth, sign, card, municipal, ca crypto.Signer }

func newRSA() crypto.Signer {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

func newP384() crypto.Signer {
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

var (
	rsaKeys  = sync.OnceValue(func() keys { return keys{newRSA(), newRSA(), newRSA(), newRSA(), newRSA()} })
	p384Keys = sync.OnceValue(func() keys { return keys{newP384(), newP384(), newP384(), newP384(), newP384()} })
)

// tlv is written here by hand from card.md, not with the reader's encoder.
func tlv(tag uint16, parts ...[]byte) []byte {
	v := slices.Concat(parts...)
	head := []byte{byte(tag >> 8), byte(tag)}
	switch n := len(v); {
	case n < 0x80:
		head = append(head, byte(n))
	case n < 0x100:
		head = append(head, 0x81, byte(n))
	default:
		head = append(head, 0x82, byte(n>>8), byte(n))
	}
	return append(head, v...)
}

func publicKey(pub crypto.PublicKey) []byte {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return append([]byte{0x90, 3, 1, 0, 1, 0x91, 0x82, 1, 0}, k.N.FillBytes(make([]byte, 256))...)
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		return append([]byte{0x86, 0x61}, point...)
	}
	panic("no such key")
}

// signed is what the issuers' keys and the cards' keys make: PKCS #1 v1.5 with SHA-256, or r and s.
func signed(key crypto.Signer, message []byte) []byte {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		sum := sha256.Sum256(message)
		sig, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return sig
	case *ecdsa.PrivateKey:
		sum := sha512.Sum384(message)
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	}
	panic("no such key")
}

func keyID(number string) (id cvc.KeyID) {
	copy(id[:], number+"\x08\x05001")
	return id
}

const faceIssuer, inputIssuer = "9000023", "9000033"

func cardVerifiable(k keys, issuer string) []byte {
	i, s := keyID(issuer), keyID("9"+issuer[5:]+"0001")
	body := slices.Concat(i[:], s[:], publicKey(k.municipal.Public()))
	return tlv(0x7F21, tlv(0x5F4E, body), tlv(0x5F37, signed(k.ca, body)))
}

func ageRecord(k keys, birth string) []byte {
	body := slices.Concat(tlv(0xDF11, []byte(birth)), tlv(0xDF12, publicKey(k.card.Public())))
	return tlv(0xFF10, body, tlv(0xDF13, signed(k.municipal, body)))
}

// attributes is FF20 { DF21 offsets … }; the fields alone come second.
func attributes(birth string) (file, fields []byte) {
	list := [][]byte{tlv(0xDF22, []byte(holder)), tlv(0xDF23, []byte(address)), tlv(0xDF24, []byte(birth)), tlv(0xDF25, []byte("2"))}
	fields = slices.Concat(list...)
	const table = 3 + 8
	at := len(tlv(0xFF20, make([]byte, table+len(fields)))) - len(fields)
	var offsets []byte
	for _, f := range list {
		offsets = append(offsets, byte(at>>8), byte(at))
		at += len(f)
	}
	return tlv(0xFF20, tlv(0xDF21, offsets), fields), fields
}

// numberDigest is what the national integrity record says of the Individual Number's file: FF10 0C, twelve digits, two octets of filler.
func numberDigest() []byte {
	sum := sha256.Sum256(slices.Concat([]byte{0xFF, 0x10, 12}, []byte(individualNumber), []byte{0xFF, 0xFF}))
	return sum[:]
}

func integrity(k keys, fields []byte) []byte {
	var body []byte
	if _, next := k.municipal.(*ecdsa.PrivateKey); next {
		sum := sha512.Sum384(fields)
		body = tlv(0xDF32, sum[:])
	} else {
		sum := sha256.Sum256(fields)
		body = slices.Concat(tlv(0xDF31, numberDigest()), tlv(0xDF32, sum[:]))
	}
	return tlv(0xFF30, body, tlv(0xDF33, signed(k.municipal, body)))
}

// certificates are self-made and chain to nothing: this package does not judge them. Each is made as long as the published test card's.
func certificate(key crypto.Signer) []byte {
	make := func(padding int) []byte {
		t := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "PRACTICE, NOT REAL"},
			NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<31, 0),
			ExtraExtensions: []pkix.Extension{{Id: []int{1, 2, 3}, Value: bytes.Repeat([]byte{5}, padding)}},
		}
		b, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
		if err != nil {
			panic(err)
		}
		return b
	}
	const padding = 400
	return make(padding + certificateLen - len(make(padding)))
}

const certificateLen = 1157

func pkcs8(k crypto.Signer) []byte {
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return b
}

var certificates = sync.OnceValue(func() [2][]byte { return [2][]byte{certificate(rsaKeys().auth), certificate(rsaKeys().sign)} })

// national is a whole card of today.
func national() *vcard.Profile {
	k := rsaKeys()
	file, fields := attributes(birthDay)
	return &vcard.Profile{
		Label: "practice", CardID: "practice-1",
		AuthCert: certificates()[0], AuthCA: []byte{0x30, 0}, AuthKey: pkcs8(k.auth), AuthPIN: authPIN,
		SignCert: certificates()[1], SignCA: []byte{0x30, 0}, SignKey: pkcs8(k.sign), SignPassword: password,
		IndividualNumber: individualNumber, BirthKey: "550217", NumberB: "55021720352285",
		CardKey: pkcs8(k.card), FaceAge: ageRecord(k, birthDay), FaceRecord: []byte("\xFF\x20\x02RE"), FaceInfo: []byte("\xFF\x30\x02IN"),
		FaceCVC:  cardVerifiable(k, faceIssuer),
		InputKey: pkcs8(k.card), InputPIN: inputPIN, InputAttributes: file, InputIntegrity: integrity(k, fields),
		InputCVC: cardVerifiable(k, inputIssuer), InputInfo: []byte("\xFF\x40\x02in"), InputPublic: []byte("\xFF\x50\x02PU"),
	}
}

// phone has the JPKI application alone, its certificate behind the PIN.
func phone() *vcard.Profile {
	p := national()
	return &vcard.Profile{
		Label: "phone", Kind: vcard.Phone, AuthCert: p.AuthCert, AuthCA: p.AuthCA, AuthKey: p.AuthKey, AuthPIN: p.AuthPIN,
		SignCert: p.SignCert, SignCA: p.SignCA, SignKey: p.SignKey, SignPassword: p.SignPassword,
	}
}

// nextCard is the practice form of the next card.
func nextCard() *vcard.Profile {
	k := p384Keys()
	file, fields := attributes(birthDay)
	return &vcard.Profile{
		Label: "next", Kind: vcard.Next, CardID: "next-1",
		AuthCert: certificate(k.auth), AuthKey: pkcs8(k.auth), AuthPIN: authPIN,
		SignCert: certificate(k.sign), SignKey: pkcs8(k.sign), SignPassword: password,
		BirthKey: "550217", CardKey: pkcs8(k.card), FaceAge: ageRecord(k, birthDay), FaceCVC: cardVerifiable(k, faceIssuer),
		InputAttributes: file, InputIntegrity: integrity(k, fields), InputCVC: cardVerifiable(k, inputIssuer),
	}
}

func authorities(t testing.TB, k keys) *cvc.Authorities {
	t.Helper()
	set, err := cvc.NewAuthorities([]cvc.Authority{
		{Hierarchy: certid.HierarchyPractice, ID: keyID(faceIssuer), Key: k.ca.Public()},
		{Hierarchy: certid.HierarchyPractice, ID: keyID(inputIssuer), Key: k.ca.Public()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// bench is a virtual card with a reader that believes its issuer.
type bench struct {
	card    *vcard.Card
	options mynumber.Options
	*link
	signatures map[string][]byte
}

// transmit is the card's Transmit, with each signature asked for once: an RSA key of the card makes the same one every time, and tests
// that run thousands of procedures have better things to wait for.
func (b *bench) transmit(cmd []byte) []byte {
	if answer, ok := b.signatures[string(cmd)]; ok {
		return bytes.Clone(answer)
	}
	answer := b.card.Transmit(cmd)
	if cmd[1] == 0x2A && len(answer) == 256+2 {
		if b.signatures == nil {
			b.signatures = map[string][]byte{}
		}
		b.signatures[string(cmd)] = bytes.Clone(answer)
	}
	return answer
}

func newBench(t testing.TB, p *vcard.Profile) *bench {
	t.Helper()
	card, err := vcard.New(p, &vcard.MemoryStore{})
	if err != nil {
		t.Fatal(err)
	}
	k := rsaKeys()
	if p.Kind == vcard.Next {
		k = p384Keys()
	}
	b := &bench{card: card, options: mynumber.Options{
		Reader: "practice reader", Memory: mynumber.NewMemory(), Authorities: authorities(t, k), Next: true,
	}}
	b.link = &link{to: func(cmd []byte) ([]byte, error) { return card.Transmit(cmd), nil }}
	return b
}

// connect lays the card on the reader anew.
func (b *bench) connect() *mynumber.Card {
	b.card.Reset()
	b.sent = nil
	return mynumber.New(b.link, b.options)
}

// shortOnly makes card and reader refuse extended lengths.
func (b *bench) shortOnly() {
	b.to = func(cmd []byte) ([]byte, error) {
		if extended(cmd) {
			return []byte{0x67, 0x00}, nil
		}
		return b.card.Transmit(cmd), nil
	}
}

func pin(t testing.TB, s string) mynumber.PIN {
	t.Helper()
	p, err := mynumber.NewPIN(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pass(t testing.TB, s string) mynumber.Password {
	t.Helper()
	p, err := mynumber.NewPassword(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func date(t testing.TB, s string) mynumber.BirthDate {
	t.Helper()
	d, err := mynumber.ParseBirthDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var message = []byte("abc")

// procedure is one exported procedure with the values that its holder knows. out is everything that it returned but the error.
type procedure struct {
	name string
	run  func(context.Context, *mynumber.Card, values) (out any, err error)
	refs []mynumber.Reference // verified
}

// values are what is typed.
type values struct {
	pin, input mynumber.PIN
	password   mynumber.Password
	birth      mynumber.BirthDate
}

func right(t testing.TB) values {
	return values{pin(t, authPIN), pin(t, inputPIN), pass(t, password), date(t, birthDay)}
}

var procedures = []procedure{
	{"ReadAuthCert", func(ctx context.Context, c *mynumber.Card, _ values) (any, error) { return c.ReadAuthCert(ctx) }, nil},
	{"SignAuth", func(ctx context.Context, c *mynumber.Card, v values) (any, error) {
		return c.SignAuth(ctx, v.pin, message)
	}, []mynumber.Reference{mynumber.RefAuthPIN}},
	{"SignFace", func(ctx context.Context, c *mynumber.Card, _ values) (any, error) { return c.SignFace(ctx, message) }, nil},
	{"ProveFace", func(ctx context.Context, c *mynumber.Card, v values) (any, error) {
		return c.ProveFace(ctx, mynumber.FaceRequest{Birth: v.birth, Message: message})
	}, []mynumber.Reference{mynumber.RefBirth}},
	{"ReadAttributes", func(ctx context.Context, c *mynumber.Card, v values) (any, error) {
		return c.ReadAttributes(ctx, v.input)
	}, []mynumber.Reference{mynumber.RefInputPIN}},
	{"Enrol", func(ctx context.Context, c *mynumber.Card, v values) (any, error) {
		e, err := c.Enrol(ctx, enrolRequest(v))
		if err == nil {
			err = errors.Join(e.FaceErr, e.AttributesErr)
		}
		return e, err
	}, []mynumber.Reference{mynumber.RefAuthPIN, mynumber.RefInputPIN, mynumber.RefBirth}},
	{"ReadSignCert", func(ctx context.Context, c *mynumber.Card, v values) (any, error) {
		return c.ReadSignCert(ctx, v.password)
	}, []mynumber.Reference{mynumber.RefPassword}},
	{"PINStatus", func(ctx context.Context, c *mynumber.Card, _ values) (any, error) { return c.PINStatus(ctx) }, nil},
	{"ChangePIN", func(ctx context.Context, c *mynumber.Card, v values) (any, error) {
		return nil, c.ChangePIN(ctx, mynumber.RefInputPIN, v.input, v.input)
	}, []mynumber.Reference{mynumber.RefInputPIN}},
	{"ChangePassword", func(ctx context.Context, c *mynumber.Card, v values) (any, error) {
		return nil, c.ChangePIN(ctx, mynumber.RefPassword, v.password, v.password)
	}, []mynumber.Reference{mynumber.RefPassword}},
	{"Info", func(ctx context.Context, c *mynumber.Card, _ values) (any, error) { return c.Info(ctx) }, nil},
}

func enrolRequest(v values) mynumber.EnrolRequest {
	return mynumber.EnrolRequest{PIN: v.pin, InputPIN: v.input, Attributes: true, AuthMessage: message, FaceMessage: message}
}

// sentinels are every error that a procedure may end with.
var sentinels = []error{
	mynumber.ErrNotMyNumber, mynumber.ErrNoCertificate, mynumber.ErrNoSignCert, mynumber.ErrPINNeeded, mynumber.ErrTorn,
	mynumber.ErrNonsense, mynumber.ErrRefused, mynumber.ErrNoFace, mynumber.ErrNoInput, mynumber.ErrNotGenuine, mynumber.ErrBirthDate,
	mynumber.ErrEraUnclear, mynumber.ErrFormat, mynumber.ErrNoPINs, mynumber.ErrWrongPIN, mynumber.ErrFewTries, mynumber.ErrBlocked,
	mynumber.ErrSameWrong,
}

// known names the sentinels in err.
func known(err error) (names []string) {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			names = append(names, s.Error())
		}
	}
	return names
}

// triesOf are a virtual card's counters in one line.
func triesOf(c *vcard.Card) string { return fmt.Sprint(c.Tries()) }
