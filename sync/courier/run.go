package courier

import (
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Run is consecutive records of one epoch, packed: what an envelope repeats (version, epoch, seq, previous) is left out and made
// again from what stands here once.
type Run struct {
	Header   []byte     `cbor:"1,keyasint"` // epoch header as it travels
	First    record.Seq `cbor:"2,keyasint"` // of the first record
	Previous epoch.Hash `cbor:"3,keyasint"` // chain value before it
	Sealed   [][]byte   `cbor:"4,keyasint"` // sealed part of each; none for a header alone
	After    epoch.Hash `cbor:"5,keyasint"` // chain value after the last, so that a changed octet is found without a key
}

// MaxRunOctets is how much sealed content a run takes at most, so that it fits a part with all else.
const MaxRunOctets = MaxPart - 128<<10

// Pack makes a run of consecutive envelopes, which it links anew. ErrDamaged if they are not consecutive records of the header's
// epoch, or do not link; what package epoch says of a header or envelope.
func Pack(header []byte, envelopes [][]byte) (Run, error) {
	s, err := epoch.Read(header)
	if err != nil {
		return Run{}, fmt.Errorf("packing a run: %w", err)
	}
	r := Run{Header: header, First: 1, Previous: s.Root, After: s.Root}
	for i, b := range envelopes {
		e, err := epoch.DecodeEnvelope(b)
		if err != nil {
			return Run{}, fmt.Errorf("packing a run: %w", err)
		}
		if i == 0 {
			r.First, r.Previous, r.After = e.Seq, e.Previous, e.Previous
		}
		if e.Epoch != s.Header.Epoch || e.Seq != r.First+record.Seq(i) || e.Previous != r.After { //nolint:gosec // an index
			return Run{}, fmt.Errorf("packing a run: %w: record %s does not link", ErrDamaged, e.ID())
		}
		r.Sealed, r.After = append(r.Sealed, e.Sealed), r.After.Next(b)
	}
	return r, nil
}

// Epoch is the header of the run's epoch. Its signature is not verified.
func (r Run) Epoch() (epoch.Signed, error) { return epoch.Read(r.Header) }

// Last is the number of the last record; First-1 for a header alone.
func (r Run) Last() record.Seq { return r.First + record.Seq(len(r.Sealed)) - 1 }

// Envelopes makes the envelopes again, in their one form. ErrDamaged unless they lead from Previous to After.
func (r Run) Envelopes() ([][]byte, error) {
	s, err := r.check()
	if err != nil {
		return nil, err
	}
	all := make([][]byte, 0, len(r.Sealed))
	at := r.Previous
	for i, sealed := range r.Sealed {
		e := epoch.Envelope{
			Version: epoch.Version, Epoch: s.Header.Epoch, Seq: r.First + record.Seq(i), Previous: at, Sealed: sealed, //nolint:gosec // an index
		}
		b, err := e.Encode()
		if err != nil {
			return nil, fmt.Errorf("making an envelope again: %w", err)
		}
		if len(b) > epoch.MaxEnvelope {
			return nil, fmt.Errorf("%w: envelope of %d octets", ErrDamaged, len(b))
		}
		all, at = append(all, b), at.Next(b)
	}
	if at != r.After {
		return nil, fmt.Errorf("%w: the records of epoch %s from %d do not lead to their end", ErrDamaged, s.Header.Epoch, r.First)
	}
	return all, nil
}

// Cover is one stretch of records that a parcel carries, both ends included.
type Cover struct {
	Epoch record.EpochID `cbor:"1,keyasint"`
	First record.Seq     `cbor:"2,keyasint"`
	Last  record.Seq     `cbor:"3,keyasint"`
}

// End is how far an epoch goes on the box that says so.
type End struct {
	Epoch record.EpochID `cbor:"1,keyasint"`
	Last  record.Seq     `cbor:"2,keyasint"`           // 0: no record
	Head  epoch.Hash     `cbor:"3,keyasint"`           // chain value after it
	Safe  bool           `cbor:"4,keyasint,omitempty"` // all of it is known to be safe
}

// State is what a poll would say, for the way by stick: the newest of a box counts.
type State struct {
	Poll wire.Poll // without Epochs, Subjects and Wait
	Ends []End     // of every epoch that is not wholly safe, oldest first; at most MaxEnds
}

// stateMessage is a State as it travels, with the first of its ends; others follow in parts of their own.
type stateMessage struct {
	Poll wire.Poll `cbor:"1,keyasint"`
	Ends []End     `cbor:"2,keyasint,omitempty"`
	All  uint64    `cbor:"3,keyasint"` // ends of the state
}

// endsMessage is more ends.
type endsMessage struct {
	Ends []End `cbor:"1,keyasint"`
}

// endsAPart is how many ends one part has at most.
const endsAPart = 8192

// DecodeRun reads a run and checks its form; Envelopes checks its content. ErrDamaged, epoch.ErrNewer, or an error of package canon.
func DecodeRun(b []byte) (Run, error) {
	var r Run
	if err := canon.Decode(b, &r, MaxPart); err != nil {
		return Run{}, err
	}
	if _, err := r.check(); err != nil {
		return Run{}, err
	}
	return r, nil
}

// Encode is the inverse of DecodeRun. ErrOrder for a run that no part can hold.
func (r Run) Encode() ([]byte, error) {
	if _, err := r.check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(r)
	if err == nil && len(b) > MaxPart {
		return nil, fmt.Errorf("%w: run of %d octets", ErrOrder, len(b))
	}
	return b, err
}

func (r Run) check() (epoch.Signed, error) {
	bad := func(what string) error { return fmt.Errorf("%w: run: %s", ErrDamaged, what) }
	if len(r.Header) > epoch.MaxHeader {
		return epoch.Signed{}, bad("header")
	}
	s, err := epoch.Read(r.Header)
	if err != nil {
		return s, fmt.Errorf("reading a run's header: %w", err)
	}
	switch {
	case r.First == 0 || r.First >= 1<<62 || len(r.Sealed) > MaxRecords:
		return s, bad("numbers")
	case r.Previous.IsZero() || r.First == 1 && r.Previous != s.Root:
		return s, bad("its begin does not link")
	case len(r.Sealed) == 0 && r.After != r.Previous:
		return s, bad("its end does not link")
	}
	return s, nil
}
