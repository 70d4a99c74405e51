package crlset

import (
	"fmt"
	"runtime"
)

// BatchSource is a Source that gives many entries at a time, which is several times quicker.
type BatchSource interface {
	Source
	// NextBatch fills dst, which must not be empty, from its start and returns how many there are; 0 only at the end.
	NextBatch(dst []Entry) (int, error)
}

// reader goes through a set block by block.
type reader struct {
	set     *Set
	block   int // that comes next
	seen    uint64
	entries []Entry // of the block before
	given   int
}

var _ BatchSource = (*reader)(nil)

// Source gives all entries of the set. It is a BatchSource, too. Errors are Find's; a set whose blocks do not have as many entries
// as it says is ErrFormat at the end.
func (s *Set) Source() Source { return &reader{set: s} }

// Next is Source's.
func (r *reader) Next(e *Entry) (bool, error) {
	if r.given == len(r.entries) {
		if err := r.fill(); err != nil || len(r.entries) == 0 {
			return false, err
		}
	}
	*e = r.entries[r.given]
	r.given++
	return true, nil
}

// NextBatch is BatchSource's.
func (r *reader) NextBatch(dst []Entry) (n int, err error) {
	for n < len(dst) {
		if r.given == len(r.entries) {
			if err := r.fill(); err != nil {
				return 0, err
			}
			if len(r.entries) == 0 {
				break
			}
		}
		m := copy(dst[n:], r.entries[r.given:])
		n, r.given = n+m, r.given+m
	}
	return n, nil
}

// fill decodes the next block that has entries; none are left at the end.
func (r *reader) fill() (err error) {
	r.entries, r.given = r.entries[:0], 0
	for ; len(r.entries) == 0 && r.block < r.set.layout.blocks; r.block++ {
		if r.entries, err = r.set.Entries(r.entries, r.block); err != nil {
			return err
		}
	}
	if r.seen += uint64(len(r.entries)); len(r.entries) == 0 && r.seen != r.set.Len() {
		return fmt.Errorf("%w: %d entries, trailer says %d", ErrFormat, r.seen, r.set.Len())
	}
	return nil
}

// Entries appends the entries of block i to dst. Errors are Find's.
func (s *Set) Entries(dst []Entry, i int) (out []Entry, err error) {
	err = s.guard(func() error {
		b, err := s.block(i)
		if err == nil {
			out, err = s.layout.Decode(dst, i, b)
		}
		return err
	})
	runtime.KeepAlive(s)
	return out, err
}
