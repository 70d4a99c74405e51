package world

import (
	"crypto/ecdsa"
	"fmt"
	"time"

	"kazashi.example/central/lab/world/card"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/reader/vcard"
)

// fillNext makes what the practice form of the next card has beside its certificates: the age record with the card's key, the attributes
// with their integrity record, and the certificates of the keys that signed both. Nothing on it comes from the Individual Number.
func (w *World) fillNext(p people.Person, made time.Time, into *vcard.Profile) error {
	h, _ := holder(p, made)
	var err error
	if into.BirthKey, err = p.BirthKey(); err != nil {
		return fmt.Errorf("writing birth key: %w", err)
	}
	name := w.cardKeyName(p, "card")
	key, err := w.keys.curve(name)
	if err != nil {
		return err
	}
	if into.CardKey, err = w.pkcs8(name); err != nil {
		return err
	}
	var issuer *ecdsa.PrivateKey
	if issuer, into.FaceCVC, err = w.nextMunicipal(p, false); err != nil {
		return err
	}
	if into.FaceAge, err = card.AgeRecord(h, &key.PublicKey, issuer); err != nil {
		return fmt.Errorf("making age record: %w", err)
	}
	if issuer, into.InputCVC, err = w.nextMunicipal(p, true); err != nil {
		return err
	}
	if into.InputAttributes, err = card.Attributes(h); err != nil {
		return fmt.Errorf("making attributes: %w", err)
	}
	if into.InputIntegrity, err = card.NextIntegrity(h, issuer); err != nil {
		return fmt.Errorf("making integrity record: %w", err)
	}
	return nil
}

// nextMunicipal is the key that signs a municipality's next cards, with its card-verifiable certificate.
func (w *World) nextMunicipal(p people.Person, attributes bool) (*ecdsa.PrivateKey, []byte, error) {
	ca, err := w.keys.curve(keyNextCA)
	if err != nil {
		return nil, nil, err
	}
	key, err := w.keys.curve(nextMunicipalKeyName(p.Municipality.Code, attributes))
	if err != nil {
		return nil, nil, err
	}
	subject := card.MakeKeyID(card.NextMunicipalKey(p.Municipality.Code, attributes))
	cvc, err := card.Certificate(card.MakeKeyID(card.NextIssuer), subject, &key.PublicKey, ca)
	if err != nil {
		return nil, nil, fmt.Errorf("making card-verifiable certificate: %w", err)
	}
	return key, cvc, nil
}
