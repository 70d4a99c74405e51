package crlset_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"kazashi.example/sync/crlset"
)

// listed is a Source of what it holds, with an error at the end if there is one.
type listed struct {
	entries []crlset.Entry
	err     error
}

func (l *listed) Next(e *crlset.Entry) (bool, error) {
	if len(l.entries) == 0 {
		return false, l.err
	}
	*e, l.entries = l.entries[0], l.entries[1:]
	return true, nil
}

func mergeKey(n uint64) crlset.Key { return crlset.Key{C: n} }

func drain(s crlset.Source) (out []crlset.Entry, err error) {
	var e crlset.Entry
	for {
		ok, err := s.Next(&e)
		if !ok || err != nil {
			return out, err
		}
		out = append(out, e)
	}
}

// P7: of two entries of one certificate the earliest date wins, and hold loses, in whatever order they come.
func TestP7ResolveKeepsOneEntryWhole(t *testing.T) {
	entry := func(r crlset.Reason, date int64) crlset.Entry {
		return crlset.Entry{Key: mergeKey(9), Reason: r, Date: date}
	}
	const hold = crlset.CertificateHold
	for _, c := range []struct {
		name       string
		a, b, want crlset.Entry
	}{
		{"earlier date", entry(1, 50), entry(4, 40), entry(4, 40)},
		{"hold loses though earlier", entry(hold, 10), entry(4, 40), entry(4, 40)},
		{"hold loses to unspecified", entry(hold, 40), entry(0, 40), entry(0, 40)},
		{"two holds", entry(hold, 41), entry(hold, 40), entry(hold, 40)},
		{"same date", entry(5, 40), entry(3, 40), entry(3, 40)},
		{"before 1970", entry(5, -1), entry(3, 0), entry(5, -1)},
		{"the same", entry(5, 40), entry(5, 40), entry(5, 40)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := crlset.Resolve(c.a, c.b); got != c.want {
				t.Errorf("Resolve(a, b) = %+v, want %+v", got, c.want)
			}
			if got := crlset.Resolve(c.b, c.a); got != c.want {
				t.Errorf("Resolve(b, a) = %+v, want %+v", got, c.want)
			}
		})
	}
}

// P7: merging is the union, with duplicates resolved, for every number of sources.
func TestP7MergeIsTheUnion(t *testing.T) {
	for _, k := range []int{0, 1, 2, 3, 4, 5, 7, 8, 33, 1900} {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(k)))
			want := map[crlset.Key]crlset.Entry{}
			sources := make([]crlset.Source, k)
			for i := range sources {
				sources[i] = &listed{entries: addTo(want, rng)}
			}
			got, err := drain(crlset.Merge(sources...))
			if err != nil || len(got) != len(want) {
				t.Fatalf("Merge = %d entries, %v, want %d", len(got), err, len(want))
			}
			if !slices.IsSortedFunc(got, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) }) {
				t.Error("Merge is out of order")
			}
			for _, e := range got {
				if want[e.Key] != e {
					t.Errorf("Merge gives %+v, want %+v", e, want[e.Key])
				}
			}
		})
	}
}

func addTo(want map[crlset.Key]crlset.Entry, rng *rand.Rand) (out []crlset.Entry) {
	for n := range uint64(200) {
		if rng.IntN(10) > 0 {
			continue
		}
		e := crlset.Entry{Key: crlset.Key{A: uint32(n % 3), C: n}, Reason: []crlset.Reason{0, 1, 4, 6}[rng.IntN(4)], Date: rng.Int64N(4)}
		out = append(out, e)
		if w, ok := want[e.Key]; ok {
			e = crlset.Resolve(w, e)
		}
		want[e.Key] = e
	}
	slices.SortFunc(out, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	return out
}

func TestMergePassesErrorsOn(t *testing.T) {
	broken := errors.New("disk is on fire")
	at := func(keys ...uint64) *listed {
		l := &listed{}
		for _, k := range keys {
			l.entries = append(l.entries, crlset.Entry{Key: mergeKey(k)})
		}
		return l
	}
	fails := func(keys ...uint64) *listed { l := at(keys...); l.err = broken; return l }
	for _, c := range []struct {
		name    string
		sources []crlset.Source
		want    error
	}{
		{"one", []crlset.Source{fails(1)}, broken},
		{"first of two", []crlset.Source{fails(1), at(2)}, broken},
		{"second of two, at once", []crlset.Source{at(1), fails()}, broken},
		{"one of three", []crlset.Source{at(1), at(4, 5), fails(2)}, broken},
		{"one of three, at once", []crlset.Source{at(1), fails(), at(2)}, broken},
		{"one of two falls", []crlset.Source{at(1, 9), at(3, 2)}, crlset.ErrOrder},
		{"one of three repeats", []crlset.Source{at(1), at(3, 3), at(2)}, crlset.ErrOrder},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := drain(crlset.Merge(c.sources...)); !errors.Is(err, c.want) {
				t.Errorf("Merge = %v, want %v", err, c.want)
			}
		})
	}
}
