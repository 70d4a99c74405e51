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

// Entries that fit no packing are sorted by the highest bits of their keys, beside which stands where the entry is.
const (
	placeBits = 20
	wideBits  = 64 - placeBits
)

// An arranger sorts entries, at most 2^placeBits, as numbers. It keeps its room from one time to the next.
type arranger struct {
	packing
	packed   bool // else numbers are places
	entries  []crlset.Entry
	from, to []uint64
}

// arrange returns numbers that stand for the entries in rising order of their keys, those of one key resolved, to be read by entry. It
// may change the entries, which must stay until all is read.
func (a *arranger) arrange(entries []crlset.Entry) []uint64 {
	if len(entries) == 0 {
		return nil
	}
	a.from, a.to, a.entries = roomFor(a.from, len(entries)), roomFor(a.to, len(entries)), entries
	if a.packing, a.packed = packingOf(entries); !a.packed {
		a.sortWide()
		return a.resolveWide()
	}
	for i := range entries {
		a.from[i] = a.pack(&entries[i])
	}
	a.sort(a.below(), a.below()+a.keyBits)
	return a.resolvePacked()
}

// entry is the entry that a number stands for.
func (a *arranger) entry(v uint64, e *crlset.Entry) {
	if a.packed {
		a.unpack(v, e)
		return
	}
	*e = a.entries[place(v)]
}

func place(v uint64) uint64 { return v & (1<<placeBits - 1) }

// sort sorts by some bits, in as few passes as there can be.
func (a *arranger) sort(from, to int) {
	passes := (to - from + digitBits - 1) / digitBits
	for ; passes > 0; passes-- {
		width := (to - from + passes - 1) / passes
		a.pass(from, width)
		a.from, a.to = a.to, a.from
		from += width
	}
}

// pass distributes by one digit of at most digitBits and keeps the order of those that have the same.
func (a *arranger) pass(shift, width int) {
	var counts [digits]uint32
	mask := uint64(1)<<width - 1
	for _, v := range a.from {
		counts[v>>(shift&63)&mask&(digits-1)]++
	}
	sum := uint32(0)
	for i, n := range counts[:mask+1] {
		counts[i], sum = sum, sum+n
	}
	to := a.to
	for _, v := range a.from {
		n := &counts[v>>(shift&63)&mask&(digits-1)]
		to[*n] = v
		*n++
	}
}

// sortWide sorts by three digits, which tell most entries from each other, and then those that they do not by their keys.
func (a *arranger) sortWide() {
	shift := max(0, a.keyBits-wideBits)
	for i := range a.entries {
		a.from[i] = shiftRight(a.entries[i].Key.Sub(a.low), shift)<<placeBits | uint64(i)
	}
	top := placeBits + min(a.keyBits, wideBits)
	low := max(placeBits, top-3*digitBits)
	a.sort(low, top)
	for i := 0; i < len(a.from); {
		j := i + 1
		for j < len(a.from) && a.from[j]>>low == a.from[i]>>low {
			j++
		}
		if j > i+1 {
			slices.SortFunc(a.from[i:j], func(v, w uint64) int { return a.entries[place(v)].Key.Compare(a.entries[place(w)].Key) })
		}
		i = j
	}
}

func (a *arranger) resolvePacked() []uint64 {
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

func (a *arranger) resolveWide() []uint64 {
	n := 0
	for _, v := range a.from {
		if n > 0 {
			if last, e := &a.entries[place(a.from[n-1])], &a.entries[place(v)]; last.Key == e.Key {
				*last = crlset.Resolve(*last, *e)
				continue
			}
		}
		a.from[n] = v
		n++
	}
	return a.from[:n]
}

func roomFor(p []uint64, n int) []uint64 {
	if cap(p) < n {
		return make([]uint64, n)
	}
	return p[:n]
}

// shiftRight is the low 64 bits of k >> n, for n below 128.
func shiftRight(k crlset.Key, n int) uint64 {
	switch {
	case n == 0:
		return k.C
	case n < 64:
		return k.C>>n | k.B<<(64-n)
	default:
		return k.B>>(n-64) | uint64(k.A)<<(128-n)
	}
}
