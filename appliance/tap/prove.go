package tap

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/content"
	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// prove runs the smallest procedure that the tap needs. What a card cannot prove is a hindrance, which the gate weighs; an error
// is a card that did not become a tap.
func (c *Counter) prove(ctx context.Context, card *mynumber.Card, t *taken) error {
	switch {
	case t.laidFor(localapi.NextEnrol):
		return c.enrol(ctx, card, t)
	case t.next != nil && !t.next.request.PIN.IsZero():
		return c.provePIN(ctx, card, t)
	case t.rule.Evidence == record.EvidenceCard, t.rule.Evidence == record.EvidenceCardBound:
		return c.proveCard(ctx, card, t)
	default: // the certificate is enough, or the PIN would have to be typed in
		return nil
	}
}

// message is what the card signs for this tap.
func (c *Counter) message(t *taken, p proof.Purpose) ([]byte, error) {
	b, err := proof.Challenge{Purpose: p, Box: c.Box, Tap: t.tap, Verifier: t.rule.Verifier, Service: c.Service, Time: t.now}.Message()
	if err != nil {
		return nil, fmt.Errorf("making the challenge: %w", err)
	}
	return b, nil
}

// signAuth has the authentication key sign, after the PIN that was typed in.
func (c *Counter) signAuth(ctx context.Context, card *mynumber.Card, t *taken) (signature, message []byte, err error) {
	if message, err = c.message(t, proof.PurposePIN); err != nil {
		return nil, nil, err
	}
	pin, err := pinOf(t.next.request.PIN)
	if err != nil {
		return nil, nil, err
	}
	defer pin.Clear()
	if signature, err = card.SignAuth(ctx, pin, message); err != nil {
		return nil, nil, fmt.Errorf("signing after the PIN: %w", err)
	}
	return signature, message, nil
}

// pinOf copies what was typed in, to be cleared after use; the zero PIN for nothing.
func pinOf(s localapi.Secret) (mynumber.PIN, error) {
	if s.IsZero() {
		return mynumber.PIN{}, nil
	}
	p, err := mynumber.NewPIN(s.Reveal())
	if err != nil {
		return p, fmt.Errorf("reading what was typed in: %w", err)
	}
	return p, nil
}

func (c *Counter) provePIN(ctx context.Context, card *mynumber.Card, t *taken) error {
	signature, message, err := c.signAuth(ctx, card, t)
	if errors.Is(err, mynumber.ErrNotGenuine) {
		t.hindrance = record.ReasonPINNotProved
		return nil
	}
	if err != nil {
		return err
	}
	t.pinProved(message, signature)
	return nil
}

// pinProved takes a signature for what it is: proof of the PIN only if the certificate's own key made it.
func (t *taken) pinProved(message, signature []byte) {
	if t.cert.Verify(message, signature) != nil {
		t.hindrance = record.ReasonPINNotProved
		return
	}
	t.evidence, t.pin = record.EvidencePIN, &content.PINProof{Verifier: t.rule.Verifier, Signature: signature}
}

// proveCard holds the card against the one that was bound at the enrolment.
func (c *Counter) proveCard(ctx context.Context, card *mynumber.Card, t *taken) error {
	if t.known.Source == sitebook.Nowhere {
		t.hindrance = record.ReasonNotEnrolled
		return nil
	}
	entry := t.known.Entry
	message, err := c.message(t, proof.PurposeCard)
	if err != nil {
		return err
	}
	if t.rule.Evidence == record.EvidenceCardBound {
		signature, err := card.SignFace(ctx, message)
		if !errors.Is(err, mynumber.ErrRefused) {
			return t.boundProved(entry, message, signature, err)
		}
	}
	return t.faceProved(ctx, card, entry, message)
}

// boundProved weighs one signature against the bound key: no birth date, no try spent.
func (t *taken) boundProved(entry roster.Entry, message, signature []byte, err error) error {
	if err != nil {
		return t.hinder(err)
	}
	if signedBy(entry.Key, message, signature) {
		t.cardProved(record.EvidenceCardBound, entry, signature)
		return nil
	}
	t.hindrance = differs(entry)
	return nil
}

// signedBy says that a key, SubjectPublicKeyInfo in DER, made a signature.
func signedBy(spki, message, signature []byte) bool {
	key, err := x509.ParsePKIXPublicKey(spki)
	return err == nil && jpki.VerifySignature(key, message, signature) == nil
}

// faceProved opens the card-face application with the enrolled birth date, and weighs the card's own record, its authority and
// its signature.
func (t *taken) faceProved(ctx context.Context, card *mynumber.Card, entry roster.Entry, message []byte) error {
	birth, err := mynumber.ParseBirthDate(entry.Birth.Date)
	if err != nil {
		return t.hinder(err)
	}
	face, err := card.ProveFace(ctx, mynumber.FaceRequest{
		Birth: birth, Form: mynumber.Form(entry.Birth.Form), Era: mynumber.Era(entry.Birth.Era), Message: message,
	})
	switch {
	case err != nil:
		return t.hinder(err)
	case face.Hierarchy != t.cert.Hierarchy:
		t.hindrance = record.ReasonCardNotGenuine
	case !bytes.Equal(face.Key, entry.Key):
		t.hindrance = differs(entry)
	default:
		t.cardProved(record.EvidenceCard, entry, face.Signature)
	}
	return nil
}

func (t *taken) cardProved(e record.Evidence, entry roster.Entry, signature []byte) {
	t.evidence, t.card = e, &content.CardProof{Verifier: t.rule.Verifier, Signature: signature, Enrolled: entry.Enrolled}
}

// hinder notes why the card did not prove itself; the error itself where there is no tap for it.
func (t *taken) hinder(err error) error {
	reason, ok := hindranceOf(err)
	if !ok {
		return fmt.Errorf("having the card prove itself: %w", err)
	}
	t.hindrance = reason
	return nil
}

// differs is why another card than the bound one is refused: after a renewal it may be the person's new card.
func differs(entry roster.Entry) record.Reason {
	if entry.Renewed {
		return record.ReasonCardRenewed
	}
	return record.ReasonCardDiffers
}
