package crlset

import (
	"context"
	"fmt"
	"runtime"

	"kazashi.example/sync/chunk"
)

// OpenFile maps a set's file. digests are those of its manifest: each chunk is compared when it is first touched, so that opening
// reads only the last chunks and the first; nil if the file is trusted. ErrFormat, ErrDigest or ErrUnreadable. The file must not
// be written to while it is open; where its disk fails under the map, calls get ErrUnreadable and the process goes on.
func OpenFile(path string, digests []byte) (*Set, error) {
	faults := chunk.Faults{Format: ErrFormat, Digest: ErrDigest, Unreadable: ErrUnreadable, Closed: errClosed}
	m, err := chunk.Open(path, int64(len(magic))+trailerSize, faults)
	if err != nil {
		return nil, fmt.Errorf("opening a revocation set: %w", err)
	}
	s := &Set{b: m.Octets(), file: m, mapped: m}
	if digests != nil {
		err = m.Judge(s.Size(), digests)
	}
	if err == nil {
		err = s.guard(s.open)
	}
	if err != nil {
		_ = m.CloseNow() // nobody else has it
		return nil, err
	}
	return s, nil
}

// Close gives the map back once no call is in it; calls after it get os.ErrClosed. Octets from Block must not be used any more.
func (s *Set) Close() error {
	if s.file != nil {
		chunk.Close(s.file, s)
	}
	return nil
}

// CloseNow is Close for whoever counts who uses the set, and knows that nobody does and nobody will: the map is given back at once,
// and with it the room of a file that was removed. A call that runs meanwhile, or octets from Block, may end the process.
func (s *Set) CloseNow() error {
	if s.file == nil {
		return nil
	}
	return s.file.CloseNow()
}

// guard runs do where a fault inside the map becomes ErrUnreadable.
func (s *Set) guard(do func() error) error {
	if s.file == nil {
		return do()
	}
	return s.file.Guard(do)
}

// Scrub reads the whole set again: it compares every chunk, or, where there are no digests, decodes every block. The first fault is
// returned, and a chunk found wrong answers no more. Errors are Find's and the context's.
func (s *Set) Scrub(ctx context.Context) error {
	if s.file == nil || !s.file.Judged() {
		return s.walk(ctx)
	}
	for c := range uint64(Chunks(s.Size())) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.file.Compare(c); err != nil {
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

// release lets go of the pages up to an offset that are not before another.
func (s *Set) release(from, to uint64) {
	if s.file != nil {
		s.file.Release(from, to)
	}
}
