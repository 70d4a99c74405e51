package ack_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// life is what one box wrote in one epoch: chain[n] is the value after record n.
type life []epoch.Hash

// goOn writes up to record n with bytes that only this box has.
func (l life) goOn(n int, who string) life {
	l = slices.Clone(l)
	for len(l) <= n {
		l = append(l, l[len(l)-1].Next(fmt.Appendf(nil, "%s record %d", who, len(l))))
	}
	return l
}

func (l life) held(seq int, level ack.Level) ack.Held {
	return ack.Held{Seq: record.Seq(seq), Previous: l[seq-1], Chain: l[seq], Level: level}
}

// reference makes the ranges the slow way: from each envelope that nothing follows, or that ends name, walk back as far as
// the links go.
func reference(id record.EpochID, held []ack.Held, ends []record.Seq) []ack.Range {
	links := func(a, b ack.Held) bool { return b.Seq == a.Seq+1 && b.Previous == a.Chain && b.Level == a.Level }
	var out []ack.Range
	for _, end := range held {
		followed := slices.ContainsFunc(held, func(h ack.Held) bool { return links(end, h) })
		if followed && !slices.Contains(ends, end.Seq) {
			continue
		}
		first := end
		for {
			i := slices.IndexFunc(held, func(h ack.Held) bool { return links(h, first) })
			if i < 0 {
				break
			}
			first = held[i]
		}
		out = append(out, ack.Range{Epoch: id, First: first.Seq, Last: end.Seq, Chain: end.Chain, Level: end.Level})
	}
	return out
}

func sorted(r []ack.Range) []ack.Range {
	r = slices.Clone(r)
	slices.SortFunc(r, func(a, b ack.Range) int {
		return cmp.Or(cmp.Compare(a.Last, b.Last), slices.Compare(a.Chain[:], b.Chain[:]), cmp.Compare(a.First, b.First))
	})
	return r
}

// scene draws what central could hold: a box's records with gaps and levels, those of a clone that went its own way, and
// envelopes that somebody made up.
func scene(r *rand.Rand) (own, clone life, held []ack.Held) {
	n := 1 + r.IntN(12)
	own = life{{0xee}}.goOn(n, "box")
	clone = own[:1+r.IntN(n+1)].goOn(n, "clone")
	level := func() ack.Level { return ack.Level(1 + r.IntN(2)*r.IntN(2)) }
	for seq := 1; seq <= n; seq++ {
		if r.IntN(4) > 0 {
			held = append(held, own.held(seq, level()))
		}
		if clone[seq] != own[seq] && r.IntN(3) > 0 {
			held = append(held, clone.held(seq, level()))
		}
		for range r.IntN(3) {
			after := []epoch.Hash{own[seq-1], clone[seq-1], {byte(r.Uint32()), 1}}
			if len(held) > 0 {
				after = append(after, held[len(held)-1].Chain) // of its own number, or one that was made up
			}
			p := after[r.IntN(len(after))]
			forged := p.Next(fmt.Appendf(nil, "forged %d", r.Uint64()))
			held = append(held, ack.Held{Seq: record.Seq(seq), Previous: p, Chain: forged, Level: level()})
		}
	}
	r.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	slices.SortStableFunc(held, func(a, b ack.Held) int { return cmp.Compare(a.Seq, b.Seq) })
	return own, clone, held
}

// covered is what a box learns from ranges: level by number, for those ranges whose chain value is its own.
func covered(l life, ranges []ack.Range) map[record.Seq]ack.Level {
	out := map[record.Seq]ack.Level{}
	for _, r := range ranges {
		if int(r.Last) >= len(l) || l[r.Last] != r.Chain {
			continue
		}
		for s := r.First; s <= r.Last; s++ {
			out[s] = max(out[s], r.Level)
		}
	}
	return out
}

// truth is what a box should learn at most: the level at which central holds each of its own records.
func truth(l life, held []ack.Held) map[record.Seq]ack.Level {
	out := map[record.Seq]ack.Level{}
	for _, h := range held {
		if int(h.Seq) < len(l) && h.Chain == l[h.Seq] {
			out[h.Seq] = max(out[h.Seq], h.Level)
		}
	}
	return out
}

