package delta_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
)

// world is the made-up revocations of one scope, day by day.
type world struct {
	rng     *rand.Rand
	wide    bool // serials of 20 octets, else below 2^narrowBits
	columns crlset.Columns
	entries map[crlset.Key]crlset.Entry
}

const (
	narrowBits = 14
	firstDay   = 1_700_000_000
)

func newWorld(seed uint64, wide bool, columns crlset.Columns, n int) *world {
	w := &world{rand.New(rand.NewPCG(seed, 7)), wide, columns, map[crlset.Key]crlset.Entry{}}
	for range n {
		w.add(0)
	}
	return w
}

func (w *world) key() crlset.Key {
	if w.wide {
		return crlset.Key{A: w.rng.Uint32(), B: w.rng.Uint64(), C: w.rng.Uint64() | 1}
	}
	return crlset.Key{C: 1 + w.rng.Uint64N(1<<narrowBits-1)}
}

// entry is told as the columns tell it.
func (w *world) entry(k crlset.Key, day int) crlset.Entry {
	e := crlset.Entry{Key: k, Reason: []crlset.Reason{0, 1, 3, 4, 5, 6, 6, 9}[w.rng.IntN(8)]}
	if w.columns&crlset.Reasons == 0 && !e.OnHold() {
		e.Reason = crlset.Unspecified
	}
	if w.columns&crlset.Dates != 0 {
		e.Date = firstDay + int64(day)*86400 + w.rng.Int64N(86400)
		if w.rng.IntN(100) == 0 {
			e.Date = -w.rng.Int64N(1 << 38)
		}
	}
	return e
}

func (w *world) add(day int) {
	e := w.entry(w.key(), day)
	if old, ok := w.entries[e.Key]; ok {
		e = crlset.Resolve(old, e)
	}
	w.entries[e.Key] = e
}

// turn is one day: additions, removals and changes, some days none.
func (w *world) turn(day int) {
	keys := w.keys()
	for range w.rng.IntN(20) * w.rng.IntN(2) {
		w.add(day)
	}
	for range min(w.rng.IntN(20)*w.rng.IntN(2), len(keys)) {
		delete(w.entries, keys[w.rng.IntN(len(keys))])
	}
	for range w.rng.IntN(20) * w.rng.IntN(2) {
		if k := keys[w.rng.IntN(len(keys))]; w.entries[k] != (crlset.Entry{}) {
			w.entries[k] = w.entry(k, day)
		}
	}
}

func (w *world) keys() []crlset.Key {
	return slices.SortedFunc(maps.Keys(w.entries), crlset.Key.Compare)
}

func (w *world) list() (out []crlset.Entry) {
	for _, k := range w.keys() {
		out = append(out, w.entries[k])
	}
	return out
}

// plan is one of the many that have a place for every entry.
func (w *world) plan() crlset.Plan {
	p := crlset.Plan{Columns: w.columns, Reasons: []crlset.Reason{0, 6}}
	if w.columns&crlset.Reasons != 0 {
		p.Reasons = [][]crlset.Reason{{0, 1, 4, 5, 6}, {0, 1, 3, 4, 5, 6, 9}, {4}}[w.rng.IntN(3)]
	}
	if w.columns&crlset.Dates != 0 {
		p.DateBase, p.DateSpan = firstDay, 1+w.rng.Uint64N(40*86400)
	}
	if w.wide {
		shift := uint8(54 + w.rng.IntN(8))
		p.Regions = []crlset.Region{{Tail: 96, Shift: shift, Blocks: 1 << (64 - shift)}}
		return p
	}
	shift := uint8(2 + w.rng.IntN(10))
	half := uint32(1 << (narrowBits - 1 - shift))
	p.Regions = []crlset.Region{
		{Shift: shift, Blocks: half}, {Start: []byte{1 << (narrowBits - 9), 0}, Shift: shift - 1, Blocks: 2 * half},
	}
	return p
}

// listed is a source of what it holds.
type listed []crlset.Entry

func (l *listed) Next(e *crlset.Entry) (bool, error) {
	if len(*l) == 0 {
		return false, nil
	}
	*e, *l = (*l)[0], (*l)[1:]
	return true, nil
}

func source(entries []crlset.Entry) crlset.Source { l := listed(entries); return &l }

// written is a set's file.
func written(t testing.TB, p crlset.Plan, entries []crlset.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := crlset.NewWriter(&b, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.AddBatch(entries); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func opened(t testing.TB, b []byte) *crlset.Set {
	t.Helper()
	s, err := crlset.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// between is the octets of a delta.
func between(t testing.TB, base *crlset.Set, p crlset.Plan, next []crlset.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	stats, err := delta.Write(&b, base, source(next), p)
	if err != nil {
		t.Fatal(err)
	}
	if stats.Size != uint64(b.Len()) || base.Len()-stats.Removed+stats.Added != uint64(len(next)) {
		t.Fatalf("Write = %+v for a delta of %d octets to %d entries", stats, b.Len(), len(next))
	}
	return b.Bytes()
}

func read(t testing.TB, b []byte) *delta.Delta {
	t.Helper()
	d, err := delta.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
