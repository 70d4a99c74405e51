package index

import (
	"math/bits"
	"slices"

	"kazashi.example/sync/crlset"
)

// Radix of the sort: so many bits of a key at a time.
const (
	digitBits = 11
	digits    = 1 << digitBits
)

// place stands for an entry while it is sorted.
type place struct {
	key uint64 // as much of it as is compared
	val uint64 // date and reason, or where the entry is
}

// An arranger sorts. It keeps its room from one time to the next.
type arranger struct {
	from, to []place
	entries  []crlset.Entry
	low      crlset.Key // of them
	inline   bool       // keys are whole but for low, and val is the rest of the entry: going back to it would miss the cache
}

// arrange sorts entries in rising order, to be read by at. They stay where they are, and those of one key stand in any order.
func (a *arranger) arrange(entries []crlset.Entry) int {
	a.from, a.to, a.entries = roomFor(a.from, len(entries)), roomFor(a.to, len(entries)), entries
	if len(entries) == 0 {
		return 0
	}
	low, high := bounds(entries)
	width := bitLen(high.Sub(low))
	shift := max(0, width-64)
	a.low, a.inline = low, shift == 0
	skip := 0
	if a.inline {
		a.placeInline()
	} else { // some bits are not compared anyway: as few passes as tell most entries from each other
		a.placeWide(shift)
		width = 64
		skip = max(0, width-bits.Len(uint(len(entries)))-digitBits)
	}
	for digit := skip; digit < width; digit += digitBits {
		a.pass(digit)
		a.from, a.to = a.to, a.from
	}
	if !a.inline {
		settleTies(a.from, entries, skip)
	}
	return len(entries)
}

func (a *arranger) placeInline() {
	for i := range a.entries {
		e := &a.entries[i]
		a.from[i] = place{e.Key.C - a.low.C, metaOf(e)} // the difference has no more than 64 bits
	}
}

func (a *arranger) placeWide(shift int) {
	for i := range a.entries {
		a.from[i] = place{shiftRight(a.entries[i].Key.Sub(a.low), shift), uint64(i)}
	}
}

// at is the i-th entry in order.
func (a *arranger) at(i int, e *crlset.Entry) {
	p := a.from[i]
	if !a.inline {
		*e = a.entries[p.val]
		return
	}
	e.Key = a.low.Add(crlset.Key{C: p.key})
	setMeta(e, p.val)
}

// pass distributes by one digit and keeps the order of those that have the same.
func (a *arranger) pass(shift int) {
	var counts [digits]uint32
	for i := range a.from {
		counts[a.from[i].key>>shift&(digits-1)]++
	}
	sum := uint32(0)
	for i, n := range counts {
		counts[i], sum = sum, sum+n
	}
	for _, p := range a.from {
		n := &counts[p.key>>shift&(digits-1)]
		a.to[*n] = p
		*n++
	}
}

// settleTies sorts an order that is right but for the lowest bits, which tell only few entries from each other.
func settleTies(order []place, entries []crlset.Entry, skip int) {
	for i := 0; i < len(order); {
		j := i + 1
		for j < len(order) && order[j].key>>skip == order[i].key>>skip {
			j++
		}
		if j > i+1 {
			slices.SortFunc(order[i:j], func(p, q place) int { return entries[p.val].Key.Compare(entries[q.val].Key) })
		}
		i = j
	}
}

func bounds(entries []crlset.Entry) (low, high crlset.Key) {
	low, high = entries[0].Key, entries[0].Key
	for i := range entries {
		k := &entries[i].Key
		if above(&low, k) {
			low = *k
		}
		if above(k, &high) {
			high = *k
		}
	}
	return low, high
}

func roomFor(p []place, n int) []place {
	if cap(p) < n {
		return make([]place, n)
	}
	return p[:n]
}

func bitLen(k crlset.Key) int {
	switch {
	case k.A != 0:
		return 128 + bits.Len32(k.A)
	case k.B != 0:
		return 64 + bits.Len64(k.B)
	default:
		return bits.Len64(k.C)
	}
}

// shiftRight is the low 64 bits of k >> n.
func shiftRight(k crlset.Key, n int) uint64 {
	switch {
	case n == 0:
		return k.C
	case n < 64:
		return k.C>>n | k.B<<(64-n)
	case n == 64:
		return k.B
	default:
		return k.B>>(n-64) | uint64(k.A)<<(128-n)
	}
}
