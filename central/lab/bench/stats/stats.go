// Package stats is the arithmetic of measuring on a noisy machine: percentiles, and two things measured in turn.
//
// The functions keep nothing and may be called from any goroutine; what [Alternate] calls runs on the caller's goroutine. They
// do not judge samples and throw none away.
package stats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// ErrNoSamples says that there is nothing to take a percentile of.
var ErrNoSamples = errors.New("no samples")

// Percentile is the smallest sample that at least p percent of all samples do not exceed (nearest rank); p is above 0 and at
// most 100. The samples are left in their order. ErrNoSamples.
func Percentile[T cmp.Ordered](samples []T, p float64) (T, error) {
	var zero T
	if len(samples) == 0 || p <= 0 || p > 100 {
		return zero, fmt.Errorf("percentile %v of %d samples: %w", p, len(samples), ErrNoSamples)
	}
	sorted := slices.Sorted(slices.Values(samples))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1], nil
}

// Median is the 50th percentile.
func Median[T cmp.Ordered](samples []T) (T, error) { return Percentile(samples, 50) }

// Pairs are the samples of two things measured in turn; A[i] was taken right before B[i].
type Pairs struct{ A, B []time.Duration }

// Alternate measures a and b strictly in turn, n times each, so that whatever else the machine does meanwhile falls on both.
// It ends with the first error, or with ctx.
func Alternate(ctx context.Context, n int, a, b func() (time.Duration, error)) (Pairs, error) {
	p := Pairs{A: make([]time.Duration, 0, n), B: make([]time.Duration, 0, n)}
	for range n {
		if err := ctx.Err(); err != nil {
			return Pairs{}, err
		}
		at, err := a()
		if err != nil {
			return Pairs{}, err
		}
		bt, err := b()
		if err != nil {
			return Pairs{}, err
		}
		p.A, p.B = append(p.A, at), append(p.B, bt)
	}
	return p, nil
}

// Ratio says how many times longer A took than B: the median over blocks of so many pairs of the block's median of A over its
// median of B. A change of the machine's mood in the middle of a run therefore moves it little. Pairs beyond the last whole
// block do not count. ErrNoSamples if there is no whole block.
func (p Pairs) Ratio(block int) (float64, error) {
	if block <= 0 || block > min(len(p.A), len(p.B)) {
		return 0, fmt.Errorf("ratio of %d pairs in blocks of %d: %w", min(len(p.A), len(p.B)), block, ErrNoSamples)
	}
	var ratios []float64
	for i := 0; i+block <= min(len(p.A), len(p.B)); i += block {
		a, err := Median(p.A[i : i+block])
		if err != nil {
			return 0, err
		}
		b, err := Median(p.B[i : i+block])
		if err != nil {
			return 0, err
		}
		if b <= 0 {
			return 0, fmt.Errorf("dividing by a median of %s: %w", b, ErrNoSamples)
		}
		ratios = append(ratios, float64(a)/float64(b))
	}
	return Median(ratios)
}
