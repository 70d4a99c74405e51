package wire

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// Caps of a correction.
const (
	MaxCorrectedEpochs = 256     // of one correction
	MaxCorrection      = 6 << 10 // octets of a signed one
)

// ErrCorrection says that a correction is well signed but contradicts itself.
var ErrCorrection = errors.New("correction of a clock contradicts itself")

// Correction is how wrong a box's clock turned out to be for the records of some epochs, measured when central answered. Anyone may
// carry it.
type Correction struct {
	Version  uint8            `cbor:"1,keyasint"`
	Box      record.BoxID     `cbor:"2,keyasint"`
	Epochs   []record.EpochID `cbor:"3,keyasint"`
	Offset   int64            `cbor:"4,keyasint"` // milliseconds to add to what the box's clock said
	Measured int64            `cbor:"5,keyasint"` // central's time, Unix milliseconds
}

// maxOffset bounds Offset: two centuries in milliseconds, beyond what any dead clock is wrong by.
const maxOffset = 200 * 366 * 24 * int64(time.Hour/time.Millisecond)

func (c Correction) check() error {
	switch {
	case c.Version != 1 || c.Box.IsZero() || c.Measured <= 0 || c.Offset > maxOffset || c.Offset < -maxOffset:
		return fmt.Errorf("%w: box or time", ErrCorrection)
	case len(c.Epochs) == 0 || len(c.Epochs) > MaxCorrectedEpochs || slices.ContainsFunc(c.Epochs, func(e record.EpochID) bool { return e.IsZero() }):
		return fmt.Errorf("%w: epochs", ErrCorrection)
	default:
		return nil
	}
}

// Sign closes the correction with D.
func (c Correction) Sign(device crypto.Signer) ([]byte, error) {
	c.Version = 1
	if err := c.check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(c)
	if err != nil {
		return nil, err
	}
	return sign.Sign(device, sign.PurposeCorrection, b)
}

// PeekCorrection reads a correction without believing it: its box must be known to find the key that it is signed by.
func PeekCorrection(msg []byte) (c Correction, err error) {
	payload, err := sign.Payload(msg)
	if err != nil {
		return c, err
	}
	return decodeCorrection(payload)
}

// OpenCorrection verifies and checks a signed correction.
func OpenCorrection(keys sign.Keys, msg []byte) (Correction, error) {
	if len(msg) > MaxCorrection {
		return Correction{}, fmt.Errorf("%w: %d octets", canon.ErrSize, len(msg))
	}
	payload, _, err := sign.Open(keys, sign.PurposeCorrection, msg)
	if err != nil {
		return Correction{}, err
	}
	return decodeCorrection(payload)
}

func decodeCorrection(payload []byte) (c Correction, err error) {
	if err := canon.Decode(payload, &c, MaxCorrection); err != nil {
		return Correction{}, err
	}
	return c, c.check()
}
