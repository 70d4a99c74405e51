// Package segment is a piece of a site's roster: people sealed one by one under one generation of the site's key, in one file that is
// searched where it lies.
//
// DESIGN.md beside package roster is the format. A [Segment] is immutable and may be used from any goroutine; a [Writer] belongs to
// one. Whoever holds the file and not the key learns how many people there are and how long their entries are, rounded up, and no more:
// people are found by references keyed with the site's key. Nothing here fsyncs or renames: who keeps files does.
package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"runtime/debug"

	"kazashi.example/sync/chunk"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/sitekey"
)

// Errors of segments.
var (
	// ErrFormat says that octets are no segment of a version known here, or contradict themselves.
	ErrFormat = errors.New("not a segment of a roster")
	// ErrDigest says that a chunk is not the one that was signed.
	ErrDigest = errors.New("chunk of a roster fails its digest")
	// ErrUnreadable says that the disk did not give what the map promises.
	ErrUnreadable = errors.New("roster cannot be read from its disk")
	// ErrOpen says that an entry does not open under this key, or is not what its reference says.
	ErrOpen = errors.New("entry of a roster does not open")
)

var errClosed = fmt.Errorf("segment of a roster is closed: %w", os.ErrClosed)

// The layout: a header, sealed entries, the index, a footer.
const (
	magic      = "KZROSTR1"
	saltLen    = 16
	headerSize = len(magic) + 16 + saltLen
	footerSize = 24
	refSize    = 12
	rowSize    = refSize + 4
	lenSize    = 2
	gone       = 1 << 31 // of a place: what lies there says that an enrolment is on the roster no more
)

// Segment is a segment where it lies.
type Segment struct {
	b     []byte     // what is in chunks
	file  *chunk.Map // nil for octets that are trusted
	gen   sitekey.Generation
	index []byte // its rows
	rows  int
	from  uint64 // offset of the index
	part  roster.Part
}

// Open reads a segment from octets that are trusted, which must not change. ErrFormat.
func Open(b []byte) (*Segment, error) {
	s := &Segment{b: b}
	return s, s.open()
}

// OpenFile maps the file of a segment that a signed head names. Each chunk is compared when it is first touched, so that opening reads
// the digests, the first and the last chunk. ErrFormat, ErrDigest, ErrUnreadable. The file must not be written to while it is open.
func OpenFile(path string, p roster.Part) (*Segment, error) {
	m, err := chunk.Open(path, int64(headerSize+footerSize), chunk.Faults{Format: ErrFormat, Digest: ErrDigest, Unreadable: ErrUnreadable, Closed: errClosed})
	if err != nil {
		return nil, fmt.Errorf("opening a segment: %w", err)
	}
	s := &Segment{file: m}
	if err := m.Guard(func() error { return s.judge(p) }); err != nil {
		_ = m.CloseNow() // nobody else has it
		return nil, err
	}
	return s, nil
}

// judge holds the digests at the end of the file against the root.
func (s *Segment) judge(p roster.Part) error {
	b := s.file.Octets()
	if uint64(len(b)) != p.FileSize() {
		return fmt.Errorf("%w: %d octets, signed %d", ErrFormat, len(b), p.FileSize())
	}
	digests := append([]byte(nil), b[p.Size:]...) // a copy: what lies on the disk may change
	if roster.RootOf(p.Size, digests) != p.Root {
		return fmt.Errorf("%w: its digests", ErrDigest)
	}
	if err := s.file.Judge(p.Size, digests); err != nil {
		return err
	}
	s.b = b[:p.Size]
	if err := s.open(); err != nil {
		return err
	}
	if s.part.Generation != p.Generation || s.part.Entries != p.Entries || s.part.Gone != p.Gone {
		return fmt.Errorf("%w: its footer is not as signed", ErrFormat)
	}
	s.part = p
	return nil
}

// open reads header and footer.
func (s *Segment) open() error {
	size := uint64(len(s.b))
	if size < uint64(headerSize+footerSize) || size > roster.MaxSegment {
		return fmt.Errorf("%w: %d octets", ErrFormat, size)
	}
	if err := errors.Join(s.need(0, uint64(headerSize)), s.need(size-footerSize, footerSize)); err != nil {
		return err
	}
	if string(s.b[:len(magic)]) != magic {
		return fmt.Errorf("%w: magic", ErrFormat)
	}
	copy(s.gen.ID128[:], s.b[len(magic):])
	f := s.b[size-footerSize:]
	rows := uint64(binary.LittleEndian.Uint32(f[8:]))
	s.part = roster.Part{
		Size: size, Generation: s.gen, Entries: binary.LittleEndian.Uint32(f[12:]), Gone: binary.LittleEndian.Uint32(f[16:]),
	}
	s.from, s.rows = binary.LittleEndian.Uint64(f), int(rows) //nolint:gosec // 32 bits
	if s.from < uint64(headerSize) || s.from > size || size-s.from != rows*rowSize+footerSize || binary.LittleEndian.Uint32(f[20:]) != 0 {
		return fmt.Errorf("%w: footer", ErrFormat)
	}
	if s.part.Entries > uint32(rows) || s.part.Gone > uint32(rows) { //nolint:gosec // 32 bits
		return fmt.Errorf("%w: more entries than references", ErrFormat)
	}
	s.index = s.b[s.from : size-footerSize]
	return nil
}

