package mynumber_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/mynumber"
)

// every status word that a source knows (reader/SOURCES.md), and some at their edges. 9000 has no data here.
var everyStatusWord = []apdu.StatusWord{
	0x9000, 0x6100, 0x6110, 0x6282, 0x6300, 0x63C0, 0x63C1, 0x63C9, 0x6581, 0x6700, 0x6881, 0x6882, 0x6884, 0x6981, 0x6982, 0x6983,
	0x6984, 0x6985, 0x6986, 0x66F1, 0x69FC, 0x6A80, 0x6A81, 0x6A82, 0x6A83, 0x6A86, 0x6A88, 0x6B00, 0x6C00, 0x6C10, 0x6D00, 0x6E00, 0x6F00,
	0x0000, 0xFFFF,
}

// what a command is for, and so what its status words mean.
type role string

const (
	toJPKI, toInput, toFace, toReference role = "SELECT JPKI", "SELECT input-assist", "SELECT card-face", "SELECT reference"
	theCert, theSignCert                 role = "READ certificate", "READ signature certificate"
	theAge, theFaceCVC, theInputCVC      role = "READ age record", "READ card-face CVC", "READ input-assist CVC"
	theAttributes, theIntegrity          role = "READ attributes", "READ integrity record"
	thePart                              role = "READ part"
	theTries, theValue, theNewValue      role = "query", "VERIFY", "CHANGE"
	theSignature                         role = "signature"
	theBirthTries, theBirthValue         role = "query of the birth key", "VERIFY of the birth key"
)

// roleOf reads a command with the application selected.
func roleOf(t *testing.T, app string, cmd []byte) role {
	t.Helper()
	jpki, input := app == selectJPKI, app == selectInput
	switch {
	case cmd[1] == 0x20 && app == selectFace:
		return map[bool]role{true: theBirthTries, false: theBirthValue}[len(cmd) == 4]
	case cmd[1] == 0xA4 && cmd[2] == 2:
		return toReference
	case cmd[1] == 0xA4:
		return map[string]role{selectJPKI: toJPKI, selectInput: toInput, selectFace: toFace}[applicationSelected(t, cmd)]
	case cmd[1] == 0x20 && len(cmd) == 4:
		return theTries
	case cmd[1] == 0x20:
		return theValue
	case cmd[1] == 0x24:
		return theNewValue
	case cmd[1] == 0x2A:
		return theSignature
	case cmd[1] == 0xB0 && jpki:
		return map[byte]role{0x81: theSignCert, 0x86: thePart, 0x88: thePart, 0x8A: theCert}[cmd[2]]
	case cmd[1] == 0xB0 && input:
		return map[byte]role{0x82: theAttributes, 0x83: theIntegrity, 0x84: theInputCVC}[cmd[2]]
	}
	return map[byte]role{0x81: theAge, 0x84: theFaceCVC}[cmd[2]]
}

func applicationSelected(t *testing.T, cmd []byte) string {
	t.Helper()
	for _, s := range []string{selectJPKI, selectInput, selectFace} {
		if bytes.Equal(cmd, unhex(t, s)) {
			return s
		}
	}
	return ""
}

// meaning is the error of each status word for a command's role; other is that of those not listed. A nil error: the procedure goes on.
type meaning struct {
	listed map[apdu.StatusWord]error
	other  error
}

func read(locked, missing error) meaning {
	return meaning{map[apdu.StatusWord]error{0x6982: locked, 0x6A82: missing, 0x9000: missing, 0x6282: missing}, mynumber.ErrNonsense}
}

func toTries(nine error) meaning {
	return meaning{map[apdu.StatusWord]error{
		0x9000: mynumber.ErrNonsense, 0x63C0: mynumber.ErrBlocked, 0x6983: mynumber.ErrBlocked, 0x6984: mynumber.ErrBlocked,
		0x63C1: mynumber.ErrFewTries, 0x63C9: nine,
	}, mynumber.ErrRefused}
}

func toValue(nine error) meaning {
	return meaning{map[apdu.StatusWord]error{
		0x63C0: mynumber.ErrBlocked, 0x6983: mynumber.ErrBlocked, 0x6984: mynumber.ErrBlocked,
		0x6300: mynumber.ErrWrongPIN, 0x63C1: mynumber.ErrWrongPIN, 0x63C9: nine,
	}, mynumber.ErrRefused}
}

