package crlset_test

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/record"
)

// TestP7EveryShape holds every kind of list against a map: each entry and all its neighbours, read in order and found by key, and a
// second writing by the plan of the first.
func TestP7EveryShape(t *testing.T) {
	for i, s := range shapes {
		for _, n := range []int{0, 1, 2, 17, 300, 4000} {
			rng := rand.New(rand.NewPCG(uint64(i), uint64(n)))
			c := crlset.Columns(rng.IntN(4))
			entries := s.list(rng, n)
			t.Run(fmt.Sprintf("%s/%d entries/columns %d", s.name, len(entries), c), func(t *testing.T) {
				set, sum, file := build(t, entries, c)
				if again := by(t, sum.Plan, entries); !bytes.Equal(again, file) {
					t.Error("a Writer with the plan that came of it wrote other octets")
				}
				if blocks := set.Layout().Blocks(); blocks > 16+2*len(entries) {
					t.Errorf("%d blocks for %d entries", blocks, len(entries))
				}
				sameSource(t, set.Source(), entries, c)
				sameSlow(t, file, entries, c)
				sameFound(t, set, entries, c)
			})
		}
	}
}

// sameSource compares what a source gives, in batches and one by one.
func sameSource(t *testing.T, s crlset.Source, want []crlset.Entry, c crlset.Columns) {
	t.Helper()
	batch := make([]crlset.Entry, 7)
	for i := 0; i < len(want); {
		var e crlset.Entry
		if ok, err := s.Next(&e); !ok || err != nil || e != as(want[i], c) {
			t.Fatalf("Next() of entry %d = %v, %v, same %v", i, ok, err, e == as(want[i], c))
		}
		i++
		n, err := s.(crlset.BatchSource).NextBatch(batch)
		if err != nil || n == 0 && i < len(want) {
			t.Fatalf("NextBatch() at entry %d = %d, %v", i, n, err)
		}
		for _, e := range batch[:n] {
			if e != as(want[i], c) {
				t.Fatalf("NextBatch(): entry %d differs", i)
			}
			i++
		}
	}
	if ok, err := s.Next(new(crlset.Entry)); ok || err != nil {
		t.Errorf("Next() at the end = %v, %v, want false, nil", ok, err)
	}
}

// sameSlow compares with the reader that was written from DESIGN.md.
func sameSlow(t *testing.T, file []byte, want []crlset.Entry, c crlset.Columns) {
	t.Helper()
	got, err := slowRead(file)
	if err != nil || len(got) != len(want) {
		t.Fatalf("slow reader: %d entries, %v, want %d", len(got), err, len(want))
	}
	for i, e := range want {
		e = as(e, c)
		if w := (told{hex(e.Key), uint8(e.Reason), e.Date}); got[i] != w {
			t.Fatalf("slow reader: entry %d = %v, want %v", i, got[i], w)
		}
	}
}

func hex(k crlset.Key) string {
	n := new(big.Int).SetUint64(uint64(k.A))
	for _, w := range []uint64{k.B, k.C} {
		n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(w))
	}
	return n.Text(16)
}

// sameFound asks for each entry, its neighbours and keys from anywhere.
func sameFound(t *testing.T, s *crlset.Set, entries []crlset.Entry, c crlset.Columns) {
	t.Helper()
	known := make(map[crlset.Key]crlset.Entry, len(entries))
	for _, e := range entries {
		known[e.Key] = as(e, c)
	}
	ask := func(k crlset.Key) {
		want, listed := known[k]
		if e, ok, err := s.Find(k); e != want || ok != listed || err != nil {
			t.Fatalf("Find() = %v, %v, want %v", ok, err, listed)
		}
	}
	one := crlset.Key{C: 1}
	rng := rand.New(rand.NewPCG(3, 3))
	for _, e := range entries {
		ask(e.Key)
		ask(e.Key.Add(one))
		ask(e.Key.Sub(one))
		ask(e.Key.Add(crlset.Key{C: rng.Uint64N(1000)}))
		ask(e.Key.Add(crlset.Key{B: 1}))
		ask(e.Key.Sub(crlset.Key{A: 1}))
	}
	for range 100 {
		ask(wide(rng))
		ask(crlset.Key{C: rng.Uint64N(1 << 33)})
	}
	ask(crlset.Key{})
}

