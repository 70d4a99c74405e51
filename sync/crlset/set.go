package crlset

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/chunk"
	"kazashi.example/sync/record"
)

var errClosed = fmt.Errorf("revocation set is closed: %w", os.ErrClosed)

// Set is a revocation set where it lies. It may be used from any goroutine.
type Set struct {
	b      []byte
	t      trailer
	layout *Layout
	mapped *chunk.Map // file, or one of nothing
	file   *chunk.Map // nil for octets that are trusted
}

// Open reads a set from octets that are trusted, which must not change; ErrFormat if they are none.
func Open(b []byte) (*Set, error) {
	s := &Set{b: b, mapped: new(chunk.Map)}
	return s, s.open()
}

// open reads trailer and plan.
func (s *Set) open() (err error) {
	size := uint64(len(s.b))
	if size < uint64(len(magic))+trailerSize {
		return fmt.Errorf("%w: %d octets", ErrFormat, size)
	}
	if err := s.need(0, uint64(len(magic))); err != nil {
		return err
	}
	if err := s.need(size-trailerSize, trailerSize); err != nil {
		return err
	}
	if string(s.b[:len(magic)]) != magic {
		return fmt.Errorf("%w: magic", ErrFormat)
	}
	if s.t, err = trailerOf(s.b[size-trailerSize:], size); err != nil {
		return err
	}
	if err := s.need(s.t.plan, size-trailerSize-s.t.plan); err != nil {
		return err
	}
	return s.plan(s.b[s.t.plan : size-trailerSize])
}

// plan reads the plan and compares the directory's size with it.
func (s *Set) plan(b []byte) error {
	var p Plan
	if err := canon.Decode(b, &p, maxPlan); err != nil {
		return fmt.Errorf("%w: reading the plan: %w", ErrFormat, err)
	}
	if again, err := canon.Encode(p); err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%w: plan of another version", ErrFormat)
	}
	l, err := p.Layout()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	groups := uint64(l.blocks+groupBlocks-1) / groupBlocks
	if groups*s.t.groupSize() != s.t.plan-s.t.directory {
		return fmt.Errorf("%w: directory does not fit the plan", ErrFormat)
	}
	if s.layout = l; len(l.regions) > 0 {
		s.quicken()
	}
	return nil
}

// Len is how many entries the set says it has.
func (s *Set) Len() uint64 { return s.t.entries }

// Size is that of the file in octets.
func (s *Set) Size() uint64 { return uint64(len(s.b)) }

// Columns is what the set tells of its entries.
func (s *Set) Columns() Columns { return s.layout.plan.Columns }

// Plan is how the set is laid out. It is not to be changed.
func (s *Set) Plan() Plan { return s.layout.plan }

// Layout codes the set's blocks.
func (s *Set) Layout() *Layout { return s.layout }

// bounds reads where block i lies; the chunks of the directory are compared, those of the block are not.
func (s *Set) bounds(i int) (from, to uint64, err error) {
	size := s.t.groupSize()
	g := s.t.directory + uint64(i/groupBlocks)*size
	if s.file != nil {
		if err := s.need(g, min(size+8, s.t.plan-g)); err != nil {
			return 0, 0, err
		}
	}
	group := s.b[g:]
	first := binary.LittleEndian.Uint64(group)
	j := i % groupBlocks
	from, to = first+s.relative(group, j), s.t.directory
	switch {
	case i+1 == s.layout.blocks:
	case j+1 < groupBlocks:
		to = first + s.relative(group, j+1)
	default:
		to = binary.LittleEndian.Uint64(group[size:])
	}
	if from < uint64(len(magic)) || from > to || to > s.t.directory {
		return 0, 0, fmt.Errorf("%w: block outside its place", ErrFormat)
	}
	return from, to, nil
}

// relative is the offset of block j of a group from the group's first.
func (s *Set) relative(group []byte, j int) uint64 {
	switch {
	case j == 0:
		return 0
	case s.t.width == 2:
		return uint64(binary.LittleEndian.Uint16(group[8+2*(j-1):]))
	default:
		return uint64(binary.LittleEndian.Uint32(group[8+4*(j-1):]))
	}
}

