package index

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sort"

	"kazashi.example/sync/crlset"
)

// commonPacking is one for all runs; false if there is none.
func (s *sorter) commonPacking() (packing, bool) {
	var all packing
	for _, r := range s.runs {
		if r.at == r.end {
			continue
		}
		all.widen([]crlset.Entry{{Key: r.packing.low, Date: r.packing.first}, {Key: r.packing.high, Date: r.packing.last}})
	}
	return all, all.fits()
}

// mergePacked is merge where one packing has room for all: until they are sent, entries are numbers.
func (s *sorter) mergePacked(ctx context.Context, p packing, spare <-chan []crlset.Entry, out chan<- []crlset.Entry) error {
	heads := make([]packedHead, 0, len(s.runs))
	room := max(leastOfRun, windowEntries/len(s.runs))
	for _, r := range s.runs {
		heads = append(heads, packedHead{run: r, raw: make([]byte, room*r.width), numbers: make([]uint64, 0, room)})
	}
	a := arranger{packing: p, packed: true}
	for len(heads) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range heads {
			if err := heads[i].read(s.file, &p); err != nil {
				return fmt.Errorf("reading a sorted run: %w", err)
			}
		}
		heads = slices.DeleteFunc(heads, func(h packedHead) bool { return len(h.numbers) == 0 })
		a.from = takeNumbers(a.from[:0], heads, p.below())
		numbers := a.arrangeNumbers()
		if len(numbers) == 0 {
			continue
		}
		batch := slices.Grow((<-spare)[:0], len(numbers))[:len(numbers)]
		for i, v := range numbers {
			p.unpack(v, &batch[i])
		}
		out <- batch
	}
	return nil
}

// packedHead is the beginning of what is left of a run.
type packedHead struct {
	run
	raw     []byte
	numbers []uint64
}

// read fills up the room.
func (h *packedHead) read(from io.ReaderAt, p *packing) error {
	want := min(int64(cap(h.numbers)-len(h.numbers))*int64(h.width), h.end-h.at)
	if want == 0 {
		return nil
	}
	raw := h.raw[:want]
	if _, err := from.ReadAt(raw, h.at); err != nil {
		return err
	}
	h.at += want
	var e crlset.Entry
	for ; len(raw) > 0; raw = raw[h.width:] {
		if h.width == packedRecord {
			h.numbers = append(h.numbers, p.repack(&h.packing, binary.LittleEndian.Uint64(raw)))
			continue
		}
		h.record(raw[:h.width], &e)
		h.numbers = append(h.numbers, p.pack(&e))
	}
	return nil
}

// takeNumbers is takeBelow for numbers with a key above so many bits.
func takeNumbers(window []uint64, heads []packedHead, below int) []uint64 {
	limit, any := uint64(0), false // any: something is left in the file
	for i := range heads {
		h := &heads[i]
		if end := h.numbers[len(h.numbers)-1] >> below; h.at < h.end && (!any || end < limit) {
			limit, any = end, true
		}
	}
	for i := range heads {
		h := &heads[i]
		n := len(h.numbers)
		if any {
			n = sort.Search(n, func(i int) bool { return h.numbers[i]>>below > limit })
		}
		window = append(window, h.numbers[:n]...)
		h.numbers = h.numbers[:copy(h.numbers, h.numbers[n:])]
	}
	return window
}

// arrangeNumbers is arrange for what stands in from as numbers already.
func (a *arranger) arrangeNumbers() []uint64 {
	if len(a.from) == 0 {
		return nil
	}
	a.to = roomFor(a.to, len(a.from))
	low, high := slices.Min(a.from), slices.Max(a.from)
	a.sort(a.below(), bits.Len64(low^high)) // above, all are alike
	return a.resolvePacked()
}
