package crlset

import (
	"io"

	"kazashi.example/sync/chunk"
)

// ChunkSize is the unit of digests and of transfer, in octets.
const ChunkSize = chunk.Size

// rootDomain separates roots of chunk digests from every other hash; part of the format.
const rootDomain = "kazashi/crlset/root/v1"

// Root is the one digest over a file of size octets with these chunk digests, 32 octets each.
func Root(size uint64, digests []byte) [32]byte { return chunk.Root(rootDomain, size, digests) }

// Chunks is how many chunks a file of size octets has.
func Chunks(size uint64) int { return chunk.Count(size) }

// Chunker passes octets on in chunks and makes their digests.
type Chunker = chunk.Writer

// NewChunker passes on to w.
func NewChunker(w io.Writer) *Chunker { return chunk.NewWriter(w) }
