package count

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	"github.com/fxamacker/cbor/v2"
)

// content is a record's sealed content, as far as counting needs it.
type content struct {
	Tap         []byte     `cbor:"2,keyasint"`
	Time        int64      `cbor:"3,keyasint"` // Unix milliseconds
	Service     string     `cbor:"4,keyasint"`
	Evidence    int64      `cbor:"7,keyasint"`
	Hierarchy   int64      `cbor:"8,keyasint"`
	Purpose     int64      `cbor:"9,keyasint"`
	Serial      []byte     `cbor:"10,keyasint"`
	Certificate []byte     `cbor:"14,keyasint"`
	PIN         *signature `cbor:"16,keyasint"`
	Card        *byCard    `cbor:"17,keyasint"`
	Enrolment   *struct {
		Key []byte `cbor:"2,keyasint"` // SubjectPublicKeyInfo of the card's key
	} `cbor:"18,keyasint"`
}

type signature struct {
	Verifier  string `cbor:"1,keyasint"`
	Signature []byte `cbor:"2,keyasint"`
	Nonce     []byte `cbor:"3,keyasint"`
}

type byCard struct {
	Verifier  string `cbor:"1,keyasint"`
	Signature []byte `cbor:"2,keyasint"`
	Enrolled  []byte `cbor:"3,keyasint"`
	Nonce     []byte `cbor:"4,keyasint"`
}

var (
	errNoProof   = errors.New("there is no proof")
	errWhose     = errors.New("the certificate has another serial than the record")
	errSignature = errors.New("the signature is not one of this tap by this key")
)

// enrolment is the tap of the enrolment that a tap by card names.
func (c content) enrolment() []byte {
	if c.Card == nil {
		return nil
	}
	return c.Card.Enrolled
}

// checkPIN verifies the signature of the certificate's key over the tap's challenge.
func (c content) checkPIN(box []byte, serial string) error {
	if c.PIN == nil {
		return errNoProof
	}
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	if hex.EncodeToString(cert.SerialNumber.Bytes()) != serial {
		return errWhose
	}
	return c.check(box, "kazashi/pin/v1", *c.PIN, cert.PublicKey)
}

// checkCard verifies the signature of a bound card key over the tap's challenge.
func (c content) checkCard(box, spki []byte) error {
	if c.Card == nil {
		return errNoProof
	}
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return fmt.Errorf("reading the card's key: %w", err)
	}
	return c.check(box, "kazashi/card/v1", signature{c.Card.Verifier, c.Card.Signature, c.Card.Nonce}, key)
}

// check verifies RSA by PKCS #1 v1.5 with SHA-256, and P-384 with SHA-384 as r and s of 48 octets each, over CBOR [purpose, box, tap,
// verifier, service, time in Unix milliseconds, nonce or null].
func (c content) check(box []byte, purpose string, s signature, key any) error {
	var nonce any
	if len(s.Nonce) > 0 {
		nonce = s.Nonce
	}
	m, err := cbor.Marshal([]any{purpose, box, c.Tap, s.Verifier, c.Service, c.Time, nonce})
	if err != nil {
		return err
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		sum := sha256.Sum256(m)
		if rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], s.Signature) == nil {
			return nil
		}
	case *ecdsa.PublicKey:
		sum := sha512.Sum384(m)
		if b := s.Signature; len(b) == 96 && ecdsa.Verify(k, sum[:], new(big.Int).SetBytes(b[:48]), new(big.Int).SetBytes(b[48:])) {
			return nil
		}
	}
	return errSignature
}
