// Package epoch is the unit in which a box writes: a header signed by the device, and the sealed, numbered, chained
// envelopes under it.
//
// An epoch belongs to one box and one run of it. Any doubt about what was written opens a new epoch and never continues an
// old one, so that no sequence number is sealed twice under one key; the header names its predecessor, so that nothing can
// be missing and no second history can arise unseen. A [Writer] belongs to one goroutine; everything else is values and
// pure functions. Nothing here touches a disk: the journal makes header and envelope durable.
package epoch

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// Version is that of header and envelope.
const Version = 1

// MaxHeader caps a signed header, in octets.
const MaxHeader = 2048

// Errors of headers; ErrNewer is one of envelopes, too.
var (
	// ErrHeader says that a header is well signed but contradicts itself.
	ErrHeader = errors.New("epoch header contradicts itself")
	// ErrNewer says that a header or envelope has a later version than this release reads. It is no fault of the box.
	ErrNewer = errors.New("written by a newer release")
)

// newer is ErrNewer if a message, in deterministic CBOR, has a version above this release's. It is asked first, so that
// whatever a later version changes does not hide that it is one.
func newer(b []byte, limit int) error {
	var only struct {
		Version uint64 `cbor:"1,keyasint"`
	}
	if err := canon.Decode(b, &only, limit); err == nil && only.Version > Version {
		return fmt.Errorf("%w: version %d, this release reads up to %d", ErrNewer, only.Version, Version)
	}
	return nil
}

// Cause says why an epoch was opened. Numbers are reserved for ever.
type Cause uint8

// Causes.
const (
	CauseStart        Cause = 1 // the box started
	CauseRotation     Cause = 2 // the last one had lasted its time
	CauseAppendFailed Cause = 3 // an append failed, or its outcome is unknown, after sealing
	CauseSetAside     Cause = 4 // the journal was damaged and set aside
	CauseRestored     Cause = 5 // the box was restored from a copy, knowingly
	CauseClock        Cause = 6 // the clock was repaired
)

var causeNames = [...]string{1: "start", "rotation", "append_failed", "set_aside", "restored", "clock"}

// Valid reports whether this build knows c.
func (c Cause) Valid() bool { return c >= CauseStart && c <= CauseClock }

// String names the cause.
func (c Cause) String() string {
	if !c.Valid() {
		return "unknown"
	}
	return causeNames[c]
}

// Lineage says what the box knows of its epoch before. Numbers are reserved for ever.
type Lineage uint8

// Lineages.
const (
	LineageFirst   Lineage = 0 // there was none: the box's first epoch
	LineageKnown   Lineage = 1 // named with its end
	LineageUnknown Lineage = 2 // there was one, and its end is lost: damage, not a fork
)

// Predecessor is the epoch before, and how far it went. Only a known one has the other fields.
type Predecessor struct {
	Lineage Lineage        `cbor:"1,keyasint"`
	Epoch   record.EpochID `cbor:"2,keyasint"`
	LastSeq record.Seq     `cbor:"3,keyasint"` // 0 for an epoch without records
	Head    Hash           `cbor:"4,keyasint"` // chain value after LastSeq
}

// Header opens an epoch.
type Header struct {
	Version     uint8          `cbor:"1,keyasint"`
	Suite       seal.Suite     `cbor:"2,keyasint"`
	Box         record.BoxID   `cbor:"3,keyasint"`
	Epoch       record.EpochID `cbor:"4,keyasint"`
	Recipient   sign.KeyID     `cbor:"5,keyasint"` // C-seal
	Enc         []byte         `cbor:"6,keyasint"` // HPKE encapsulation, seal.EncLen octets
	Predecessor Predecessor    `cbor:"7,keyasint"`
	Cause       Cause          `cbor:"8,keyasint"`
	Nonce       Nonce          `cbor:"9,keyasint"` // Epoch is IDOf(Box, Nonce)
}

