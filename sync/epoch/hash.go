package epoch

import (
	"crypto/sha256"
	"encoding/hex"

	"kazashi.example/sync/canon"
)

// Hash is a chain value: SHA-256.
type Hash [sha256.Size]byte

// String is hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether the value was never set.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalCBOR writes a 32-octet byte string.
func (h Hash) MarshalCBOR() ([]byte, error) { return canon.EncodeFixed(h[:]) }

// UnmarshalCBOR takes a byte string of exactly 32 octets.
func (h *Hash) UnmarshalCBOR(b []byte) error { return canon.DecodeFixed(h[:], b) }

// Next is the chain value after an envelope: SHA-256(previous ‖ envelope).
func (h Hash) Next(envelope []byte) (next Hash) {
	d := sha256.New()
	d.Write(h[:])
	d.Write(envelope)
	d.Sum(next[:0])
	return next
}