// TestP7WholeUniverse asks for every key there is, of sets from one in two to one in five hundred.
func TestP7WholeUniverse(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 9))
		universe := 1 << (8 + rng.IntN(8))
		dense := shape{"", func(r *rand.Rand, _ int) crlset.Key { return crlset.Key{C: uint64(r.IntN(universe))} }}
		entries := dense.list(rng, universe/(2+int(seed*seed)/3))
		c := crlset.Columns(rng.IntN(4))
		set, _, _ := build(t, entries, c)
		for k := range universe {
			var want crlset.Entry
			listed := len(entries) > 0 && entries[0].Key.C == uint64(k)
			if listed {
				want, entries = as(entries[0], c), entries[1:]
			}
			if e, ok, err := set.Find(crlset.Key{C: uint64(k)}); e != want || ok != listed || err != nil {
				t.Fatalf("seed %d: Find(%d) = %v, %v, want %v", seed, k, ok, err, listed)
			}
		}
	}
}

// TestP7EntriesThatShareAHigh: at both ends of the sizes that are looked up the short way, and beyond.
func TestP7EntriesThatShareAHigh(t *testing.T) {
	for _, x := range []struct {
		shift uint8
		n     int
		apart uint64
	}{{13, 123, 1}, {13, 124, 1}, {13, 200, 3}, {13, 246, 1}, {13, 247, 5}, {13, 300, 2}, {13, 492, 5}, {13, 493, 3}, {40, 3000, 1}, {63, 500, 7}, {15, 1 << 15, 1}} {
		var entries []crlset.Entry
		for i := range uint64(x.n) {
			entries = append(entries, crlset.Entry{Key: crlset.Key{C: 9 + i*x.apart}, Date: 1_700_000_000 + int64(i), Reason: reasons[i%3]})
		}
		p := crlset.Plan{
			Columns: crlset.Full, Reasons: reasons[:3], DateBase: 1_700_000_000, DateSpan: 1 << 15,
			Regions: []crlset.Region{{Start: []byte{9}, Shift: x.shift, Blocks: 2}},
		}
		if x.shift == 63 {
			p.Regions[0].Blocks = 1
		}
		set, err := crlset.Open(by(t, p, entries))
		if err != nil {
			t.Fatal(err)
		}
		sameFound(t, set, entries, crlset.Full)
		sameSource(t, set.Source(), entries, crlset.Full)
	}
}

// TestP7RunsThatShareAnOffset: keys that differ in their tails only, and entries around them.
func TestP7RunsThatShareAnOffset(t *testing.T) {
	for _, g := range []crlset.Region{{Tail: 96, Shift: 20, Blocks: 1}, {Tail: 40, Shift: 60, Blocks: 1}, {Tail: 70, Shift: 16, Blocks: 2}} {
		var entries []crlset.Entry
		for i := range uint64(2500) {
			k := crlset.Key{B: i / 500 << 20, C: 1 + i%500*(1+i/500*300)}
			entries = append(entries, crlset.Entry{Key: k, Date: 1_700_000_000 + int64(i), Reason: reasons[i%3]})
		}
		p := crlset.Plan{Columns: crlset.Full, Reasons: reasons[:3], DateBase: 1_700_000_000, DateSpan: 2500, Regions: []crlset.Region{g}}
		set, err := crlset.Open(by(t, p, entries))
		if err != nil {
			t.Fatal(err)
		}
		sameFound(t, set, entries, crlset.Full)
		sameSource(t, set.Source(), entries, crlset.Full)
	}
}

