// Package certid names a certificate the way both ends and the card layer agree on: a serial inside a scope.
//
// A serial (発行番号) is unique only within one hierarchy and purpose, so neither travels without the other. All types are
// values, comparable and safe to use from any goroutine. Nothing here reads or writes a disk. A [Serial] prints as REDACTED
// everywhere: the national serial space is small enough to be exhausted in minutes, so a serial in a log is a person in a log.
package certid

import (
	"errors"
	"fmt"
	"log/slog"
	"math/big"
)

// MaxSerialLen is the longest serial number in octets (RFC 5280 §4.1.2.2).
const MaxSerialLen = 20

const redacted = "REDACTED"

// Errors of [ParseSerial] and the scope parsers.
var (
	// ErrSerial says that a serial is empty, negative, zero-padded or longer than MaxSerialLen.
	ErrSerial = errors.New("serial number is not a positive integer of 1 to 20 octets in its shortest form")
	// ErrScope says that a hierarchy or purpose is not one this build knows.
	ErrScope = errors.New("unknown certificate scope")
)

// Serial is a certificate serial number: 1 to 20 octets, big-endian, no leading zero octet. The zero value is no serial.
type Serial struct {
	octets [MaxSerialLen]byte
	n      uint8
}

// ParseSerial takes the magnitude of a serial number, big-endian, without a sign octet.
func ParseSerial(b []byte) (Serial, error) {
	if len(b) == 0 || len(b) > MaxSerialLen || b[0] == 0 {
		return Serial{}, ErrSerial
	}
	var s Serial
	copy(s.octets[:], b)
	s.n = uint8(len(b))
	return s, nil
}

// SerialOf takes a serial as crypto/x509 holds it.
func SerialOf(i *big.Int) (Serial, error) {
	if i == nil || i.Sign() <= 0 {
		return Serial{}, ErrSerial
	}
	return ParseSerial(i.Bytes())
}

// Bytes returns a copy of the octets; nil for the zero value.
func (s Serial) Bytes() []byte {
	if s.n == 0 {
		return nil
	}
	return append([]byte(nil), s.octets[:s.n]...)
}

// Int returns the serial as an integer; zero for the zero value.
func (s Serial) Int() *big.Int { return new(big.Int).SetBytes(s.octets[:s.n]) }

// IsZero reports whether s is no serial.
func (s Serial) IsZero() bool { return s.n == 0 }

// String prints REDACTED, never the serial.
func (Serial) String() string { return redacted }

// GoString prints REDACTED, never the serial.
func (Serial) GoString() string { return redacted }

// Format prints REDACTED for every verb, so that %x and %d do not reach the octets.
func (Serial) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue logs REDACTED.
func (Serial) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes REDACTED, so that JSON and TOML cannot leak a serial.
func (Serial) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Hierarchy says whose certificates these are. The numbers are part of signed formats and are never reused.
type Hierarchy uint8

// Hierarchies.
const (
	HierarchyProduction Hierarchy = 1 // the national PKI, O=JPKI
	HierarchyTest       Hierarchy = 2 // the operator's test PKI, O=JPKI-TEST
	HierarchyPractice   Hierarchy = 3 // made-up people of the practice world
)

var hierarchyNames = map[Hierarchy]string{
	HierarchyProduction: "production", HierarchyTest: "test", HierarchyPractice: "practice",
}

// String names the hierarchy.
func (h Hierarchy) String() string { return name(hierarchyNames, h) }

// Valid reports whether h is one that this build knows.
func (h Hierarchy) Valid() bool { return hierarchyNames[h] != "" }

// ParseHierarchy is the inverse of String; ErrScope otherwise.
func ParseHierarchy(s string) (Hierarchy, error) { return parse(hierarchyNames, s) }

// Purpose says what a certificate is for. The numbers are part of signed formats and are never reused.
type Purpose uint8

// Purposes.
const (
	PurposeAuth Purpose = 1 // 利用者証明用電子証明書, user authentication
	PurposeSign Purpose = 2 // 署名用電子証明書, digital signature
)

var purposeNames = map[Purpose]string{PurposeAuth: "auth", PurposeSign: "sign"}

// String names the purpose.
func (p Purpose) String() string { return name(purposeNames, p) }

// Valid reports whether p is one that this build knows.
func (p Purpose) Valid() bool { return purposeNames[p] != "" }

// ParsePurpose is the inverse of String; ErrScope otherwise.
func ParsePurpose(s string) (Purpose, error) { return parse(purposeNames, s) }

// Scope is where a serial is unique: one hierarchy, one purpose, all key generations of its CA.
type Scope struct {
	Hierarchy Hierarchy
	Purpose   Purpose
}

// Valid reports whether both halves are known.
func (s Scope) Valid() bool { return s.Hierarchy.Valid() && s.Purpose.Valid() }

// String is "practice/auth" and the like.
func (s Scope) String() string { return s.Hierarchy.String() + "/" + s.Purpose.String() }

// CertID is one certificate.
type CertID struct {
	Scope  Scope
	Serial Serial
}

// KeyID is the SHA-256 of an issuer's SubjectPublicKeyInfo (DER). All generations of a JPKI CA share one name, so a key, not
// a name, says who signed.
type KeyID [32]byte

// String is the first eight octets in hex: enough to tell generations apart in a log.
func (k KeyID) String() string { return fmt.Sprintf("%x", k[:8]) }

func name[T comparable](names map[T]string, v T) string {
	if s, ok := names[v]; ok {
		return s
	}
	return "unknown"
}

func parse[T comparable](names map[T]string, s string) (T, error) {
	for v, n := range names {
		if n == s {
			return v, nil
		}
	}
	var zero T
	return zero, fmt.Errorf("%w: %q", ErrScope, s)
}
