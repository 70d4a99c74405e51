package roster

import (
	"fmt"
	"log/slog"
	"slices"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

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
	Services  []Service         `cbor:"8,keyasint,omitempty"` // what services know of the person, by id, rising
	PINDay    uint32            `cbor:"9,keyasint,omitempty"` // days since 1970-01-01 in Japan of the latest use with a PIN that central verified; 0: not known
}

// Service is what one service knows of a person.
type Service struct {
	ID     record.ServiceID `cbor:"1,keyasint"`
	PPID   string           `cbor:"2,keyasint,omitempty"` // in the service's sector; empty: none was issued yet
	Number string           `cbor:"3,keyasint,omitempty"` // the service's own user number; empty: none is linked
	Linked record.TapID     `cbor:"4,keyasint,omitzero"`  // the latest record that linked or unlinked the number; zero: none did
}

// Of is what a service knows of the person; the zero value but for its id if it knows nothing.
func (e Entry) Of(id record.ServiceID) Service {
	for _, s := range e.Services {
		if s.ID == id {
			return s
		}
	}
	return Service{ID: id}
}

// Settles reports whether the entry names this record as one that it took in: the enrolment itself, or the latest record that linked or
// unlinked a number.
func (e Entry) Settles(tap record.TapID) bool {
	return e.Enrolled == tap || slices.ContainsFunc(e.Services, func(s Service) bool { return s.Linked == tap })
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
	if err := checkServices(e.Services); err != nil {
		return err
	}
	return e.Birth.Check()
}

func checkServices(all []Service) error {
	if len(all) > MaxServices {
		return fmt.Errorf("%w: %d services of one person", ErrRoster, len(all))
	}
	for i, s := range all {
		if record.CheckName(s.ID) != nil || i > 0 && all[i-1].ID >= s.ID {
			return fmt.Errorf("%w: service ids", ErrRoster)
		}
		if len(s.PPID) > MaxPPID || len(s.Number) > record.MaxNumber || s.Number != "" && s.Linked.IsZero() {
			return fmt.Errorf("%w: service %s", ErrRoster, s.ID)
		}
	}
	return nil
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
func (Service) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText writes REDACTED.
func (Service) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs REDACTED.
func (Service) LogValue() slog.Value { return slog.StringValue(redacted) }
