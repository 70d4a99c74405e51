package vcard

import (
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"kazashi.example/reader/apdu"
)

// Application identifiers (OpenSC src/libopensc/jpki.h; soltia48/myna-card src/ap/{jpki,surface,text,common}.rs and src/mf.rs).
const (
	aidJPKI   = "\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"
	aidInput  = "\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x08" // 券面事項入力補助AP
	aidFace   = "\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x02" // 券面事項確認AP
	aidCommon = "\xD3\x92\x10\x00\x31\x00\x01\x01\x01\x00" // 共通カードAP
	aidIssuer = "\xA0\x00\x00\x01\x51\x00\x00"             // GlobalPlatform Issuer Security Domain
)

// application is one DF of the card.
type application struct {
	aid   string
	files []*file
	// defaultKey signs when P2 of COMPUTE DIGITAL SIGNATURE is 00; nil: 6A88.
	defaultKey crypto.Signer
	// sessionKey is what SET SESSION KEY (80 AE) answers: no application of this card does secure messaging.
	sessionKey apdu.StatusWord
}

func (a *application) file(id uint16) *file {
	for _, f := range a.files {
		if f.id == id {
			return f
		}
	}
	return nil
}

// file is one EF. Exactly one of body, records, secret and key is in use; body may be empty.
type file struct {
	id      uint16
	kind    kind
	body    []byte
	records [][]byte
	secret  *secret
	key     crypto.Signer
	// openedBy names the PIN references of the same application of which any one opens the file; none: always open.
	openedBy []uint16
	// sealed files are open to nobody.
	sealed bool
}

type kind int

const (
	transparent kind = iota
	recordKind
	secretKind
	keyKind
)

// secret is a PIN reference with its retry counter.
type secret struct {
	name     string // "jpki/0018", its name in State
	value    []byte
	maxTries uint8
	tries    uint8
	changed  bool   // by CHANGE REFERENCE DATA
	issued   string // SHA-256 in hex of the certificate that it was issued with; empty: none
	// rule accepts a new value for CHANGE REFERENCE DATA; nil: cannot be changed by the holder.
	rule func(string) bool
}

func plainFile(id uint16, body []byte, openedBy ...uint16) *file {
	return &file{id: id, body: body, openedBy: openedBy}
}

func secretFile(ap string, id uint16, value string, tries uint8, rule func(string) bool) *file {
	name := fmt.Sprintf("%s/%04X", ap, id)
	return &file{id: id, kind: secretKind, secret: &secret{name: name, value: []byte(value), maxTries: tries, tries: tries, rule: rule}}
}

// issuedWith ties a PIN reference to its certificate: a renewal that replaces the one makes the other anew.
func (f *file) issuedWith(cert []byte) *file {
	sum := sha256.Sum256(cert)
	f.secret.issued = hex.EncodeToString(sum[:])
	return f
}

func keyFile(id uint16, key crypto.Signer, openedBy ...uint16) *file {
	return &file{id: id, kind: keyKind, key: key, openedBy: openedBy}
}

// fourDigits is the rule of authPINLen and inputPINLen.
func fourDigits(s string) bool { return len(s) == authPINLen && allDigits(s) }

// jpkiAP is the 公的個人認証AP, with its token label and the PIN references that open EF 000A (none: free). Its EF 0001 asks for the
// password as OpenSC and jpki/myna have it, against one comment in myna-card.
func jpkiAP(p *Profile, k *keyring, label string, certRefs ...uint16) *application {
	available := []byte{0x00, 0x8F, 0x00} // signature, authentication, unknown (myna-card src/ap/jpki.rs)
	ap := &application{aid: aidJPKI, sessionKey: apdu.SWSecurityNotSatisfied, files: []*file{
		plainFile(0x0006, tokenInfo(label)),
		plainFile(0x0008, available),
		{id: 0x0009, sealed: true},
		plainFile(0x000A, p.AuthCert, certRefs...),
		plainFile(0x000B, p.AuthCA),
		{id: 0x0016, kind: keyKind, sealed: true}, // terminals' CA key, for nothing that is possible here
		keyFile(0x0017, k.parse(p.AuthKey, rsaKey), 0x0018),
		secretFile("jpki", 0x0018, p.AuthPIN, p.tries(authPINTries), fourDigits).issuedWith(p.AuthCert),
	}}
	if !p.hasSign() {
		ap.files = append(ap.files, secretFile("jpki", 0x001B, "", 0, nil))
		return ap
	}
	available[0] = 0x8F
	ap.files = append(ap.files,
		plainFile(0x0001, p.SignCert, 0x001B),
		plainFile(0x0002, p.SignCA),
		keyFile(0x001A, k.parse(p.SignKey, rsaKey), 0x001B),
		secretFile("jpki", 0x001B, p.SignPassword, signPasswordTries, signPassword).issuedWith(p.SignCert),
	)
	return ap
}

