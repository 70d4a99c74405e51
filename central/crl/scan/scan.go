// Package scan reads an X.509 revocation list (RFC 5280 §5) of any length in one pass and constant memory.
//
// The extensions that name the signing key, and the signature, stand after the entries. So entries are handed out while the
// list is still unproved, and count for nothing until [Read] has returned nil. One goroutine reads and hashes, one parses, the
// caller's takes the entries. Nothing is kept on a disk here, nothing is published, and whether nextUpdate has passed is the caller's question.
package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
)

// DefaultMaxOctets is the longest list read unless the options say otherwise, in octets: 100 million entries with reasons.
const DefaultMaxOctets = 4 << 30

// clockSkew is how far thisUpdate may lie ahead of central's clock.
const clockSkew = 5 * time.Minute

// Sizes, in octets. The head is what stands before the entries, the tail what stands after them.
const (
	chunkSize = 256 << 10
	maxHead   = 64 << 10
	maxTail   = 64 << 10
	maxEntry  = 8 << 10 // also the room before a chunk, for the part of an entry that the chunk before ends with
)

// batchSize is how many entries a sink gets at a time, at most; batches are how many are under way.
const (
	batchSize = 4096
	batches   = 3
)

// Options say what a list is measured by.
type Options struct {
	Anchors   *jpki.Anchors          // whose lists are read
	Now       time.Time              // what thisUpdate may not lie after; zero: the machine's clock
	MaxOctets int64                  // the longest list; zero: DefaultMaxOctets
	Progress  func(octets, of int64) // called between batches of entries, on the goroutine of Read; may be nil
}

// List is what a list says of itself, verified.
type List struct {
	Scope      certid.Scope
	Key        certid.KeyID // the key that signed it: generations of one authority share a name
	Point      []byte       // directory name (DER) of the partition it covers, see jpki.PartitionOf; nil: its whole scope
	Number     uint64       // RFC 5280 §5.2.3
	ThisUpdate time.Time
	NextUpdate time.Time
	Entries    uint64 // as they stand, serials that stand twice included
	Octets     int64  // of the whole list
	Digest     []byte // what was signed: SHA-256 or SHA-384, by the key, of TBSCertList. It names the list's content
}

// A Sink takes entries in the order of the list. The batch is valid, and the sink's to change, until it returns. Its error ends the reading.
type Sink func(batch []crlset.Entry) error

// Read reads one list to its end and verifies it as jpki.Anchors.ExamineCRL does, or more strictly. Errors: those of this package;
// jpki.ErrCRLIssuerUnknown, jpki.ErrCRLSignature; of the sink, of r, of ctx. No goroutine is left when it returns, for which it waits
// for a pending read of r: a source that can stall must itself end with ctx.
func Read(ctx context.Context, r io.Reader, o Options, sink Sink) (List, error) {
	if o.MaxOctets == 0 {
		o.MaxOctets = DefaultMaxOctets
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if err := ctx.Err(); err != nil {
		return List{}, fmt.Errorf("reading a revocation list: %w", err)
	}
	first := newBuffer(maxHead)
	if err := first.fill(r, maxHead); err != nil && !errors.Is(err, io.EOF) {
		return List{}, fmt.Errorf("reading a revocation list: %w", err)
	}
	h, err := readHead(first.data(), o)
	if err != nil {
		return List{}, fmt.Errorf("reading the head of a revocation list: %w", err)
	}
	return h.follow(ctx, r, first, o, sink)
}

// follow reads what comes after the head. first holds the beginning of the list.
func (h *head) follow(ctx context.Context, r io.Reader, first *buffer, o Options, sink Sink) (List, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := startPump(ctx, r, h, first)
	w := startWalker(ctx, h, p)
	defer p.wait()
	defer w.wait()
	defer cancel() // first of these
	for b := range w.full {
		if err := sink(b.entries); err != nil {
			return List{}, err
		}
		if o.Progress != nil {
			o.Progress(b.at, h.total)
		}
		b.entries = b.entries[:0]
		w.free <- b // has room for every batch
	}
	if w.err != nil {
		return List{}, w.err
	}
	return w.finish(o.Anchors, p.hash.Sum(nil))
}

// finish reads the tail and verifies the signature.
func (w *walker) finish(anchors *jpki.Anchors, sum []byte) (List, error) {
	t, err := readTail(w.tail, w.head)
	if err != nil {
		return List{}, fmt.Errorf("reading the end of a revocation list: %w", err)
	}
	signer, err := signerOf(anchors, w.head, t, sum)
	if err != nil {
		return List{}, err
	}
	return List{
		Scope: signer.Scope(), Key: jpki.KeyIDOf(signer.Cert), Point: bytes.Clone(t.point), Number: t.number,
		ThisUpdate: w.head.thisUpdate, NextUpdate: w.head.nextUpdate,
		Entries: w.count, Octets: w.head.total, Digest: sum,
	}, nil
}
