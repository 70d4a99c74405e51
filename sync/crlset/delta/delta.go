// Package delta turns one revocation set into the next: what was removed, what is told otherwise and what was added, near the
// entropy limit. DESIGN.md beside this file is the format.
//
// [Apply] makes from a base and a chain of deltas, octet for octet, the file that a crlset.Writer makes of the next entries under
// the next plan. A [Delta] may be used from any goroutine. Nothing here fsyncs, renames or verifies: a delta's octets are those that
// a signed head names before they come here, and who keeps files makes them durable. Memory follows the largest block, not the sets.
package delta

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/crlset"
)

const (
	magic     = "KZCRLD\x00\x01"
	maxHeader = 1 << 20 // octets; a plan of crlset.MaxRegions regions takes a third
	dateBias  = 1 << 39 // a date is at least −2^39 and below 2^39 seconds, as in a set

	freeAdditions  = 1 << 20 // so many additions any number of octets may tell,
	octetAdditions = 64      // and so many more each octet
)

// Errors of deltas.
var (
	// ErrFormat says that octets are not a delta of a version known here, or contradict themselves.
	ErrFormat = errors.New("not a delta of revocation sets")
	// ErrBase says that a delta does not fit the set that it is applied to. One whose signed head names that set always fits.
	ErrBase = errors.New("delta does not fit its base")
)

// header is the clear part of a delta.
type header struct {
	Base    uint64         `cbor:"1,keyasint"`           // entries of the base
	Edits   uint64         `cbor:"2,keyasint,omitempty"` // entries of the base that are removed or told otherwise
	Removed uint64         `cbor:"3,keyasint,omitempty"` // of those, removed
	Added   uint64         `cbor:"4,keyasint,omitempty"` // entries that are new
	Columns crlset.Columns `cbor:"5,keyasint"`           // of base and next
	Newest  int64          `cbor:"6,keyasint,omitempty"` // Unix seconds; dates count back from it
	Split   uint64         `cbor:"7,keyasint"`           // octets of the edits; the additions follow
	Plan    *crlset.Plan   `cbor:"8,keyasint,omitempty"` // of the next set, where it is not the base's
}

// next is the number of entries of the next set.
func (h *header) next() uint64 { return h.Base - h.Removed + h.Added }

func (h *header) check() error {
	switch {
	case h.Columns > crlset.Full:
		return fault("unknown columns")
	case h.Edits > h.Base || h.Removed > h.Edits || h.Base > 1<<40 || h.Added > 1<<40:
		return fault("numbers of entries")
	case !dateFits(h.Newest) || h.Columns&crlset.Dates == 0 && h.Newest != 0:
		return fault("newest date")
	case h.Plan != nil && h.Plan.Columns != h.Columns:
		return fault("plan has other columns")
	default:
		return nil
	}
}

// Delta is what turns one set into the next.
type Delta struct {
	head      header
	edits     []byte
	additions []byte
}

// Open reads a delta, which must stay as it is for as long as the Delta is in use. All of it is checked that can be without a
// base: ErrFormat.
func Open(b []byte) (*Delta, error) {
	if len(b) < len(magic)+4 || string(b[:len(magic)]) != magic {
		return nil, fault("no magic")
	}
	b = b[len(magic):]
	size := uint64(binary.LittleEndian.Uint32(b))
	if b = b[4:]; size > uint64(len(b)) {
		return nil, fault("cut short")
	}
	d := &Delta{}
	if err := canon.Decode(b[:size], &d.head, maxHeader); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if again, err := canon.Encode(d.head); err != nil || string(again) != string(b[:size]) {
		return nil, fault("header is not in its only form")
	}
	if b = b[size:]; d.head.Split > uint64(len(b)) {
		return nil, fault("cut short")
	}
	d.edits, d.additions = b[:d.head.Split], b[d.head.Split:]
	if err := errors.Join(d.head.check(), d.checkPlan(), d.checkEdits(), d.checkAdditions()); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Delta) checkPlan() error {
	if d.head.Plan == nil {
		return nil
	}
	l, err := d.head.Plan.Layout()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !l.Moderate(d.head.next()) || !room(l, d.head.next()) {
		return fault("plan of too many blocks or too few")
	}
	return nil
}

// room reports whether so many entries can be in the blocks of a plan.
func room(l *crlset.Layout, entries uint64) bool {
	return entries <= uint64(l.Blocks())*crlset.MaxBlock
}

// tells reports whether additions are no more than their octets may tell: reading them must not take long because they are few.
func tells(additions uint64, octets int) bool {
	return additions <= freeAdditions+octetAdditions*uint64(octets)
}

// checkEdits reads the edits once through.
func (d *Delta) checkEdits() error {
	r := d.readEdits()
	removed := uint64(0)
	for r.next() {
		if r.now.removed {
			removed++
		}
	}
	if r.bad() || !r.dec.whole() || removed != d.head.Removed {
		return fault("edits contradict themselves")
	}
	return nil
}

// checkAdditions reads the additions once through.
func (d *Delta) checkAdditions() error {
	if !tells(d.head.Added, len(d.additions)) {
		return fault("too many additions for their octets")
	}
	r := d.readAdditions()
	for r.next() {
		continue
	}
	if r.bad() || !r.dec.whole() {
		return fault("additions contradict themselves")
	}
	return nil
}

func dateFits(date int64) bool { return date >= -dateBias && date < dateBias }

func fault(what string) error { return fmt.Errorf("%w: %s", ErrFormat, what) }
