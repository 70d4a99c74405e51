package crlset

import (
	"math/bits"
	"sync"

	"kazashi.example/sync/crlset/internal/pack"
)

// table is a block taken apart, its entries in rising order. It belongs to one goroutine.
type table struct {
	n       int
	offsets [MaxBlock]uint64
	fields  [MaxBlock]uint64 // not of plain blocks
	places  [MaxBlock]uint16 // where they stand in the block

	next   [MaxBlock]uint16     // while reading: by place, that of the next entry with the same high, or 0
	starts [MaxBlock + 1]uint32 // while writing: by how many entries of the same high come before, the next place
	marks  [maxMarks/64 + 1]uint64
	column [MaxBlock]uint64 // one number of each entry, by place
}

// maxMarks is how many marks a block has at most: there are fewer than 256/123 highs for each entry, and as many as a power of two.
const maxMarks = 2*MaxBlock + MaxBlock

var tables = sync.Pool{New: func() any { return new(table) }}

// read takes places and offsets from a block with this frame; false if it contradicts itself. b goes on for slack octets behind it. Equal
// offsets are right if there are tails.
func (t *table) read(b []byte, f *frame, tails bool) bool {
	firsts, ok := t.link(b, f)
	if !ok {
		return false
	}
	t.n = 0
	for i := range firsts {
		high, last := t.column[i]<<f.k, uint64(0)
		for place := uint(i); ; place = uint(t.next[place]) {
			low := pack.Get(b, f.lows+place*f.k, f.k)
			if place != uint(i) && (low < last || low == last && !tails) {
				return false
			}
			t.offsets[t.n], t.places[t.n], last = high|low, uint16(place), low
			if t.n++; t.next[place] == 0 {
				break
			}
		}
	}
	return true
}

// link fills column with the highs of the entries that are the first of theirs, and next of all; false if the marks do not lead to every
// entry.
func (t *table) link(b []byte, f *frame) (firsts int, ok bool) {
	clear(t.next[:f.n])
	n := uint(0)
	for at := uint(0); at < f.highs; at += 64 {
		for word := f.marks(b, at, f.highs-at); word != 0; word &= word - 1 {
			if n == f.n {
				return 0, false
			}
			t.column[n] = uint64(at) + uint64(bits.TrailingZeros64(word))
			n++
		}
	}
	firsts = int(n)
	for at := uint(0); at < f.n; at += 64 {
		for word := f.marks(b, f.highs+at, f.n-at); word != 0; word &= word - 1 {
			place := at + uint(bits.TrailingZeros64(word))
			if n == f.n || n <= place {
				return 0, false
			}
			t.next[place] = uint16(n)
			n++
		}
	}
	return firsts, n == f.n
}

// marks are at most 64 marks of a block, those from number at on, and zeros behind them if there are fewer.
func (f *frame) marks(b []byte, at, most uint) uint64 {
	word := pack.Get(b, marksAt+at, 64)
	if most < 64 {
		word &= pack.Mask(most)
	}
	return word
}

// readFields takes the fields of the entries whose places are known; false if one tells nothing.
func (t *table) readFields(b []byte, f *frame, facts uint64) bool {
	most := uint64(0)
	for i, place := range t.places[:t.n] {
		t.fields[i] = pack.Get(b, f.fields+uint(place)*f.field, f.field)
		most = max(most, t.fields[i])
	}
	return most < facts
}

// put appends marks and lows.
func (t *table) put(w *pack.Writer, f *frame) {
	t.arrange(f)
	last := f.highs + f.n
	for _, word := range t.marks[:last/64] {
		w.Put(word, 64)
	}
	w.Put(t.marks[last/64], last%64)
	t.putColumn(w, &t.offsets, f.k)
}

// putColumn appends the low bits of one number of each entry.
func (t *table) putColumn(w *pack.Writer, values *[MaxBlock]uint64, width uint) {
	for i, place := range t.places[:t.n] {
		t.column[place] = values[i]
	}
	w.PutAll(t.column[:t.n], width)
}

// arrange gives the entries their places, and makes the marks.
func (t *table) arrange(f *frame) {
	offsets, places, k := t.offsets[:t.n], t.places[:t.n], f.k&63
	depth, deepest, last := 0, 0, ^uint64(0)
	t.starts[0] = 0
	for i, offset := range offsets {
		high := offset >> k
		if depth++; high != last {
			depth, last = 0, high
		}
		if depth > deepest {
			deepest, t.starts[depth] = depth, 0
		}
		t.starts[depth]++
		places[i] = uint16(depth)
	}
	first := uint32(0)
	for i := range t.starts[:deepest+1] {
		t.starts[i], first = first, first+t.starts[i]
	}
	clear(t.marks[:(f.highs+f.n)/64+1])
	mark := uint64(0)
	for i, depth := range places {
		place := t.starts[depth]
		t.starts[depth]++
		if depth == 0 {
			mark = offsets[i] >> k
		}
		t.marks[mark/64] |= 1 << (mark & 63)
		places[i], mark = uint16(place), uint64(f.highs)+uint64(place)
	}
}

// inPlaces is the entries' numbers by their places. It holds until column is used again.
func (t *table) inPlaces() []uint64 {
	for i, place := range t.places[:t.n] {
		t.column[place] = uint64(i)
	}
	return t.column[:t.n]
}
