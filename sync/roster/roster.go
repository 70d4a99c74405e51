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

	MaxServices = 64  // that know one person
	MaxPPID     = 128 // octets of a PPID
	MaxNumber   = 64  // octets of a service's own user number
)

// ErrRoster says that a roster is well signed but contradicts itself.
var ErrRoster = errors.New("roster contradicts itself")

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

// Format prints REDACTED for every verb.
func (Set) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText writes REDACTED.
func (Set) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs REDACTED.
func (Set) LogValue() slog.Value { return slog.StringValue(redacted) }
