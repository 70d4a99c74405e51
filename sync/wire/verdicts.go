package wire

import (
	"crypto"
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// Caps of a batch of verdicts.
const (
	MaxVerdicts     = 512
	maxVerdictBytes = 128 << 10
)

// ErrVerdicts says that a batch is well signed but contradicts itself.
var ErrVerdicts = errors.New("batch of verdicts contradicts itself")

// Source says who settled the certificate's status. Numbers are reserved for ever.
type Source uint8

// Sources.
const (
	SourceNone Source = 0 // nobody had to be asked
	SourceOCSP Source = 1 // RFC 6960 responder
	SourceCRL  Source = 2 // the list in force at the tap
)

// Verdict is central's final word on one record, as of the tap. It carries no PPID: it is kept on the box's disk. The verdict
// itself is a word of this release; reason, answer and source may be of a later one, because central is upgraded first, and
// whoever shows the reason shows Reason.OrLater.
type Verdict struct {
	Epoch   record.EpochID `cbor:"1,keyasint"`
	Seq     record.Seq     `cbor:"2,keyasint"`
	Tap     record.TapID   `cbor:"3,keyasint"`
	Verdict record.Verdict `cbor:"4,keyasint"`
	Reason  record.Reason  `cbor:"5,keyasint"`
	Answer  record.Answer  `cbor:"6,keyasint"`
	Source  Source         `cbor:"7,keyasint"`
	Settled int64          `cbor:"8,keyasint"` // Unix milliseconds
}

// Verdicts is a run of a box's final verdicts, numbered After+1 … Version.N under Version.CentralEpoch.
type Verdicts struct {
	Version  rule.Version `cbor:"1,keyasint"`
	Box      record.BoxID `cbor:"2,keyasint"`
	After    uint64       `cbor:"3,keyasint"`
	Verdicts []Verdict    `cbor:"4,keyasint"`
}

func (v Verdicts) check() error {
	n := uint64(len(v.Verdicts))
	if v.Version.CentralEpoch == 0 || v.Box.IsZero() || n == 0 || n > MaxVerdicts || v.Version.N < n || v.After != v.Version.N-n {
		return fmt.Errorf("%w: box, version or count", ErrVerdicts)
	}
	for _, w := range v.Verdicts {
		if w.Epoch.IsZero() || w.Seq == 0 || w.Tap.IsZero() || !w.Verdict.Valid() || w.Reason == 0 {
			return fmt.Errorf("%w: record %s/%d", ErrVerdicts, w.Epoch, w.Seq)
		}
	}
	return nil
}

// Sign closes the batch with C-sign.
func (v Verdicts) Sign(key crypto.Signer) ([]byte, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(v)
	if err != nil {
		return nil, err
	}
	return sign.Sign(key, sign.PurposeVerdicts, b)
}

// OpenVerdicts verifies and checks a signed batch.
func OpenVerdicts(keys sign.Keys, msg []byte) (Verdicts, error) {
	payload, _, err := sign.Open(keys, sign.PurposeVerdicts, msg)
	if err != nil {
		return Verdicts{}, err
	}
	var v Verdicts
	if err := canon.Decode(payload, &v, maxVerdictBytes); err != nil {
		return Verdicts{}, err
	}
	return v, v.check()
}
