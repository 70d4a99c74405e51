package crlgen

import (
	"iter"
	"math"
	"math/rand/v2"
)

// maxNumbers is the largest universe that draw can take: it computes in float64, whose mantissa has 53 bits, and needs the quotient only.
const maxNumbers = 1 << 62

// methodDFactor is α⁻¹ of Vitter's paper: with a denser sample than that, looking at each number is quicker.
const methodDFactor = 13

// draw gives n of the numbers 0 … total−1 in rising order, every such choice as likely as every other, in constant memory: Algorithm D of
// J. S. Vitter, "An efficient algorithm for sequential random sampling", ACM TOMS 13 (1987) 58–67.
func draw(src *rand.PCG, n, total uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		s := sampler{src: src, n: float64(n), total: float64(total)}
		at := uint64(0)
		for left, rest := n, total; left > 0; left-- {
			skip := min(s.skip(), rest-left) // rounding never takes what the others need
			if !yield(at + skip) {
				return
			}
			at += skip + 1
			rest -= skip + 1
			s.n, s.total = float64(left-1), float64(rest)
		}
	}
}

// sampler is the state of Algorithm D: how many are left to choose, of how many, and the draw that the last step left for the next (0: none).
type sampler struct {
	src      *rand.PCG
	n, total float64
	vprime   float64
}

// uniform is above 0 and at most 1.
func (s *sampler) uniform() float64 { return (float64(s.src.Uint64()>>11) + 1) * (1.0 / (1 << 53)) }

// root is a uniform number's n-th root.
func (s *sampler) root(n float64) float64 { return math.Exp(math.Log(s.uniform()) / n) }

// skip is how many numbers come before the next one that is chosen.
func (s *sampler) skip() uint64 {
	switch {
	case s.n <= 1:
		return uint64(s.total * s.uniform())
	case s.n*methodDFactor >= s.total:
		return s.skipDense()
	default:
		return s.skipSparse()
	}
}

// skipDense looks at each number (Method A).
func (s *sampler) skipDense() uint64 {
	v, top, skip := s.uniform(), s.total-s.n, uint64(0)
	for total, quot := s.total, top/s.total; quot > v; skip++ {
		top--
		total--
		quot *= top / total
	}
	s.vprime = 0
	return skip
}

// skipSparse guesses and corrects (Method D).
func (s *sampler) skipSparse() uint64 {
	if s.vprime == 0 {
		s.vprime = s.root(s.n)
	}
	limit := s.total - s.n + 1
	for {
		x, skip := s.guess(limit)
		y := math.Exp(math.Log(s.uniform()*s.total/limit) / (s.n - 1))
		s.vprime = y * (1 - x/s.total) * (limit / (limit - skip))
		if s.vprime <= 1 {
			return uint64(skip)
		}
		if s.total/(s.total-x) >= y*math.Exp(math.Log(s.density(skip, limit))/(s.n-1)) {
			s.vprime = s.root(s.n - 1)
			return uint64(skip)
		}
		s.vprime = s.root(s.n)
	}
}

// guess draws from the density that is easy to draw from.
func (s *sampler) guess(limit float64) (x, skip float64) {
	for {
		x = s.total * (1 - s.vprime)
		if skip = math.Trunc(x); skip < limit {
			return x, skip
		}
		s.vprime = s.root(s.n)
	}
}

// density is the product that the exact test needs.
func (s *sampler) density(skip, limit float64) float64 {
	top, bottom, end := s.total-1, s.total-s.n, s.total-skip
	if s.n-1 <= skip {
		bottom, end = s.total-skip-1, limit
	}
	y := 1.0
	for t := s.total - 1; t >= end; t-- {
		y *= top / bottom
		top--
		bottom--
	}
	return y
}