// need compares the chunks of a stretch of the file, if they were not yet.
func (s *Segment) need(from, n uint64) error {
	if s.file == nil || n == 0 {
		return nil
	}
	return s.file.Need(from, n)
}

// Generation is that of the site key under which the segment is sealed.
func (s *Segment) Generation() sitekey.Generation { return s.gen }

// Part is what a head says of the segment; without a root where the octets are trusted.
func (s *Segment) Part() roster.Part { return s.part }

// CloseNow gives the map back, for whoever knows that nobody uses the segment and nobody will.
func (s *Segment) CloseNow() error {
	if s.file == nil {
		return nil
	}
	return s.file.CloseNow()
}

// Scrub compares every chunk with its digest again, and asks before each whether to go on. A chunk found wrong answers no more.
func (s *Segment) Scrub(on func() error) error {
	if s.file == nil {
		return nil
	}
	for i := range uint64(chunk.Count(s.part.Size)) { //nolint:gosec // a count
		if err := on(); err != nil {
			return err
		}
		if err := s.file.Compare(i); err != nil {
			return fmt.Errorf("scrubbing a roster: %w", err)
		}
	}
	runtime.KeepAlive(s)
	return nil
}

// Place is where something lies in a segment.
type Place uint32

// Gone reports whether what lies there says that an enrolment is on the roster no more.
func (p Place) Gone() bool { return p&gone != 0 }

// Find looks up where the entry of a reference lies. ErrDigest, ErrUnreadable, os.ErrClosed.
func (s *Segment) Find(r Ref) (p Place, ok bool, err error) {
	if s.file == nil {
		return s.find(&r)
	}
	if s.file.Closed() {
		return 0, false, errClosed
	}
	defer s.file.Caught(debug.SetPanicOnFault(true), &err)
	return s.find(&r)
}

// steps is how often a place is reckoned from how references lie, evenly; a search by halves does the rest.
const steps = 3

// find reckons where the reference must be, until it is near, and goes on from there with steps that double, and then by halves.
func (s *Segment) find(r *Ref) (Place, bool, error) {
	if s.rows == 0 {
		return 0, false, nil
	}
	want, n := binary.BigEndian.Uint64(r[:]), uint64(s.rows) //nolint:gosec // not negative
	at, _ := bits.Mul64(want, n)
	for range steps {
		have, err := s.high(int(at)) //nolint:gosec // below rows
		if err != nil {
			return 0, false, err
		}
		if have == want {
			break
		}
		if have < want {
			off, _ := bits.Mul64(want-have, n)
			at = min(at+off, n-1)
		} else {
			off, _ := bits.Mul64(have-want, n)
			at -= min(off, at)
		}
	}
	lo, hi, err := s.bracket(int(at), r) //nolint:gosec // below rows
	for err == nil && lo < hi {
		mid := int(uint(lo+hi) >> 1) //nolint:gosec // not negative
		var c int
		if c, err = s.compare(mid, r); c == 0 && err == nil {
			return Place(binary.LittleEndian.Uint32(s.index[mid*rowSize+refSize:])), true, nil
		}
		if c < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return 0, false, err
}

// bracket finds rows lo and hi near one row, between which the reference is if it is there at all.
func (s *Segment) bracket(at int, r *Ref) (lo, hi int, err error) {
	c, err := s.compare(at, r)
	if err != nil || c == 0 {
		return at, at + 1, err
	}
	lo, hi = 0, s.rows
	for step := 1; ; step *= 2 {
		next := at + step
		if c > 0 {
			next = at - step
		}
		if next < 0 || next >= s.rows {
			return lo, hi, nil
		}
		d, err := s.compare(next, r)
		if err != nil {
			return 0, 0, err
		}
		if c < 0 {
			if d >= 0 {
				return lo, next + 1, nil
			}
			lo = next + 1
		} else {
			if d <= 0 {
				return next, hi, nil
			}
			hi = next
		}
	}
}

// high is the first eight octets of a row's reference.
func (s *Segment) high(i int) (uint64, error) {
	if err := s.need(s.from+uint64(i)*rowSize, rowSize); err != nil { //nolint:gosec // not negative
		return 0, err
	}
	return binary.BigEndian.Uint64(s.index[i*rowSize:]), nil
}

// compare is −1, 0 or +1 as row i is below, at or above r.
func (s *Segment) compare(i int, r *Ref) (int, error) {
	if err := s.need(s.from+uint64(i)*rowSize, rowSize); err != nil { //nolint:gosec // not negative
		return 0, err
	}
	return s.ref(i).compare(r), nil
}

func (s *Segment) ref(i int) *Ref { return (*Ref)(s.index[i*rowSize:]) }

// sealed is what lies at a place.
func (s *Segment) sealed(p Place) ([]byte, error) {
	at := uint64(headerSize) + uint64(p&^gone)
	if at+lenSize > s.from {
		return nil, fmt.Errorf("%w: entry outside its place", ErrFormat)
	}
	if err := s.need(at, lenSize); err != nil {
		return nil, err
	}
	n := uint64(binary.LittleEndian.Uint16(s.b[at:]))
	if at+lenSize+n > s.from || n == 0 {
		return nil, fmt.Errorf("%w: entry outside its place", ErrFormat)
	}
	if err := s.need(at+lenSize, n); err != nil {
		return nil, err
	}
	return s.b[at+lenSize : at+lenSize+n : at+lenSize+n], nil
}
