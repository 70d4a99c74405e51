package manifest

import (
	"crypto"
	"fmt"
	"slices"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// DeltaHead says what turns one set into the next. It is signed for sign.PurposeDelta. The next table of partitions is told by
// what differs from the base's: with 1,900 partitions that all moved by a day a row costs five to eight octets.
type DeltaHead struct {
	Version uint8        `cbor:"1,keyasint"`
	Base    rule.Version `cbor:"2,keyasint"`           // number of the set that it applies to
	Root    Digest       `cbor:"3,keyasint"`           // and its root
	Next    []byte       `cbor:"4,keyasint"`           // COSE_Sign1 of the next set's Head
	Steps   []Step       `cbor:"5,keyasint,omitempty"` // partitions of the base's table that have another number or other times
	Gone    []uint32     `cbor:"6,keyasint,omitempty"` // places in the base's table of partitions that are no more, rising
	Size    uint64       `cbor:"7,keyasint"`           // octets of the delta's file
	Digests []byte       `cbor:"8,keyasint"`           // of its chunks
	New     []Row        `cbor:"9,keyasint,omitempty"` // partitions that the base's table has not, in order
}

// Step moves one row of the base's table. Times of partitions move alike, so each difference is told by how it differs from what
// is likely. Sums wrap around at 64 bits; the digest of the table judges what comes out.
type Step struct {
	_      struct{} `cbor:",toarray"`
	Skip   uint32   // rows left alone since the step before
	Number int64    // what the CRL number rose by
	This   int64    // what ThisUpdate rose by, less what it rose by in the step before, seconds
	Next   int64    // what NextUpdate rose by, less what ThisUpdate rose by, seconds
}

// Between fills Steps, Gone and New so that Table turns one table into the other. Both must be in order.
func (d DeltaHead) Between(base, next []Row) DeltaHead {
	d.Steps, d.Gone, d.New = nil, nil, nil
	var skip uint32
	var rose int64
	for i, b := range base {
		at, found := slices.BinarySearchFunc(next, b, Row.compare)
		switch {
		case !found:
			d.Gone = append(d.Gone, uint32(i))
			skip++
		case next[at].equal(b):
			skip++
		default:
			n := next[at]
			this := n.ThisUpdate - b.ThisUpdate
			d.Steps = append(d.Steps, Step{
				Skip: skip, Number: int64(n.Number - b.Number), This: this - rose, Next: n.NextUpdate - b.NextUpdate - this,
			})
			skip, rose = 0, this
		}
	}
	for _, n := range next {
		if _, found := slices.BinarySearchFunc(base, n, Row.compare); !found {
			d.New = append(d.New, n)
		}
	}
	return d
}

// Table makes the next set's table from the base's. ErrBase if what comes out is not the table that the next head names.
func (d DeltaHead) Table(base []Row) ([]Row, error) {
	payload, err := sign.Payload(d.Next)
	if err != nil {
		return nil, fmt.Errorf("reading the next head: %w", err)
	}
	next, err := decodeHead(payload)
	if err != nil {
		return nil, err
	}
	table, err := d.moved(base)
	if err != nil {
		return nil, err
	}
	if err := next.checkTable(table); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBase, err)
	}
	return table, nil
}

// moved applies Steps, Gone and New.
func (d DeltaHead) moved(base []Row) ([]Row, error) {
	table := slices.Clone(base)
	at, rose := uint64(0), int64(0)
	for _, s := range d.Steps {
		if at += uint64(s.Skip); at >= uint64(len(table)) {
			return nil, fmt.Errorf("%w: a step past the last partition", ErrBase)
		}
		r := &table[at]
		rose += s.This
		r.Number += uint64(s.Number)
		r.ThisUpdate += rose
		r.NextUpdate += rose + s.Next
		at++
	}
	for _, i := range slices.Backward(d.Gone) {
		if uint64(i) >= uint64(len(table)) {
			return nil, fmt.Errorf("%w: partition past the last is gone", ErrBase)
		}
		table = slices.Delete(table, int(i), int(i)+1)
	}
	if len(table)+len(d.New) > MaxPartitions {
		return nil, fmt.Errorf("%w: too many partitions", ErrBase)
	}
	table = append(table, d.New...)
	slices.SortFunc(table, Row.compare)
	return table, nil
}

// Fits returns ErrBase or ErrScope unless the delta applies to the set of this head; next is the head that OpenDelta gave.
func (d DeltaHead) Fits(base, next Head) error {
	if err := next.Is(base.Scope()); err != nil {
		return err
	}
	if d.Base != base.Number || d.Root != base.Root {
		return ErrBase
	}
	return nil
}

// Check returns ErrManifest, with the fault, unless the delta head agrees with itself and with the next head.
func (d DeltaHead) Check(next Head) error {
	switch {
	case d.Version != Version:
		return fault("unknown version of a delta")
	case d.Base.CentralEpoch == 0 || d.Base.N == 0:
		return fault("no number of the base")
	case d.Base.Compare(next.Number) >= 0:
		return fault("next set is not newer than the base")
	case d.Size == 0 || d.Size > MaxSize:
		return fault("size of the delta")
	case len(d.Steps) > MaxPartitions || len(d.New) > MaxPartitions || len(d.Gone) > MaxPartitions:
		return fault("number of partitions")
	}
	for i := range d.Gone {
		if i > 0 && d.Gone[i] <= d.Gone[i-1] {
			return fault("partitions that are gone out of order")
		}
	}
	for i, r := range d.New {
		if err := r.check(); err != nil {
			return err
		}
		if i > 0 && d.New[i-1].compare(r) >= 0 {
			return fault("new partitions out of order")
		}
	}
	return checkDigests(d.Size, d.Digests)
}

// Sign closes a delta head with C-sign. Next must be a signed head already; its signature is not looked at here.
func (d DeltaHead) Sign(key crypto.Signer) ([]byte, error) {
	payload, err := sign.Payload(d.Next)
	if err != nil {
		return nil, fmt.Errorf("reading the next head: %w", err)
	}
	next, err := decodeHead(payload)
	if err != nil {
		return nil, err
	}
	if err := d.Check(next); err != nil {
		return nil, err
	}
	b, err := canon.Encode(d)
	if err != nil {
		return nil, err
	}
	return sign.Sign(key, sign.PurposeDelta, b)
}

// OpenDelta verifies and checks a signed delta head and the next set's head in it: errors of package sign, or ErrManifest. The
// delta's file has the root of Size and Digests, see BlobID.
func OpenDelta(keys sign.Keys, msg []byte) (DeltaHead, Head, error) {
	payload, _, err := sign.Open(keys, sign.PurposeDelta, msg)
	if err != nil {
		return DeltaHead{}, Head{}, fmt.Errorf("opening the head of a delta: %w", err)
	}
	var d DeltaHead
	if err := canon.Decode(payload, &d, MaxManifest); err != nil {
		return DeltaHead{}, Head{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	next, err := OpenHead(keys, d.Next)
	if err != nil {
		return DeltaHead{}, Head{}, err
	}
	if err := d.Check(next); err != nil {
		return DeltaHead{}, Head{}, err
	}
	return d, next, nil
}

// BlobID is the root of the delta's file, by which it is fetched.
func (d DeltaHead) BlobID() Digest { return crlset.Root(d.Size, d.Digests) }