// Find returns the entry of a key, and whether there is one; see Lookup.
func (s *Set) Find(k Key) (e Entry, ok bool, err error) {
	f, ok, err := s.Lookup(k)
	if !ok || err != nil {
		return Entry{}, false, err
	}
	return Entry{Key: k, Date: f.Date, Reason: f.Reason}, true, nil
}

// Lookup reports whether a key is on the set, and what it tells of it. Columns that the set does not have are zero; a reason that is told
// only as on hold or not is CertificateHold or Unspecified. Errors are ErrFormat, ErrDigest, ErrUnreadable and os.ErrClosed.
func (s *Set) Lookup(k Key) (Fact, bool, error) {
	if s.mapped.Whole() {
		if f, ok, clear := s.quickly(k); clear {
			return f, ok, nil
		}
	}
	return s.lookup(k)
}

// quickly is Lookup the short way, of a set whose chunks are all known to be right. Where the disk fails it has found nothing either, and
// the long way meets the same failure.
func (s *Set) quickly(k Key) (f Fact, ok, clear bool) {
	r := s.layout.sole
	if r == nil {
		if r = s.layout.region(k); r == nil {
			return f, false, false
		}
	}
	d := k.Sub(r.start)
	if uint64(d.A)|d.B != 0 || d.C >= r.quick.keys {
		return f, false, false
	}
	old := debug.SetPanicOnFault(true)
	defer func() {
		if debug.SetPanicOnFault(old); !clear {
			if fault := recover(); fault != nil {
				_ = s.mapped.Fault(fault)
			}
		}
	}()
	f, ok, clear = r.quick.find(d.C)
	runtime.KeepAlive(s)
	return f, ok, clear
}

// lookup is Lookup the long way.
func (s *Set) lookup(k Key) (Fact, bool, error) {
	var e Entry
	var ok bool
	err := s.guard(func() (err error) {
		ok, err = s.find(&e, k)
		return err
	})
	runtime.KeepAlive(s)
	if !ok || err != nil {
		return Fact{}, false, err
	}
	return Fact{e.Date, e.Reason}, true, nil
}

func (s *Set) find(e *Entry, k Key) (bool, error) {
	r := s.layout.region(k)
	if r == nil {
		return false, nil
	}
	d := k.Sub(r.start)
	hi, ok := r.high(d)
	if !ok {
		return false, nil
	}
	from, to, err := s.bounds(r.first + int(hi>>(r.shift&63)))
	if err != nil || from == to {
		return false, err
	}
	if s.file != nil {
		if err := s.need(from, to-from); err != nil {
			return false, err
		}
	}
	ok, err = r.find(e, s.b[from:], uint(to-from), hi&(1<<(r.shift&63)-1), d)
	if ok {
		e.Key = k
	}
	return ok, err
}

// Answer is what the set says of a serial of its scope: not_revoked, revoked or on_hold. With an error, which are Find's, it is
// unknown.
func (s *Set) Answer(serial certid.Serial) (record.Answer, error) {
	f, ok, err := s.Lookup(KeyOf(serial))
	switch {
	case err != nil:
		return record.AnswerUnknown, err
	case !ok:
		return record.AnswerNotRevoked, nil
	case f.OnHold():
		return record.AnswerOnHold, nil
	default:
		return record.AnswerRevoked, nil
	}
}

// held is how many entries block i has. Errors are Find's.
func (s *Set) held(i int) (n int, err error) {
	err = s.guard(func() error {
		b, err := s.block(i)
		n = entries(b)
		return err
	})
	runtime.KeepAlive(s)
	return n, err
}

// block is the octets of block i, compared with their digests; none if it is empty.
func (s *Set) block(i int) ([]byte, error) {
	from, to, err := s.bounds(i)
	if err == nil {
		err = s.need(from, to-from)
	}
	if err != nil {
		return nil, err
	}
	return s.b[from:to:to], nil
}

// need compares the chunks of a stretch of the file, which must lie inside it, if they were not yet.
func (s *Set) need(from, n uint64) error {
	if s.file == nil || n == 0 {
		return nil
	}
	return s.file.Need(from, n)
}
