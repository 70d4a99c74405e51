package entropy_test

import (
	"math"
	"testing"

	"kazashi.example/central/lab/bench/entropy"
)

func near(got, want, tolerance float64) bool { return math.Abs(got-want) <= tolerance }

func TestChoose(t *testing.T) {
	for _, tc := range []struct{ u, n, want, tolerance float64 }{
		{10, 0, 0, 0},
		{10, 10, 0, 0},
		{10, 1, math.Log2(10), 1e-9},
		{10, 3, math.Log2(120), 1e-9},
		{52, 5, math.Log2(2598960), 1e-9},
		// By exact integers: log2 of the binomial coefficients.
		{1000, 500, 994.6905, 1e-3},
		// 3·10⁸ over 10⁷: 6.33 bits each.
		{3e8, 1e7, 6.33e7, .005e7},
		{3e8, 3e7, 4.69 * 3e7, .005 * 3e7},
		{math.Exp2(32), 1e7, 10.19e7, .005e7},
	} {
		if got := entropy.Choose(tc.u, tc.n); !near(got, tc.want, tc.tolerance) {
			t.Errorf("Choose(%v, %v) = %v, want %v", tc.u, tc.n, got, tc.want)
		}
	}
	if a, b := entropy.Choose(math.Exp2(40), 100), entropy.Sparse(40, 100); !near(a/b, 1, .002) {
		t.Errorf("Choose = %v and Sparse = %v differ", a, b)
	}
	if below, above := entropy.Choose(1e7-3, 1000), entropy.Choose(1e7+3, 1000); !near(below, above, .01) {
		t.Errorf("Choose jumps from %v to %v between its two ways", below, above)
	}
}

func TestReason(t *testing.T) {
	for _, tc := range []struct {
		weights     []float64
		want, other float64
	}{
		{[]float64{1}, 0, 0}, {[]float64{1, 1}, 1, 0}, {[]float64{1, 1, 1}, math.Log2(3), 1}, {[]float64{2, 1, 1}, 1.5, .5 + .5*entropy.Reason([]float64{2, 1})},
	} {
		if got, other := entropy.Reason(tc.weights), entropy.Other(tc.weights); !near(got, tc.want, 1e-12) || !near(other, tc.other, 1e-12) {
			t.Errorf("%v: Reason = %v, Other = %v, want %v, %v", tc.weights, got, other, tc.want, tc.other)
		}
	}
}

// TestDelta compares with what was worked out for a day of 20,000 additions: 84.4 kB with dates of one day and reasons of 2.05 bits.
func TestDelta(t *testing.T) {
	d := entropy.Day{Universe: 3e8, Additions: 20_000, Seconds: 86400, Reason: 2.05}
	if got := d.Delta() / 8; !near(got, 84_400, 200) {
		t.Errorf("Delta of 20,000 additions = %.0f octets, want 84,400", got)
	}
	d = entropy.Day{Universe: 100, Entries: 10, Removals: 3, Reasons: 2, Other: 1.5}
	if got, want := d.Delta(), math.Log2(120)+math.Log2(21)+3; !near(got, want, 1e-9) {
		t.Errorf("Delta of 3 removals and 2 reasons = %v bits, want %v", got, want)
	}
	if got := entropy.Set(3e8, 1e7, 5*365*86400, 2.05) / 1e7; !near(got, 35.6, .05) {
		t.Errorf("Set = %.2f bits an entry, want 35.6", got)
	}
}
