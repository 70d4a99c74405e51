// Package manifest is the signed side of revocation sets: what a set is, what it was made from, and how one becomes the next.
//
// A [Head] names scope, number, age, coverage and digest root of a set, signed by C-sign. A [Manifest] is the head with what its
// digests cover: the chunk digests and the table of partitions. A [DeltaHead] turns one set's head into another's. Values and
// pure functions; nothing is read or written here.
package manifest

import (
	"errors"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/rule"
)

// Caps.
const (
	MaxManifest   = 16 << 20 // octets of a manifest or delta head; 450 MB of set need 220 KB of digests
	MaxPartitions = 4096
	MaxSize       = 4 << 30 // octets of a set or delta
)

// Errors of manifests and deltas.
var (
	// ErrManifest says that bytes are no manifest or delta head of a version known here, or contradict themselves.
	ErrManifest = errors.New("not a manifest of a revocation set")
	// ErrBase says that a delta is for another set than the one held.
	ErrBase = errors.New("delta is for another base")
	// ErrScope says that a set is of another scope than it was taken for.
	ErrScope = errors.New("revocation set is of another scope")
)

// Digest is a SHA-256, or the root of a file in chunks (crlset.Root). It is the wire.BlobID of that file.
type Digest [32]byte

// MarshalCBOR writes a 32-octet byte string.
func (d Digest) MarshalCBOR() ([]byte, error) { return canon.EncodeFixed(d[:]) }

// UnmarshalCBOR takes a byte string of exactly 32 octets.
func (d *Digest) UnmarshalCBOR(b []byte) error { return canon.DecodeFixed(d[:], b) }

// Head says what a set is. It is signed for sign.PurposeSet.
type Head struct {
	Version    uint8            `cbor:"1,keyasint"`
	Hierarchy  certid.Hierarchy `cbor:"2,keyasint"`
	Purpose    certid.Purpose   `cbor:"3,keyasint"`
	Number     rule.Version     `cbor:"4,keyasint"` // ours: central epoch and n; rises
	ThisUpdate int64            `cbor:"5,keyasint"` // the oldest partition's, Unix seconds: the set's age
	NextUpdate int64            `cbor:"6,keyasint"` // the earliest partition's, Unix seconds
	Issuers    [][]byte         `cbor:"7,keyasint"` // certid.KeyIDs whose certificates an absence speaks of, rising
	Columns    crlset.Columns   `cbor:"8,keyasint"`
	Entries    uint64           `cbor:"9,keyasint"`
	Size       uint64           `cbor:"10,keyasint"` // octets of the set's file
	Root       Digest           `cbor:"11,keyasint"` // of its chunk digests, see crlset/DESIGN.md
	Rows       uint32           `cbor:"12,keyasint"` // partitions
	Table      Digest           `cbor:"13,keyasint"` // SHA-256 of the deterministic CBOR of []Row
}

// Scope is what the set speaks of.
func (h Head) Scope() certid.Scope { return certid.Scope{Hierarchy: h.Hierarchy, Purpose: h.Purpose} }

// At is ThisUpdate as a time, UTC.
func (h Head) At() time.Time { return time.Unix(h.ThisUpdate, 0).UTC() }

// Row is one list that a set was made from: the whole list of a scope, or one partition of it.
type Row struct {
	Point      []byte `cbor:"1,keyasint,omitempty"` // directory name (DER) of the issuing distribution point; empty: the whole list
	Key        []byte `cbor:"2,keyasint"`           // certid.KeyID of the key that signed it
	Number     uint64 `cbor:"3,keyasint"`           // CRL number, RFC 5280 §5.2.3
	ThisUpdate int64  `cbor:"4,keyasint"`           // Unix seconds
	NextUpdate int64  `cbor:"5,keyasint"`           // Unix seconds
}

// Manifest is a head with what its digests cover. It travels as deterministic CBOR.
type Manifest struct {
	Signed  []byte `cbor:"1,keyasint"` // COSE_Sign1 of the Head
	Digests []byte `cbor:"2,keyasint"` // of all chunks, 32 octets each
	Table   []Row  `cbor:"3,keyasint"` // in rising order of Point
}

// DeltaHead says what turns one set into the next. It is signed for sign.PurposeDelta.
type DeltaHead struct {
	Version uint8        `cbor:"1,keyasint"`
	Base    rule.Version `cbor:"2,keyasint"` // number of the set that it applies to
	Root    Digest       `cbor:"3,keyasint"` // and its root
	Next    []byte       `cbor:"4,keyasint"` // COSE_Sign1 of the next set's Head
	Changed []Row        `cbor:"5,keyasint,omitempty"`
	Gone    [][]byte     `cbor:"6,keyasint,omitempty"` // points of partitions that are no more
	Size    uint64       `cbor:"7,keyasint"`           // octets of the delta's file
	Digests []byte       `cbor:"8,keyasint"`           // of its chunks
}
