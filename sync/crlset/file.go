package crlset

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
)

// file is the map under a Set and what is known of its chunks. A nil file is octets in memory, which are trusted.
type file struct {
	b       []byte
	digests []byte          // nil: trusted
	good    []atomic.Uint64 // a bit a chunk: compared and right
	closed  atomic.Bool
}

// OpenFile maps a set's file. digests are those of its manifest: each chunk is compared when it is first touched, so that opening
// reads only the last chunks and the first; nil if the file is trusted. ErrFormat, ErrDigest or ErrUnreadable. The file must not
// be written to while it is open; where its disk fails under the map, calls get ErrUnreadable and the process goes on.
func OpenFile(path string, digests []byte) (*Set, error) {
	b, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("opening a revocation set: %w", err)
	}
	chunks := Chunks(uint64(len(b)))
	f := &file{b: b, digests: digests, good: make([]atomic.Uint64, (chunks+63)/64)}
	s := &Set{b: b, file: f}
	if digests != nil && len(digests) != chunks*sha256.Size {
		err = fmt.Errorf("%w: %d octets are not %d chunks", ErrFormat, len(b), len(digests)/sha256.Size)
	} else {
		err = f.guard(s.open)
	}
	if err != nil {
		_ = syscall.Munmap(b) // nobody else has it
		return nil, err
	}
	return s, nil
}

// mapFile maps a file whole, to be read.
func mapFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if n := info.Size(); n < int64(len(magic))+trailerSize || n != int64(int(n)) || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %d octets", ErrFormat, n)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%w: mapping: %w", ErrUnreadable, err)
	}
	return b, nil
}

// Close gives the map back once no call is in it; calls after it get os.ErrClosed. Octets from Block must not be used any more.
func (s *Set) Close() error {
	if s.file == nil || s.file.closed.Swap(true) {
		return nil
	}
	// A lookup that runs holds s, so the collector lets go of the map only when all have ended. Counting them would cost every
	// lookup two locked instructions.
	runtime.AddCleanup(s, func(b []byte) { _ = syscall.Munmap(b) }, s.b)
	return nil
}

// CloseNow is Close for whoever counts who uses the set, and knows that nobody does and nobody will: the map is given back at once,
// and with it the room of a file that was removed. A call that runs meanwhile, or octets from Block, may end the process.
func (s *Set) CloseNow() error {
	if s.file == nil || s.file.closed.Swap(true) {
		return nil
	}
	return syscall.Munmap(s.b)
}

// guard runs do, unless the set is closed, and turns a fault inside the map into ErrUnreadable.
func (f *file) guard(do func() error) (err error) {
	if f == nil {
		return do()
	}
	if f.closed.Load() {
		return errClosed
	}
	defer f.caught(debug.SetPanicOnFault(true), &err)
	return do()
}

// caught ends what a guard began; it must be deferred itself.
func (f *file) caught(old bool, err *error) {
	debug.SetPanicOnFault(old)
	if r := recover(); r != nil {
		*err = f.fault(r)
	}
}

// find is guard around Set.find, without the function value.
func (f *file) find(s *Set, e *Entry, k Key) (ok bool, err error) {
	if f.closed.Load() {
		return false, errClosed
	}
	defer f.caught(debug.SetPanicOnFault(true), &err)
	return s.find(e, k)
}

// fault is the error for a panic; it panics on for one that is not of the map.
func (f *file) fault(r any) error {
	at, ok := r.(interface{ Addr() uintptr })
	if from := reflect.ValueOf(f.b).Pointer(); !ok || at.Addr() < from || at.Addr()-from >= uintptr(len(f.b)) {
		panic(r)
	}
	return ErrUnreadable
}

// need compares the chunks of n octets from offset from.
func (f *file) need(from, n uint64) error {
	if f.digests == nil {
		return nil
	}
	for c := from / ChunkSize; c <= (from+n-1)/ChunkSize; c++ {
		if f.good[c/64].Load()>>(c%64)&1 == 0 {
			if err := f.compare(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare reads a chunk and remembers whether it is right.
func (f *file) compare(c uint64) error {
	chunk := f.b[c*ChunkSize : min((c+1)*ChunkSize, uint64(len(f.b)))]
	if sha256.Sum256(chunk) != [sha256.Size]byte(f.digests[c*sha256.Size:]) {
		f.good[c/64].And(^uint64(1 << (c % 64)))
		return fmt.Errorf("%w: chunk %d", ErrDigest, c)
	}
	f.good[c/64].Or(1 << (c % 64))
	return nil
}

// Scrub reads the whole set again: it compares every chunk, or, where there are no digests, decodes every block. The first fault is
// returned, and a chunk found wrong answers no more. Errors are Find's and the context's.
func (s *Set) Scrub(ctx context.Context) error {
	if s.file == nil || s.file.digests == nil {
		return s.walk(ctx)
	}
	for c := range uint64(Chunks(s.Size())) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.file.guard(func() error { return s.file.compare(c) }); err != nil {
			return fmt.Errorf("scrubbing a revocation set: %w", err)
		}
	}
	runtime.KeepAlive(s)
	return nil
}

// walk decodes every block and compares the number of entries.
func (s *Set) walk(ctx context.Context) error {
	var entries []Entry
	seen := uint64(0)
	for i := range s.layout.blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if entries, err = s.Entries(entries[:0], i); err != nil {
			return fmt.Errorf("scrubbing a revocation set: %w", err)
		}
		seen += uint64(len(entries))
	}
	if seen != s.Len() {
		return fmt.Errorf("%w: %d entries, trailer says %d", ErrFormat, seen, s.Len())
	}
	return nil
}

// release lets go of the pages up to an offset that are not before another; who touches them again has them mapped again.
func (f *file) release(from, to uint64) {
	const page = 64 << 10
	if from, to = from/page*page, to/page*page; f != nil && from < to {
		_ = syscall.Madvise(f.b[from:to], syscall.MADV_DONTNEED) // a wish
	}
}
