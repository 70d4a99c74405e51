// Package proof is what a card signs at a tap, so that its signature proves this tap and no other.
//
// Box and central make the same octets from what the record says; the card's key decides how they are hashed. Values and pure
// functions: signing is the card's, verifying the reader's and central's.
package proof

import (
	"errors"
	"fmt"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
)

// ErrChallenge says that something that a challenge must name is missing.
var ErrChallenge = errors.New("challenge names no box, tap, verifier, service or time")

// Purpose keeps the signatures of a card's two keys apart. Strings are reserved for ever.
type Purpose string

// Purposes.
const (
	PurposePIN  Purpose = "kazashi/pin/v1"  // by the authentication key, after the PIN
	PurposeCard Purpose = "kazashi/card/v1" // by the card key (internal authentication)
)

// NonceLen is the length of a nonce of central, in octets.
const NonceLen = 16

// Challenge is everything that a signature of a card binds. Nothing of it is fetched for the tap: the tap id, random and taken
// by central only once, makes it fresh; Nonce is one that central happened to have given before, or nil.
type Challenge struct {
	Purpose  Purpose
	Box      record.BoxID
	Tap      record.TapID
	Verifier record.VerifierID
	Service  record.ServiceID
	Time     time.Time // of the tap, by the box's clock; counts in whole milliseconds
	Nonce    []byte    // NonceLen octets, or nil
}

// Message is CBOR [purpose, box, tap, verifier, service, time in Unix milliseconds, nonce or null], which the card signs by
// SHA-256 or SHA-384. ErrChallenge.
func (c Challenge) Message() ([]byte, error) {
	if c.Purpose != PurposePIN && c.Purpose != PurposeCard || c.Box.IsZero() || c.Tap.IsZero() || c.Time.IsZero() ||
		len(c.Nonce) != 0 && len(c.Nonce) != NonceLen {
		return nil, ErrChallenge
	}
	if err := errors.Join(record.CheckName(c.Verifier), record.CheckName(c.Service)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChallenge, err)
	}
	var nonce any
	if len(c.Nonce) > 0 {
		nonce = c.Nonce
	}
	return canon.Encode([]any{string(c.Purpose), c.Box, c.Tap, c.Verifier, c.Service, c.Time.UnixMilli(), nonce})
}