var meanings = map[role]meaning{
	toJPKI:        {nil, mynumber.ErrNotMyNumber},
	toInput:       {map[apdu.StatusWord]error{0x6A82: mynumber.ErrNoInput}, mynumber.ErrRefused},
	toFace:        {map[apdu.StatusWord]error{0x6A82: mynumber.ErrNoFace}, mynumber.ErrRefused},
	toReference:   {nil, mynumber.ErrRefused},
	theCert:       read(mynumber.ErrPINNeeded, mynumber.ErrNoCertificate),
	theSignCert:   read(mynumber.ErrRefused, mynumber.ErrNoSignCert),
	theAge:        read(mynumber.ErrRefused, mynumber.ErrNoFace),
	theFaceCVC:    read(mynumber.ErrRefused, mynumber.ErrNotGenuine),
	theInputCVC:   read(mynumber.ErrRefused, mynumber.ErrNotGenuine),
	theAttributes: read(mynumber.ErrRefused, mynumber.ErrNoInput),
	theIntegrity:  read(mynumber.ErrRefused, mynumber.ErrNotGenuine),
	thePart:       {map[apdu.StatusWord]error{0x6982: mynumber.ErrRefused}, mynumber.ErrNonsense},
	theTries:      toTries(mynumber.ErrNonsense), // no PIN or password has nine tries
	theBirthTries: toTries(nil),
	theValue:      toValue(mynumber.ErrNonsense),
	theBirthValue: toValue(mynumber.ErrWrongPIN),
	theNewValue:   {map[apdu.StatusWord]error{0x9000: nil}, mynumber.ErrRefused},
	theSignature:  {map[apdu.StatusWord]error{0x9000: mynumber.ErrNonsense}, mynumber.ErrRefused},
}

// exceptions are where a procedure has another use for an answer.
func exception(name string, r role, sw apdu.StatusWord) (error, bool) {
	counts := name == "PINStatus"
	switch {
	case (counts || name == "Info") && (r == toInput || r == toFace) && sw == 0x6A82:
		return nil, true // it says so
	case counts && (r == theTries || r == theBirthTries) && slices.Contains([]apdu.StatusWord{0x63C0, 0x63C1, 0x6983, 0x6984, 0x6A82, 0x6A88}, sw):
		return nil, true // it says so
	case r == theCert && sw == 0x6982 && (name == "SignAuth" || name == "Enrol"):
		return mynumber.ErrRefused, true // also after the PIN
	case r == theCert && sw == 0x6982 && name != "ReadAuthCert":
		return nil, true // a card that is known by its connection
	}
	return nil, false
}

// told reports a status word that comes out in the error: after a command that is answered with data only those on the list, because octets of
// a file may stand there.
func told(r role, sw apdu.StatusWord) bool {
	data := strings.HasPrefix(string(r), "READ") || r == theSignature
	unlisted := sw&0xFFF0 == 0x63C0 || sw == 0x66F1 || sw == 0x69FC || sw>>8 == 0x6C
	return sw != 0x0000 && sw != 0xFFFF && (!data || !unlisted)
}

