package delta_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
)

// day is one set of a history.
type day struct {
	plan    crlset.Plan
	entries []crlset.Entry
	file    []byte
	from    *delta.Delta // from the day before
}

func history(t *testing.T, w *world, days int) []day {
	t.Helper()
	out := []day{{plan: w.plan(), entries: w.list()}}
	out[0].file = written(t, out[0].plan, out[0].entries)
	for i := 1; i < days; i++ {
		w.turn(i)
		last := out[i-1]
		d := day{plan: last.plan, entries: w.list()}
		if w.rng.IntN(10) == 0 {
			d.plan = w.plan()
		}
		d.file = written(t, d.plan, d.entries)
		d.from = read(t, between(t, opened(t, last.file), d.plan, d.entries))
		out = append(out, d)
	}
	return out
}

// P7: a base with deltas is the same file as the same entries written whole, from any earlier day, whatever happened between.
func TestP7ChainsMakeTheSameFile(t *testing.T) {
	for _, wide := range []bool{false, true} {
		for columns := range crlset.Full + 1 {
			for seed := range uint64(3) {
				t.Run(fmt.Sprintf("wide %t columns %d seed %d", wide, columns, seed), func(t *testing.T) {
					t.Parallel()
					days := history(t, newWorld(seed, wide, columns, 300+int(seed)*400), 31)
					for from := range days {
						chain := []*delta.Delta{}
						for to := from; to < len(days); to++ {
							if to > from {
								chain = append(chain, days[to].from)
							}
							if to-from < 3 || to == len(days)-1 {
								makes(t, days[from], days[to], chain)
							}
						}
					}
				})
			}
		}
	}
}

func makes(t *testing.T, from, to day, chain []*delta.Delta) {
	t.Helper()
	var got bytes.Buffer
	sum, err := delta.Apply(&got, opened(t, from.file), chain...)
	if err != nil {
		t.Fatalf("Apply(%d deltas) = %v", len(chain), err)
	}
	if !bytes.Equal(got.Bytes(), to.file) {
		t.Fatalf("Apply(%d deltas) made %d octets, want the same %d", len(chain), got.Len(), len(to.file))
	}
	if sum.Entries != uint64(len(to.entries)) || sum.Size != uint64(len(to.file)) || sum.Root != crlset.Root(sum.Size, sum.Digests) {
		t.Errorf("Apply = %d entries, %d octets, want %d, %d", sum.Entries, sum.Size, len(to.entries), len(to.file))
	}
}

// P7: the answers after a delta are those of the list itself.
func TestP7AnswersAfterADeltaAreTheLists(t *testing.T) {
	for _, wide := range []bool{false, true} {
		w := newWorld(99, wide, crlset.Full, 500)
		days := history(t, w, 8)
		chain := make([]*delta.Delta, 0, len(days))
		for _, d := range days[1:] {
			chain = append(chain, d.from)
		}
		var b bytes.Buffer
		if _, err := delta.Apply(&b, opened(t, days[0].file), chain...); err != nil {
			t.Fatal(err)
		}
		set := opened(t, b.Bytes())
		asked := w.keys()
		for _, d := range days {
			for _, e := range d.entries {
				asked = append(asked, e.Key, e.Key.Add(crlset.Key{C: 1}), e.Key.Sub(crlset.Key{C: 1}))
			}
		}
		for _, k := range asked {
			want, there := w.entries[k]
			got, ok, err := set.Find(k)
			if err != nil || ok != there || got != want {
				t.Fatalf("Find = %v %v, %v, want %v %v", got, ok, err, want, there)
			}
		}
	}
}

// P7: nothing is lost at the ends: empty sets, and everything at once.
func TestP7DeltasFromAndToNothing(t *testing.T) {
	w := newWorld(5, false, crlset.Full, 400)
	all, p := w.list(), w.plan()
	for _, c := range []struct {
		name     string
		from, to []crlset.Entry
	}{
		{"nothing to nothing", nil, nil},
		{"nothing to all", nil, all},
		{"all to nothing", all, nil},
		{"all to all", all, all},
		{"first and last", all[1 : len(all)-1], all},
		{"without first and last", all, all[1 : len(all)-1]},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := written(t, p, c.from)
			d := read(t, between(t, opened(t, base), p, c.to))
			makes(t, day{file: base}, day{file: written(t, p, c.to), entries: c.to}, []*delta.Delta{d})
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	w := newWorld(6, false, crlset.Full, 50)
	p, all := w.plan(), w.list()
	base := opened(t, written(t, p, all))
	other := p
	other.Columns = crlset.Dates
	falling := slices.Clone(all)
	slices.Reverse(falling)
	unknown := slices.Clone(all)
	unknown[3].Reason = 7
	old := slices.Clone(all)
	old[3].Date = 1 << 39
	for _, c := range []struct {
		name    string
		plan    crlset.Plan
		entries []crlset.Entry
		want    error
	}{
		{"other columns", other, all, crlset.ErrPlan},
		{"falling", p, falling, crlset.ErrOrder},
		{"serial 0", p, []crlset.Entry{{}}, crlset.ErrOrder},
		{"unknown reason", p, unknown, crlset.ErrPlan},
		{"date out of range", p, old, crlset.ErrPlan},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := delta.Write(&bytes.Buffer{}, base, source(c.entries), c.plan); !errors.Is(err, c.want) {
				t.Errorf("Write = %v, want %v", err, c.want)
			}
		})
	}
}