// P2: whatever forks, gaps and forgeries central holds, a box learns nothing of its records that is not so; and it learns all
// of it when central names the numbers at which the box may stand.
func TestP2RunsTellEachBoxOnlyItsOwn(t *testing.T) {
	id := record.NewEpochID()
	for seed := range uint64(6_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		own, clone, held := scene(r)
		var some, all []record.Seq
		for seq := range record.Seq(len(own)) {
			all = append(all, seq)
			if r.IntN(3) == 0 {
				some = append(some, seq)
			}
		}
		for _, ends := range [][]record.Seq{nil, some, all} {
			got := ack.Runs(id, held, ends...)
			if want := reference(id, held, ends); !slices.Equal(sorted(got), sorted(want)) {
				t.Fatalf("seed %d: Runs to %v = %v, want %v", seed, ends, sorted(got), sorted(want))
			}
			for name, l := range map[string]life{"box": own, "clone": clone} {
				learnt, so := covered(l, got), truth(l, held)
				for seq, level := range learnt {
					if so[seq] != level {
						t.Fatalf("seed %d: %s learns %v of its record %d, truth is %v", seed, name, level, seq, so[seq])
					}
				}
				if len(ends) == len(all) && !maps.Equal(learnt, so) {
					t.Fatalf("seed %d: %s learns %v, truth is %v", seed, name, learnt, so)
				}
			}
		}
	}
}

// P2: a box that was restored from an image knows the chain only up to the image. It learns what is held of its records once
// central takes the end that the box's next header names.
func TestP2RestoredBoxLearnsWhatIsHeld(t *testing.T) {
	id := record.NewEpochID()
	own := life{{0xee}}.goOn(9, "box")
	var held []ack.Held
	for seq := 1; seq < len(own); seq++ {
		held = append(held, own.held(seq, ack.Safe))
	}
	for image := 1; image < len(own); image++ {
		restored := own[:image+1]
		if got := covered(restored, ack.Runs(id, held, record.Seq(image))); len(got) != image || got[record.Seq(image)] != ack.Safe {
			t.Errorf("restored to %d: learns %v, want all %d safe", image, got, image)
		}
		if got := covered(own, ack.Runs(id, held, record.Seq(image))); len(got) != len(own)-1 {
			t.Errorf("the box itself learns %v, want all %d", got, len(own)-1)
		}
	}
}

func TestRunsByExample(t *testing.T) {
	id := record.NewEpochID()
	own := life{{0xee}}.goOn(6, "box")
	run := func(first, last int, l ack.Level) ack.Range {
		return ack.Range{Epoch: id, First: record.Seq(first), Last: record.Seq(last), Chain: own[last], Level: l}
	}
	forged := ack.Held{Seq: 3, Previous: own[2], Chain: epoch.Hash{9}, Level: ack.Received}
	pick := func(seqs ...int) (held []ack.Held) {
		for _, s := range seqs {
			held = append(held, own.held(s, ack.Received))
		}
		return held
	}
	for _, c := range []struct {
		name string
		held []ack.Held
		want []ack.Range
	}{
		{"nothing", nil, nil},
		{"one run", pick(1, 2, 3), []ack.Range{run(1, 3, ack.Received)}},
		{"live before backlog", pick(5, 6), []ack.Range{run(5, 6, ack.Received)}},
		{"a gap", pick(1, 2, 4), []ack.Range{run(1, 2, ack.Received), run(4, 4, ack.Received)}},
		{
			"a level that ends", append([]ack.Held{own.held(1, ack.Safe), own.held(2, ack.Safe)}, pick(3, 4)...),
			[]ack.Range{run(1, 2, ack.Safe), run(3, 4, ack.Received)},
		},
		{
			"a forgery beside the true one", append(append(pick(1, 2), forged), pick(3, 4)...),
			[]ack.Range{{Epoch: id, First: 1, Last: 3, Chain: epoch.Hash{9}, Level: ack.Received}, run(1, 4, ack.Received)},
		},
		{
			"a forgery in place of the true one", append(append(pick(1, 2), forged), pick(4)...),
			[]ack.Range{{Epoch: id, First: 1, Last: 3, Chain: epoch.Hash{9}, Level: ack.Received}, run(4, 4, ack.Received)},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ack.Runs(id, c.held); !slices.Equal(sorted(got), sorted(c.want)) {
				t.Errorf("Runs = %v, want %v", got, c.want)
			}
		})
	}
}

// Very many envelopes that claim the same numbers, as forgers make them, are told apart like a few.
func TestP2RunsOfManyRivals(t *testing.T) {
	id := record.NewEpochID()
	root := life{epoch.Hash{1}}.goOn(1, "all")
	var held []ack.Held
	for seq := 1; seq <= 4; seq++ {
		for rival := range 50 {
			l := root.goOn(4, fmt.Sprintf("rival %d", rival))
			if seq == 1 && rival > 0 || seq == 3 && rival%3 == 0 {
				continue
			}
			held = append(held, l.held(seq, ack.Level(1+rival%2)))
		}
	}
	for _, ends := range [][]record.Seq{nil, {2}} {
		got, want := sorted(ack.Runs(id, held, ends...)), sorted(reference(id, held, ends))
		if !slices.Equal(got, want) || len(want) < 60 {
			t.Errorf("Runs(%d rivals, ends %v) = %d ranges, want %d", 50, ends, len(got), len(want))
		}
	}
}
