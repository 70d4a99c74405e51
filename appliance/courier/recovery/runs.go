package recovery

import (
	"cmp"
	"slices"

	"kazashi.example/sync/record"
)

// runs is a set of sequence numbers: ascending runs, inclusive, that neither overlap nor touch.
type runs []run

type run struct{ first, last record.Seq }

// with adds a run. Most are added at the end.
func (s runs) with(first, last record.Seq) runs {
	if n := len(s); n > 0 && s[n-1].last+1 == first {
		s[n-1].last = last
		return s
	}
	from, _ := slices.BinarySearchFunc(s, first, func(r run, q record.Seq) int { return cmp.Compare(r.last+1, q) })
	to := from
	for to < len(s) && s[to].first <= last+1 {
		first, last = min(first, s[to].first), max(last, s[to].last)
		to++
	}
	return slices.Replace(s, from, to, run{first, last})
}

func (s runs) has(q record.Seq) bool {
	i, _ := slices.BinarySearchFunc(s, q, func(r run, q record.Seq) int { return cmp.Compare(r.last, q) })
	return i < len(s) && s[i].first <= q
}
