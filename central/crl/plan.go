package crl

import (
	"context"
	"io"
	"slices"

	"kazashi.example/sync/crlset"
)

// How plans are carried on. A set that keeps its plan keeps the octets of every block that nothing changed.
const (
	dateRoom   = 60 * 24 * 3600 // seconds beyond the newest date, so that a plan lasts
	fewEntries = 1 << 14        // below, density is chance
	lookEvery  = 1 << 16        // entries between two looks at the context
	manyNews   = 2 << 20        // changes that a delta is not made for: they are kept in memory, and boxes fare well with the set
)

// news is what the next plan must have room for.
type news struct {
	entries   uint64         // of the next set
	changes   uint64         // removed, told otherwise, added
	many      bool           // more than a delta is made for
	additions []crlset.Entry // keys that the base has not; not all, if there are many
	any       bool           // something is told that the base does not tell
	reasons   uint16         // bit n: reason n is among what is told anew
	min, max  int64          // dates of what is told anew
}

func (v *news) tell(e *crlset.Entry) {
	if !v.any {
		v.min, v.max = e.Date, e.Date
	}
	v.any = true
	v.min, v.max = min(v.min, e.Date), max(v.max, e.Date)
	v.reasons |= 1 << (e.Reason & 15)
}

// look compares a base with the next entries.
func look(ctx context.Context, base *crlset.Set, next crlset.Source) (v news, err error) {
	err = abreast(ctx, base.Source(), next, func(b, n *crlset.Entry) error {
		if n != nil {
			v.entries++
		}
		if b != nil && n != nil && *b == *n {
			return nil
		}
		v.changes++
		if v.many = v.changes > manyNews; v.many || n == nil {
			return nil
		}
		if b == nil {
			v.additions = append(v.additions, *n)
		}
		v.tell(n)
		return nil
	})
	return v, err
}

// each hands out every entry of a source.
func each(ctx context.Context, from crlset.Source, use func(*crlset.Entry) error) error {
	var e crlset.Entry
	for n := 0; ; n++ {
		if n%lookEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		ok, err := from.Next(&e)
		if err != nil || !ok {
			return err
		}
		if err := use(&e); err != nil {
			return err
		}
	}
}

// planner makes the plan of a set that becomes of another.
type planner func(ctx context.Context, m *making, v news) (crlset.Plan, error)

// planners are tried one after another until the set has its place.
var planners = []planner{nextPlan, newPlan}

// nextPlan carries the plan of a base on to other entries, or makes a new one where density has drifted or additions crowd.
func nextPlan(ctx context.Context, m *making, v news) (crlset.Plan, error) {
	had := m.base.Len()
	drifted := max(v.entries, had) > fewEntries && (v.entries > 2*had || v.entries < had/2)
	if plan, ok, err := cover(m.base.Plan(), v).Extend(m.base, v.additions); err != nil || ok && !drifted {
		return plan, err
	}
	return newPlan(ctx, m, v)
}

// newPlan looks at the entries alone.
func newPlan(ctx context.Context, m *making, _ news) (crlset.Plan, error) {
	w := crlset.NewPlanningWriter(io.Discard, m.s.Columns)
	if err := each(ctx, m.entries(), func(e *crlset.Entry) error { return w.Add(*e) }); err != nil {
		return crlset.Plan{}, err
	}
	sum, err := w.Close()
	return sum.Plan, err
}

// cover gives a plan room for reasons and dates.
func cover(p crlset.Plan, v news) crlset.Plan {
	for r := range crlset.Reason(16) {
		if v.reasons>>r&1 == 0 || p.Columns&crlset.Reasons == 0 && r != crlset.CertificateHold {
			continue
		}
		if at, ok := slices.BinarySearch(p.Reasons, r); !ok {
			p.Reasons = slices.Insert(slices.Clone(p.Reasons), at, r)
		}
	}
	end := p.DateBase + int64(p.DateSpan) //nolint:gosec // a plan's span is below 2^40
	if !v.any || p.Columns&crlset.Dates == 0 || v.min >= p.DateBase && v.max < end {
		return p
	}
	if v.max >= end {
		end = v.max + dateRoom
	}
	p.DateBase = min(p.DateBase, v.min)
	p.DateSpan = uint64(end - p.DateBase) //nolint:gosec // positive
	return p
}
