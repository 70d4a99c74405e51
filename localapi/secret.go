package localapi

import (
	"bytes"
	"fmt"
	"log/slog"

	"kazashi.example/sync/record"
)

// Secret is what a person typed. It prints as REDACTED and never leaves in JSON. Copies share what they hold, so that Wipe
// reaches them all; the zero value holds nothing.
type Secret struct{ held *[]byte } // behind a pointer, since fmt's %p goes past Format and prints what lies in a struct

// NewSecret wraps what was typed.
func NewSecret(s string) Secret { b := []byte(s); return Secret{&b} }

// Reveal returns it as a string, which cannot be wiped; Octets is better where octets will do.
func (s Secret) Reveal() string { return string(s.Octets()) }

// Octets returns it as it lies in memory: Wipe zeroes this slice too.
func (s Secret) Octets() []byte {
	if s.held == nil {
		return nil
	}
	return *s.held
}

// Wipe zeroes it. It must not be used again: what is left is as long as it was, and no digits.
func (s Secret) Wipe() { clear(s.Octets()) }

// IsZero reports whether nothing was typed.
func (s Secret) IsZero() bool { return len(s.Octets()) == 0 }

// digits reports whether it is n ASCII digits.
func (s Secret) digits(n int) bool {
	return len(s.Octets()) == n && len(bytes.Trim(s.Octets(), "0123456789")) == 0
}

// maxTyped caps a number as it is typed, in octets: in wide letters.
const maxTyped = 4 * record.MaxNumber

// number reports whether it can be a service's own number, in whatever form. Quotes and backslashes would have to be escaped in JSON,
// which nothing typed is.
func (s Secret) number() bool {
	_, err := CanonNumber(string(s.Octets()))
	return err == nil && len(s.Octets()) <= maxTyped
}

// date reports whether it can stand in a card as a birth date: YYYYMMDD, Gregorian, 00 where month or day are unknown. Which dates
// have a form that a card takes is the reader's business.
func (s Secret) date() bool {
	if !s.digits(BirthLen) {
		return false
	}
	month, day := string(s.Octets()[4:6]), string(s.Octets()[6:8])
	return month <= "12" && day <= "31"
}

// UnmarshalText takes a copy of what was typed.
func (s *Secret) UnmarshalText(b []byte) error { c := bytes.Clone(b); s.held = &c; return nil }

// MarshalText writes REDACTED.
func (Secret) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// String prints REDACTED.
func (Secret) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (Secret) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (Secret) LogValue() slog.Value { return slog.StringValue("REDACTED") }