// P5: every status word at every command of every procedure has one meaning, and no counter moves.
func TestP5EveryStatusWordAtEveryCommand(t *testing.T) {
	for _, p := range procedures {
		t.Run(p.name, func(t *testing.T) {
			b, v := newBench(t, national()), right(t)
			all := triesOf(b.card)
			if _, err := p.run(t.Context(), b.connect(), v); err != nil {
				t.Fatal(err)
			}
			commands, app := b.sent, ""
			for n, cmd := range commands {
				if s := applicationSelected(t, cmd); s != "" {
					app = s
				}
				r := roleOf(t, app, cmd)
				for _, sw := range everyStatusWord {
					if sw == 0x9000 && (strings.HasPrefix(string(r), "SELECT") || r == theValue || r == theBirthValue) {
						continue // what such a card is, is told by what follows
					}
					want, ok := exception(p.name, r, sw)
					if sw == 0x0000 || sw == 0xFFFF { // no status word at all
						want, ok = mynumber.ErrNonsense, true
					}
					if !ok {
						if want, ok = meanings[r].listed[sw]; !ok {
							want = meanings[r].other
						}
					}
					b.options.Memory = mynumber.NewMemory()
					b.answering(n, cmd, sw)
					_, err := p.run(t.Context(), b.connect(), v)
					b.spoil = nil
					if !errors.Is(err, want) || want != nil && len(known(err)) == 0 {
						t.Errorf("%s: %04X to command %d, %s = %v, want %v", p.name, uint16(sw), n, r, err, want)
					}
					var se *apdu.StatusError
					if want != nil && !errors.Is(want, mynumber.ErrFewTries) && sw != 0x9000 && sw != 0x6282 && errors.As(err, &se) != told(r, sw) {
						t.Errorf("%s: %04X to command %d, %s = %v, want the status word below: %v", p.name, uint16(sw), n, r, err, told(r, sw))
					}
					if got := triesOf(b.card); got != all {
						t.Fatalf("%s: %04X to command %d, %s left tries %s, want %s", p.name, uint16(sw), n, r, got, all)
					}
				}
			}
		})
	}
}

// answering gives a status word to the n-th command, and to the same command whenever it comes again.
func (b *bench) answering(n int, like []byte, sw apdu.StatusWord) {
	b.spoil = func(i int, cmd []byte) ([]byte, error, bool) {
		same := bytes.Equal(cmd[:4], like[:4]) && (len(cmd) > 4) == (len(like) > 4) && (cmd[1] != 0xA4 || bytes.Equal(cmd, like))
		return []byte{byte(sw >> 8), byte(sw)}, nil, i > n && same
	}
}

// What a virtual card refuses by itself comes out the same way, with the counter before and after.
func TestP5RefusalsOfTheCard(t *testing.T) {
	child := national()
	child.SignCert, child.SignCA, child.SignKey, child.SignPassword = nil, nil, nil, ""
	other := national()
	other.FaceAge = ageRecord(rsaKeys(), "19800218")
	strange := national()
	k := rsaKeys()
	k.ca = k.sign // not the authority's key
	strange.FaceCVC, strange.InputCVC = cardVerifiable(k, faceIssuer), cardVerifiable(k, inputIssuer)
	forged := national()
	k = rsaKeys()
	k.municipal = k.sign
	_, fields := attributes(birthDay)
	forged.FaceAge, forged.InputIntegrity = ageRecord(k, birthDay), integrity(k, fields)
	cloned := national()
	cloned.CardKey, cloned.AuthKey = pkcs8(rsaKeys().sign), pkcs8(rsaKeys().sign)
	altered := national()
	altered.InputAttributes, _ = attributes("19800218")
	bare := national()
	bare.CardKey, bare.BirthKey, bare.FaceAge, bare.FaceRecord, bare.FaceInfo, bare.FaceCVC = nil, "", nil, nil, nil, nil
	tests := []struct {
		name string
		b    *bench
		run  string
		want error
	}{
		{"phone has no face", newBench(t, phone()), "ProveFace", mynumber.ErrNoFace},
		{"phone has no face to sign with", newBench(t, phone()), "SignFace", mynumber.ErrNoFace},
		{"phone has no attributes", newBench(t, phone()), "ReadAttributes", mynumber.ErrNoInput},
		{"phone enrols without them", newBench(t, phone()), "Enrol", mynumber.ErrNoInput},
		{"phone gives no certificate", newBench(t, phone()), "ReadAuthCert", mynumber.ErrPINNeeded},
		{"child has no signature", newBench(t, child), "ReadSignCert", mynumber.ErrNoSignCert},
		{"age record of another day", newBench(t, other), "ProveFace", mynumber.ErrBirthDate},
		{"unknown authority's key", newBench(t, strange), "ProveFace", mynumber.ErrNotGenuine},
		{"attributes by an unknown authority's key", newBench(t, strange), "ReadAttributes", mynumber.ErrNotGenuine},
		{"age record signed by nobody", newBench(t, forged), "ProveFace", mynumber.ErrNotGenuine},
		{"attributes signed by nobody", newBench(t, forged), "ReadAttributes", mynumber.ErrNotGenuine},
		{"copied card cannot sign", newBench(t, cloned), "ProveFace", mynumber.ErrNotGenuine},
		{"copied certificate cannot sign", newBench(t, cloned), "SignAuth", mynumber.ErrNotGenuine},
		{"altered attributes", newBench(t, altered), "ReadAttributes", mynumber.ErrNotGenuine},
		{"card without face", newBench(t, bare), "Enrol", mynumber.ErrNoFace},
	}
	for _, tt := range tests {
		all := triesOf(tt.b.card)
		_, err := procedureNamed(t, tt.run).run(t.Context(), tt.b.connect(), right(t))
		if !errors.Is(err, tt.want) || triesOf(tt.b.card) != all {
			t.Errorf("%s: %s = %v and tries %s, want %v and %s", tt.name, tt.run, err, triesOf(tt.b.card), tt.want, all)
		}
	}
}

