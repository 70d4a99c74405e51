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

	// By place, one more for what stands behind the last entry of a high. While reading: the place of the next entry with the same high, how
	// many of them come from here on, and the number of the entry in rising order.
	next, chain, ranks [MaxBlock + 1]uint16
	// While writing: the place of each entry, and the entries that are left for later levels.
	places, later [MaxBlock]uint16
	marks         [maxMarks/64 + 1]uint64
	column        [MaxBlock + 1]uint64 // one number of each entry, by place
}

// maxMarks is how many marks a block has at most: there are fewer than 256/123 highs for each entry, and as many as a power of two.
const maxMarks = 2*MaxBlock + MaxBlock

var tables = sync.Pool{New: func() any { return new(table) }}

// read takes ranks and offsets from a block with this frame; false if it contradicts itself. b goes on for slack octets behind it. Equal
// offsets are right if there are tails.
func (t *table) read(b []byte, f *frame, tails bool) bool {
	firsts, ok := t.link(b, f)
	if !ok {
		return false
	}
	t.n = int(f.n)
	for place := t.n - 1; place >= 0; place-- { // what follows is behind
		t.chain[place] = t.chain[t.next[place]] + 1
	}
	rank := uint16(0)
	for place := range firsts {
		t.ranks[place] = rank
		rank += t.chain[place]
	}
	highs, at := t.column[:t.n+1], f.lows
	for place := range t.n {
		rank, next := t.ranks[place], t.next[place]
		t.ranks[next], highs[next] = rank+1, highs[place]
		t.offsets[rank] = highs[place]<<f.k | pack.Get(b, at, f.k)
		at += f.k
	}
	return rises64(t.offsets[:t.n], tails)
}

// rises64 reports whether each is above the one before, or the same if that is allowed.
func rises64(values []uint64, same bool) bool {
	least, wrong := uint64(1), uint64(0)
	if same {
		least = 0
	}
	for i := range values[1:] {
		wrong |= values[i+1] - values[i] - least // offsets are below 2^63
	}
	return wrong>>63 == 0
}

// link fills column with the highs of the entries that are the first of theirs, and next of all, which is n for the last of a high; false
// if the marks do not lead to every entry.
func (t *table) link(b []byte, f *frame) (firsts int, ok bool) {
	end := uint16(f.n)
	for i := range t.next[:f.n] {
		t.next[i] = end
	}
	t.chain[end] = 0
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

// readFields takes the fields of the entries whose ranks are known; false if one tells nothing.
func (t *table) readFields(b []byte, f *frame, facts uint64) bool {
	most, at := uint64(0), f.fields
	for _, rank := range t.ranks[:t.n] {
		v := pack.Get(b, at, f.field)
		t.fields[rank&(MaxBlock-1)] = v
		most = max(most, v)
		at += f.field
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

// arrange gives the entries their places, level by level, and makes the marks. Nothing in it branches on what entries share a high, which
// would be guessed wrong for every fourth.
func (t *table) arrange(f *frame) {
	clear(t.marks[:(f.highs+f.n)/64+1])
	place, left, k := uint64(0), 0, f.k&63
	last := ^uint64(0)
	for i, offset := range t.offsets[:t.n] {
		high := offset >> k
		first := differ(high, last)
		last = high
		t.marks[high/64] |= 1 << (high & 63)
		t.places[i], t.later[left] = uint16(place), uint16(i) // which holds for those that are the first
		place += first
		left += int(first ^ 1)
	}
	for left > 0 {
		level := t.later[:left]
		left, last = 0, ^uint64(0)
		for _, i := range level { // which is not 0: entries that share a high follow one another
			first := differ(uint64(i), last+1)
			last = uint64(i)
			mark := uint64(f.highs) + uint64(t.places[i-1])
			t.marks[mark/64] |= first << (mark & 63)
			t.later[left] = i
			t.places[i] = uint16(place)
			place += first
			left += int(first ^ 1)
		}
	}
}

// differ is 1 if two numbers differ, and 0 if not.
func differ(a, b uint64) uint64 { return ((a ^ b) | -(a ^ b)) >> 63 }

// inPlaces is the entries' numbers by their places. It holds until column is used again.
func (t *table) inPlaces() []uint64 {
	for i, place := range t.places[:t.n] {
		t.column[place] = uint64(i)
	}
	return t.column[:t.n]
}
