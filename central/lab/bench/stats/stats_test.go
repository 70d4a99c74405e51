package stats_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"kazashi.example/central/lab/bench/stats"
)

func TestPercentile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i // 100 … 1
	}
	for _, tc := range []struct {
		samples []int
		p       float64
		want    int
	}{
		{[]int{7}, 50, 7},
		{[]int{7}, 99, 7},
		{[]int{9, 1}, 50, 1},
		{[]int{9, 1, 5}, 50, 5},
		{[]int{4, 4, 4, 90}, 75, 4},
		{[]int{4, 4, 4, 90}, 76, 90},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 99.1, 100},
		{hundred, 0.1, 1},
		{hundred, 100, 100},
	} {
		if got, err := stats.Percentile(tc.samples, tc.p); err != nil || got != tc.want {
			t.Errorf("Percentile(%d samples, %v) = %d, %v, want %d", len(tc.samples), tc.p, got, err, tc.want)
		}
	}
	if hundred[0] != 100 || slices.IsSorted(hundred) {
		t.Error("Percentile changed the samples")
	}
}

func TestPercentileRefuses(t *testing.T) {
	for _, tc := range []struct {
		samples []int
		p       float64
	}{{nil, 50}, {[]int{1}, 0}, {[]int{1}, -3}, {[]int{1}, 100.1}} {
		if got, err := stats.Percentile(tc.samples, tc.p); !errors.Is(err, stats.ErrNoSamples) {
			t.Errorf("Percentile(%v, %v) = %d, %v, want ErrNoSamples", tc.samples, tc.p, got, err)
		}
	}
}

func TestAlternate(t *testing.T) {
	var order []byte
	step := func(name byte, took ...time.Duration) func() (time.Duration, error) {
		i := -1
		return func() (time.Duration, error) {
			order = append(order, name)
			i++
			return took[i], nil
		}
	}
	p, err := stats.Alternate(t.Context(), 3, step('a', 30, 20, 999), step('b', 10, 500, 8))
	if err != nil || string(order) != "ababab" {
		t.Fatalf("Alternate: order %s, %v, want ababab", order, err)
	}
	if got, err := p.Ratio(3); err != nil || got != 3 { // median 30 over median 10: the outliers do not count
		t.Errorf("Ratio = %v, %v, want 3", got, err)
	}
}

func TestAlternateEnds(t *testing.T) {
	broken := errors.New("broken")
	calls := 0
	good := func() (time.Duration, error) { calls++; return 1, nil }
	bad := func() (time.Duration, error) { return 0, broken }
	if _, err := stats.Alternate(t.Context(), 5, good, bad); !errors.Is(err, broken) || calls != 1 {
		t.Errorf("Alternate = %v after %d calls, want broken after 1", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := func() (time.Duration, error) { cancel(); return 1, nil }
	if _, err := stats.Alternate(ctx, 5, good, stop); !errors.Is(err, context.Canceled) || calls != 2 {
		t.Errorf("Alternate = %v after %d calls, want canceled after 2", err, calls)
	}
}

func TestRatioOfBlocks(t *testing.T) {
	// The machine becomes ten times slower in the middle, and once only A is disturbed; the last pair is no whole block.
	p := stats.Pairs{
		A: []time.Duration{2, 2, 90, 90, 20, 20, 7},
		B: []time.Duration{1, 1, 10, 10, 10, 10, 7},
	}
	if got, err := p.Ratio(2); err != nil || got != 2 {
		t.Errorf("Ratio(2) = %v, %v, want 2", got, err)
	}
	for _, block := range []int{-1, 0, 8} {
		if got, err := p.Ratio(block); !errors.Is(err, stats.ErrNoSamples) {
			t.Errorf("Ratio(%d) = %v, %v, want ErrNoSamples", block, got, err)
		}
	}
}

func TestRatioRefuses(t *testing.T) {
	for _, p := range []stats.Pairs{
		{},
		{A: []time.Duration{1}},
		{A: []time.Duration{1}, B: []time.Duration{0}},
	} {
		if got, err := p.Ratio(1); !errors.Is(err, stats.ErrNoSamples) {
			t.Errorf("Ratio of %v = %v, %v, want ErrNoSamples", p, got, err)
		}
	}
}