// Without authorities nothing is sent that would need them.
func TestNoAuthoritiesNoProof(t *testing.T) {
	for _, name := range []string{"ProveFace", "ReadAttributes", "Enrol"} {
		b := newBench(t, national())
		b.options.Authorities = nil
		if _, err := procedureNamed(t, name).run(t.Context(), b.connect(), right(t)); !errors.Is(err, mynumber.ErrNotGenuine) || len(b.sent) > 0 {
			t.Errorf("%s without authorities = %v in %d commands, want ErrNotGenuine in none", name, err, len(b.sent))
		}
	}
}

// What was verified under one set of authorities is nothing under another.
func TestRememberedCertificatesNeedTheSameAuthorities(t *testing.T) {
	b := newBench(t, national())
	p := procedureNamed(t, "ProveFace")
	if _, err := p.run(t.Context(), b.connect(), right(t)); err != nil {
		t.Fatal(err)
	}
	b.options.Authorities = authorities(t, p384Keys())
	if _, err := p.run(t.Context(), b.connect(), right(t)); !errors.Is(err, mynumber.ErrNotGenuine) {
		t.Errorf("ProveFace under other authorities = %v, want ErrNotGenuine", err)
	}
}

// The era form is tried at enrolment, then once the Gregorian; the form that fitted is told. Later nothing is tried blindly.
func TestP5BirthKeyFormsAtEnrolment(t *testing.T) {
	tests := []struct {
		key   string // of the card
		tries uint8
		form  mynumber.Form
		err   error // FaceErr
		left  uint8
	}{
		{"550217", 10, mynumber.FormEra, nil, 10},
		{"550217", 5, mynumber.FormEra, nil, 10},
		{"550217", 4, 0, mynumber.ErrFewTries, 4},
		{"800217", 10, mynumber.FormGregorian, nil, 10},
		{"800217", 5, mynumber.FormGregorian, nil, 10},
		{"800217", 4, 0, mynumber.ErrFewTries, 4},
		{"000000", 10, 0, mynumber.ErrWrongPIN, 8},
		{"000000", 5, 0, mynumber.ErrWrongPIN, 3},
		{"000000", 0, 0, mynumber.ErrBlocked, 0},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.key, tt.tries), func(t *testing.T) {
			p := national()
			p.BirthKey = tt.key
			b := newBench(t, p)
			if err := b.card.SetTries("face/0011", tt.tries); err != nil {
				t.Fatal(err)
			}
			e, err := b.connect().Enrol(t.Context(), enrolRequest(right(t)))
			if err != nil || e.Form != tt.form || !errors.Is(e.FaceErr, tt.err) || e.Attributes == nil || (e.Face.Key == nil) != (tt.err != nil) {
				t.Errorf("Enrol = form %d, %v, face %v, want form %d, face %v", e.Form, err, e.FaceErr, tt.form, tt.err)
			}
			if got := b.card.Tries()["face/0011"]; got != tt.left {
				t.Errorf("Enrol left %d tries, want %d", got, tt.left)
			}
			if tt.err == nil {
				return
			}
			if _, err := b.connect().Enrol(t.Context(), enrolRequest(right(t))); err != nil || b.card.Tries()["face/0011"] != tt.left {
				t.Errorf("Enrol again = %v and left %d tries, want %d", err, b.card.Tries()["face/0011"], tt.left)
			}
		})
	}
}
