package crlset

import "fmt"

const (
	batches   = 8
	batchSize = 256 << 10 // octets of the base, about
	batchNews = 8 << 10   // edits and additions, about
)

// batch is a run of consecutive blocks on its way from one set to the next.
type batch struct {
	first     int      // block
	bounds    []uint64 // where its blocks lie in the base; one more than blocks
	revised   []revised
	revisions []Revision
	out       []byte
	sizes     []uint32 // of the blocks in out
	entries   uint64
	done      chan struct{}
	err       error

	before, after []Entry // scratch
	scratch       [2][]byte
}

// revised is a block that does not stay as it is.
type revised struct {
	at       int // block, less the batch's first
	from, to int // its revisions
}

func newBatch() *batch {
	return &batch{done: make(chan struct{}, 1), out: make([]byte, 0, batchSize+batchSize/8)}
}

func (b *batch) begin(first int) {
	b.first, b.entries, b.err = first, 0, nil
	b.bounds, b.revised, b.revisions, b.out, b.sizes = b.bounds[:0], b.revised[:0], b.revisions[:0], b.out[:0], b.sizes[:0]
}

// fill takes blocks from the base until there is enough, and asks what becomes of them.
func (b *batch) fill(s *Set, by Reviser) (err error) {
	news := 0
	for i := b.first; i < s.layout.blocks; i++ {
		from, to, err := s.bounds(i)
		if err != nil {
			return err
		}
		if len(b.bounds) == 0 {
			b.bounds = append(b.bounds, from)
		}
		if last := len(b.bounds) - 1; b.bounds[last] != from {
			return fmt.Errorf("%w: blocks apart", ErrFormat)
		}
		if err := s.need(from, to-from); err != nil {
			return err
		}
		b.bounds = append(b.bounds, to)
		have := len(b.revisions)
		if b.revisions, err = by.Revise(b.revisions, i, entries(s.b[from:to])); err != nil {
			return err
		}
		if len(b.revisions) > have {
			b.revised = append(b.revised, revised{i - b.first, have, len(b.revisions)})
		}
		for _, v := range b.revisions[have:] {
			news += len(v.Edits) + len(v.Added)
		}
		if to-b.bounds[0] >= batchSize || news >= batchNews {
			break
		}
	}
	return nil
}

// code makes the octets of the batch: runs of blocks that stay are copied at once.
func (b *batch) code(s *Set) error {
	next := 0
	for _, v := range b.revised {
		b.copy(s, next, v.at)
		if err := b.revise(s, v); err != nil {
			return err
		}
		next = v.at + 1
	}
	b.copy(s, next, len(b.bounds)-1)
	return nil
}

func (b *batch) copy(s *Set, from, to int) {
	b.out = append(b.out, s.b[b.bounds[from]:b.bounds[to]]...)
	for i := from; i < to; i++ {
		b.sizes = append(b.sizes, uint32(b.bounds[i+1]-b.bounds[i]))
		b.entries += uint64(entries(s.b[b.bounds[i]:b.bounds[i+1]]))
	}
}

// revise makes the octets of one block.
func (b *batch) revise(s *Set, v revised) (err error) {
	size := len(b.out)
	entries, ok := b.insert(s, v)
	if !ok {
		entries, ok = b.quickly(s, v)
	}
	if !ok {
		if entries, err = b.recode(s, v); err != nil {
			return err
		}
	}
	b.sizes = append(b.sizes, uint32(len(b.out)-size))
	b.entries += uint64(entries)
	return nil
}

// insert makes them where a few entries are added; false where nothing was written because it takes more.
func (b *batch) insert(s *Set, v revised) (n int, ok bool) {
	var few [inserts]*Entry
	added := few[:0]
	for i := range b.revisions[v.from:v.to] {
		x := &b.revisions[v.from+i]
		if len(x.Edits) > 0 || len(added)+len(x.Added) > inserts {
			return 0, false
		}
		for j := range x.Added {
			added = append(added, &x.Added[j])
		}
	}
	i := b.first + v.at
	r := s.layout.regionOf(i)
	base := r.base(i - r.first)
	block, size := s.b[b.bounds[v.at]:], uint(b.bounds[v.at+1]-b.bounds[v.at])
	for x, e := range added {
		if x+1 == len(added) {
			b.out, ok = r.insert(b.out, block, size, base, e)
			break
		}
		to := &b.scratch[x&1]
		if *to, ok = r.insert((*to)[:0], block, size, base, e); !ok {
			break
		}
		size = uint(len(*to))
		*to = append(*to, make([]byte, slack)...)
		block = *to
	}
	if ok {
		n = entries(block) + 1
	}
	return n, ok
}

// quickly makes them without entries; false where nothing was written because it takes those.
func (b *batch) quickly(s *Set, v revised) (n int, ok bool) {
	i := b.first + v.at
	r := s.layout.regionOf(i)
	from, size := b.bounds[v.at], b.bounds[v.at+1]-b.bounds[v.at]
	t, u := tables.Get().(*table), tables.Get().(*table)
	defer func() { tables.Put(t); tables.Put(u) }()
	base := r.base(i - r.first)
	if !t.readWhole(r, base, s.b[from:], uint(size)) {
		return 0, false
	}
	for x := v.from; x < v.to; x++ {
		if !u.revise(t, r, base, &b.revisions[x]) {
			return 0, false
		}
		t, u = u, t
	}
	if b.out, ok = t.putWhole(b.out, r); !ok {
		return 0, false
	}
	return t.n, true
}

// recode decodes one block and codes what becomes of it.
func (b *batch) recode(s *Set, v revised) (n int, err error) {
	i := b.first + v.at
	if b.before, err = s.layout.Decode(b.before[:0], i, s.b[b.bounds[v.at]:b.bounds[v.at+1]]); err != nil {
		return 0, err
	}
	for _, r := range b.revisions[v.from:v.to] {
		if b.after, err = r.apply(b.after[:0], b.before); err != nil {
			return 0, err
		}
		b.before, b.after = b.after, b.before
	}
	b.out, err = s.layout.Encode(b.out, i, b.before)
	return len(b.before), err
}

// apply appends what becomes of the entries.
func (r *Revision) apply(dst, entries []Entry) ([]Entry, error) {
	edits, added := r.Edits, r.Added
	for i := range entries {
		e := entries[i]
		if len(edits) > 0 && edits[0].Place == i {
			x := edits[0]
			edits = edits[1:]
			if x.Removed {
				continue
			}
			if err := x.apply(&e); err != nil {
				return nil, err
			}
		}
		for len(added) > 0 && added[0].Key.Compare(e.Key) < 0 {
			dst, added = append(dst, added[0]), added[1:]
		}
		if len(added) > 0 && added[0].Key == e.Key {
			return nil, fmt.Errorf("%w: an addition is there already", ErrConflict)
		}
		dst = append(dst, e)
	}
	if len(edits) > 0 {
		return nil, fmt.Errorf("%w: edits past the last entry", ErrConflict)
	}
	return append(dst, added...), nil
}

func (x *Edit) apply(e *Entry) error {
	if x.Told && x.Reason == e.Reason || x.Dated && x.Date == e.Date {
		return fmt.Errorf("%w: a change to what is there already", ErrConflict)
	}
	if x.Told {
		e.Reason = x.Reason
	}
	if x.Dated {
		e.Date = x.Date
	}
	return nil
}
