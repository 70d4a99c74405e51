package crlset_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"kazashi.example/sync/crlset"
)

// TestP7ManyStretches: more stretches than regions are free for, of every density, some as long as a block at most is.
func TestP7ManyStretches(t *testing.T) {
	most := 0
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 11))
		k := crlset.Key{A: uint32(seed % 2), C: 1}
		var entries []crlset.Entry
		for i := range 150 {
			scale, n := rng.IntN(64), 20+rng.IntN(1<<rng.IntN(9))
			if i == 75 {
				scale, n = 0, crlset.MaxBlock-2+rng.IntN(5)
			}
			k.B += rng.Uint64N(2) << 50
			for range n {
				gap := crlset.Key{C: rng.Uint64N(1 << scale)}
				if rng.IntN(4000) == 0 {
					gap.B = rng.Uint64N(1 << rng.IntN(60))
				}
				k = k.Add(gap).Add(crlset.Key{C: 1})
				entries = append(entries, crlset.Entry{Key: k, Date: 1_600_000_000 + rng.Int64N(1e8), Reason: reasons[rng.IntN(3)]})
			}
		}
		set, sum, file := build(t, entries, crlset.Full)
		if !bytes.Equal(by(t, sum.Plan, entries), file) {
			t.Fatalf("seed %d: a Writer with the plan that came of it wrote other octets", seed)
		}
		if !set.Layout().Moderate(set.Len()) {
			t.Errorf("seed %d: %d blocks for %d entries", seed, set.Layout().Blocks(), set.Len())
		}
		for i, e := range entries {
			if got, ok, err := set.Find(e.Key); got != e || !ok || err != nil {
				t.Fatalf("seed %d: Find() = %v, %v", seed, ok, err)
			}
			next := e.Key.Add(crlset.Key{C: 1})
			if _, ok, err := set.Find(next); err != nil || ok != (i+1 < len(entries) && entries[i+1].Key == next) {
				t.Fatalf("seed %d: Find() of the key behind entry %d = %v, %v", seed, i, ok, err)
			}
		}
		most = max(most, len(sum.Plan.Regions))
	}
	if most < 64 {
		t.Errorf("%d regions at most, want as many as are free", most)
	}
}

// TestP7AnyBatches: what a PlanningWriter makes follows from the entries, not from how they come.
func TestP7AnyBatches(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 12))
	var k crlset.Key
	entries := make([]crlset.Entry, 0, 5*crlset.MaxBlock)
	for scale := 1; len(entries) < cap(entries); {
		if rng.IntN(4000) == 0 {
			scale = rng.IntN(40)
		}
		k = k.Add(crlset.Key{C: 1 + rng.Uint64N(1<<scale)})
		entries = append(entries, crlset.Entry{Key: k, Date: 1_600_000_000 + rng.Int64N(1e8), Reason: reasons[rng.IntN(3)]})
	}
	_, want, _ := build(t, entries, crlset.Full)
	for _, most := range []int{7, 4096, 3 * crlset.MaxBlock} {
		w := crlset.NewPlanningWriter(io.Discard, crlset.Full)
		for rest := entries; len(rest) > 0; {
			n := min(1+rng.IntN(most), len(rest))
			if err := w.AddBatch(rest[:n]); err != nil {
				t.Fatalf("AddBatch() = %v", err)
			}
			rest = rest[n:]
		}
		if got, err := w.Close(); err != nil || got.Root != want.Root {
			t.Errorf("batches of %d at most: Close() = %x, %v, want %x", most, got.Root, err, want.Root)
		}
	}
}
