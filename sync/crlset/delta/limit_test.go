package delta_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"kazashi.example/sync/crlset"
)

// Entropies of what a delta tells, in bits (DESIGN.md, Limits).
func additionsLimit(universe, base, n float64) float64 {
	return choose(universe-base, n) + n*(math.Log2(86400)+entropy())
}

func removalsLimit(base, n float64) float64 { return choose(base, n) }

// TestNearTheLimit wants deltas near the entropy of what they tell, each kind for itself, header included.
func TestNearTheLimit(t *testing.T) {
	const people, revoked, n = 3_000_000, 100_000, 4_000
	rng := rand.New(rand.NewPCG(21, 21))
	var base, added []crlset.Entry
	for k := range uint64(people) {
		switch x := rng.Uint64N(people); {
		case x < revoked:
			base = append(base, crlset.Entry{Key: crlset.Key{C: k + 1}, Reason: crlset.CertificateHold, Date: firstDay - rng.Int64N(fiveYear)})
		case x < revoked+n:
			added = append(added, crlset.Entry{Key: crlset.Key{C: k + 1}, Reason: mixed(rng), Date: firstDay + rng.Int64N(86400)})
		}
	}
	p := crlset.Plan{
		Columns: crlset.Full, Reasons: []crlset.Reason{0, 1, 4, 5, 6}, DateBase: firstDay - fiveYear, DateSpan: fiveYear + 86400,
		Regions: []crlset.Region{{Shift: 13, Blocks: 1 + people>>13}},
	}
	set := opened(t, written(t, p, base))
	size := float64(len(base))
	for _, c := range []struct {
		name  string
		next  []crlset.Entry
		limit float64
		most  float64
	}{
		{"additions", merged(base, added), additionsLimit(people, size, float64(len(added))), 1.03},
		{"removals", without(rng, base, n), removalsLimit(size, n), 1.03},
		{"changes", lifted(rng, base, n), choose(size, n) + n*math.Log2(86400), 1.03},
	} {
		got := len(between(t, set, p, c.next))
		if ratio := float64(got) * 8 / c.limit; ratio > c.most {
			t.Errorf("%s take %d octets, %.4f of the limit, want at most %.2f", c.name, got, ratio, c.most)
		} else {
			t.Logf("%s take %d octets, %.4f of the limit", c.name, got, ratio)
		}
	}
}

func merged(a, b []crlset.Entry) []crlset.Entry {
	out := append(slices.Clone(a), b...)
	slices.SortFunc(out, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	return out
}

// picked is n different places in a list.
func picked(rng *rand.Rand, list []crlset.Entry, n int) map[int]bool {
	out := map[int]bool{}
	for _, i := range rng.Perm(len(list))[:n] {
		out[i] = true
	}
	return out
}

func without(rng *rand.Rand, base []crlset.Entry, n int) (out []crlset.Entry) {
	gone := picked(rng, base, n)
	for i, e := range base {
		if !gone[i] {
			out = append(out, e)
		}
	}
	return out
}

// lifted turns holds into revocations of today, all for one reason.
func lifted(rng *rand.Rand, base []crlset.Entry, n int) []crlset.Entry {
	out := slices.Clone(base)
	for i := range picked(rng, base, n) {
		out[i].Reason, out[i].Date = crlset.KeyCompromise, firstDay+rng.Int64N(86400)
	}
	return out
}
