package crlgen

import (
	"iter"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"kazashi.example/sync/crlset"
)

// highBits is how many bits of a Random serial are drawn in rising order; the rest is a function of them.
const highBits = 62

// List is a list's description. It keeps none of its entries but those that days changed.
type List struct {
	spec Spec
	tell *teller
	over []change // what days changed, in rising order of serials, each serial once
	size uint64   // entries, duplicates not counted
}

// New describes a list. ErrSpec.
func New(s Spec) (*List, error) {
	s, err := s.completed()
	if err != nil {
		return nil, err
	}
	return &List{spec: s, tell: s.teller(), size: s.Entries}, nil
}

// Spec is the list's, with defaults filled in and, after days, with the last day's number and dates.
func (l *List) Spec() Spec { return l.spec }

// Len is how many serials the list holds.
func (l *List) Len() uint64 { return l.size }

// Head is the list's own.
func (l *List) Head() Head {
	return Head{Number: l.spec.Number, ThisUpdate: l.spec.ThisUpdate, NextUpdate: l.spec.NextUpdate, Point: l.spec.Point}
}

// Entries walks the list in the order in which it is written. A second entry of a serial follows the first, unless shuffled.
func (l *List) Entries() iter.Seq[Entry] {
	if l.spec.Shuffled {
		return l.shuffled()
	}
	return l.rising()
}

// Rising walks the list in rising order of its serials, however it is written.
func (l *List) rising() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		over := l.over
		for k := range l.keys() {
			for len(over) > 0 && over[0].Key.Compare(k) < 0 {
				if !over[0].gone && !yield(over[0].Entry) { // a serial that a day added, and another may have taken away
					return
				}
				over = over[1:]
			}
			if len(over) > 0 && over[0].Key == k {
				if !over[0].gone && !yield(over[0].Entry) {
					return
				}
				over = over[1:]
				continue
			}
			if !yield(l.tell.tell(k, false)) || l.tell.twice(k) && !yield(l.tell.tell(k, true)) {
				return
			}
		}
		for _, c := range over {
			if !c.gone && !yield(c.Entry) {
				return
			}
		}
	}
}

// keys are the serials of the first day, in rising order.
func (l *List) keys() iter.Seq[crlset.Key] {
	s := l.spec
	switch s.Shape {
	case Clustered:
		return s.runs()
	case Random:
		return s.random()
	default:
		return s.numbersFrom(draw(s.source(1), s.Entries, s.Universe))
	}
}

// source is a stream of chance of its own for each use.
func (s Spec) source(use uint64) *rand.PCG { return rand.NewPCG(mix(s.Seed), mix(s.Seed^use<<32)) }

func (s Spec) numbersFrom(chosen iter.Seq[uint64]) iter.Seq[crlset.Key] {
	return func(yield func(crlset.Key) bool) {
		for i := range chosen {
			if !yield(crlset.Key{C: s.First + i}) {
				return
			}
		}
	}
}

// random serials: the first 62 bits after the leading 01 are drawn in rising order, so that no two are alike.
func (s Spec) random() iter.Seq[crlset.Key] {
	free := s.randomBits()
	high := min(free, highBits)
	return func(yield func(crlset.Key) bool) {
		for i := range draw(s.source(1), s.Entries, 1<<high) {
			if !yield(randomKey(s.Seed, 1<<high|i, free-high)) {
				return
			}
		}
	}
}

// randomKey puts so many bits, a function of head, after head.
func randomKey(seed, head uint64, low int) crlset.Key {
	tail := crlset.Key{
		A: uint32(chance(seed, crlset.Key{C: head}, ^uint64(1))),
		B: chance(seed, crlset.Key{C: head}, ^uint64(2)), C: chance(seed, crlset.Key{C: head}, ^uint64(3)),
	}
	k := shiftLeft(crlset.Key{C: head}, low)
	under := shiftLeft(crlset.Key{C: 1}, low).Sub(crlset.Key{C: 1}) // the low bits
	k.A, k.B, k.C = k.A|tail.A&under.A, k.B|tail.B&under.B, k.C|tail.C&under.C
	return k
}

func shiftLeft(k crlset.Key, n int) crlset.Key {
	for ; n > 0; n-- {
		k = k.Add(k)
	}
	return k
}

// runs of a clustered list: places are drawn from what is left when each run is one number, lengths by cutting the entries.
func (s Spec) runs() iter.Seq[crlset.Key] {
	runs := s.Entries / RunLength
	if s.Entries > 0 {
		runs = max(runs, 1)
	}
	return func(yield func(crlset.Key) bool) {
		if runs == 0 {
			return
		}
		cuts, stop := iter.Pull(draw(s.source(2), runs-1, s.Entries-1)) // where a run ends, but the last
		defer stop()
		from, before := uint64(0), uint64(0)
		for place := range draw(s.source(1), runs, s.Universe-s.Entries+runs) {
			end := s.Entries
			if cut, more := cuts(); more {
				end = cut + 1
			}
			for i := from; i < end; i++ {
				if !yield(crlset.Key{C: s.First + place - before + i}) { // place counts each run before as one
					return
				}
			}
			from, before = end, before+1
		}
	}
}

// shuffled walks the list in no order.
func (l *List) shuffled() iter.Seq[Entry] {
	top, _ := bits.Add64(l.spec.First, l.spec.Universe, 0)
	if l.spec.Shape == Random || top > math.MaxUint32 || l.spec.Duplicates > 0 || len(l.over) > 0 {
		return l.shuffledEntries()
	}
	return func(yield func(Entry) bool) {
		all := make([]uint32, 0, l.spec.Entries)
		for k := range l.keys() {
			all = append(all, uint32(k.C)) //nolint:gosec // the universe ends below 2^32
		}
		shuffle(l.spec.source(3), all)
		for _, n := range all {
			if !yield(l.tell.tell(crlset.Key{C: uint64(n)}, false)) {
				return
			}
		}
	}
}

func (l *List) shuffledEntries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		all := slices.AppendSeq(make([]Entry, 0, l.size), l.rising())
		shuffle(l.spec.source(3), all)
		for _, e := range all {
			if !yield(e) {
				return
			}
		}
	}
}

func shuffle[T any](src *rand.PCG, all []T) {
	for i := len(all) - 1; i > 0; i-- {
		j := below(src.Uint64(), uint64(i)+1)
		all[i], all[j] = all[j], all[i]
	}
}
