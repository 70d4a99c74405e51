package crlset

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// rootDomain separates roots of chunk digests from every other hash; part of the format.
const rootDomain = "kazashi/crlset/root/v1"

// Root is the one digest over a file of size octets with these chunk digests, 32 octets each.
func Root(size uint64, digests []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(rootDomain))
	h.Write(binary.LittleEndian.AppendUint64(nil, size))
	h.Write(digests)
	return [32]byte(h.Sum(nil))
}

// Chunks is how many chunks a file of size octets has.
func Chunks(size uint64) int { return int((size + ChunkSize - 1) / ChunkSize) }

// Chunker passes octets on in chunks and makes their digests.
type Chunker struct {
	w       io.Writer
	buf     []byte
	size    uint64
	digests []byte
	err     error
}

// NewChunker passes on to w.
func NewChunker(w io.Writer) *Chunker { return &Chunker{w: w, buf: make([]byte, 0, ChunkSize)} }

// Write takes octets. They reach the writer below in whole chunks, the rest with Close. After an error nothing more is passed on.
func (c *Chunker) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0 && c.err == nil; {
		n := min(len(rest), ChunkSize-len(c.buf))
		c.buf = append(c.buf, rest[:n]...)
		if rest = rest[n:]; len(c.buf) == ChunkSize {
			c.flush()
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	c.size += uint64(len(b))
	return len(b), nil
}

func (c *Chunker) flush() {
	d := sha256.Sum256(c.buf)
	if _, err := c.w.Write(c.buf); err != nil {
		c.err = fmt.Errorf("writing a chunk: %w", err)
		return
	}
	c.digests = append(c.digests, d[:]...)
	c.buf = c.buf[:0]
}

// Size is how many octets came so far.
func (c *Chunker) Size() uint64 { return c.size }

// Close passes on the last chunk and returns the digests of all. The writer below stays open.
func (c *Chunker) Close() (digests []byte, err error) {
	if len(c.buf) > 0 && c.err == nil {
		c.flush()
	}
	return c.digests, c.err
}
