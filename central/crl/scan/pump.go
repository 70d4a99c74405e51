package scan

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
)

// buffers is how many chunks are under way: one is read and hashed, one is parsed, one waits.
const buffers = 3

// A buffer holds one chunk of the list, behind room for the end of the chunk before.
type buffer struct {
	room  []byte // maxEntry octets, then the chunk
	n     int    // octets of the chunk
	start int64  // where the chunk stands in the list
}

func newBuffer(size int64) *buffer { return &buffer{room: make([]byte, maxEntry+size)} }

func (b *buffer) data() []byte { return b.room[maxEntry : maxEntry+b.n] }

func (b *buffer) end() int64 { return b.start + int64(b.n) }

// after is the chunk with the octets before it, which are at most maxEntry.
func (b *buffer) after(before []byte) []byte {
	copy(b.room[maxEntry-len(before):], before)
	return b.room[maxEntry-len(before) : maxEntry+b.n]
}

// fill reads want octets, or as many as there is room for; io.EOF if the source ends before.
func (b *buffer) fill(r io.Reader, want int64) error {
	n, err := io.ReadFull(r, b.room[maxEntry:maxEntry+min(want, int64(len(b.room)-maxEntry))])
	b.n = n
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// A pump reads and hashes a list on a goroutine of its own. hash and err may be read once full is closed.
type pump struct {
	full chan *buffer // in the order of the list
	free chan *buffer // takes every buffer without blocking
	done chan struct{}
	hash hash.Hash
	err  error
}

func startPump(ctx context.Context, r io.Reader, h *head, first *buffer) *pump {
	p := &pump{full: make(chan *buffer, buffers), free: make(chan *buffer, buffers), done: make(chan struct{}), hash: h.algorithm.hash.New()}
	for range buffers - 1 {
		p.free <- newBuffer(max(0, min(h.total-first.end(), chunkSize)))
	}
	go func() {
		defer close(p.done)
		defer close(p.full)
		p.err = p.run(ctx, r, h, first)
	}()
	return p
}

func (p *pump) wait() { <-p.done }

func (p *pump) run(ctx context.Context, r io.Reader, h *head, b *buffer) error {
	var err error
	for {
		if int64(b.n) > h.total-b.start {
			return ErrTrailing
		}
		p.digest(h, b)
		end := b.end()
		p.full <- b // has room for every buffer
		if err != nil {
			return fmt.Errorf("%w: %d of %d octets", ErrTruncated, end, h.total)
		}
		if end == h.total {
			return atEnd(r)
		}
		if b, err = p.next(ctx, r, h.total, end); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// next gets what stands after end, up to the list's end.
func (p *pump) next(ctx context.Context, r io.Reader, total, end int64) (*buffer, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case b := <-p.free:
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		b.start = end
		return b, b.fill(r, total-end)
	}
}

// digest hashes what of the chunk is signed.
func (p *pump) digest(h *head, b *buffer) {
	p.hash.Write(within(b, h.tbsStart, h.tbsEnd)) // never fails
}

func atEnd(r io.Reader) error {
	var one [1]byte
	n, err := io.ReadFull(r, one[:])
	switch {
	case n > 0:
		return ErrTrailing
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// within is what of the chunk stands from one place of the list to another.
func within(b *buffer, from, to int64) []byte {
	from, to = max(from, b.start), min(to, b.end())
	if from >= to {
		return nil
	}
	return b.data()[from-b.start : to-b.start]
}
