package crlset

import (
	"crypto/sha256"
	"fmt"
	"io"
	"syscall"
)

// sink is what an appender writes to.
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
	dirty   int // octets since the disk was last told to begin
	err     error
}

const (
	wave               = 4 << 20 // octets
	syncFileRangeWrite = 2       // SYNC_FILE_RANGE_WRITE, sync_file_range(2)
)

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
	if s.dirty += len(b.out); s.dirty >= wave {
		s.dirty = 0
		s.start()
	}
	s.written <- b
}

// start has the disk begin with what was written so far, so that whoever fsyncs the file afterwards waits for less. It promises
// nothing.
func (s *stream) start() {
	f, ok := s.w.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SyncFileRange(int(fd), 0, 0, syncFileRangeWrite) // no file, or one that cannot: then it waits for fsync
	})
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
