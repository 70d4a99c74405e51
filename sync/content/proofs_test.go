package content_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/content"
	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
)

func withPIN() content.Record {
	r := tap()
	r.Evidence, r.Certificate = record.EvidencePIN, []byte{0x30, 0}
	r.PIN = &content.PINProof{Verifier: "city.example", Signature: []byte{1}}
	return r
}

func enrolment() content.Record {
	r := withPIN()
	r.Card = &content.CardProof{Verifier: "city.example", Signature: []byte{2}, Enrolled: r.Tap}
	r.Enrolment = &content.Enrolment{
		Birth: roster.Birth{Date: "19800217", Form: 1}, Key: []byte{0x30},
		Attributes: &content.Attributes{Name: "練習　花子", Address: new("見本県"), Birth: "19800217", Sex: new(uint8(2))},
	}
	return r
}

func byCard() content.Record {
	r := tap()
	r.Evidence = record.EvidenceCard
	r.Card = &content.CardProof{Verifier: "city.example", Signature: []byte{2}, Enrolled: record.TapID{ID128: record.ID128{9}}}
	return r
}

func TestProofsComeBack(t *testing.T) {
	bare := enrolment() // of a phone: later taps need the PIN again
	bare.Card, bare.Enrolment.Key, bare.Enrolment.Attributes = nil, nil, nil
	bound := byCard()
	bound.Evidence = record.EvidenceCardBound
	some := enrolment() // an address that the card leaves empty, and a sex that is not known
	some.Enrolment.Attributes = &content.Attributes{Address: new(""), Sex: new(uint8(0))}
	for name, r := range map[string]content.Record{
		"pin": withPIN(), "enrolment with two attributes": some, "enrolment": enrolment(), "enrolment without a card key": bare, "card": byCard(), "card-bound": bound,
	} {
		b, err := r.Encode()
		if err != nil {
			t.Fatalf("Encode(%s) = %v", name, err)
		}
		got, err := content.Decode(b)
		if err != nil {
			t.Fatalf("Decode(%s) = %v", name, err)
		}
		if again, err := got.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s comes back changed (%v)", name, err)
		}
	}
}

// P5, P6: no evidence without its proof, no proof without its evidence, no bound key that nothing proves.
func TestP6RefusesEvidenceWithoutProof(t *testing.T) {
	type change func(*content.Record)
	for _, c := range []struct {
		name string
		from func() content.Record
		make change
	}{
		{"pin without proof", withPIN, func(r *content.Record) { r.PIN = nil }},
		{"pin without certificate", withPIN, func(r *content.Record) { r.Certificate = nil }},
		{"proof of the PIN for less", withPIN, func(r *content.Record) { r.Evidence = record.EvidenceCertificate }},
		{"pin, no verifier", withPIN, func(r *content.Record) { r.PIN.Verifier = "" }},
		{"pin, no signature", withPIN, func(r *content.Record) { r.PIN.Signature = nil }},
		{"pin, long signature", withPIN, func(r *content.Record) { r.PIN.Signature = make([]byte, content.MaxSignature+1) }},
		{"pin, short nonce", withPIN, func(r *content.Record) { r.PIN.Nonce = []byte{1} }},
		{"card without proof", byCard, func(r *content.Record) { r.Card = nil }},
		{"proof of the card for less", byCard, func(r *content.Record) { r.Evidence = record.EvidenceCertificate }},
		{"card, no verifier", byCard, func(r *content.Record) { r.Card.Verifier = "" }},
		{"card, no signature", byCard, func(r *content.Record) { r.Card.Signature = nil }},
		{"card, no enrolment", byCard, func(r *content.Record) { r.Card.Enrolled = record.TapID{} }},
		{"card, long nonce", byCard, func(r *content.Record) { r.Card.Nonce = make([]byte, proof.NonceLen+1) }},
		{"pin with a proof of the card", withPIN, func(r *content.Record) { r.Card = byCard().Card }},
		{"enrolment by card", byCard, func(r *content.Record) { r.Enrolment = enrolment().Enrolment }},
		{"enrolment, birth date", enrolment, func(r *content.Record) { r.Enrolment.Birth.Date = "1980" }},
		{"enrolment, key without proof", enrolment, func(r *content.Record) { r.Card = nil }},
		{"enrolment, proof without key", enrolment, func(r *content.Record) { r.Enrolment.Key = nil }},
		{"enrolment, long key", enrolment, func(r *content.Record) { r.Enrolment.Key = make([]byte, roster.MaxKey+1) }},
		{"enrolment of another tap", enrolment, func(r *content.Record) { r.Card.Enrolled.ID128[0]++ }},
		{"attributes, none there", enrolment, func(r *content.Record) { r.Enrolment.Attributes = &content.Attributes{} }},
		{"attributes, long name", enrolment, func(r *content.Record) { r.Enrolment.Attributes.Name = string(make([]byte, content.MaxName+1)) }},
		{"attributes, date", enrolment, func(r *content.Record) { r.Enrolment.Attributes.Birth = "1" }},
		{"attributes, long address", enrolment, func(r *content.Record) {
			r.Enrolment.Attributes.Address = new(string(make([]byte, content.MaxAddress+1)))
		}},
	} {
		r := c.from()
		c.make(&r)
		if _, err := r.Encode(); !errors.Is(err, content.ErrContent) {
			t.Errorf("%s: Encode = %v, want ErrContent", c.name, err)
		}
		b, err := canon.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := content.Decode(b); !errors.Is(err, content.ErrContent) {
			t.Errorf("%s: Decode = %v, want ErrContent", c.name, err)
		}
	}
}

