package mynumber

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"slices"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/tlv"
)

// Application is one application of the card that this program may select. The zero value is none.
type Application uint8

// Applications. Those of the next card are a practice assumption: nothing of it is public.
const (
	JPKI        Application = 1 // 公的個人認証AP
	InputAssist Application = 2 // 券面事項入力補助AP
	CardFace    Application = 3 // 券面事項確認AP
	NextAuth    Application = 4 // the next card's 認証AP, practice assumption
	NextFace    Application = 5 // the next card's 券面等AP, practice assumption
)

// aids are complete: the card takes a prefix too (JICSAP; soltia48/myna-card src/card.rs), this program never sends one. Sources of the
// first three: OpenSC src/libopensc/card-jpki.c, jpki/myna _go/libmyna, soltia48/myna-card src/ap. The others are our own, of the
// unregistered category (ISO/IEC 7816-4 §8.2.1.2).
var aids = map[Application][]byte{
	JPKI:        {0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01},
	InputAssist: {0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x08},
	CardFace:    {0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x02},
	NextAuth:    {0xF0, 0x4B, 0x41, 0x5A, 0x41, 0x53, 0x48, 0x49, 0x00, 0x01},
	NextFace:    {0xF0, 0x4B, 0x41, 0x5A, 0x41, 0x53, 0x48, 0x49, 0x00, 0x02},
}

func (a Application) aid() []byte { return aids[a] }

var applicationNames = map[Application]string{
	JPKI: "JPKI", InputAssist: "input-assist", CardFace: "card-face", NextAuth: "next authentication", NextFace: "next card-face",
}

// String names the application; "none" for the zero value.
func (a Application) String() string {
	if n, ok := applicationNames[a]; ok {
		return n
	}
	return "none"
}

// EF is an elementary file's identifier. Every file of the card has one of 0001 to 001E, whose low five bits are its short
// identifier (soltia48/myna-card src/card.rs).
type EF uint16

// String is the identifier in hex.
func (e EF) String() string { return fmt.Sprintf("%04X", uint16(e)) }

// Files of the JPKI application and of the next card's 認証AP (OpenSC src/libopensc/pkcs15-jpki.c; soltia48/myna-card src/ap/jpki.rs).
const (
	efSignCert  EF = 0x0001 // 署名用電子証明書
	efToken     EF = 0x0006
	efAvailable EF = 0x0008
	efAuthCert  EF = 0x000A // 利用者証明用電子証明書, free to read on the plastic card
	efAuthKey   EF = 0x0017
	efAuthPIN   EF = 0x0018
	efPassword  EF = 0x001B
)

// Files of the input-assist application (soltia48/myna-card src/ap/text.rs), and where the next card has them in its 認証AP.
const (
	efAttributes     EF = 0x0002
	efIntegrity      EF = 0x0003
	efInputCVC       EF = 0x0004
	efInputPIN       EF = 0x0011
	efNextAttributes EF = 0x0012
	efNextIntegrity  EF = 0x0013
	efNextCVC        EF = 0x0014
)

// Files of the card-face applications (soltia48/myna-card src/ap/surface.rs). efDefaultKey is no file: P2=00 of a signature names the
// application's own key.
const (
	efDefaultKey EF = 0x0000
	efAge        EF = 0x0001
	efFaceCVC    EF = 0x0004
	efBirth      EF = 0x0011
)

// Reference is what a PIN, password or birth key is verified against. The zero value is none.
type Reference uint8

// References.
const (
	RefAuthPIN  Reference = 1 // PIN of the authentication key, 4 digits, 3 tries
	RefInputPIN Reference = 2 // PIN of the input-assist application, 4 digits, 3 tries; the next card has none of its own
	RefPassword Reference = 3 // password of the signature key, 6 to 16, 5 tries
	RefBirth    Reference = 4 // birth key of the card-face application, 6 digits, 10 tries
)

var referenceNames = map[Reference]string{
	RefAuthPIN: "authentication PIN", RefInputPIN: "input-assist PIN", RefPassword: "signature password", RefBirth: "birth key",
}

// String names the reference; "none" for the zero value.
func (r Reference) String() string {
	if n, ok := referenceNames[r]; ok {
		return n
	}
	return "none"
}

// maxTries is how many tries of each reference a card has at most (soltia48/myna-card src/ap).
var maxTries = map[Reference]int{RefAuthPIN: 3, RefInputPIN: 3, RefPassword: 5, RefBirth: 10}

// triesLeft is the counter of a status word; false for other words, and for a counter that no card has.
func (r Reference) triesLeft(sw apdu.StatusWord) (int, bool) {
	left, counted := sw.TriesLeft()
	return left, counted && left <= maxTries[r]
}

// place is where a reference lives. holder says that its holder may change it.
type place struct {
	ref    Reference
	app    Application
	file   EF
	fits   func([]byte) bool
	holder bool
}

