// Package entropy is the least that a revocation set or a delta can take, in bits, whatever its format.
//
// It counts the objects that must be told apart and takes the logarithm: what a perfect code would need if all of them were equally likely,
// as they are for generated lists. It knows no format. Functions are pure.
package entropy

import "math"

// Choose is the information in one choice of n of u things without order: log2 of the binomial coefficient, by the logarithm of the
// gamma function. It is 0 for n of 0 and of all.
func Choose(u, n float64) float64 {
	if n <= 0 || n >= u {
		return 0
	}
	return (lgamma(u+1) - lgamma(n+1) - lgamma(u-n+1)) / math.Ln2
}

func lgamma(x float64) float64 {
	if x > 1e7 { // Stirling's series (Abramowitz and Stegun 6.1.41), whose next term is below 1e-24 here
		return (x-.5)*math.Log(x) - x + math.Log(2*math.Pi)/2 + 1/(12*x)
	}
	v, _ := math.Lgamma(x)
	return v
}

// Sparse is the same for n of 2^b things where n is far below 2^(b/2): b − log2 n + log2 e a thing. Choose would lose all its digits there.
func Sparse(b, n float64) float64 { return n * (b - math.Log2(n) + math.Log2E) }

// Set is a set of n of u serials, each with a date that is one of so many seconds, and a reason of so many bits.
func Set(u, n, seconds, reason float64) float64 { return Choose(u, n) + n*(math.Log2(seconds)+reason) }

// Day is what a day changes.
type Day struct {
	Universe, Entries            float64 // serials that there are, and those listed before
	Additions, Removals, Reasons float64 // how many of each
	Seconds                      float64 // that a new entry's date can be of
	Reason                       float64 // bits of a new entry's reason
	Other                        float64 // bits of a reason that is known not to be the one before
}

// Delta is what a day takes: which of the serials not listed come, with date and reason; which of those listed go; which of those that
// stay get another reason, and which one. How many of each is taken as known.
func (d Day) Delta() float64 {
	var said float64 // by a new entry
	if d.Additions > 0 {
		said = math.Log2(d.Seconds) + d.Reason
	}
	return Choose(d.Universe-d.Entries, d.Additions) + d.Additions*said +
		Choose(d.Entries, d.Removals) + Choose(d.Entries-d.Removals, d.Reasons) + d.Reasons*d.Other
}

// Reason is the information in a reason that comes with these weights.
func Reason(weights []float64) float64 {
	var sum, h float64
	for _, w := range weights {
		sum += w
	}
	for _, w := range weights {
		if w > 0 {
			h -= w / sum * math.Log2(w/sum)
		}
	}
	return h
}

// Other is the information in a reason drawn from the weights that is not the one before, which was drawn from them too.
func Other(weights []float64) float64 {
	var sum, h float64
	for _, w := range weights {
		sum += w
	}
	rest := make([]float64, len(weights))
	for i, w := range weights {
		copy(rest, weights)
		rest[i] = 0
		h += w / sum * Reason(rest)
	}
	return h
}
