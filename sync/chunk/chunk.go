// Package chunk is files in chunks of 64 KiB, each with its SHA-256: the unit in which large files travel, are gone on with after a line
// was cut, and are verified when they are first read.
//
// One [Root] over all digests names a file. A [Writer] makes the digests, a [Map] compares them as the file is used. A Writer belongs
// to one goroutine, a Map may be used from any. Nothing here fsyncs or renames: who keeps files does.
package chunk

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// Size is the unit of digests and of transfer, in octets; the last chunk of a file may be shorter.
const Size = 64 << 10

// Root is the one digest over a file of size octets with these chunk digests, 32 octets each. The domain keeps kinds of files apart.
func Root(domain string, size uint64, digests []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(domain))
	h.Write(binary.LittleEndian.AppendUint64(nil, size))
	h.Write(digests)
	return [32]byte(h.Sum(nil))
}

// Count is how many chunks a file of size octets has.
func Count(size uint64) int { return int((size + Size - 1) / Size) }

// Writer passes octets on in chunks and makes their digests.
type Writer struct {
	w       io.Writer
	buf     []byte
	size    uint64
	digests []byte
	err     error
}

// NewWriter passes on to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, buf: make([]byte, 0, Size)} }

// Write takes octets. They reach the writer below in whole chunks, the rest with Close. After an error nothing more is passed on.
func (c *Writer) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0 && c.err == nil; {
		n := min(len(rest), Size-len(c.buf))
		c.buf = append(c.buf, rest[:n]...)
		if rest = rest[n:]; len(c.buf) == Size {
			c.flush()
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	c.size += uint64(len(b))
	return len(b), nil
}

func (c *Writer) flush() {
	d := sha256.Sum256(c.buf)
	if _, err := c.w.Write(c.buf); err != nil {
		c.err = fmt.Errorf("writing a chunk: %w", err)
		return
	}
	c.digests = append(c.digests, d[:]...)
	c.buf = c.buf[:0]
}

// Size is how many octets came so far.
func (c *Writer) Size() uint64 { return c.size }

// Close passes on the last chunk and returns the digests of all. The writer below stays open.
func (c *Writer) Close() (digests []byte, err error) {
	if len(c.buf) > 0 && c.err == nil {
		c.flush()
	}
	return c.digests, c.err
}
