package tap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"kazashi.example/localapi"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// errOtherCert says that a card gave two certificates in one visit.
var errOtherCert = errors.New("card gave another certificate than before")

// enrol has the person prove the PIN and the card prove itself in one visit, so that later taps need no PIN. Where only the
// second fails the visit counts as one with the PIN.
func (c *Counter) enrol(ctx context.Context, card *mynumber.Card, t *taken) error {
	q, err := c.enrolRequest(t)
	if err != nil {
		return err
	}
	defer q.PIN.Clear()
	defer q.InputPIN.Clear()
	got, err := card.Enrol(ctx, q)
	if errors.Is(err, mynumber.ErrNotGenuine) {
		t.hindrance = record.ReasonCardNotGenuine
		t.enrolled = &localapi.Enrolled{Hindrance: t.hindrance}
		return nil
	}
	if err != nil {
		return fmt.Errorf("enrolling: %w", err)
	}
	if !bytes.Equal(got.Cert.DER(), t.der) {
		return &ReadError{localapi.FailureNonsense, errOtherCert}
	}
	if typed := !q.Attributes; typed && wrongDate(got.FaceErr) {
		return &ReadError{localapi.FailureBirthDate, got.FaceErr}
	}
	if t.pinProved(q.AuthMessage, got.AuthSignature); t.pin == nil {
		t.enrolled = &localapi.Enrolled{Hindrance: t.hindrance}
		return nil
	}
	t.enrolProved(got)
	return nil
}

func (c *Counter) enrolRequest(t *taken) (q mynumber.EnrolRequest, err error) {
	typed := t.next.request
	if q.AuthMessage, err = c.message(t, proof.PurposePIN); err != nil {
		return q, err
	}
	if q.FaceMessage, err = c.message(t, proof.PurposeCard); err != nil {
		return q, err
	}
	if !typed.Birth.IsZero() {
		if q.Birth, err = mynumber.ParseBirthDate(typed.Birth.Reveal()); err != nil {
			return q, fmt.Errorf("reading what was typed in: %w", err)
		}
	}
	if q.PIN, err = pinOf(typed.PIN); err != nil {
		return q, err
	}
	q.Attributes, q.SameAsPIN = typed.Attributes, typed.SamePIN
	q.InputPIN, err = pinOf(typed.InputPIN)
	return q, err
}

// wrongDate says that the card did not take the birth date, or says another.
func wrongDate(err error) bool {
	return errors.Is(err, mynumber.ErrWrongPIN) || errors.Is(err, mynumber.ErrSameWrong) || errors.Is(err, mynumber.ErrBirthDate)
}

// enrolProved writes down what the visit left, after the PIN was proved. Without a birth date there is nothing to enrol by.
func (t *taken) enrolProved(got mynumber.Enrolment) {
	t.enrolled = &localapi.Enrolled{Attested: got.Attributes != nil}
	if got.Birth.IsZero() {
		t.enrolled.Hindrance = record.ReasonCardRefuses
		return
	}
	t.enrolment = &content.Enrolment{Birth: birthOf(got), Attributes: attributesOf(got.Attributes)}
	switch {
	case got.FaceErr != nil:
		t.enrolled.Hindrance = unbound(got.FaceErr)
	case !t.vouched(got.Face.Hierarchy):
		t.enrolled.Hindrance = record.ReasonCardNotGenuine
	default:
		t.bind(got)
	}
}

// unbound is why later taps need the PIN. A card that answers nonsense here has proved the PIN all the same.
func unbound(err error) record.Reason {
	if reason, ok := hindranceOf(err); ok {
		return reason
	}
	return record.ReasonCardRefuses
}

// vouched says that the card's authority is one that the service takes, and the certificate's own where that is known.
func (t *taken) vouched(h certid.Hierarchy) bool {
	return slices.Contains(t.rule.Hierarchies, h) && (t.cert.Hierarchy == 0 || t.cert.Hierarchy == h)
}

// bind makes the card the one that later taps are held against. A certificate whose issuer is not known here can be found again
// only once central knows it.
func (t *taken) bind(got mynumber.Enrolment) {
	t.enrolment.Key = got.Face.Key
	t.card = &content.CardProof{Verifier: t.rule.Verifier, Signature: got.Face.Signature, Enrolled: t.tap}
	if t.cert.Hierarchy == 0 {
		t.enrolled.Hindrance = record.ReasonIssuerNotVerified
		return
	}
	t.enrolled.Bound = true
	t.entry = &roster.Entry{
		Hierarchy: t.cert.Hierarchy, Serial: t.cert.Serial.Bytes(), Verifier: t.rule.Verifier, Enrolled: t.tap,
		Birth: t.enrolment.Birth, Key: got.Face.Key,
	}
}

// birthOf is the birth date with the form that the card took. The era's is written where it took none: without a key nobody asks.
func birthOf(got mynumber.Enrolment) roster.Birth {
	form := got.Form
	if form == 0 {
		form = mynumber.FormEra
	}
	return roster.Birth{Date: got.Birth.Digits(), Form: uint8(form)}
}

func attributesOf(a *mynumber.Attributes) *content.Attributes {
	if a == nil {
		return nil
	}
	return &content.Attributes{Name: a.Name(), Address: a.Address(), Birth: a.BirthDate().Digits(), Sex: a.Sex() - '0'}
}