func TestP7Answer(t *testing.T) {
	serial := func(n int64) certid.Serial {
		s, err := certid.SerialOf(big.NewInt(n))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	entries := []crlset.Entry{
		{Key: crlset.KeyOf(serial(5)), Reason: crlset.KeyCompromise, Date: 1_700_000_000},
		{Key: crlset.KeyOf(serial(900)), Reason: crlset.CertificateHold, Date: 1_700_000_000},
	}
	for c := range crlset.Full + 1 {
		set, _, _ := build(t, entries, c)
		for _, tt := range []struct {
			serial int64
			want   record.Answer
		}{{5, record.AnswerRevoked}, {900, record.AnswerOnHold}, {6, record.AnswerNotRevoked}, {1, record.AnswerNotRevoked}, {1 << 60, record.AnswerNotRevoked}} {
			if got, err := set.Answer(serial(tt.serial)); got != tt.want || err != nil {
				t.Errorf("columns %d: Answer(%d) = %v, %v, want %v", c, tt.serial, got, err, tt.want)
			}
		}
		if set.Len() != 2 || set.Columns() != c {
			t.Errorf("Len(), Columns() = %d, %d, want 2, %d", set.Len(), set.Columns(), c)
		}
	}
}

func TestPlanExtends(t *testing.T) {
	for i, s := range shapes {
		rng := rand.New(rand.NewPCG(uint64(i), 77))
		all := s.list(rng, 3000)
		var base, more []crlset.Entry
		for _, e := range all {
			if rng.IntN(10) == 0 {
				more = append(more, e)
			} else {
				base = append(base, e)
			}
		}
		old, sum, _ := build(t, base, crlset.Full)
		p, ok, err := sum.Plan.Extend(old, more)
		if !ok || err != nil {
			t.Errorf("%s: Extend() = %v, %v", s.name, ok, err)
			continue
		}
		set, err := crlset.Open(by(t, p, all))
		if err != nil {
			t.Fatal(err)
		}
		sameFound(t, set, all, crlset.Full)
		if again, ok, err := p.Extend(set, nil); !ok || err != nil || fmt.Sprint(again) != fmt.Sprint(p) {
			t.Errorf("%s: a plan with places for all was changed", s.name)
		}
	}
}

func TestPlanExtendGrowsAndGivesUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	base := shapes[1].list(rng, 2000)
	old, sum, _ := build(t, base, crlset.Full)
	last := base[len(base)-1].Key
	behind := func(n int, step uint64, late int64) (more []crlset.Entry) {
		for i := range n {
			more = append(more, crlset.Entry{Key: last.Add(crlset.Key{C: uint64(i+1) * step}), Date: 1_700_000_000 + late})
		}
		return more
	}
	inside := make([]crlset.Entry, 0, 5000)
	for i := range 5000 {
		inside = append(inside, crlset.Entry{Key: base[0].Key.Add(crlset.Key{C: uint64(i)}), Date: 1_700_000_000})
	}
	for _, tt := range []struct {
		name    string
		more    []crlset.Entry
		ok      bool
		regions int
	}{
		{"close behind: the region grows", behind(3000, 40, 0), true, len(sum.Plan.Regions)},
		{"far behind: a region of its own", behind(3000, 1<<50, 0), true, len(sum.Plan.Regions) + 1},
		{"too many too late", behind(3000, 40, 3<<37), false, len(sum.Plan.Regions)},
		{"crowded", inside, false, len(sum.Plan.Regions)},
		{"nothing", nil, true, len(sum.Plan.Regions)},
	} {
		p, ok, err := sum.Plan.Extend(old, tt.more)
		if ok != tt.ok || err != nil || len(p.Regions) != tt.regions {
			t.Errorf("%s: Extend() = %d regions, %v, want %d, %v", tt.name, len(p.Regions), ok, tt.regions, tt.ok)
		}
	}
}
