package content

import (
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
)

// Caps of what a card gave, in octets.
const (
	MaxSignature = 512
	MaxName      = 600  // what the reader takes from a card: 200 characters
	MaxAddress   = 1200 // 400 characters
)

// PINProof is the authentication key's signature over the tap's challenge (proof.PurposePIN). The certificate travels with it.
type PINProof struct {
	Verifier  record.VerifierID `cbor:"1,keyasint"`
	Signature []byte            `cbor:"2,keyasint"`
	Nonce     []byte            `cbor:"3,keyasint,omitempty"` // of central, if the box held one
}

// CardProof is the card key's signature over the tap's challenge (proof.PurposeCard). The key is the one bound at the
// enrolment that it names, which at an enrolment is the tap itself.
type CardProof struct {
	Verifier  record.VerifierID `cbor:"1,keyasint"`
	Signature []byte            `cbor:"2,keyasint"`
	Enrolled  record.TapID      `cbor:"3,keyasint"`
	Nonce     []byte            `cbor:"4,keyasint,omitempty"`
}

// Enrolment is what a person's first tap leaves for later ones. Without a card key (Key empty) later taps need the PIN.
type Enrolment struct {
	Birth      roster.Birth `cbor:"1,keyasint"`
	Key        []byte       `cbor:"2,keyasint,omitempty"` // SubjectPublicKeyInfo of the card key, DER
	Attributes *Attributes  `cbor:"3,keyasint,omitempty"` // only on consent to the text of the rule that Said names
}

// Attributes are those of the four of the input-assist application that the rule lets the service keep, at least one, attested by the box,
// which verified their integrity record. What is not there was not kept: an address that is there may be empty, and 0 is a sex.
type Attributes struct {
	Name    string  `cbor:"1,keyasint,omitempty"` // empty: not there
	Address *string `cbor:"2,keyasint,omitempty"`
	Birth   string  `cbor:"3,keyasint,omitempty"` // eight digits; empty: not there
	Sex     *uint8  `cbor:"4,keyasint,omitempty"` // JIS X 0303: 0, 1, 2 or 9
}

// Kinds are those that are there.
func (a *Attributes) Kinds() (k rule.Attributes) {
	if a == nil {
		return 0
	}
	for kind, there := range map[rule.Attributes]bool{
		rule.AttributeName: a.Name != "", rule.AttributeAddress: a.Address != nil, rule.AttributeBirthDate: a.Birth != "", rule.AttributeSex: a.Sex != nil,
	} {
		if there {
			k |= kind
		}
	}
	return k
}

// Only are those among what is asked for; nil for none.
func (a *Attributes) Only(asked rule.Attributes) *Attributes {
	if a.Kinds()&asked == 0 {
		return nil
	}
	var b Attributes
	if asked.Has(rule.AttributeName) {
		b.Name = a.Name
	}
	if asked.Has(rule.AttributeAddress) {
		b.Address = a.Address
	}
	if asked.Has(rule.AttributeBirthDate) {
		b.Birth = a.Birth
	}
	if asked.Has(rule.AttributeSex) {
		b.Sex = a.Sex
	}
	return &b
}

// PINChallenge is what the authentication key signed, as this record tells it.
func (r Record) PINChallenge(box record.BoxID) proof.Challenge {
	c := r.challenge(proof.PurposePIN, box)
	if r.PIN != nil {
		c.Verifier, c.Nonce = r.PIN.Verifier, r.PIN.Nonce
	}
	return c
}

// CardChallenge is what the card key signed, as this record tells it.
func (r Record) CardChallenge(box record.BoxID) proof.Challenge {
	c := r.challenge(proof.PurposeCard, box)
	if r.Card != nil {
		c.Verifier, c.Nonce = r.Card.Verifier, r.Card.Nonce
	}
	return c
}

func (r Record) challenge(p proof.Purpose, box record.BoxID) proof.Challenge {
	return proof.Challenge{Purpose: p, Box: box, Tap: r.Tap, Service: r.Service, Time: time.UnixMilli(r.Time).UTC()}
}

// checkProofs refuses evidence without its proof, and a proof without its evidence.
func (r Record) checkProofs(fail func(string) error) error {
	pin, card := r.Evidence == record.EvidencePIN, r.Evidence == record.EvidenceCard || r.Evidence == record.EvidenceCardBound
	switch {
	case pin != (r.PIN != nil) || pin && len(r.Certificate) == 0:
		return fail("proof of the PIN")
	case card && r.Card == nil || r.Card != nil && !card && r.Enrolment == nil:
		return fail("proof of the card")
	case r.Enrolment != nil && !pin:
		return fail("enrolment without the PIN")
	}
	if p := r.PIN; p != nil && !sound(p.Verifier, p.Signature, p.Nonce) {
		return fail("proof of the PIN")
	}
	if p := r.Card; p != nil && (!sound(p.Verifier, p.Signature, p.Nonce) || p.Enrolled.IsZero()) {
		return fail("proof of the card")
	}
	return r.checkEnrolment(fail)
}

func sound(v record.VerifierID, signature, nonce []byte) bool {
	return record.CheckName(v) == nil && len(signature) > 0 && len(signature) <= MaxSignature &&
		(len(nonce) == 0 || len(nonce) == proof.NonceLen)
}

// checkEnrolment refuses a card key that nothing proves, and attributes that are none.
func (r Record) checkEnrolment(fail func(string) error) error {
	e := r.Enrolment
	if e == nil {
		return nil
	}
	switch {
	case e.Birth.Check() != nil || len(e.Key) > roster.MaxKey:
		return fail("enrolment")
	case (len(e.Key) > 0) != (r.Card != nil) || r.Card != nil && r.Card.Enrolled != r.Tap:
		return fail("enrolment's card key")
	}
	if a := e.Attributes; a != nil && !a.sound() {
		return fail("attributes")
	}
	return nil
}

func (a *Attributes) sound() bool {
	return a.Kinds() != 0 && len(a.Name) <= MaxName && (a.Address == nil || len(*a.Address) <= MaxAddress) && (a.Birth == "" || len(a.Birth) == 8)
}

// Format prints REDACTED for every verb.
func (PINProof) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED.
func (PINProof) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (PINProof) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Format prints REDACTED for every verb.
func (CardProof) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED.
func (CardProof) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (CardProof) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Format prints REDACTED for every verb.
func (Enrolment) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED.
func (Enrolment) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (Enrolment) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Format prints REDACTED for every verb.
func (Attributes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED.
func (Attributes) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (Attributes) LogValue() slog.Value { return slog.StringValue("REDACTED") }
