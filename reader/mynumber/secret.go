package mynumber

import (
	"fmt"
	"log/slog"
)

const redacted = "REDACTED"

// redaction lends its methods to types that must not be printed.
type redaction struct{}

// String prints REDACTED.
func (redaction) String() string { return redacted }

// GoString prints REDACTED.
func (redaction) GoString() string { return redacted }

// Format prints REDACTED for every verb.
func (redaction) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue logs REDACTED.
func (redaction) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes REDACTED.
func (redaction) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Lengths of what is verified, in octets of ASCII (OpenSC src/libopensc/pkcs15-jpki.c; soltia48/myna-card src/ap/{surface,text}.rs).
const (
	pinLen      = 4
	passwordMin = 6
	passwordMax = 16
	birthKeyLen = 6
)

// PIN is a 4-digit PIN: of the authentication key (利用者証明用) or of the input-assist application (券面事項入力補助用). Copies share
// their octets. The zero value is none. It prints as REDACTED.
type PIN struct {
	redaction
	octets []byte
}

// NewPIN takes four digits; ErrFormat otherwise.
func NewPIN(s string) (PIN, error) {
	b := []byte(s)
	if !isPIN(b) {
		clear(b)
		return PIN{}, fmt.Errorf("%w: a PIN has %d digits", ErrFormat, pinLen)
	}
	return PIN{octets: b}, nil
}

// Clear overwrites the PIN, in all copies. It is none afterwards that a procedure would take.
func (p PIN) Clear() { clear(p.octets) }

func (p PIN) value() []byte { return p.octets }

// Password is the password of the signature key (署名用): 6 to 16 of A to Z and 0 to 9, at least one of each. Copies share their octets.
// The zero value is none. It prints as REDACTED.
type Password struct {
	redaction
	octets []byte
}

// NewPassword takes a password as the card does, in capitals; ErrFormat otherwise.
func NewPassword(s string) (Password, error) {
	b := []byte(s)
	if !isPassword(b) {
		clear(b)
		return Password{}, fmt.Errorf("%w: a password has %d to %d capital letters and digits, at least one of each",
			ErrFormat, passwordMin, passwordMax)
	}
	return Password{octets: b}, nil
}

// Clear overwrites the password, in all copies. It is none afterwards that a procedure would take.
func (p Password) Clear() { clear(p.octets) }

func (p Password) value() []byte { return p.octets }

// Secret is a PIN or a Password.
type Secret interface {
	Clear()
	value() []byte
}

var (
	_ Secret = PIN{}
	_ Secret = Password{}
)

func isPIN(b []byte) bool { return len(b) == pinLen && allDigits(b) }

func isBirthKey(b []byte) bool { return len(b) == birthKeyLen && allDigits(b) }

func isPassword(b []byte) bool {
	letters, digits := 0, 0
	for _, o := range b {
		switch {
		case '0' <= o && o <= '9':
			digits++
		case 'A' <= o && o <= 'Z':
			letters++
		default:
			return false
		}
	}
	return letters > 0 && digits > 0 && passwordMin <= len(b) && len(b) <= passwordMax
}

func allDigits(b []byte) bool {
	for _, o := range b {
		if o < '0' || o > '9' {
			return false
		}
	}
	return true
}
