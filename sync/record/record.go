// Package record holds the words of a tap that everyone may know: its ids, what was proved, on what basis, what was said and
// why. It holds no serial and no certificate; the sealed content of a record is another package's.
//
// All types are values. The numbers of enumerations are part of signed and sealed formats: they are reserved for ever and
// never reused; the strings are part of the local API.
package record

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Errors of the parsers.
var (
	ErrID   = errors.New("id is not 32 hex digits")
	ErrName = errors.New("name is not 1 to 63 of a-z, 0-9, '.' and '-', beginning with a letter or digit")
	ErrWord = errors.New("unknown word")
)

// ID128 is the shape of a random 128-bit id.
type ID128 [16]byte

// String is 32 lower-case hex digits.
func (i ID128) String() string { return hex.EncodeToString(i[:]) }

// IsZero reports whether the id was never set.
func (i ID128) IsZero() bool { return i == ID128{} }

// MarshalText is String.
func (i ID128) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText is the inverse of MarshalText; ErrID otherwise.
func (i *ID128) UnmarshalText(b []byte) error {
	if len(b) != 2*len(i) {
		return ErrID
	}
	if _, err := hex.Decode(i[:], b); err != nil || i.String() != string(b) {
		return ErrID
	}
	return nil
}

// ParseID is UnmarshalText for a string.
func ParseID(s string) (ID128, error) {
	var i ID128
	err := i.UnmarshalText([]byte(s))
	return i, err
}

func random() (i ID128) {
	_, _ = rand.Read(i[:]) // crypto/rand.Read never fails (Go 1.24)
	return i
}

// BoxID names a box: random, made with its device key, never reused.
type BoxID struct{ ID128 }

// EpochID names an epoch of one box.
type EpochID struct{ ID128 }

// TapID names one tap: random, made when the card was seen; central refuses it twice.
type TapID struct{ ID128 }

// NewBoxID makes a random id.
func NewBoxID() BoxID { return BoxID{random()} }

// NewEpochID makes a random id.
func NewEpochID() EpochID { return EpochID{random()} }

// NewTapID makes a random id.
func NewTapID() TapID { return TapID{random()} }

// Seq numbers the records of an epoch from 1.
type Seq uint64

// ID is a record's identity, given at the card.
type ID struct {
	Epoch EpochID
	Seq   Seq
}

// String is "<epoch>/<seq>".
func (i ID) String() string { return fmt.Sprintf("%s/%d", i.Epoch, i.Seq) }

// Names that people choose: see ErrName for their alphabet.
type (
	VerifierID string // who may verify under the law: a municipality or certified operator
	ServiceID  string // a service of a verifier
	SiteID     string // boxes on one LAN: a branch, a shelter
	DeskID     string // where at the site
	StaffID    string // who of the verifier's people was at the desk
)

// CheckName returns ErrName unless s is a well-formed VerifierID, ServiceID, SiteID, DeskID or StaffID.
func CheckName[T ~string](s T) error {
	if len(s) < 1 || len(s) > 63 {
		return fmt.Errorf("%w: %q", ErrName, string(s))
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune(".-", rune(c))) {
			return fmt.Errorf("%w: %q", ErrName, string(s))
		}
	}
	return nil
}

// Subject is a PPID: the pseudonym of one person towards one sector. It prints as REDACTED; Reveal hands it to an output
// that is meant to show it.
type Subject struct{ ppid string }

// NewSubject wraps a PPID.
func NewSubject(ppid string) Subject { return Subject{ppid} }

// Reveal returns the PPID itself.
func (s Subject) Reveal() string { return s.ppid }

// IsZero reports whether there is no PPID.
func (s Subject) IsZero() bool { return s.ppid == "" }

// String prints REDACTED.
func (Subject) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (Subject) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (Subject) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (Subject) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// MarshalText writes REDACTED.
func (Subject) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// MarshalCBOR writes a 16-octet byte string (RFC 8949 §3.1, major type 2).
func (i ID128) MarshalCBOR() ([]byte, error) { return append([]byte{0x50}, i[:]...), nil }

// UnmarshalCBOR takes a byte string of exactly 16 octets; ErrID otherwise.
func (i *ID128) UnmarshalCBOR(b []byte) error {
	if len(b) != 17 || b[0] != 0x50 {
		return ErrID
	}
	copy(i[:], b[1:])
	return nil
}
