package vcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

const (
	// maxEF is the longest file that a 15-bit offset reaches (ISO/IEC 7816-4 §11.3.3, READ BINARY with an even INS).
	maxEF = 1 << 15
	// keyBits is the one modulus length of the card of today (OpenSC src/libopensc/pkcs15-jpki.c).
	keyBits = 2048
)

// Validate reports all faults at once, each wrapping [ErrProfile] and naming the JSON field, never its value.
func (p *Profile) Validate() error {
	c := &faults{}
	c.require("label", p.Label != "")
	if p.CardID != "" {
		c.require(fmt.Sprintf("card_id (1 to %d of a-z, A-Z, 0-9, - _ .)", maxCardID), cardID(p.CardID))
	}
	t, ok := cardTypes[p.Kind]
	if !ok {
		c.require("kind (current, next, phone or token)", false)
		return errors.Join(c.found...)
	}
	c.foreign(p, t.fields)
	t.check(p, c)
	return errors.Join(c.found...)
}

// checkCurrent holds what the card of today needs.
func (p *Profile) checkCurrent(c *faults) {
	p.checkAuth(c, rsaKey)
	c.certificate("auth_ca", p.AuthCA)
	if p.hasSign() {
		p.checkSign(c, rsaKey)
		c.certificate("sign_ca", p.SignCA)
	}
	if p.hasFace() || p.hasInput() {
		c.digits("individual_number", p.IndividualNumber, numberALen)
		c.digits("number_b", p.NumberB, numberBLen)
	}
	p.validateFace(c)
	p.validateInput(c)
	if p.CommonRecord != "" {
		c.digits("common_record", p.CommonRecord, commonRecordLen)
	}
}

// checkNext holds what the practice next-generation card needs.
func (p *Profile) checkNext(c *faults) {
	p.checkAuth(c, p384Key)
	if p.hasSign() {
		p.checkSign(c, p384Key)
	}
	c.key("card_key", p.CardKey, p384Key)
	c.digits("birth_key", p.BirthKey, birthKeyLen)
	c.file("face_age", p.FaceAge)
	c.file("face_cvc", p.FaceCVC)
	c.file("input_attributes", p.InputAttributes)
	c.file("input_integrity", p.InputIntegrity)
	c.file("input_cvc", p.InputCVC)
}

// checkPhone holds what a phone's JPKI application needs.
func (p *Profile) checkPhone(c *faults) {
	p.checkAuth(c, rsaKey)
	c.certificate("auth_ca", p.AuthCA)
	if p.hasSign() {
		p.checkSign(c, rsaKey)
		c.certificate("sign_ca", p.SignCA)
	}
}

func (p *Profile) checkToken(c *faults) {
	_, err := parseUID(p.UID)
	c.require("uid (4, 7, 8 or 10 octets in hex)", err == nil)
}

func (p *Profile) checkAuth(c *faults, want keyType) {
	c.certificate("auth_cert", p.AuthCert)
	c.key("auth_key", p.AuthKey, want)
	c.digits("auth_pin", p.AuthPIN, authPINLen)
}

func (p *Profile) checkSign(c *faults, want keyType) {
	c.certificate("sign_cert", p.SignCert)
	c.key("sign_key", p.SignKey, want)
	c.require("sign_password (6 to 16 of A-Z and 0-9, at least one of each)", signPassword(p.SignPassword))
}

func (p *Profile) validateFace(c *faults) {
	if !p.hasFace() {
		return
	}
	c.key("card_key", p.CardKey, rsaKey)
	c.digits("birth_key", p.BirthKey, birthKeyLen)
	c.file("face_age", p.FaceAge)
	c.file("face_record", p.FaceRecord)
	c.file("face_info", p.FaceInfo)
	c.file("face_cvc", p.FaceCVC)
}

func (p *Profile) validateInput(c *faults) {
	if !p.hasInput() {
		return
	}
	c.key("input_key", p.InputKey, rsaKey)
	c.digits("input_pin", p.InputPIN, inputPINLen)
	c.file("input_attributes", p.InputAttributes)
	c.file("input_integrity", p.InputIntegrity)
	c.file("input_cvc", p.InputCVC)
	c.file("input_info", p.InputInfo)
	c.file("input_public", p.InputPublic)
}

