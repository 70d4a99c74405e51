package index

import (
	"slices"

	"kazashi.example/sync/crlset"
)

// Radix of the sort: so many bits of a key at a time.
const (
	digitBits = 11
	digits    = 1 << digitBits
)

// An arranger sorts entries that fit a packing, as numbers. It keeps its room from one time to the next.
type arranger struct {
	packing
	from, to []uint64
}

// arrange returns the packed entries in rising order of their keys, those of one key resolved; false if they fit no packing, and nothing
// was done.
func (a *arranger) arrange(entries []crlset.Entry) ([]uint64, bool) {
	if len(entries) == 0 {
		return nil, true
	}
	var ok bool
	if a.packing, ok = packingOf(entries); !ok {
		return nil, false
	}
	a.from, a.to = roomFor(a.from, len(entries)), roomFor(a.to, len(entries))
	for i := range entries {
		a.from[i] = a.pack(&entries[i])
	}
	for digit := range (a.keyBits + digitBits - 1) / digitBits {
		a.pass(a.below() + digit*digitBits)
		a.from, a.to = a.to, a.from
	}
	return a.resolved(), true
}

// pass distributes by one digit and keeps the order of those that have the same.
func (a *arranger) pass(shift int) {
	var counts [digits]uint32
	for _, v := range a.from {
		counts[v>>shift&(digits-1)]++
	}
	sum := uint32(0)
	for i, n := range counts {
		counts[i], sum = sum, sum+n
	}
	to := a.to
	for _, v := range a.from {
		n := &counts[v>>shift&(digits-1)]
		to[*n] = v
		*n++
	}
}

func (a *arranger) resolved() []uint64 {
	n, below := 0, a.below()
	for _, v := range a.from {
		if n > 0 && v>>below == a.from[n-1]>>below {
			a.from[n-1] = a.resolve(a.from[n-1], v)
			continue
		}
		a.from[n] = v
		n++
	}
	return a.from[:n]
}

// arrangeWide does the same to entries that fit no packing, where they stand.
func arrangeWide(entries []crlset.Entry) []crlset.Entry {
	slices.SortFunc(entries, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	n, _ := ascend(entries)
	return entries[:n]
}

func roomFor(p []uint64, n int) []uint64 {
	if cap(p) < n {
		return make([]uint64, n)
	}
	return p[:n]
}
