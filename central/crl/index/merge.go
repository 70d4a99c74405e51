package index

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sort"

	"kazashi.example/sync/crlset"
)

// Sizes of the merge, in entries: what is sorted at a time, and the least of it that comes from one run.
const (
	windowEntries = 32 << 10
	leastOfRun    = 64
)

// drain gives all entries to the set, in rising order and resolved. The sorter takes none after that.
func (s *sorter) drain(ctx context.Context, set *crlset.PlanningWriter) error {
	if err := s.settle(); err != nil {
		return err
	}
	s.filling, s.empty = nil, nil // the merge has the room
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, spare := make(chan []crlset.Entry, 1), make(chan []crlset.Entry, 2)
	spare <- nil
	spare <- nil
	var merged error // to be read once out is closed
	go func() {
		defer close(out)
		merged = s.merge(ctx, spare, out)
	}()
	var written error
	for batch := range out {
		if written == nil {
			if written = set.AddBatch(batch); written != nil {
				cancel()
			}
		}
		spare <- batch // there are no more than it has room for
	}
	return cmp.Or(written, merged)
}

// merge sends batches of rising entries. Memory is that of a few windows.
func (s *sorter) merge(ctx context.Context, spare <-chan []crlset.Entry, out chan<- []crlset.Entry) error {
	if p, ok := s.commonPacking(); ok {
		return s.mergePacked(ctx, p, spare, out)
	}
	heads := make([]runHead, 0, len(s.runs))
	room := max(leastOfRun, windowEntries/len(s.runs))
	for _, r := range s.runs {
		heads = append(heads, runHead{run: r, raw: make([]byte, room*r.width), entries: make([]crlset.Entry, 0, room)})
	}
	var a arranger
	var window []crlset.Entry
	for len(heads) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range heads {
			if err := heads[i].read(s.file); err != nil {
				return fmt.Errorf("reading a sorted run: %w", err)
			}
		}
		heads = slices.DeleteFunc(heads, func(h runHead) bool { return len(h.entries) == 0 })
		window = takeBelow(window[:0], heads)
		if batch := inOrder((<-spare)[:0], &a, window); len(batch) > 0 {
			out <- batch
		}
	}
	return nil
}

// inOrder appends the entries of the window in rising order, one for each key.
func inOrder(batch []crlset.Entry, a *arranger, window []crlset.Entry) []crlset.Entry {
	numbers := a.arrange(window)
	batch = slices.Grow(batch, len(numbers))[:len(numbers)]
	for i, v := range numbers {
		a.entry(v, &batch[i])
	}
	return batch
}

// runHead is the beginning of what is left of a run.
type runHead struct {
	run
	raw     []byte
	entries []crlset.Entry
}

// read fills up the room.
func (h *runHead) read(from io.ReaderAt) error {
	want := min(int64(cap(h.entries)-len(h.entries))*int64(h.width), h.end-h.at)
	if want == 0 {
		return nil
	}
	raw := h.raw[:want]
	if _, err := from.ReadAt(raw, h.at); err != nil {
		return err
	}
	h.at += want
	for ; len(raw) > 0; raw = raw[h.width:] {
		h.entries = h.entries[:len(h.entries)+1]
		h.record(raw[:h.width], &h.entries[len(h.entries)-1])
	}
	return nil
}

// takeBelow moves to the window what no run can still have anything below or equal to: a run rises, so what is left of it in the file
// lies above its end here.
func takeBelow(window []crlset.Entry, heads []runHead) []crlset.Entry {
	var limit *crlset.Key // nil: nothing is left in the file
	for i := range heads {
		h := &heads[i]
		if end := h.entries[len(h.entries)-1].Key; h.at < h.end && (limit == nil || above(limit, &end)) {
			limit = &end
		}
	}
	for i := range heads {
		h := &heads[i]
		n := len(h.entries)
		if limit != nil {
			n = sort.Search(n, func(i int) bool { return above(&h.entries[i].Key, limit) })
		}
		window = append(window, h.entries[:n]...)
		h.entries = h.entries[:copy(h.entries, h.entries[n:])]
	}
	return window
}
