package record

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNumber is the longest of a service's own user numbers, in octets.
const MaxNumber = 64

// ErrNumber says that a text cannot be a service's own user number. The text is not repeated.
var ErrNumber = errors.New("number is not 1 to 64 octets of printable text in its plain form, without quotes, backslashes and spaces around it")

// CheckNumber returns ErrNumber unless s can be the number by which a service knows a person, as that of a library card. Wide letters and
// narrow kana (Unicode, Halfwidth and Fullwidth Forms) are other ways to write a number that has a plain form; quotes and backslashes
// nothing that is typed may have.
func CheckNumber(s string) error {
	printable := func(r rune) bool { return unicode.IsPrint(r) && r != '"' && r != '\\' && (r < 0xff00 || r > 0xffef) }
	if s == "" || len(s) > MaxNumber || !utf8.ValidString(s) || strings.TrimSpace(s) != s ||
		strings.ContainsFunc(s, func(r rune) bool { return !printable(r) }) {
		return ErrNumber
	}
	return nil
}

// Number is the number by which a service knows a person. It prints as REDACTED; Reveal hands it to an output that is meant to
// show it.
type Number struct{ digits string }

// NewNumber wraps a number.
func NewNumber(s string) Number { return Number{s} }

// Reveal returns the number itself.
func (n Number) Reveal() string { return n.digits }

// IsZero reports whether there is no number.
func (n Number) IsZero() bool { return n.digits == "" }

// String prints REDACTED.
func (Number) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (Number) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (Number) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (Number) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// MarshalText writes REDACTED.
func (Number) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }
