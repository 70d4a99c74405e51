package crl

import (
	"fmt"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
)

// Status is what the store holds of a scope, for people to look at.
type Status struct {
	Scope    certid.Scope
	Head     manifest.Head  // zero: nothing is published
	Table    []manifest.Row // that it was made from
	Believed bool           // false: a key that signed one of its lists is no anchor any more, and nobody is told of the set
	Lists    []ListStatus   // the newest of each partition
	Steps    []StepStatus   // oldest first
	Faults   error          // why the next set cannot be made; nil if it can
}

// ListStatus is the newest list of one partition.
type ListStatus struct {
	manifest.Row

	Entries uint64
	Taken   time.Time
	From    string // where it came from; empty if nobody knows
}

// StepStatus is how one set became the next.
type StepStatus struct {
	Base, Next      rule.Version // a zero Base: there was none
	Made            time.Time
	Before, After   uint64 // entries removed or changed, and added or changed
	Delta, Head     uint64 // octets; 0: boxes took the whole set
	Kept            bool   // boxes can still have it
	ThisUpdate, End time.Time
}

// Status reads what the store holds of a scope. ErrNone if it is nothing.
func (s *Store) Status(of certid.Scope) (Status, error) {
	sc, err := s.known(of)
	if err != nil {
		return Status{}, err
	}
	sc.work.Lock()
	defer sc.work.Unlock()
	st := Status{Scope: of}
	for _, p := range sc.state.Parts {
		st.Lists = append(st.Lists, ListStatus{Row: p.Row, Entries: p.Entries, Taken: time.Unix(p.Taken, 0).UTC(), From: p.From})
	}
	_, st.Faults = s.complete(sc)
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	p := &sc.pub
	st.Head, st.Table, st.Believed = p.head, p.manifest.Table, p.believed
	if p.exists() && p.set == nil {
		st.Faults = fmt.Errorf("%w: the set in force cannot be read", ErrDamaged)
	}
	for _, x := range p.steps {
		_, kept := p.files[x.Delta.ID]
		st.Steps = append(st.Steps, StepStatus{
			Base: x.Base, Next: x.Next, Made: time.Unix(x.Made, 0).UTC(), Before: x.Before.Entries, After: x.After.Entries,
			Delta: x.Delta.Size, Head: x.Head.Size, Kept: kept && x.hasDelta(),
			ThisUpdate: time.Unix(x.ThisUpdate, 0).UTC(), End: time.Unix(x.NextUpdate, 0).UTC(),
		})
	}
	return st, nil
}
