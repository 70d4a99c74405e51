package crlset

import (
	"crypto/sha256"
	"fmt"
	"io"
)

// sink is what an Appender writes to.
type sink interface {
	io.Writer
	Size() uint64
	Close() (digests []byte, err error)
}

var (
	_ sink = (*Chunker)(nil)
	_ sink = (*stream)(nil)
)

// stream is a Chunker that makes digests in another goroutine and takes octets by the batch.
type stream struct {
	w       io.Writer
	size    uint64
	small   *batch // gathers what comes by Write
	written chan *batch
	free    chan *batch
	digests chan []byte
	err     error
}

func newStream(w io.Writer) *stream {
	s := &stream{w: w, written: make(chan *batch, batches), free: make(chan *batch, batches), digests: make(chan []byte, 1)}
	for range batches {
		s.free <- newBatch()
	}
	go s.digest()
	return s
}

// digest makes the digests of what was written, and frees it.
func (s *stream) digest() {
	var digests []byte
	h, left := sha256.New(), ChunkSize
	for b := range s.written {
		for rest := b.out; len(rest) > 0; {
			n := min(len(rest), left)
			h.Write(rest[:n])
			rest, left = rest[n:], left-n
			if left == 0 {
				digests, left = h.Sum(digests), ChunkSize
				h.Reset()
			}
		}
		s.free <- b
	}
	if left < ChunkSize {
		digests = h.Sum(digests)
	}
	s.digests <- digests
}

// Write gathers small parts. It must not be called while others take batches from free.
func (s *stream) Write(b []byte) (int, error) {
	if s.small == nil {
		s.small = <-s.free
		s.small.begin(0)
	}
	s.small.out = append(s.small.out, b...)
	s.size += uint64(len(b))
	if len(s.small.out) >= batchSize {
		s.flush()
	}
	return len(b), s.err
}

func (s *stream) flush() {
	if b := s.small; b != nil {
		s.small = nil
		s.pass(b)
	}
}

// take writes the octets of a batch and passes it on to be digested and freed.
func (s *stream) take(b *batch) error {
	s.flush()
	s.size += uint64(len(b.out))
	s.pass(b)
	return s.err
}

func (s *stream) pass(b *batch) {
	if s.err == nil {
		if _, err := s.w.Write(b.out); err != nil {
			s.err = fmt.Errorf("writing a batch: %w", err)
		}
	}
	s.written <- b
}

// Size is how many octets came so far.
func (s *stream) Size() uint64 { return s.size }

// Close writes what is gathered and returns the digests.
func (s *stream) Close() ([]byte, error) {
	s.flush()
	s.abandon()
	return <-s.digests, s.err
}

// abandon ends the digesting goroutine.
func (s *stream) abandon() { close(s.written) }
