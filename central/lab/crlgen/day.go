package crlgen

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"kazashi.example/sync/crlset"
)

// Changes is what a day does to a list, each to serials chosen uniformly.
type Changes struct {
	Additions uint64 // serials of the universe that the list does not hold, revoked within the day
	Removals  uint64 // serials of the list
	Reasons   uint64 // serials of the list that stay, keep their date and get another reason of the mix
}

// change is what days did to one serial.
type change struct {
	Entry
	gone bool
}

// NextDay is the list a day later: number, dates and the changes. l itself stays. ErrSpec if there are not so many serials.
func (l *List) NextDay(c Changes) (*List, error) {
	touched := c.Removals + c.Reasons
	if touched > l.size || c.Reasons > 0 && len(l.spec.Mix) < 2 || l.spec.Duplicates > 0 || l.spec.Entries+c.Additions > l.spec.numbers()/2 {
		return nil, fmt.Errorf("%w: a day of %d additions, %d removals, %d reasons to %d entries",
			ErrSpec, c.Additions, c.Removals, c.Reasons, l.size)
	}
	next := &List{spec: l.spec, tell: l.tell, size: l.size + c.Additions - c.Removals}
	next.spec.Number++
	next.spec.ThisUpdate, next.spec.NextUpdate = l.spec.ThisUpdate.Add(day), l.spec.NextUpdate.Add(day)
	src := next.spec.source(4 + next.spec.Number)
	changes := l.touch(src, touched, c.Removals)
	changes = append(changes, next.add(src, l, c.Additions)...)
	next.over = overlay(l.over, changes)
	return next, nil
}

// touch chooses entries of the list; so many of them go, the others get another reason.
func (l *List) touch(src *rand.PCG, n, removals uint64) []change {
	var changes []change
	at := uint64(0)
	places := slices.Collect(draw(src, n, l.size))
	for e := range l.rising() {
		if len(places) == 0 {
			break
		}
		if at == places[0] {
			changes, places = append(changes, change{Entry: e}), places[1:]
		}
		at++
	}
	chosen := slices.Clone(changes)
	shuffle(src, chosen)
	for i := range chosen {
		if chosen[i].gone = uint64(i) < removals; !chosen[i].gone {
			chosen[i].Reason, chosen[i].NoReason = l.another(src, chosen[i].Reason), false
		}
	}
	return chosen
}

// another reason of the mix, as often as the mix has it.
func (l *List) another(src *rand.PCG, than crlset.Reason) crlset.Reason {
	for {
		if r := l.tell.reasons[below(src.Uint64(), uint64(len(l.tell.reasons)))]; r != than {
			return r
		}
	}
}

// add draws serials that held does not hold, revoked in the day before the new list's.
func (l *List) add(src *rand.PCG, held *List, n uint64) []change {
	fresh := map[crlset.Key]bool{}
	for uint64(len(fresh)) < n {
		for uint64(len(fresh)) < n {
			fresh[l.spec.any(src)] = true
		}
		for e := range held.rising() {
			delete(fresh, e.Key)
		}
	}
	today := *l.tell
	today.first, today.span = l.spec.ThisUpdate.Add(-day).Unix(), uint64(day.Seconds())
	changes := make([]change, 0, n)
	for k := range fresh {
		changes = append(changes, change{Entry: today.tell(k, false)})
	}
	return changes
}

// any serial of the universe.
func (s Spec) any(src *rand.PCG) crlset.Key {
	i := below(src.Uint64(), s.numbers())
	if s.Shape == Random {
		free := s.randomBits()
		high := min(free, highBits)
		return randomKey(s.Seed, 1<<high|i, free-high)
	}
	return crlset.Key{C: s.First + i}
}

// overlay puts today's changes over those of the days before.
func overlay(before, today []change) []change {
	all := map[crlset.Key]change{}
	for _, c := range before {
		all[c.Key] = c
	}
	for _, c := range today {
		all[c.Key] = c
	}
	sorted := make([]change, 0, len(all))
	for _, c := range all {
		sorted = append(sorted, c)
	}
	slices.SortFunc(sorted, func(a, b change) int { return a.Key.Compare(b.Key) })
	return sorted
}
