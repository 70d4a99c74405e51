package wire

import (
	"crypto"
	"errors"
	"fmt"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// maxCorrection caps a signed correction, in octets.
const maxCorrection = 1 << 10

// ErrCorrection says that a correction is well signed but contradicts itself.
var ErrCorrection = errors.New("correction of a clock contradicts itself")

// Correction is how wrong a box's clock turned out to be for the records of one epoch, measured when central answered.
// Anyone may carry it.
type Correction struct {
	Version  uint8          `cbor:"1,keyasint"`
	Box      record.BoxID   `cbor:"2,keyasint"`
	Epoch    record.EpochID `cbor:"3,keyasint"`
	Offset   int64          `cbor:"4,keyasint"` // milliseconds to add to what the box's clock said
	Measured int64          `cbor:"5,keyasint"` // central's time, Unix milliseconds
}

// maxOffset bounds Offset: two centuries in milliseconds, beyond what any dead clock is wrong by.
const maxOffset = 200 * 366 * 24 * int64(time.Hour/time.Millisecond)

func (c Correction) check() error {
	if c.Version != 1 || c.Box.IsZero() || c.Epoch.IsZero() || c.Measured <= 0 || c.Offset > maxOffset || c.Offset < -maxOffset {
		return ErrCorrection
	}
	return nil
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
	if len(msg) > maxCorrection {
		return Correction{}, fmt.Errorf("%w: %d octets", canon.ErrSize, len(msg))
	}
	payload, _, err := sign.Open(keys, sign.PurposeCorrection, msg)
	if err != nil {
		return Correction{}, err
	}
	return decodeCorrection(payload)
}

func decodeCorrection(payload []byte) (c Correction, err error) {
	if err := canon.Decode(payload, &c, maxCorrection); err != nil {
		return Correction{}, err
	}
	return c, c.check()
}
