package manifest

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// Version is the version of heads and delta heads that this build writes and reads.
const Version = 1

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

// Covers reports whether an absence from the set speaks of the certificates that this key issued.
func (h Head) Covers(issuer certid.KeyID) bool {
	return slices.ContainsFunc(h.Issuers, func(k []byte) bool { return bytes.Equal(k, issuer[:]) })
}

// Is returns ErrScope unless the set is of the scope that it is taken for.
func (h Head) Is(s certid.Scope) error {
	if h.Scope() != s {
		return fmt.Errorf("%w: %s, not %s", ErrScope, h.Scope(), s)
	}
	return nil
}

// Describe fills what follows from a set's file and from the lists that it was made of: version, entries, size, root, columns,
// rows, table and both times. The rows are sorted in place.
func (h Head) Describe(s crlset.Summary, table []Row) (Head, error) {
	if len(table) == 0 {
		return Head{}, fault("no partition")
	}
	slices.SortFunc(table, Row.compare)
	sum, err := digestOf(table)
	if err != nil {
		return Head{}, err
	}
	h.Version, h.Columns, h.Entries, h.Size, h.Root = Version, s.Plan.Columns, s.Entries, s.Size, s.Root
	h.Rows, h.Table = uint32(len(table)), sum
	h.ThisUpdate, h.NextUpdate = ages(table)
	return h, h.checkTable(table)
}

// Check returns ErrManifest, with the fault, unless the head agrees with itself.
func (h Head) Check() error {
	switch {
	case h.Version != Version:
		return fault("unknown version")
	case !h.Scope().Valid():
		return fault("unknown scope")
	case h.Number.CentralEpoch == 0 || h.Number.N == 0:
		return fault("no number")
	case h.ThisUpdate > h.NextUpdate:
		return fault("next update before this update")
	case h.Columns > crlset.Full:
		return fault("unknown columns")
	case h.Size == 0 || h.Size > MaxSize:
		return fault("size of the set")
	case h.Rows == 0 || h.Rows > MaxPartitions:
		return fault("number of partitions")
	case len(h.Issuers) == 0 || len(h.Issuers) > MaxIssuers:
		return fault("number of issuers")
	case allZero(h.Root[:]) || allZero(h.Table[:]):
		return fault("a digest is missing")
	}
	for i, k := range h.Issuers {
		if len(k) != len(certid.KeyID{}) {
			return fault("issuer is no key id")
		}
		if i > 0 && bytes.Compare(h.Issuers[i-1], k) >= 0 {
			return fault("issuers out of order")
		}
	}
	return nil
}

func allZero(b []byte) bool { return !slices.ContainsFunc(b, func(o byte) bool { return o != 0 }) }

// Sign closes a head with C-sign.
func (h Head) Sign(key crypto.Signer) ([]byte, error) {
	if err := h.Check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(h)
	if err != nil {
		return nil, err
	}
	return sign.Sign(key, sign.PurposeSet, b)
}

// OpenHead verifies and checks a signed head: errors of package sign, or ErrManifest.
func OpenHead(keys sign.Keys, msg []byte) (Head, error) {
	payload, _, err := sign.Open(keys, sign.PurposeSet, msg)
	if err != nil {
		return Head{}, fmt.Errorf("opening the head of a revocation set: %w", err)
	}
	return decodeHead(payload)
}

func decodeHead(payload []byte) (Head, error) {
	var h Head
	if err := canon.Decode(payload, &h, MaxManifest); err != nil {
		return Head{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if err := h.Check(); err != nil {
		return Head{}, err
	}
	return h, nil
}