var places = []place{
	{RefAuthPIN, JPKI, efAuthPIN, isPIN, true},
	{RefPassword, JPKI, efPassword, isPassword, true},
	{RefInputPIN, InputAssist, efInputPIN, isPIN, true},
	{RefBirth, CardFace, efBirth, isBirthKey, false},
	{RefAuthPIN, NextAuth, efAuthPIN, isPIN, true},
	{RefPassword, NextAuth, efPassword, isPassword, true},
	{RefBirth, NextFace, efBirth, isBirthKey, false},
}

// placeAt is the reference that a file of an application is; false if it is none of this program's.
func placeAt(app Application, file EF) (place, bool) {
	i := slices.IndexFunc(places, func(p place) bool { return p.app == app && p.file == file })
	if i < 0 {
		return place{}, false
	}
	return places[i], true
}

// file is a file with one TLV object in it.
type file struct {
	ef      EF
	tag     tlv.Tag
	max     int   // octets, tag and length included
	locked  error // what 6982 means
	missing error // what 6A82, and a file of nothing, means
}

// layout is where a kind of card has its things. Procedures know no other difference between cards.
type layout struct {
	auth, input, face Application
	inputRef          Reference // opens the attributes

	authCert, signCert              file
	attributes, integrity, inputCVC file
	age, faceCVC                    file
	lists                           bool // EF 0008 is there
	sigLen                          int
	prepare                         func(message []byte) []byte // what the signature command carries
}

const (
	maxCertificate = 8192 // octets; a certificate has some 1,200 to 1,700
	maxRecord      = 2048 // octets; age record 547, card-verifiable certificate 568, integrity record 336
	maxAttributes  = 4096

	tagCertificate = tlv.Tag(0x30)   // DER SEQUENCE, X.690
	tagAge         = tlv.Tag(0xFF10) // this and the next three: soltia48/myna-card src/data.rs
	tagAttributes  = tlv.Tag(0xFF20)
	tagIntegrity   = tlv.Tag(0xFF30)
	tagCVC         = tlv.Tag(0x7F21)
)

func authCertAt(ef EF) file {
	return file{ef, tagCertificate, maxCertificate, ErrPINNeeded, ErrNoCertificate}
}

func signCertAt(ef EF) file {
	return file{ef, tagCertificate, maxCertificate, ErrRefused, ErrNoSignCert}
}
func ageAt(ef EF) file { return file{ef, tagAge, maxRecord, ErrRefused, ErrNoFace} }
func cvcAt(ef EF) file { return file{ef, tagCVC, maxRecord, ErrRefused, ErrNotGenuine} }
func attributesAt(ef EF) file {
	return file{ef, tagAttributes, maxAttributes, ErrRefused, ErrNoInput}
}
func integrityAt(ef EF) file { return file{ef, tagIntegrity, maxRecord, ErrRefused, ErrNotGenuine} }

// national is the card of today.
var national = &layout{
	auth: JPKI, input: InputAssist, face: CardFace, inputRef: RefInputPIN,
	authCert: authCertAt(efAuthCert), signCert: signCertAt(efSignCert),
	attributes: attributesAt(efAttributes), integrity: integrityAt(efIntegrity), inputCVC: cvcAt(efInputCVC),
	age: ageAt(efAge), faceCVC: cvcAt(efFaceCVC),
	lists: true, sigLen: 256, prepare: digestInfo,
}

// next is the next card as this project practises with it; no AID or file of the real one is public.
var next = &layout{
	auth: NextAuth, input: NextAuth, face: NextFace, inputRef: RefAuthPIN,
	authCert: authCertAt(efAuthCert), signCert: signCertAt(efSignCert),
	attributes: attributesAt(efNextAttributes), integrity: integrityAt(efNextIntegrity), inputCVC: cvcAt(efNextCVC),
	age: ageAt(efAge), faceCVC: cvcAt(efFaceCVC),
	sigLen: 96, prepare: hash384,
}

// at is the place of a reference on this kind of card.
func (l *layout) at(ref Reference) (place, bool) {
	for _, p := range places {
		if p.ref == ref && (p.app == l.auth || p.app == l.input || p.app == l.face) {
			return p, true
		}
	}
	return place{}, false
}

// digestInfoHead begins DigestInfo { SHA-256, NULL, 32 octets } (RFC 8017 §9.2, note 1).
var digestInfoHead = []byte{
	0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
}

// digestInfo is what an RSA key of the card pads and signs.
func digestInfo(message []byte) []byte {
	sum := sha256.Sum256(message)
	return append(slices.Clip(digestInfoHead), sum[:]...)
}

// hash384 is what a P-384 key of the next card signs.
func hash384(message []byte) []byte {
	sum := sha512.Sum384(message)
	return sum[:]
}
