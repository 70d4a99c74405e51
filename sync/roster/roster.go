// Package roster is who is enrolled at a site: what a box must know of a person to prove a later tap without the PIN.
//
// A box keeps the roster in memory only. Central sends it whole, signed and numbered, after each change; a renewed certificate
// stands in it under its new serial number. It names people by serial number and birth date: an Entry and a Set print as
// REDACTED. Values and pure functions.
package roster

import (
	"crypto"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// Caps.
const (
	MaxSet     = 4 << 20 // octets of a signed set
	MaxEntries = 8000    // people of one box
	MaxKey     = 1 << 10 // octets of a card key
)

// ErrRoster says that a roster is well signed but contradicts itself.
var ErrRoster = errors.New("roster contradicts itself")

// Birth is what opens the birth-date key of a card.
type Birth struct {
	Date string `cbor:"1,keyasint"`           // eight digits, Gregorian, as the card writes it; 00 where month or day are unknown
	Form uint8  `cbor:"2,keyasint"`           // 1 Japanese era, 2 Gregorian: the form that the card took at enrolment
	Era  uint8  `cbor:"3,keyasint,omitempty"` // 1 Meiji to 5 Reiwa, where the date alone does not tell; else 0
}

// Check returns ErrRoster unless b can be a birth date with its form.
func (b Birth) Check() error {
	if len(b.Date) != 8 || b.Form < 1 || b.Form > 2 || b.Era > 5 {
		return fmt.Errorf("%w: birth date", ErrRoster)
	}
	for _, c := range []byte(b.Date) {
		if c < '0' || c > '9' {
			return fmt.Errorf("%w: birth date", ErrRoster)
		}
	}
	return nil
}

// Entry is one enrolled person, by the certificate that they show now.
type Entry struct {
	Hierarchy certid.Hierarchy  `cbor:"1,keyasint"`
	Serial    []byte            `cbor:"2,keyasint"` // of the authentication certificate, big-endian, no leading zero octet
	Verifier  record.VerifierID `cbor:"3,keyasint"`
	Enrolled  record.TapID      `cbor:"4,keyasint"` // the tap of the enrolment, which every later tap names
	Birth     Birth             `cbor:"5,keyasint"`
	Key       []byte            `cbor:"6,keyasint"`           // the bound key: SubjectPublicKeyInfo of the card key, DER
	Renewed   bool              `cbor:"7,keyasint,omitempty"` // the certificate was renewed since: another key may be a new card
}

// ID is the certificate by which the person is found.
func (e Entry) ID() (certid.CertID, error) {
	s, err := certid.ParseSerial(e.Serial)
	if err != nil {
		return certid.CertID{}, fmt.Errorf("%w: serial", ErrRoster)
	}
	return certid.CertID{Scope: certid.Scope{Hierarchy: e.Hierarchy, Purpose: certid.PurposeAuth}, Serial: s}, nil
}

// Check returns ErrRoster unless the entry is whole.
func (e Entry) Check() error {
	if _, err := e.ID(); err != nil {
		return err
	}
	if !e.Hierarchy.Valid() || record.CheckName(e.Verifier) != nil || e.Enrolled.IsZero() || len(e.Key) == 0 || len(e.Key) > MaxKey {
		return fmt.Errorf("%w: entry", ErrRoster)
	}
	return e.Birth.Check()
}

// Set is the roster of one box.
type Set struct {
	Version rule.Version `cbor:"1,keyasint"`
	Box     record.BoxID `cbor:"2,keyasint"`
	Entries []Entry      `cbor:"3,keyasint"`
}

// Check returns ErrRoster unless the set may be used: whole entries, and none twice for one verifier.
func (s Set) Check() error {
	if s.Version.CentralEpoch == 0 || s.Version.N == 0 || s.Box.IsZero() || len(s.Entries) > MaxEntries {
		return fmt.Errorf("%w: version, box or size", ErrRoster)
	}
	type place struct {
		verifier record.VerifierID
		scope    certid.Hierarchy
		serial   string
	}
	seen := make(map[place]bool, len(s.Entries))
	for _, e := range s.Entries {
		if err := e.Check(); err != nil {
			return err
		}
		at := place{e.Verifier, e.Hierarchy, string(e.Serial)}
		if seen[at] {
			return fmt.Errorf("%w: a certificate twice", ErrRoster)
		}
		seen[at] = true
	}
	return nil
}

// Sign closes a set with C-sign.
func (s Set) Sign(key crypto.Signer) ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(s)
	if err != nil {
		return nil, err
	}
	return sign.Sign(key, sign.PurposeRoster, b)
}

// Open verifies and checks a signed set.
func Open(keys sign.Keys, msg []byte) (Set, error) {
	payload, _, err := sign.Open(keys, sign.PurposeRoster, msg)
	if err != nil {
		return Set{}, err
	}
	var s Set
	if err := canon.Decode(payload, &s, MaxSet); err != nil {
		return Set{}, err
	}
	return s, s.Check()
}

const redacted = "REDACTED"

// Format prints REDACTED for every verb.
func (Entry) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText writes REDACTED.
func (Entry) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs REDACTED.
func (Entry) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format prints REDACTED for every verb.
func (Birth) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText writes REDACTED.
func (Birth) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs REDACTED.
func (Birth) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format prints REDACTED for every verb.
func (Set) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText writes REDACTED.
func (Set) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs REDACTED.
func (Set) LogValue() slog.Value { return slog.StringValue(redacted) }
