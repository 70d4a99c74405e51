package scan

import (
	"context"
	"errors"
	"fmt"

	"kazashi.example/sync/crlset"
)

// A batch is some entries, and where in the list they end, roughly.
type batch struct {
	entries []crlset.Entry
	at      int64
}

// walker takes the list apart as it comes, on a goroutine of its own. All but the channels may be read once full is closed.
type walker struct {
	head *head
	full chan *batch // in the order of the list
	free chan *batch // takes every batch without blocking
	err  error

	now   *batch // that is being filled
	count uint64 // of the entries before it
	rest  []byte // the beginning of an entry that goes on in the next chunk
	tail  []byte
}

func startWalker(ctx context.Context, h *head, p *pump) *walker {
	w := &walker{head: h, full: make(chan *batch, batches), free: make(chan *batch, batches)}
	size := max(1, min(batchSize, (h.entriesEnd-h.entriesStart)/leastEntry))
	for range batches {
		w.free <- &batch{entries: make([]crlset.Entry, 0, size)}
	}
	go func() {
		defer close(w.full)
		w.err = w.run(ctx, p)
	}()
	return w
}

// wait returns when the goroutine has ended. ctx must be at its end, or full read to its end.
func (w *walker) wait() {
	for range w.full {
		continue // nobody wants what is still under way
	}
}

func (w *walker) run(ctx context.Context, p *pump) error {
	w.now = <-w.free
	for b := range p.full {
		w.now.at = b.end()
		if err := w.walk(ctx, b); err != nil {
			return err
		}
		p.free <- b
	}
	if p.err != nil {
		return fmt.Errorf("reading a revocation list: %w", p.err)
	}
	return w.flush(ctx)
}

// walk reads what stands in one chunk, and keeps nothing of it but copies.
func (w *walker) walk(ctx context.Context, b *buffer) error {
	if part := within(b, w.head.entriesStart, w.head.entriesEnd); len(part) > 0 {
		whole := part
		if len(w.rest) > 0 { // then the chunk begins with entries
			whole = b.after(w.rest)[:len(w.rest)+len(part)]
		}
		n, err := w.entries(ctx, whole)
		if err != nil {
			return err
		}
		w.rest = append(w.rest[:0], whole[n:]...)
	}
	if tail := within(b, w.head.entriesEnd, w.head.total); len(tail) > 0 {
		if len(w.rest) > 0 {
			return w.fault(fmt.Errorf("%w: it is longer than the list of entries", ErrDER))
		}
		w.tail = append(w.tail, tail...) // at most maxTail
	}
	return nil
}

// entries reads whole entries and returns where the first that is not whole begins.
func (w *walker) entries(ctx context.Context, b []byte) (int, error) {
	at := 0
	for {
		var n int
		w.now.entries, n = common(b[at:], w.now.entries)
		at += n
		if len(w.now.entries) == cap(w.now.entries) {
			if err := w.flush(ctx); err != nil {
				return 0, err
			}
		}
		e, n, err := readEntry(b[at:])
		switch {
		case errors.Is(err, errShort):
			return at, nil
		case err != nil:
			return 0, w.fault(err)
		}
		w.now.entries = append(w.now.entries, e)
		at += n
	}
}

// fault says at which entry something is wrong, counted from 0. It names no serial (P3).
func (w *walker) fault(err error) error {
	return fmt.Errorf("reading entry %d: %w", w.count+uint64(len(w.now.entries)), err)
}

// flush hands the batch over and takes an empty one.
func (w *walker) flush(ctx context.Context) error {
	if len(w.now.entries) == 0 {
		return nil
	}
	w.count += uint64(len(w.now.entries))
	w.full <- w.now // has room for every batch
	select {
	case next := <-w.free:
		next.at, w.now = w.now.at, next
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reading a revocation list: %w", ctx.Err())
	}
}