func (p *Profile) hasSign() bool {
	return len(p.SignCert)+len(p.SignCA)+len(p.SignKey)+len(p.SignPassword) > 0
}

func (p *Profile) hasFace() bool {
	return len(p.CardKey)+len(p.BirthKey)+len(p.FaceAge)+len(p.FaceRecord)+len(p.FaceInfo)+len(p.FaceCVC) > 0
}

func (p *Profile) hasInput() bool {
	return len(p.InputKey)+len(p.InputPIN)+len(p.InputAttributes)+len(p.InputIntegrity)+
		len(p.InputCVC)+len(p.InputInfo)+len(p.InputPublic) > 0
}

// faults gathers what is wrong.
type faults struct{ found []error }

func (c *faults) require(what string, ok bool) {
	if !ok {
		c.found = append(c.found, fmt.Errorf("%w: %s is missing or not as it must be", ErrProfile, what))
	}
}

func (c *faults) digits(name, v string, n int) {
	c.require(fmt.Sprintf("%s (%d digits)", name, n), len(v) == n && allDigits(v))
}

func (c *faults) file(name string, v []byte) {
	c.require(fmt.Sprintf("%s (1 to %d octets)", name, maxEF), len(v) > 0 && len(v) <= maxEF)
}

// certificate asks for one whole DER SEQUENCE: the card reads no deeper, and a broken certificate is a card worth having.
func (c *faults) certificate(name string, v []byte) {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(v, &outer)
	whole := err == nil && len(rest) == 0 && outer.Tag == asn1.TagSequence && outer.IsCompound
	c.require(name+" (X.509 DER)", whole && len(v) <= maxEF)
}

func (c *faults) key(name string, v []byte, want keyType) {
	_, err := parseKey(v, want)
	c.require(fmt.Sprintf("%s (PKCS#8, %s)", name, want), err == nil)
}

// foreign names every field that is set and is none of the card's kind.
func (c *faults) foreign(p *Profile, own []string) {
	v := reflect.ValueOf(*p)
	for i := range v.NumField() {
		name := jsonName(v.Type().Field(i))
		if !v.Field(i).IsZero() && !slices.Contains(own, name) && !slices.Contains(commonFields, name) {
			c.found = append(c.found, fmt.Errorf("%w: %s is not for a card of this kind", ErrProfile, name))
		}
	}
}

// keyType is a kind of key, by its name in messages.
type keyType string

const (
	rsaKey  keyType = "RSA-2048" // OpenSC src/libopensc/pkcs15-jpki.c
	p384Key keyType = "P-384"    // announced for the next card; its form on the card is a practice assumption
)

// parseKey reads a PKCS#8 key of the wanted type.
func parseKey(der []byte, want keyType) (crypto.Signer, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parsing PKCS#8: %w", err)
	}
	switch k := k.(type) {
	case *rsa.PrivateKey:
		if want == rsaKey && k.N.BitLen() == keyBits {
			return k, nil
		}
	case *ecdsa.PrivateKey:
		if want == p384Key && k.Curve == elliptic.P384() {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w: not a key of %s", ErrProfile, want)
}

const maxCardID = 64

func cardID(s string) bool {
	for _, r := range []byte(s) {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.' {
			return false
		}
	}
	return len(s) <= maxCardID
}

// parseUID reads the identifier of a contactless chip: 4, 7 or 10 octets by ISO/IEC 14443-3 §6.5.4, 8 for a FeliCa IDm.
func parseUID(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("decoding UID: %w", err)
	}
	switch len(b) {
	case 4, 7, 8, 10:
		return b, nil
	}
	return nil, fmt.Errorf("%w: UID of %d octets", ErrProfile, len(b))
}

func allDigits(s string) bool {
	for _, r := range []byte(s) {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}

// signPassword holds the rule of OpenSC src/libopensc/pkcs15-jpki.c and the counter windows: 6 to 16, upper case and digits, both.
func signPassword(s string) bool {
	if len(s) < signPasswordMin || len(s) > signPasswordMax {
		return false
	}
	var letter, digit bool
	for _, r := range []byte(s) {
		switch {
		case r >= 'A' && r <= 'Z':
			letter = true
		case r >= '0' && r <= '9':
			digit = true
		default:
			return false
		}
	}
	return letter && digit
}
