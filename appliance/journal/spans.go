package journal

import (
	"iter"

	"kazashi.example/sync/record"
)

// span is a run of sequence numbers, inclusive.
type span struct{ first, last record.Seq }

func (s span) len() uint64 { return uint64(s.last-s.first) + 1 }

// spans is a set of sequence numbers: ascending runs that neither overlap nor touch. Its methods change no array in place, so
// that a copy taken before a transaction stays what it was.
type spans []span

// with adds a run.
func (s spans) with(n span) spans {
	out := make(spans, 0, len(s)+1)
	placed := false
	for _, o := range s {
		switch {
		case o.last+1 < n.first:
			out = append(out, o)
		case n.last+1 < o.first:
			if !placed {
				out, placed = append(out, n), true
			}
			out = append(out, o)
		default:
			n = span{min(n.first, o.first), max(n.last, o.last)}
		}
	}
	if !placed {
		out = append(out, n)
	}
	return out
}

// and is the set of the numbers of both.
func (s spans) and(t spans) spans {
	for _, o := range t {
		s = s.with(o)
	}
	return s
}

// without takes one number out.
func (s spans) without(q record.Seq) spans {
	out := make(spans, 0, len(s)+1)
	for _, o := range s {
		if q < o.first || q > o.last {
			out = append(out, o)
			continue
		}
		if o.first < q {
			out = append(out, span{o.first, q - 1})
		}
		if q < o.last {
			out = append(out, span{q + 1, o.last})
		}
	}
	return out
}

// len counts the numbers.
func (s spans) len() (n uint64) {
	for _, o := range s {
		n += o.len()
	}
	return n
}

// has reports whether the set holds a number.
func (s spans) has(q record.Seq) bool {
	for _, o := range s {
		if q >= o.first && q <= o.last {
			return true
		}
	}
	return false
}

// holes yields the runs of first … last that are not in the set, ascending.
func (s spans) holes(first, last record.Seq) iter.Seq[span] {
	return func(yield func(span) bool) {
		at := first
		for _, o := range s {
			if o.last < at {
				continue
			}
			if o.first > last {
				break
			}
			if o.first > at && !yield(span{at, o.first - 1}) {
				return
			}
			at = o.last + 1
		}
		if at <= last {
			yield(span{at, last})
		}
	}
}
