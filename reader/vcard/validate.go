package vcard

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
)

const (
	// maxEF is the longest file that a 15-bit offset reaches (ISO/IEC 7816-4 §11.3.3, READ BINARY with an even INS).
	maxEF = 1 << 15
	// keyBits is the one modulus length of the card (OpenSC src/libopensc/pkcs15-jpki.c).
	keyBits = 2048
)

// Validate reports all faults at once, each wrapping [ErrProfile] and naming the JSON field, never its value.
func (p *Profile) Validate() error {
	c := &faults{}
	c.require("label", p.Label != "")
	c.certificate("auth_cert", p.AuthCert)
	c.certificate("auth_ca", p.AuthCA)
	c.key("auth_key", p.AuthKey)
	c.digits("auth_pin", p.AuthPIN, authPINLen)
	if p.hasSign() {
		c.certificate("sign_cert", p.SignCert)
		c.certificate("sign_ca", p.SignCA)
		c.key("sign_key", p.SignKey)
		c.require("sign_password (6 to 16 of A-Z and 0-9, at least one of each)", signPassword(p.SignPassword))
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
	return errors.Join(c.found...)
}

func (p *Profile) validateFace(c *faults) {
	if !p.hasFace() {
		return
	}
	c.key("card_key", p.CardKey)
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
	c.key("input_key", p.InputKey)
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

func (c *faults) key(name string, v []byte) {
	_, err := parseKey(v)
	c.require(name+" (PKCS#8, RSA-2048)", err == nil)
}

// parseKey reads a PKCS#8 RSA-2048 key.
func parseKey(der []byte) (*rsa.PrivateKey, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parsing PKCS#8: %w", err)
	}
	rk, ok := k.(*rsa.PrivateKey)
	if !ok || rk.N.BitLen() != keyBits {
		return nil, fmt.Errorf("%w: not an RSA key of %d bits", ErrProfile, keyBits)
	}
	return rk, nil
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
