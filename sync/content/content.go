// Package content is what is inside a sealed record: all that central needs to decide again, as of the tap, what the box
// said at the counter.
//
// It exists in clear only while a tap is under way on the box and inside central's opener. It prints as REDACTED. Values and
// pure functions; nothing is kept.
package content

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Version is that of the content.
const Version = 1

// Caps, in octets.
const (
	MaxContent     = 12 << 10
	MaxCertificate = 4 << 10
)

// maxSealed is what an envelope can hold at most (epoch.MaxEnvelope): the cap under which a later version is told from nonsense.
const maxSealed = 16 << 10

// Errors of Decode.
var (
	// ErrContent says that an opened record is well-formed but cannot be one of ours.
	ErrContent = errors.New("record contradicts itself")
	// ErrNewer says that a record has a later version than this release reads. It is no fault of the record.
	ErrNewer = errors.New("record was written by a newer release")
)

// Issuer is the first 8 octets of a certid.KeyID: enough to tell the generations of a CA apart; all zero when the issuer was
// not known on the box.
type Issuer [8]byte

// IssuerOf shortens a key id.
func IssuerOf(k certid.KeyID) (i Issuer) { copy(i[:], k[:]); return i }

// MarshalCBOR writes an 8-octet byte string.
func (i Issuer) MarshalCBOR() ([]byte, error) { return canon.EncodeFixed(i[:]) }

// UnmarshalCBOR takes a byte string of exactly 8 octets.
func (i *Issuer) UnmarshalCBOR(b []byte) error { return canon.DecodeFixed(i[:], b) }

// Said is what the person at the counter was told, and what that rested on (P6). Reason may be one of a later release; every
// other word here and in Record is known to whoever reads this version.
type Said struct {
	Verdict    record.Verdict    `cbor:"1,keyasint"`
	Reason     record.Reason     `cbor:"2,keyasint"`
	Rule       rule.Version      `cbor:"3,keyasint"`
	Answer     record.Answer     `cbor:"4,keyasint"`
	ListNumber uint64            `cbor:"5,keyasint,omitempty"` // 0: no list
	ListTime   int64             `cbor:"6,keyasint,omitempty"` // thisUpdate, Unix seconds
	Clock      record.Confidence `cbor:"7,keyasint"`
	// ListEpoch is the central epoch of a revocation set's number, whose n is ListNumber; 0: an authority's own list, numbered by it.
	ListEpoch uint64 `cbor:"8,keyasint,omitempty"`
}

// Record is one tap.
type Record struct {
	Version     uint8            `cbor:"1,keyasint"`
	Tap         record.TapID     `cbor:"2,keyasint"`
	Time        int64            `cbor:"3,keyasint"` // Unix milliseconds by the box's clock
	Service     record.ServiceID `cbor:"4,keyasint"`
	Desk        record.DeskID    `cbor:"5,keyasint"`
	Basis       record.Basis     `cbor:"6,keyasint"`
	Evidence    record.Evidence  `cbor:"7,keyasint"`
	Hierarchy   certid.Hierarchy `cbor:"8,keyasint"` // 0: issuer not known on the box
	Purpose     certid.Purpose   `cbor:"9,keyasint"`
	Serial      []byte           `cbor:"10,keyasint"`
	Issuer      Issuer           `cbor:"11,keyasint"`
	NotAfter    int64            `cbor:"12,keyasint"` // Unix seconds
	Said        Said             `cbor:"13,keyasint"`
	Certificate []byte           `cbor:"14,keyasint,omitempty"` // DER, only where central must examine it itself
	NotBefore   int64            `cbor:"15,keyasint,omitempty"` // Unix seconds
	PIN         *PINProof        `cbor:"16,keyasint,omitempty"` // with evidence pin, and only there
	Card        *CardProof       `cbor:"17,keyasint,omitempty"` // with evidence card and card-bound; with an enrolment
	Enrolment   *Enrolment       `cbor:"18,keyasint,omitempty"` // with evidence pin
	Staff       record.StaffID   `cbor:"19,keyasint,omitempty"` // who was signed in at the desk; empty: nobody
	Link        *Link            `cbor:"20,keyasint,omitempty"` // only where the person was served
}

// New fills in the version.
func New(r Record) Record { r.Version = Version; return r }

// Encode is the only form of the record.
func (r Record) Encode() ([]byte, error) {
	if r.Serial == nil {
		r.Serial = []byte{} // there is one form of no octets
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return canon.Encode(r)
}

// Decode is the inverse of Encode; ErrNewer, ErrContent or an error of package canon otherwise. The version is read before
// anything else, so that whatever a later one changes does not hide that it is one.
func Decode(b []byte) (Record, error) {
	var only struct {
		Version uint64 `cbor:"1,keyasint"`
	}
	if err := canon.Decode(b, &only, maxSealed); err == nil && only.Version > Version {
		return Record{}, fmt.Errorf("%w: version %d, this release reads up to %d", ErrNewer, only.Version, Version)
	}
	var r Record
	if err := canon.Decode(b, &r, MaxContent); err != nil {
		return Record{}, err
	}
	if err := r.check(); err != nil {
		return Record{}, err
	}
	return r, nil
}

func (r Record) check() error {
	fail := func(what string) error { return fmt.Errorf("%w: %s", ErrContent, what) }
	if err := record.CheckName(r.Service); err != nil {
		return fail("service")
	}
	if err := record.CheckName(r.Desk); err != nil {
		return fail("desk")
	}
	if r.Staff != "" && record.CheckName(r.Staff) != nil {
		return fail("staff")
	}
	switch {
	case r.Version != Version:
		return fail("version")
	case r.Tap.IsZero():
		return fail("tap id")
	case !r.Basis.Valid() || !r.Evidence.Valid():
		return fail("basis or evidence")
	case !r.Said.Verdict.Valid() || r.Said.Reason == 0 || !r.Said.Answer.Valid() || !r.Said.Clock.Valid():
		return fail("what was said")
	}
	if err := r.checkLink(fail); err != nil {
		return err
	}
	if r.Evidence == record.EvidenceNone {
		return r.checkCardless(fail)
	}
	return r.checkCard(fail)
}

// checkCard holds what a certificate must say of itself.
func (r Record) checkCard(fail func(string) error) error {
	if _, err := certid.ParseSerial(r.Serial); err != nil {
		return fail("serial")
	}
	switch {
	case r.Hierarchy != 0 && !r.Hierarchy.Valid() || !r.Purpose.Valid():
		return fail("scope")
	case len(r.Certificate) > MaxCertificate:
		return fail("certificate")
	}
	return r.checkProofs(fail)
}

// At is the time of the tap by the box's clock.
func (r Record) At() time.Time { return time.UnixMilli(r.Time).UTC() }

// CertID is the certificate that was read; without a serial where there was no card. The serial was checked by Encode and Decode.
func (r Record) CertID() certid.CertID {
	s, err := certid.ParseSerial(r.Serial)
	if err != nil {
		return certid.CertID{}
	}
	return certid.CertID{Scope: certid.Scope{Hierarchy: r.Hierarchy, Purpose: r.Purpose}, Serial: s}
}

// String prints REDACTED.
func (Record) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (Record) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb, so that %x and %d do not reach the serial.
func (Record) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED, so that JSON cannot leak what was sealed.
func (Record) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (Record) LogValue() slog.Value { return slog.StringValue("REDACTED") }
