// Package crlset is the revocation set: the revoked serials of one scope, exact, in one file that is searched where it lies.
//
// DESIGN.md beside this file is the format. A [Set] is immutable and may be used from any goroutine; a [Writer] and a [Source]
// belong to one. Nothing here fsyncs or renames: who keeps files does. A set answers for its scope only and never says "valid".
package crlset

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"

	"kazashi.example/sync/certid"
)

// Errors of sets. Each names one fault; what is in use is never touched by any of them.
var (
	// ErrFormat says that octets are not a set of a version known here, or contradict themselves.
	ErrFormat = errors.New("not a revocation set")
	// ErrDigest says that a chunk is not the one that the manifest names.
	ErrDigest = errors.New("chunk of a revocation set fails its digest")
	// ErrOrder says that entries did not come in strictly rising order.
	ErrOrder = errors.New("entries of a revocation set out of order")
	// ErrPlan says that a plan has no place for an entry, or contradicts itself.
	ErrPlan = errors.New("entries do not fit the plan of a revocation set")
	// ErrUnreadable says that the disk did not give what the map promises.
	ErrUnreadable = errors.New("revocation set cannot be read from its disk")
)

// Key is a serial number as an unsigned number of at most 160 bits, most significant word first. The zero value is 0, which no
// certificate has. It prints as REDACTED.
type Key struct {
	A    uint32
	B, C uint64
}

// KeyOf takes a serial of at most certid.MaxSerialLen octets.
func KeyOf(s certid.Serial) Key {
	var k Key
	for _, o := range s.Bytes() {
		k.A = k.A<<8 | uint32(k.B>>56)
		k.B = k.B<<8 | k.C>>56
		k.C = k.C<<8 | uint64(o)
	}
	return k
}

// Serial is the inverse of KeyOf; certid.ErrSerial for 0.
func (k Key) Serial() (certid.Serial, error) {
	var b [certid.MaxSerialLen]byte
	for i := range 8 {
		b[19-i], b[11-i] = byte(k.C>>(8*i)), byte(k.B>>(8*i))
	}
	for i := range 4 {
		b[3-i] = byte(k.A >> (8 * i))
	}
	n := 0
	for n < len(b) && b[n] == 0 {
		n++
	}
	return certid.ParseSerial(b[n:])
}

// Compare is -1, 0 or +1 as k is below, equal to or above l.
func (k Key) Compare(l Key) int {
	switch {
	case k == l:
		return 0
	case k.A < l.A || k.A == l.A && (k.B < l.B || k.B == l.B && k.C < l.C):
		return -1
	default:
		return 1
	}
}

// Sub is k − l, for l not above k.
func (k Key) Sub(l Key) Key {
	c, borrow := bits.Sub64(k.C, l.C, 0)
	b, borrow := bits.Sub64(k.B, l.B, borrow)
	return Key{k.A - l.A - uint32(borrow), b, c} //nolint:gosec // borrow is 0 or 1
}

// Add is k + l; what is above 160 bits is lost.
func (k Key) Add(l Key) Key {
	c, carry := bits.Add64(k.C, l.C, 0)
	b, carry := bits.Add64(k.B, l.B, carry)
	return Key{k.A + l.A + uint32(carry), b, c} //nolint:gosec // carry is 0 or 1
}

// Format prints REDACTED for every verb: a serial in a log is a person in a log.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (Key) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Reason is why a certificate was revoked: reasonCode of RFC 5280 §5.3.1. A list without the extension means Unspecified.
type Reason uint8

// Reasons. 7 is not used, and removeFromCRL (8) stands in no set.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

var reasonNames = map[Reason]string{
	Unspecified: "unspecified", KeyCompromise: "keyCompromise", CACompromise: "cACompromise", AffiliationChanged: "affiliationChanged",
	Superseded: "superseded", CessationOfOperation: "cessationOfOperation", CertificateHold: "certificateHold",
	PrivilegeWithdrawn: "privilegeWithdrawn", AACompromise: "aACompromise",
}

// String is the name in RFC 5280 §5.3.1.
func (r Reason) String() string {
	if s, ok := reasonNames[r]; ok {
		return s
	}
	return "unknown"
}

// valid has a bit for each reason.
const valid = 1<<Unspecified | 1<<KeyCompromise | 1<<CACompromise | 1<<AffiliationChanged | 1<<Superseded |
	1<<CessationOfOperation | 1<<CertificateHold | 1<<PrivilegeWithdrawn | 1<<AACompromise

// Valid reports whether a complete list may give this reason.
func (r Reason) Valid() bool { return valid>>r&1 == 1 }

// Entry is one revoked certificate.
type Entry struct {
	Key    Key
	Date   int64 // revocationDate, Unix seconds; 0 where the set has no date column
	Reason Reason
}

// OnHold reports whether the entry may disappear again.
func (e Entry) OnHold() bool { return e.Reason == CertificateHold }

// Fact is what a set tells of an entry, whose key who asks knows.
type Fact struct {
	Date   int64 // revocationDate, Unix seconds; 0 where the set has no date column
	Reason Reason
}

// OnHold reports whether the entry may disappear again.
func (f Fact) OnHold() bool { return f.Reason == CertificateHold }

// Columns says what a set tells of an entry beside its being there; whether it is on hold every set tells.
type Columns uint8

// Columns of a set. Numbers are part of the format.
const (
	Reasons Columns = 1 << iota
	Dates
	// Full is every column.
	Full = Reasons | Dates
)

// Source gives entries in strictly rising order of their keys.
type Source interface {
	// Next fills e and reports true, or false at the end. After an error the source is of no more use.
	Next(e *Entry) (bool, error)
}

// Region is a stretch of keys; DESIGN.md says how they are laid out.
type Region struct {
	Start  []byte `cbor:"1,keyasint"` // first key, big-endian without leading zero octets
	Tail   uint8  `cbor:"2,keyasint,omitempty"`
	Shift  uint8  `cbor:"3,keyasint"`
	Blocks uint32 `cbor:"4,keyasint"`
}

// Plan is how entries are laid out.
type Plan struct {
	Columns  Columns  `cbor:"1,keyasint"`
	Reasons  []Reason `cbor:"2,keyasint,omitempty"` // expected, rising, not empty; without the reason column {0} or {0, 6}
	DateBase int64    `cbor:"3,keyasint,omitempty"` // Unix seconds; only with the date column
	DateSpan uint64   `cbor:"4,keyasint,omitempty"` // seconds; only with the date column
	Regions  []Region `cbor:"5,keyasint"`
}
