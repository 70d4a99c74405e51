package crlset

import (
	"cmp"
	"fmt"
)

// Resolve is which of two entries of one key a set keeps, whole: one that is not on hold before one that is, then the one with
// the earlier date, then the one with the smaller number of its reason. The order of the arguments does not matter, nor that
// in which more than two are resolved.
func Resolve(a, b Entry) Entry {
	if a.OnHold() != b.OnHold() {
		if a.OnHold() {
			return b
		}
		return a
	}
	if cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.Reason, b.Reason)) <= 0 {
		return a
	}
	return b
}

// Merge gives the entries of all sources in rising order, those of one key resolved by Resolve. It reads each source only as far as
// it must and keeps one entry of each. ErrOrder, if there are two sources or more, when one of them falls or repeats a key.
func Merge(sources ...Source) Source {
	switch len(sources) {
	case 0:
		return none{}
	case 1:
		return sources[0]
	case 2:
		return &pair{a: head{from: sources[0]}, b: head{from: sources[1]}}
	default:
		return &tournament{heads: headsOf(sources)}
	}
}

type none struct{}

func (none) Next(*Entry) (bool, error) { return false, nil }

// head is a source's next entry.
type head struct {
	from  Source
	entry Entry
	there bool
	begun bool
}

// advance takes the next entry of the source.
func (h *head) advance() error {
	last := h.entry.Key
	var err error
	if h.there, err = h.from.Next(&h.entry); err != nil {
		return err
	}
	if h.begun && h.there && h.entry.Key.Compare(last) <= 0 {
		return fmt.Errorf("merging: %w", ErrOrder)
	}
	h.begun = true
	return nil
}

func headsOf(sources []Source) []head {
	heads := make([]head, len(sources))
	for i, s := range sources {
		heads[i].from = s
	}
	return heads
}

// pair merges two sources.
type pair struct {
	a, b  head
	begun bool
}

func (p *pair) Next(e *Entry) (bool, error) {
	if !p.begun {
		p.begun = true
		if err := cmp.Or(p.a.advance(), p.b.advance()); err != nil {
			return false, err
		}
	}
	var order int
	switch {
	case !p.a.there && !p.b.there:
		return false, nil
	case !p.b.there:
		order = -1
	case !p.a.there:
		order = 1
	default:
		order = p.a.entry.Key.Compare(p.b.entry.Key)
	}
	switch {
	case order < 0:
		*e = p.a.entry
		return true, p.a.advance()
	case order > 0:
		*e = p.b.entry
		return true, p.b.advance()
	default:
		*e = Resolve(p.a.entry, p.b.entry)
		return true, cmp.Or(p.a.advance(), p.b.advance())
	}
}

// tournament merges many sources by a tree of losers: an entry costs one comparison for each of its log2 k levels.
type tournament struct {
	heads []head
	loser []int // loser[i], i ≥ 1, lost the match at node i; loser[0] won them all
}

func (t *tournament) Next(e *Entry) (bool, error) {
	if t.loser == nil {
		if err := t.begin(); err != nil {
			return false, err
		}
	}
	best := &t.heads[t.loser[0]]
	if !best.there {
		return false, nil
	}
	*e = best.entry
	for {
		if err := t.replace(); err != nil {
			return false, err
		}
		best = &t.heads[t.loser[0]]
		if !best.there || best.entry.Key != e.Key {
			return true, nil
		}
		*e = Resolve(*e, best.entry)
	}
}

// begin plays all matches.
func (t *tournament) begin() error {
	k := len(t.heads)
	t.loser = make([]int, k)
	winner := make([]int, 2*k)
	for i := range t.heads {
		if err := t.heads[i].advance(); err != nil {
			return err
		}
		winner[k+i] = i
	}
	for node := k - 1; node > 0; node-- {
		winner[node], t.loser[node] = t.match(winner[2*node], winner[2*node+1])
	}
	t.loser[0] = winner[1]
	return nil
}

// replace advances the source that won and plays its matches again.
func (t *tournament) replace() error {
	w := t.loser[0]
	if err := t.heads[w].advance(); err != nil {
		return err
	}
	for node := (w + len(t.heads)) / 2; node > 0; node /= 2 {
		w, t.loser[node] = t.match(w, t.loser[node])
	}
	t.loser[0] = w
	return nil
}

// match says which of two sources comes first and which does not.
func (t *tournament) match(i, j int) (winner, loser int) {
	a, b := &t.heads[i], &t.heads[j]
	if !a.there || b.there && b.entry.Key.Compare(a.entry.Key) < 0 {
		return j, i
	}
	return i, j
}
