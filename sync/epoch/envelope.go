package epoch

import (
	"bytes"
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

// MaxEnvelope caps one envelope, in octets.
const MaxEnvelope = 16 << 10

// Errors of this file.
var (
	// ErrEnvelope says that an envelope is well-formed but cannot be one of ours.
	ErrEnvelope = errors.New("envelope contradicts itself")
	// ErrElsewhere says that an envelope belongs to another epoch.
	ErrElsewhere = errors.New("envelope belongs to another epoch")
	// ErrSpent says that a writer was used after it was closed.
	ErrSpent = errors.New("epoch is closed")
)

// Envelope is a sealed record with what must be seen of it on the way: where it stands, and after what.
type Envelope struct {
	Version  uint8          `cbor:"1,keyasint"`
	Epoch    record.EpochID `cbor:"2,keyasint"`
	Seq      record.Seq     `cbor:"3,keyasint"`
	Previous Hash           `cbor:"4,keyasint"`
	Sealed   []byte         `cbor:"5,keyasint"`
}

// Encode is the only form of the envelope; chains are over it.
func (e Envelope) Encode() ([]byte, error) { return canon.Encode(e) }

// DecodeEnvelope is the inverse of Encode; ErrNewer, ErrEnvelope or an error of package canon otherwise. An envelope has these five
// fields and no other: whoever carries it could add one, the tag would still hold, and one record would have two chain values.
func DecodeEnvelope(b []byte) (Envelope, error) {
	var e Envelope
	if err := canon.Decode(b, &e, MaxEnvelope); err != nil || e.Version != Version {
		// Whatever a later version changes must not hide that it is one; read twice is only what cannot be read at once.
		if later := newer(b, MaxEnvelope); later != nil {
			return Envelope{}, later
		}
		if err != nil {
			return Envelope{}, err
		}
	}
	switch {
	case e.Version != Version:
		return Envelope{}, fmt.Errorf("%w: version %d", ErrEnvelope, e.Version)
	case e.Epoch.IsZero() || e.Seq == 0 || e.Seq >= 1<<63 || e.Previous.IsZero():
		return Envelope{}, fmt.Errorf("%w: epoch, seq or previous", ErrEnvelope)
	case len(e.Sealed) < seal.TagLen:
		return Envelope{}, fmt.Errorf("%w: sealed part of %d octets", ErrEnvelope, len(e.Sealed))
	}
	if again, err := e.Encode(); err != nil || !bytes.Equal(again, b) {
		return Envelope{}, fmt.Errorf("%w: a field that no tag covers", ErrEnvelope)
	}
	return e, nil
}

// ID is the record's identity.
func (e Envelope) ID() record.ID { return record.ID{Epoch: e.Epoch, Seq: e.Seq} }

// aad is what the tag covers beside the content: CBOR [version, epoch, seq, previous].
func (e Envelope) aad() ([]byte, error) {
	return canon.Encode([]any{e.Version, e.Epoch, e.Seq, e.Previous})
}

// Written is an envelope as the journal stores it.
type Written struct {
	ID    record.ID
	Bytes []byte // the encoded envelope
	Chain Hash   // chain value after it
}

// Writer seals the records of one epoch, in order. It belongs to one goroutine.
type Writer struct {
	signed Signed
	key    *seal.Key
	last   record.Seq
	head   Hash
}

// NewWriter continues nothing: it stands at the beginning of the epoch that the header opens.
func NewWriter(s Signed, key *seal.Key) *Writer {
	return &Writer{signed: s, key: key, head: s.Root}
}

// Header is the header the writer writes under.
func (w *Writer) Header() Signed { return w.signed }

// End names this epoch and how far it went, as a successor's predecessor.
func (w *Writer) End() Predecessor {
	return Predecessor{Lineage: LineageKnown, Epoch: w.signed.Header.Epoch, LastSeq: w.last, Head: w.head}
}

// Seal gives content the next sequence number. The number is spent even if the caller fails to store the result; the caller
// then closes this writer and opens a new epoch whose predecessor ends at the last record that it did store. Content too
// long for an envelope is canon.ErrSize and closes the writer, which still ends at the record before.
func (w *Writer) Seal(content []byte) (Written, error) {
	if w.key == nil {
		return Written{}, ErrSpent
	}
	e := Envelope{Version: Version, Epoch: w.signed.Header.Epoch, Seq: w.last + 1, Previous: w.head}
	aad, err := e.aad()
	if err != nil {
		return Written{}, err
	}
	e.Sealed = w.key.Seal(e.Seq, aad, content)
	b, err := e.Encode()
	if err == nil && len(b) > MaxEnvelope {
		err = fmt.Errorf("%w: %d octets", canon.ErrSize, len(b))
	}
	if err != nil {
		w.Close() // the number was used under this key
		return Written{}, err
	}
	w.last, w.head = e.Seq, w.head.Next(b)
	return Written{ID: e.ID(), Bytes: b, Chain: w.head}, nil
}

// Close forgets the key. The epoch cannot be opened again, not even by its box.
func (w *Writer) Close() {
	if w.key != nil {
		w.key.Wipe()
		w.key = nil
	}
}

// Opener opens the records of one epoch, in any order. It may be used from any goroutine.
type Opener struct {
	header Header
	key    *seal.Key
}

// NewOpener finds the epoch's key again with the recipient's private key.
func NewOpener(h Header, with seal.PrivateKey) (*Opener, error) {
	key, err := seal.Decapsulate(with, h.Info(), h.Enc)
	if err != nil {
		return nil, fmt.Errorf("opening epoch %s: %w", h.Epoch, err)
	}
	return &Opener{h, key}, nil
}

// Open returns the content. ErrElsewhere for another epoch's envelope, seal.ErrOpen when anything was changed.
func (o *Opener) Open(e Envelope) ([]byte, error) {
	if e.Epoch != o.header.Epoch {
		return nil, ErrElsewhere
	}
	aad, err := e.aad()
	if err != nil {
		return nil, err
	}
	content, err := o.key.Open(e.Seq, aad, e.Sealed)
	if err != nil {
		return nil, fmt.Errorf("opening record %s: %w", e.ID(), err)
	}
	return content, nil
}
