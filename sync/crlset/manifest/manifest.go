// Package manifest is the signed side of revocation sets: what a set is, what it was made from, and how one becomes the next.
//
// A [Head] names scope, number, age, coverage and digest root of a set, signed by C-sign. A [Manifest] is the head with what its
// digests cover: the chunk digests and the table of partitions. A [DeltaHead] turns one set's head into another's. Values and
// pure functions, for any goroutine; nothing is read or written here, and nothing here looks at a set's entries.
package manifest

import (
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/sign"
)

// Caps.
const (
	MaxManifest   = 16 << 20 // octets of a manifest or delta head; 450 MB of set need 220 KB of digests
	MaxPartitions = 4096
	MaxPoint      = 1 << 10 // octets of a distribution point's name
	MaxIssuers    = 64
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

// Manifest is a head with what its digests cover. It travels as deterministic CBOR.
type Manifest struct {
	Signed  []byte `cbor:"1,keyasint"` // COSE_Sign1 of the Head
	Digests []byte `cbor:"2,keyasint"` // of all chunks, 32 octets each
	Table   []Row  `cbor:"3,keyasint"` // in rising order of Point, then Key
}

// Encode writes the manifest as it travels.
func (m Manifest) Encode() ([]byte, error) { return canon.Encode(m) }

// Decode reads a manifest and opens it.
func Decode(keys sign.Keys, b []byte) (Manifest, Head, error) {
	var m Manifest
	if err := canon.Decode(b, &m, MaxManifest); err != nil {
		return Manifest{}, Head{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	h, err := m.Open(keys)
	if err != nil {
		return Manifest{}, Head{}, err
	}
	return m, h, nil
}

// Open verifies the head's signature and compares everything with it: errors of package sign, or ErrManifest.
func (m Manifest) Open(keys sign.Keys) (Head, error) {
	h, err := OpenHead(keys, m.Signed)
	if err != nil {
		return Head{}, err
	}
	if err := checkDigests(h.Size, m.Digests); err != nil {
		return Head{}, err
	}
	if Digest(crlset.Root(h.Size, m.Digests)) != h.Root {
		return Head{}, fault("chunk digests do not make the root")
	}
	if err := h.checkTable(m.Table); err != nil {
		return Head{}, err
	}
	return h, nil
}

// checkDigests wants one digest for each chunk of a file.
func checkDigests(size uint64, digests []byte) error {
	if chunks := (size + crlset.ChunkSize - 1) / crlset.ChunkSize; uint64(len(digests)) != 32*chunks {
		return fault("digests of another number of chunks")
	}
	return nil
}

func fault(what string) error { return fmt.Errorf("%w: %s", ErrManifest, what) }