// P2: both ends make the same challenge from a record.
func TestP2ChallengesOfARecord(t *testing.T) {
	box, r := record.BoxID{ID128: record.ID128{7}}, enrolment()
	r.Card.Nonce = make([]byte, proof.NonceLen)
	want := proof.Challenge{
		Purpose: proof.PurposePIN, Box: box, Tap: r.Tap, Verifier: "city.example", Service: r.Service, Time: time.UnixMilli(r.Time),
	}
	for name, c := range map[string]struct{ got, want proof.Challenge }{
		"pin": {r.PINChallenge(box), want},
		"card": {r.CardChallenge(box), proof.Challenge{
			Purpose: proof.PurposeCard, Box: box, Tap: r.Tap, Verifier: "city.example", Service: r.Service, Time: time.UnixMilli(r.Time),
			Nonce: make([]byte, proof.NonceLen),
		}},
	} {
		got, err := c.got.Message()
		if err != nil {
			t.Fatal(err)
		}
		if w, err := c.want.Message(); err != nil || !bytes.Equal(got, w) {
			t.Errorf("%s: challenge %x, want %x, %v", name, got, w, err)
		}
	}
	if _, err := tap().PINChallenge(box).Message(); !errors.Is(err, proof.ErrChallenge) {
		t.Errorf("challenge of a tap without a proof = %v, want ErrChallenge", err)
	}
}

// What a rule does not ask for is not there, and what is there can be told from what is not.
func TestAttributesOfARule(t *testing.T) {
	all := enrolment().Enrolment.Attributes
	for asked := range rule.Attributes(16) {
		got := all.Only(asked)
		if got.Kinds() != asked || (got == nil) != (asked == 0) {
			t.Errorf("Only(%04b) has %04b", asked, got.Kinds())
		}
		if again := got.Only(15); again.Kinds() != asked {
			t.Errorf("Only(all) of %04b has %04b", asked, again.Kinds())
		}
		r := enrolment()
		r.Enrolment.Attributes = got
		b, err := r.Encode()
		if err != nil {
			t.Fatalf("Encode(%04b) = %v", asked, err)
		}
		back, err := content.Decode(b)
		if err != nil || back.Enrolment.Attributes.Kinds() != asked {
			t.Errorf("Decode(%04b) = %v, or others", asked, err)
		}
	}
	if got := (&content.Attributes{Sex: new(uint8(0))}).Only(rule.AttributeSex | rule.AttributeName); *got.Sex != 0 || got.Kinds() != rule.AttributeSex {
		t.Error("a sex of 0 is lost")
	}
}
