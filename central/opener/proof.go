package opener

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
)

// hindrance is the box's word for why the card proved no more; 0 if it said nothing of the kind. Central was not there. A false proof is
// final whatever the rule asks for (record.Reason.FalseProof), the others where the evidence is weaker than that. What was revoked, on
// hold, on a list too old for the rule or on none, or of somebody who had used the service already was not asked for more.
func hindrance(said record.Reason) record.Reason {
	switch said {
	case record.ReasonNotEnrolled, record.ReasonCardDiffers, record.ReasonCardNotGenuine, record.ReasonPINNotProved,
		record.ReasonBirthKeyLocked, record.ReasonCardRenewed, record.ReasonBirthDiffers, record.ReasonCardRefuses,
		record.ReasonRevoked, record.ReasonOnHold, record.ReasonListTooOld, record.ReasonListAbsent, record.ReasonRosterLocked,
		record.ReasonRosterUnreadable, record.ReasonUsedAlready:
		return said
	default:
		return 0
	}
}

// proved is what the card showed with no more evidence than its signatures prove here; a signature that is false stands in its way
// whatever the rule asks for. f.awaits is set where that cannot be said before the enrolment came that the record names.
func (o *Opener) proved(ctx context.Context, box record.BoxID, came time.Time, f *finding, s gate.Shown) (gate.Shown, error) {
	var fault record.Reason
	var err error
	switch f.record.Evidence {
	case record.EvidencePIN:
		fault = pinFault(box, f)
	case record.EvidenceCard, record.EvidenceCardBound:
		look := func(tx store.Tx) (err error) { fault, err = o.cardFault(tx, box, f); return err }
		if err = o.Store.View(ctx, look); err == nil && f.pair && o.Renewals.Current(ctx, came) == nil {
			f.awaits, f.pair, f.told = nil, false, true
			err = o.Store.View(ctx, look)
		}
	case record.EvidenceCertificate, record.EvidenceNone:
	}
	if err != nil {
		return s, fmt.Errorf("finding the enrolment that a record names: %w", err)
	}
	if fault != 0 {
		s.Evidence, s.Hindrance = record.EvidenceCertificate, fault
	}
	return s, nil
}

// pinFault verifies the signature of the certificate's key, and of the card's key if the record enrols one. A card key that did not sign
// is not bound; the PIN is proved all the same.
func pinFault(box record.BoxID, f *finding) record.Reason {
	p := f.record.PIN
	if f.shown.Chain != jpki.ChainVerified || f.shown.Profile != nil || p.Verifier != f.rule.Verifier ||
		!signed(f.record.PINChallenge(box), f.shown.Verify, p.Signature) {
		return record.ReasonPINNotProved
	}
	f.pin = true
	if e := f.record.Enrolment; e != nil && len(e.Key) > 0 && cardSigned(box, f, e.Key) {
		f.bound = e.Key
	}
	return 0
}

// cardFault verifies the signature of the card's key that is bound by the enrolment which the record names. The enrolment must be of
// this verifier, and of the person to whom the certificate leads. Where it leads to nobody and the bound card signed, the renewal is
// awaited until the service of renewals had its say: the box knew it from central, which may have lost it in a restore, and is then
// told it again by the next whole round.
func (o *Opener) cardFault(tx store.Tx, box record.BoxID, f *finding) (record.Reason, error) {
	p := f.record.Card
	if p.Enrolled == f.tap {
		return record.ReasonNotEnrolled, nil
	}
	e, err := tx.Enrolment(p.Enrolled)
	if errors.Is(err, store.ErrNone) {
		_, err := tx.RecordByTap(p.Enrolled)
		if errors.Is(err, store.ErrNone) {
			f.awaits, err = p.Enrolled.ID128[:], nil
		}
		return record.ReasonNotEnrolled, err // what it names was no enrolment, or central did not accept it
	}
	if err != nil {
		return 0, err
	}
	if e.Verifier != f.rule.Verifier {
		return record.ReasonNotEnrolled, nil
	}
	k, err := o.people.Kept(e)
	if err != nil {
		return 0, err
	}
	who, err := o.people.Find(tx, f.rule.Verifier, f.cert)
	if errors.Is(err, store.ErrNone) {
		fault := boundFault(box, f, k)
		if fault == 0 {
			if fault = record.ReasonNotEnrolled; o.renews(f) && !f.told {
				f.awaits, f.pair = o.people.Awaited(f.cert), true
			}
		}
		return fault, nil
	}
	if err != nil {
		return 0, err
	}
	if same, err := o.people.Same(tx, who, f.cert, e, k); err != nil || !same {
		return record.ReasonCardDiffers, err // another person's card with this certificate
	}
	return boundFault(box, f, k), nil
}

func boundFault(box record.BoxID, f *finding, k person.Kept) record.Reason {
	switch {
	case len(k.Key) == 0:
		return record.ReasonNotEnrolled // the enrolment bound no card
	case !cardSigned(box, f, k.Key):
		return record.ReasonCardNotGenuine
	default:
		return 0
	}
}

func cardSigned(box record.BoxID, f *finding, spki []byte) bool {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil || f.record.Card.Verifier != f.rule.Verifier {
		return false
	}
	verify := func(message, signature []byte) error { return jpki.VerifySignature(key, message, signature) }
	return signed(f.record.CardChallenge(box), verify, f.record.Card.Signature)
}

func signed(c proof.Challenge, verify func(message, signature []byte) error, signature []byte) bool {
	m, err := c.Message()
	return err == nil && verify(m, signature) == nil
}
