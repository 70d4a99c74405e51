package delta_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
)

// P7: a chain whose plans come back to the base's is as good as its deltas one by one.
func TestP7PlansThereAndBack(t *testing.T) {
	w := newWorld(5, false, crlset.Full, 400)
	there := w.plan()
	there.Regions = []crlset.Region{{Start: []byte{32, 0}, Shift: 13, Blocks: 1}}
	back := w.list()
	back = slices.DeleteFunc(back, func(e crlset.Entry) bool { return e.Key.C < 32<<8 })
	whole := there
	whole.Regions = append([]crlset.Region{{Shift: 13, Blocks: 1}}, there.Regions...)
	days := []day{{plan: there, entries: back}, {plan: whole, entries: w.list()}, {plan: there, entries: back}}
	var chain []*delta.Delta
	for i := range days {
		days[i].file = written(t, days[i].plan, days[i].entries)
		if i > 0 {
			chain = append(chain, read(t, between(t, opened(t, days[i-1].file), days[i].plan, days[i].entries)))
		}
	}
	makes(t, days[0], days[1], chain[:1])
	makes(t, days[1], days[2], chain[1:])
	makes(t, days[0], days[2], chain)
}

// stretches is a list of a few stretches of different density, with holes.
func stretches(rng *rand.Rand) (out []crlset.Entry) {
	k := crlset.Key{C: 1 + rng.Uint64N(1000)}
	if rng.IntN(3) == 0 {
		k = crlset.Key{A: rng.Uint32() >> 1, B: rng.Uint64(), C: rng.Uint64()}
	}
	for range 1 + rng.IntN(5) {
		gap := uint64(1) << rng.IntN(40)
		for range rng.IntN(2500) {
			k = k.Add(crlset.Key{C: 1 + rng.Uint64N(gap)})
			if rng.IntN(1000) == 0 {
				k = k.Add(crlset.Key{C: gap * rng.Uint64N(256*300)})
			}
			out = append(out, crlset.Entry{Key: k, Date: firstDay + rng.Int64N(1e8), Reason: crlset.Reason(rng.IntN(3))})
		}
		if rng.IntN(2) == 0 {
			k = k.Add(crlset.Key{B: rng.Uint64N(1 << 40), C: rng.Uint64()})
		}
	}
	return out
}

// turned is the next day's list, and what is new on it.
func turned(rng *rand.Rand, entries []crlset.Entry) (next, news []crlset.Entry) {
	some := 2 + rng.IntN(200)
	for i, e := range entries {
		switch rng.IntN(some) {
		case 0:
		case 1:
			e.Reason = crlset.Superseded
			next = append(next, e)
		default:
			next = append(next, e)
		}
		e.Key = e.Key.Add(crlset.Key{C: 1 + rng.Uint64N(1<<rng.IntN(30))})
		if rng.IntN(some) == 0 && (i+1 == len(entries) || e.Key.Compare(entries[i+1].Key) < 0) {
			next, news = append(next, e), append(news, e)
		}
	}
	return next, news
}

// planned is the plan that a list makes for itself, and its file.
func planned(t *testing.T, entries []crlset.Entry) (crlset.Plan, []byte) {
	t.Helper()
	var b bytes.Buffer
	w := crlset.NewPlanningWriter(&b, crlset.Full)
	if err := w.AddBatch(entries); err != nil {
		t.Fatal(err)
	}
	sum, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return sum.Plan, b.Bytes()
}

// P7: whatever a list looks like, days on which its plan is kept, extended or made anew lead to the file of a Writer.
func TestP7RandomHistories(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 9))
		first := day{entries: stretches(rng)}
		first.plan, first.file = planned(t, first.entries)
		last := first
		var chain []*delta.Delta
		for range 3 {
			next, news := turned(rng, last.entries)
			base := opened(t, last.file)
			plan, ok, err := last.plan.Extend(base, news)
			if err != nil {
				t.Fatal(err)
			}
			if !ok || rng.IntN(4) == 0 {
				plan, _ = planned(t, next)
			}
			chain = append(chain, read(t, between(t, base, plan, next)))
			now := day{plan: plan, entries: next, file: written(t, plan, next)}
			makes(t, last, now, chain[len(chain)-1:])
			makes(t, first, now, chain)
			answers(t, opened(t, now.file), last.entries, next)
			last = now
		}
	}
}

// answers asks a set for the entries of two lists, the later of which it holds.
func answers(t *testing.T, set *crlset.Set, before, now []crlset.Entry) {
	t.Helper()
	known := make(map[crlset.Key]crlset.Entry, len(now))
	for _, e := range now {
		known[e.Key] = e
	}
	for _, e := range slices.Concat(before, now) {
		want, there := known[e.Key]
		if got, ok, err := set.Find(e.Key); got != want || ok != there || err != nil {
			t.Fatalf("Find() = %v, %v, want %v", ok, err, there)
		}
	}
}
