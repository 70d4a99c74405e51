package epoch

import (
	"crypto/sha256"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
)

// idPurpose begins what an epoch id is derived from.
const idPurpose = "kazashi/epoch-id/v1"

// Nonce makes an epoch id random. It stands in the header, so that the id proves whose it is.
type Nonce [16]byte

// MarshalCBOR writes a 16-octet byte string.
func (n Nonce) MarshalCBOR() ([]byte, error) { return canon.EncodeFixed(n[:]) }

// UnmarshalCBOR takes a byte string of exactly 16 octets.
func (n *Nonce) UnmarshalCBOR(b []byte) error { return canon.DecodeFixed(n[:], b) }

// NewID makes a random epoch id of a box.
func NewID(box record.BoxID) (record.EpochID, Nonce) {
	n := Nonce(record.NewEpochID().ID128)
	return IDOf(box, n), n
}

// IDOf is the first 16 octets of SHA-256(CBOR [purpose, box, nonce]). Another box cannot make a header for this id, so nobody
// who carries a box's records can claim its epoch first.
func IDOf(box record.BoxID, n Nonce) (id record.EpochID) {
	b, err := canon.Encode([]any{idPurpose, box, n})
	if err != nil {
		panic(err) // text and octets always encode
	}
	sum := sha256.Sum256(b)
	copy(id.ID128[:], sum[:])
	return id
}
