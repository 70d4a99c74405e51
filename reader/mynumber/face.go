package mynumber

import (
	"context"
	"crypto"
	"fmt"

	"kazashi.example/reader/cvc"
	"kazashi.example/reader/internal/files"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

// FaceRequest asks for the proof that a genuine card of somebody born on a day is here.
type FaceRequest struct {
	Birth BirthDate
	// Form is how this card's birth key is written, as Enrol found; 0 is FormEra.
	Form Form
	// Era is needed where month or day are not known and the year belongs to two eras.
	Era Era
	// Message is what the card signs; it must be fresh.
	Message []byte
}

// Face is the card's proof: a key that the card authority's chain vouches for, together with the birth date, and its signature. It prints as
// REDACTED: the key names the card.
type Face struct {
	redaction
	// Hierarchy is whose card it is.
	Hierarchy certid.Hierarchy
	// Key is the card's public key, SubjectPublicKeyInfo in DER. It is the same for the life of the card.
	Key []byte
	// Signature over the request's message was verified with Key (jpki.VerifySignature).
	Signature []byte
}

// FaceSignature is a signature by the card-face application's key, unverified: compare by jpki.VerifySignature with the bound key.
type FaceSignature []byte

// ProveFace has the card prove that it is genuine and of somebody born on the day given (evidence `card`): six commands after
// ReadAuthCert, five if the card-verifiable certificate is remembered. The birth key is verified, which costs a try if it is wrong; nothing
// is tried twice.
//
// Errors: ErrNoFace, *TriesError, ErrFormat, ErrEraUnclear, ErrBirthDate, ErrNotGenuine, ErrRefused, and those of ReadAuthCert.
func (c *Card) ProveFace(ctx context.Context, r FaceRequest) (Face, error) {
	if c.options.Authorities == nil {
		return Face{}, errNoAuthorities
	}
	if r.Form == 0 {
		r.Form = FormEra
	}
	key, err := r.Birth.key(r.Form, r.Era)
	if err != nil {
		return Face{}, err
	}
	defer clear(key)
	if err := c.verify(ctx, RefBirth, key); err != nil {
		return Face{}, err
	}
	return c.prove(ctx, r.Birth, r.Message)
}

var errNoAuthorities = fmt.Errorf("%w: no card authority is configured", ErrNotGenuine)

// prove reads and verifies the age record and has its key sign, once the birth key is verified.
func (c *Card) prove(ctx context.Context, birth BirthDate, message []byte) (Face, error) {
	record, err := c.readFile(ctx, c.layout.age)
	if err != nil {
		return Face{}, fmt.Errorf("reading the age record: %w", err)
	}
	defer clear(record)
	age, err := files.ParseAge(record)
	if err != nil { // the error may quote the record
		return Face{}, fmt.Errorf("%w: age record", ErrNonsense)
	}
	hierarchy, err := c.vouched(ctx, c.layout.face, c.layout.faceCVC, cvc.ForFace, age.Verify)
	if err != nil {
		return Face{}, fmt.Errorf("verifying the age record: %w", err)
	}
	if age.Birth != birth.Digits() {
		return Face{}, fmt.Errorf("reading the age record: %w", ErrBirthDate)
	}
	signature, err := c.sign(ctx, 0, message)
	if err != nil {
		return Face{}, fmt.Errorf("signing with the card's key: %w", err)
	}
	if err := jpki.VerifySignature(age.Key, message, signature); err != nil {
		return Face{}, fmt.Errorf("%w: signature of the card's key: %w", ErrNotGenuine, err)
	}
	return Face{Hierarchy: hierarchy, Key: age.SPKI, Signature: signature}, nil
}

// vouched finds the key that signed a file: among those remembered, or in the card's own certificate, which is read only then.
func (c *Card) vouched(ctx context.Context, app Application, f file, use cvc.Use, signed func(crypto.PublicKey) error) (certid.Hierarchy, error) {
	by := c.options.Authorities
	for _, s := range c.memory.signersOf(by, app) {
		if signed(s.key) == nil {
			return s.hierarchy, nil
		}
	}
	b, err := c.readFile(ctx, f)
	if err != nil {
		return 0, fmt.Errorf("reading the card-verifiable certificate: %w", err)
	}
	cert, err := cvc.Parse(b)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNonsense, err)
	}
	hierarchy, err := by.Verify(cert, use)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotGenuine, err)
	}
	if signed(cert.Key) != nil { // the error may quote the file
		return 0, fmt.Errorf("%w: file is not signed by the key of its certificate", ErrNotGenuine)
	}
	c.memory.keepSigner(signer{by: by, app: app, id: cert.Subject, key: cert.Key, hierarchy: hierarchy})
	return hierarchy, nil
}

// SignFace has the card-face application sign message (evidence `card-bound`): two commands after ReadAuthCert. Nothing is verified on
// the card and nothing is checked here: whose signature it is says the bound key alone.
//
// Errors: ErrRefused where the card wants more than this (ProveFace then), ErrNoFace, ErrNotMyNumber, ErrTorn, ErrNonsense, or the
// error of ctx.
func (c *Card) SignFace(ctx context.Context, message []byte) (FaceSignature, error) {
	if c.layout == nil {
		if err := c.identify(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.enter(ctx, c.layout.face); err != nil {
		return nil, err
	}
	signature, err := c.sign(ctx, 0, message)
	if err != nil {
		return nil, fmt.Errorf("signing with the card's key: %w", err)
	}
	return signature, nil
}
