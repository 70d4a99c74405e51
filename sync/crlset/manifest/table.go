package manifest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
)

// Row is one list that a set was made from: the whole list of a scope, or one partition of it.
type Row struct {
	Point      []byte `cbor:"1,keyasint,omitempty"` // directory name (DER) of the issuing distribution point; empty: the whole list
	Key        []byte `cbor:"2,keyasint"`           // certid.KeyID of the key that signed it
	Number     uint64 `cbor:"3,keyasint"`           // CRL number, RFC 5280 §5.2.3
	ThisUpdate int64  `cbor:"4,keyasint"`           // Unix seconds
	NextUpdate int64  `cbor:"5,keyasint"`           // Unix seconds
}

// compare orders rows by what names them: point, then key. A row of the same name is the same partition at another time.
func (r Row) compare(s Row) int {
	return cmp.Or(bytes.Compare(r.Point, s.Point), bytes.Compare(r.Key, s.Key))
}

func (r Row) equal(s Row) bool {
	return r.compare(s) == 0 && r.Number == s.Number && r.ThisUpdate == s.ThisUpdate && r.NextUpdate == s.NextUpdate
}

func (r Row) check() error {
	switch {
	case len(r.Point) > MaxPoint:
		return fault("name of a distribution point too long")
	case len(r.Key) != len(certid.KeyID{}):
		return fault("signing key of a partition is no key id")
	case r.ThisUpdate > r.NextUpdate:
		return fault("partition's next update before its this update")
	default:
		return nil
	}
}

// digestOf is the digest of a table.
func digestOf(table []Row) (Digest, error) {
	b, err := canon.Encode(table)
	if err != nil {
		return Digest{}, err
	}
	return sha256.Sum256(b), nil
}

// ages are the oldest ThisUpdate and the earliest NextUpdate of a table that has rows.
func ages(table []Row) (this, next int64) {
	oldest := slices.MinFunc(table, func(a, b Row) int { return cmp.Compare(a.ThisUpdate, b.ThisUpdate) })
	earliest := slices.MinFunc(table, func(a, b Row) int { return cmp.Compare(a.NextUpdate, b.NextUpdate) })
	return oldest.ThisUpdate, earliest.NextUpdate
}

// checkTable compares a table with what the head says of it.
func (h Head) checkTable(table []Row) error {
	if len(table) == 0 || len(table) > MaxPartitions || uint64(len(table)) != uint64(h.Rows) {
		return fault("number of partitions")
	}
	for i, r := range table {
		if err := r.check(); err != nil {
			return err
		}
		if i > 0 && table[i-1].compare(r) >= 0 {
			return fault("partitions out of order")
		}
	}
	sum, err := digestOf(table)
	if err != nil {
		return err
	}
	if sum != h.Table {
		return fault("table is not the one that the head names")
	}
	if this, next := ages(table); this != h.ThisUpdate || next != h.NextUpdate {
		return fault("age is not that of the oldest partition")
	}
	return nil
}