func (h Header) check() error {
	p := h.Predecessor
	blank := p.Epoch.IsZero() && p.LastSeq == 0 && p.Head.IsZero()
	switch {
	case h.Version != Version:
		return fmt.Errorf("%w: version %d", ErrHeader, h.Version)
	case h.Suite != seal.Suite1:
		return fmt.Errorf("%w: %w: %d", ErrHeader, seal.ErrSuite, h.Suite)
	case h.Box.IsZero() || h.Epoch.IsZero():
		return fmt.Errorf("%w: no box or epoch id", ErrHeader)
	case h.Epoch != IDOf(h.Box, h.Nonce):
		return fmt.Errorf("%w: the epoch id is not of this box", ErrHeader)
	case len(h.Enc) != seal.EncLen:
		return fmt.Errorf("%w: encapsulation of %d octets", ErrHeader, len(h.Enc))
	case !h.Cause.Valid():
		return fmt.Errorf("%w: cause %d", ErrHeader, h.Cause)
	case p.Lineage > LineageUnknown:
		return fmt.Errorf("%w: lineage %d", ErrHeader, p.Lineage)
	case (p.Lineage == LineageKnown) == blank:
		return fmt.Errorf("%w: lineage and predecessor disagree", ErrHeader)
	case p.Lineage == LineageKnown && (p.Epoch.IsZero() || p.Head.IsZero() || p.Epoch == h.Epoch):
		return fmt.Errorf("%w: predecessor", ErrHeader)
	default:
		return nil
	}
}

// Info is what the epoch's key is bound to.
func (h Header) Info() seal.Info {
	return seal.Info{Suite: h.Suite, Box: h.Box, Epoch: h.Epoch, Recipient: h.Recipient}
}

// Signed is a header with its signature and the chain's first value, which binds every envelope to it.
type Signed struct {
	Header  Header
	Message []byte // COSE_Sign1, purpose kazashi/epoch/v1
	Root    Hash   // SHA-256 of the signed payload: the "previous" of record 1
}

// Sign closes a header with the device key.
func (h Header) Sign(device crypto.Signer) (Signed, error) {
	if err := h.check(); err != nil {
		return Signed{}, err
	}
	payload, err := canon.Encode(h)
	if err != nil {
		return Signed{}, err
	}
	msg, err := sign.Sign(device, sign.PurposeEpoch, payload)
	if err != nil {
		return Signed{}, err
	}
	return Signed{Header: h, Message: msg, Root: sha256.Sum256(payload)}, nil
}

// OpenHeader verifies a header: its form, its signature by a device key and its own consistency. That the key belongs to
// the box it names is for keys to answer (it is asked for purpose kazashi/epoch/v1) and for the caller to compare.
func OpenHeader(keys sign.Keys, msg []byte) (Signed, sign.KeyID, error) {
	if len(msg) > MaxHeader {
		return Signed{}, sign.KeyID{}, fmt.Errorf("%w: %d octets", ErrHeader, len(msg))
	}
	payload, id, err := sign.Open(keys, sign.PurposeEpoch, msg)
	if err != nil {
		return Signed{}, id, err
	}
	s, err := decode(payload)
	s.Message = msg
	return s, id, err
}

// Read decodes a header without believing its signature: for a box reading back what it wrote itself.
func Read(msg []byte) (Signed, error) {
	payload, err := sign.Payload(msg)
	if err != nil {
		return Signed{}, err
	}
	s, err := decode(payload)
	s.Message = msg
	return s, err
}

func decode(payload []byte) (Signed, error) {
	if err := newer(payload, MaxHeader); err != nil {
		return Signed{}, err
	}
	var h Header
	if err := canon.Decode(payload, &h, MaxHeader); err != nil {
		return Signed{}, err
	}
	if err := h.check(); err != nil {
		return Signed{}, err
	}
	return Signed{Header: h, Root: sha256.Sum256(payload)}, nil
}
