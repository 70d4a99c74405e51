package cvc

import (
	"crypto"
	"fmt"

	"kazashi.example/sync/certid"
)

// KeyID names a key of the card's signing hierarchies: seven digits, 08 05, three digits, four octets whose last is not always zero
// (soltia48/myna-card src/data.rs, src/ca.rs). All 16 octets count. What the octets between the digits mean is not public.
//
// Known issuers: 5000023 signs for 券面事項確認AP and 5000033 for 券面事項入力補助AP, 6000023 and 6000033 in the operator's test
// hierarchy, all of group 001 and with four zero octets. [Authorities.Verify] holds each to its own application.
type KeyID [16]byte

// numberLen is how many octets the number takes.
const numberLen = 7

// Number is the seven digits; empty if there are none.
func (k KeyID) Number() string {
	if !k.valid() {
		return ""
	}
	return string(k[:numberLen])
}

// String is number, group and the last four octets, "5000023/001/00000000"; "none" without digits.
func (k KeyID) String() string {
	if !k.valid() {
		return "none"
	}
	return fmt.Sprintf("%s/%s/%X", k[:numberLen], k[9:12], k[12:])
}

// valid reports whether digits are where digits have to be.
func (k KeyID) valid() bool { return digits(k[:numberLen]) && digits(k[9:12]) }

func digits(b []byte) bool {
	for _, o := range b {
		if o < '0' || o > '9' {
			return false
		}
	}
	return true
}

// leading is the first digit of every number of a hierarchy. 5 and 6: soltia48/myna-card src/data.rs. 9 is the practice world's own;
// that no real number begins with it is a guess.
var leading = map[certid.Hierarchy]byte{
	certid.HierarchyProduction: '5',
	certid.HierarchyTest:       '6',
	certid.HierarchyPractice:   '9',
}

// Use is what a certificate is wanted for: whose files the certified key signs. The zero value is none, and no key is good for it.
type Use uint8

// Uses.
const (
	ForFace  Use = 1 // the age record of 券面事項確認AP, or of the next card's 券面等AP
	ForInput Use = 2 // the attributes of 券面事項入力補助AP, or of the next card's 認証AP
)

// String names the use; "none" for the zero value.
func (u Use) String() string {
	switch u {
	case ForFace:
		return "card face"
	case ForInput:
		return "input assist"
	}
	return "none"
}

// What follows the hierarchy's digit in the numbers of issuers that sign for one application alone (soltia48/myna-card src/data.rs). The
// practice world numbers the issuers of its cards of today in the same way.
const (
	faceNumber  = "000023"
	inputNumber = "000033"
)

// goodFor says what an issuer may vouch for, by its number. Every other number that a trust bundle lists is good for both uses: the
// practice form of the next card has one issuer for both of its applications.
func (k KeyID) goodFor(use Use) bool {
	switch k.Number()[1:] {
	case faceNumber:
		return use == ForFace
	case inputNumber:
		return use == ForInput
	}
	return use == ForFace || use == ForInput
}

// Authority is one issuer key that the caller believes, and for which hierarchy. The trust bundle carries them.
type Authority struct {
	Hierarchy certid.Hierarchy
	ID        KeyID
	Key       crypto.PublicKey // *rsa.PublicKey of 2048 bits or *ecdsa.PublicKey on P-384
}

// Authorities is a set of issuer keys by identifier. It is immutable; the zero value and nil know nobody.
type Authorities struct {
	byID map[KeyID]Authority
}

// NewAuthorities checks that each authority is what it is said to be: a hierarchy that its number's first digit agrees with, so that a
// practice or test authority cannot pass as the national one nor the reverse, and a key of one of the two accepted kinds. An
// identifier may not stand for two keys, nor a key for two hierarchies; the same authority twice is no fault. No authorities at all is a
// set too. ErrAuthority otherwise.
func NewAuthorities(as []Authority) (*Authorities, error) {
	set := &Authorities{byID: make(map[KeyID]Authority, len(as))}
	for i, a := range as {
		if err := set.add(a); err != nil {
			return nil, fmt.Errorf("checking card authority %d: %w", i, err)
		}
	}
	return set, nil
}

func (s *Authorities) add(a Authority) error {
	digit, known := leading[a.Hierarchy]
	switch {
	case !known:
		return fmt.Errorf("%w: hierarchy %d", ErrAuthority, a.Hierarchy)
	case !a.ID.valid():
		return fmt.Errorf("%w: identifier without its digits", ErrAuthority)
	case a.ID[0] != digit:
		return fmt.Errorf("%w: number %s is not of the %s hierarchy", ErrAuthority, a.ID.Number(), a.Hierarchy)
	case !usable(a.Key):
		return fmt.Errorf("%w: key of %s is neither RSA-2048 with exponent 65537 nor on P-384", ErrAuthority, a.ID)
	}
	if b, dup := s.byID[a.ID]; dup && !equal(a.Key, b.Key) {
		return fmt.Errorf("%w: %s stands for two keys", ErrAuthority, a.ID)
	}
	for _, b := range s.byID {
		if b.Hierarchy != a.Hierarchy && equal(a.Key, b.Key) {
			return fmt.Errorf("%w: one key for %s and %s", ErrAuthority, a.ID, b.ID)
		}
	}
	s.byID[a.ID] = a
	return nil
}

// Len is how many authorities there are.
func (s *Authorities) Len() int {
	if s == nil {
		return 0
	}
	return len(s.byID)
}

// Verify checks c's signature with the key that it names, and returns that key's hierarchy. ErrUnknownAuthority if the key is not
// here; ErrOtherUse if its number says that it does not sign for use, and nothing was checked then; jpki.ErrSignature if it did not sign
// c, whatever else is in c.
func (s *Authorities) Verify(c Certificate, use Use) (certid.Hierarchy, error) {
	if s == nil {
		return 0, ErrUnknownAuthority
	}
	a, ok := s.byID[c.Issuer]
	if !ok {
		return 0, ErrUnknownAuthority
	}
	if !a.ID.goodFor(use) {
		return 0, fmt.Errorf("%w: %s for %s", ErrOtherUse, a.ID, use)
	}
	if err := c.verify(a.Key); err != nil {
		return 0, fmt.Errorf("verifying a card-verifiable certificate by %s: %w", a.ID, err)
	}
	return a.Hierarchy, nil
}
