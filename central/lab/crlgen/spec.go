// Package crlgen makes revocation lists of any size from a seed, to measure and to test with.
//
// A [List] is a description: its entries are drawn again each time they are walked, and every walk gives the same. What an entry says is
// a function of seed and serial, so that a list in rising order and its shuffled twin say the same of each serial. [List.NextDay] is
// the list of the day after. [Write] streams a list as DER, signed by a practice authority; what it takes may also be made by hand.
//
// Memory does not grow with a list in rising order. A shuffled one keeps 4 octets an entry while it is walked (32 if its serials need more
// than 32 bits or come twice); a day keeps what it changes. A List may be walked from any goroutine. Nothing is durable, nothing is real.
// Serials and dates are uniform, which is the worst that a list can be to compress.
package crlgen

import (
	"errors"
	"fmt"
	"math"
	"time"

	"kazashi.example/sync/crlset"
)

// ErrSpec says that a list cannot be made as it was asked for.
var ErrSpec = errors.New("no such revocation list can be made")

// Shape says which serials a list holds.
type Shape uint8

// Shapes.
const (
	// Uniform draws exactly Entries of Universe consecutive numbers, without putting any back: gaps are as even as chance makes them.
	Uniform Shape = iota
	// Clustered draws runs of consecutive numbers, RunLength long in the mean, at uniform places of the universe.
	Clustered
	// Random draws serials of exactly Octets octets whose first two bits are 01: 8·Octets − 2 bits of chance.
	Random
)

// RunLength is the mean length of a run of a clustered list.
const RunLength = 32

// Defaults of a Spec.
const (
	DefaultUniverse = 300_000_000
	DefaultOctets   = 16
	DefaultSpan     = 5 * 365 * 24 * time.Hour
	day             = 24 * time.Hour
)

// DefaultThisUpdate is the day of a list that names none.
var DefaultThisUpdate = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// Spec says what a list is like. The zero value of a field is its default.
type Spec struct {
	Seed     uint64
	Entries  uint64
	Shape    Shape
	Universe uint64 // of Uniform and Clustered
	First    uint64 // lowest number of the universe; 1
	Octets   int    // of Random, 1 to 20
	Shuffled bool   // serials in no order, as no rule forbids

	Span        time.Duration // revocation dates are uniform seconds of so long before ThisUpdate
	Generalized bool          // dates as GeneralizedTime, also those that RFC 5280 §5.1.2.4 wants as UTCTime
	Mix         Mix           // of reasons

	// Shares of the entries, 0 to 1.
	NoReason   float64 // no reasonCode extension, which means unspecified
	Invalidity float64 // an invalidityDate beside the rest
	Duplicates float64 // a second entry of the same serial, saying something else

	Number     uint64    // CRL number; 1
	ThisUpdate time.Time // DefaultThisUpdate
	NextUpdate time.Time // a day later
	Point      []byte    // directory name (DER) of a partition's issuing distribution point; nil for the whole list
}

// Weight is how often a reason comes, in relation to the others of its mix.
type Weight struct {
	Reason crlset.Reason
	Weight uint16
}

// Mix is how often reasons come.
type Mix []Weight

// DefaultMix has the four reasons that the issuer's leaflet lists, and key compromise: 2.05 bits of entropy. The shares are made up.
func DefaultMix() Mix {
	return Mix{
		{crlset.Superseded, 36},
		{crlset.AffiliationChanged, 28},
		{crlset.CessationOfOperation, 22},
		{crlset.KeyCompromise, 9},
		{crlset.CertificateHold, 5},
	}
}

// Entropy is the information in one reason of the mix, in bits.
func (m Mix) Entropy() float64 {
	var sum, h float64
	for _, w := range m {
		sum += float64(w.Weight)
	}
	for _, w := range m {
		if p := float64(w.Weight) / sum; p > 0 {
			h -= p * math.Log2(p)
		}
	}
	return h
}

// completed is the spec with its defaults; ErrSpec.
func (s Spec) completed() (Spec, error) {
	set(&s.Universe, DefaultUniverse)
	set(&s.First, 1)
	set(&s.Octets, DefaultOctets)
	set(&s.Span, DefaultSpan)
	set(&s.Number, 1)
	if s.ThisUpdate.IsZero() {
		s.ThisUpdate = DefaultThisUpdate
	}
	if s.NextUpdate.IsZero() {
		s.NextUpdate = s.ThisUpdate.Add(day)
	}
	if len(s.Mix) == 0 {
		s.Mix = DefaultMix()
	}
	return s, s.check()
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (s Spec) check() error {
	switch {
	case s.Shape > Random:
		return fmt.Errorf("%w: shape %d", ErrSpec, s.Shape)
	case s.Octets < 1 || s.Octets > 20:
		return fmt.Errorf("%w: serials of %d octets", ErrSpec, s.Octets)
	case s.numbers() < s.Entries || s.numbers() > maxNumbers:
		return fmt.Errorf("%w: %d entries of a universe of %d", ErrSpec, s.Entries, s.numbers())
	case s.First > math.MaxUint64-s.Universe:
		return fmt.Errorf("%w: the universe ends beyond 64 bits", ErrSpec)
	case s.Span < time.Second:
		return fmt.Errorf("%w: a span of %s", ErrSpec, s.Span)
	}
	for _, share := range []float64{s.NoReason, s.Invalidity, s.Duplicates} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("%w: a share of %v", ErrSpec, share)
		}
	}
	for _, w := range s.Mix {
		if !w.Reason.Valid() || w.Weight == 0 {
			return fmt.Errorf("%w: reason %d with weight %d", ErrSpec, w.Reason, w.Weight)
		}
	}
	return nil
}

// randomBits is how many bits of a Random serial are free.
func (s Spec) randomBits() int { return 8*s.Octets - 2 }

// numbers is how many numbers are drawn from; of a Random serial only its first 8 octets are.
func (s Spec) numbers() uint64 {
	if s.Shape == Random {
		return 1 << min(s.randomBits(), highBits)
	}
	return s.Universe
}

// UniverseBits is the logarithm of how many serials the list was drawn from.
func (s Spec) UniverseBits() float64 {
	if s.Shape == Random {
		return float64(s.randomBits())
	}
	return math.Log2(float64(s.Universe))
}