// inputAP is the 券面事項入力補助AP. EF 0012 is blocked on every card seen (myna-card src/ap/text.rs).
func inputAP(p *Profile, k *keyring) *application {
	number := append([]byte{0xFF, 0x10, numberALen}, p.IndividualNumber...)
	number = append(number, 0xFF, 0xFF) // two octets of filler: 17 in all
	key := k.parse(p.InputKey, rsaKey)
	const pin, numberA, numberB = 0x0011, 0x0014, 0x0015
	return &application{aid: aidInput, defaultKey: key, sessionKey: apdu.SWSecurityNotSatisfied, files: []*file{
		plainFile(0x0001, number, pin, numberA),
		plainFile(0x0002, p.InputAttributes, pin, numberB),
		plainFile(0x0003, p.InputIntegrity, pin, numberA, numberB),
		plainFile(0x0004, p.InputCVC),
		plainFile(0x0005, p.InputInfo),
		plainFile(0x0006, nil, pin, numberA, numberB), // key for session keys: none here
		plainFile(0x0007, p.InputPublic, pin, numberA, numberB),
		keyFile(0x0013, key),
		secretFile("input", pin, p.InputPIN, p.tries(inputPINTries), fourDigits),
		secretFile("input", 0x0012, "", 0, nil),
		secretFile("input", numberA, p.IndividualNumber, referenceTries, nil),
		secretFile("input", numberB, p.NumberB, referenceTries, nil),
	}}
}

// faceAP is the 券面事項確認AP. EF 0005, the picture of the Individual Number, keeps its access rule and holds nothing,
// like 0006.
func faceAP(p *Profile, k *keyring) *application {
	const birth, numberB, numberA = 0x0011, 0x0012, 0x0013
	return &application{aid: aidFace, defaultKey: k.parse(p.CardKey, rsaKey), sessionKey: swKeyDelivery, files: []*file{
		plainFile(0x0001, p.FaceAge, birth),
		plainFile(0x0002, p.FaceRecord, numberA, numberB),
		plainFile(0x0003, p.FaceInfo),
		plainFile(0x0004, p.FaceCVC),
		plainFile(0x0005, nil, numberA),
		plainFile(0x0006, nil, numberA, numberB), // of unknown purpose
		secretFile("face", birth, p.BirthKey, referenceTries, nil),
		secretFile("face", numberB, p.NumberB, referenceTries, nil),
		secretFile("face", numberA, p.IndividualNumber, referenceTries, nil),
	}}
}

// tokenInfo is EF 0006: a CK_TOKEN_INFO with 32-bit big-endian words, 160 octets (myna-card src/ap/jpki.rs; PKCS #11 v2.40 §3.2).
// All but the label is made up.
func tokenInfo(label string) []byte {
	pad := func(s string, n int) string { return s + strings.Repeat(" ", n-len(s)) }
	b := []byte(pad(label, 32) + pad("KAZASHI PRACTICE", 32) + pad("VIRTUAL", 16) + pad("", 16))
	const flags = 0x0000_040D   // RNG, LOGIN_REQUIRED, USER_PIN_INITIALIZED, TOKEN_INITIALIZED
	const unknown = 0xFFFF_FFFF // CK_UNAVAILABLE_INFORMATION
	for _, w := range []uint32{flags, 0, unknown, 0, unknown, signPasswordMax, authPINLen, unknown, unknown, unknown, unknown} {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	b = append(b, 0, 0, 0, 0) // hardware and firmware version
	return append(b, slices.Repeat([]byte{' '}, 16)...)
}
