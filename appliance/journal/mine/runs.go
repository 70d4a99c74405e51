package mine

import (
	"cmp"
	"maps"
	"slices"

	"kazashi.example/sync/record"
)

// runs is a set of sequence numbers: ascending runs, inclusive, that neither overlap nor touch.
type runs []run

type run struct{ first, last record.Seq }

func (s runs) find(q record.Seq) (int, bool) {
	return slices.BinarySearchFunc(s, q, func(r run, q record.Seq) int {
		switch {
		case r.last < q:
			return -1
		case r.first > q:
			return 1
		default:
			return 0
		}
	})
}

// with adds a number, in place.
func (s runs) with(q record.Seq) runs {
	i, found := s.find(q)
	if found {
		return s
	}
	before, after := i > 0 && s[i-1].last+1 == q, i < len(s) && s[i].first == q+1
	switch {
	case before && after:
		s[i-1].last = s[i].last
		return slices.Delete(s, i, i+1)
	case before:
		s[i-1].last = q
	case after:
		s[i].first = q
	default:
		return slices.Insert(s, i, run{q, q})
	}
	return s
}

func (s runs) has(q record.Seq) bool {
	_, found := s.find(q)
	return found
}

func (s runs) len() (n uint64) {
	for _, r := range s {
		n += uint64(r.last-r.first) + 1
	}
	return n
}

// first is the smallest number; 0 for none.
func (s runs) first() record.Seq {
	if len(s) == 0 {
		return 0
	}
	return s[0].first
}

// sorted are the keys of a map, ascending.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
