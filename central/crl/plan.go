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
	blockRoom  = 256            // one block in so many is added behind the last serial
	deepBlock  = crlset.MaxBlock / 2
	fewEntries = 1 << 14 // below, density is chance
	lookEvery  = 1 << 16 // entries between two looks at the context
)

// survey is what the next plan depends on.
type survey struct {
	entries  uint64
	lost     bool // a key lies in or before the regions and has no place
	beyond   bool // keys lie behind the last region
	last     crlset.Key
	reasons  uint16 // bit n: reason n stands on the list
	min, max int64  // dates
	deepest  int    // entries of the fullest block
}

// look reads all entries against a plan.
func look(ctx context.Context, plan crlset.Plan, from crlset.Source) (v survey, err error) {
	layout, err := plan.Layout()
	if err != nil {
		return v, err
	}
	block, depth := -1, 0
	err = each(ctx, from, func(e *crlset.Entry) error {
		if v.entries == 0 {
			v.min, v.max = e.Date, e.Date
		}
		v.entries++
		v.min, v.max = min(v.min, e.Date), max(v.max, e.Date)
		v.reasons |= 1 << e.Reason
		i, ok := layout.Block(e.Key)
		if !ok {
			v.lost = v.lost || layout.Blocks() == 0 || e.Key.Compare(layout.First(layout.Blocks()-1)) < 0
			v.beyond, v.last = true, e.Key
			return nil
		}
		if i != block {
			block, depth = i, 0
		}
		depth++
		v.deepest = max(v.deepest, depth)
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

// nextPlan carries the plan of a base on to other entries, or makes a new one where density has drifted or serials begin elsewhere.
func nextPlan(ctx context.Context, base *crlset.Set, columns crlset.Columns, entries func() crlset.Source) (crlset.Plan, error) {
	v, err := look(ctx, base.Plan(), entries())
	if err != nil {
		return crlset.Plan{}, err
	}
	had := base.Len()
	drifted := max(v.entries, had) > fewEntries && (v.entries > 2*had || v.entries < had/2)
	if plan, ok := extend(base.Plan(), v); ok && !drifted && v.deepest < deepBlock {
		return plan, nil
	}
	w := crlset.NewPlanningWriter(io.Discard, columns)
	if err := each(ctx, entries(), func(e *crlset.Entry) error { return w.Add(*e) }); err != nil {
		return crlset.Plan{}, err
	}
	sum, err := w.Close()
	return sum.Plan, err
}

// extend gives a plan room for what a survey found.
func extend(p crlset.Plan, v survey) (crlset.Plan, bool) {
	if v.lost {
		return p, false
	}
	for r := range crlset.Reason(16) {
		if v.reasons>>r&1 == 0 || p.Columns&crlset.Reasons == 0 && r != crlset.CertificateHold {
			continue
		}
		if at, ok := slices.BinarySearch(p.Reasons, r); !ok {
			p.Reasons = slices.Insert(slices.Clone(p.Reasons), at, r)
		}
	}
	if end := p.DateBase + int64(p.DateSpan); p.Columns&crlset.Dates != 0 && v.entries > 0 && (v.min < p.DateBase || v.max >= end) { //nolint:gosec // a plan's span is below 2^40
		if v.max >= end {
			end = v.max + dateRoom
		}
		p.DateBase = min(p.DateBase, v.min)
		p.DateSpan = uint64(end - p.DateBase) //nolint:gosec // positive
	}
	if !v.beyond {
		return p, valid(p)
	}
	return lengthen(p, v.last)
}

// lengthen adds blocks to the last region until a key has a place there.
func lengthen(p crlset.Plan, last crlset.Key) (crlset.Plan, bool) {
	p.Regions = slices.Clone(p.Regions)
	r := &p.Regions[len(p.Regions)-1]
	layout, err := p.Layout()
	if err != nil || r.Tail != 0 {
		return p, false
	}
	d := last.Sub(layout.First(layout.Blocks() - int(r.Blocks)))
	if d.A != 0 || d.B != 0 {
		return p, false
	}
	blocks := d.C>>r.Shift + 1
	blocks += blocks/blockRoom + 1
	if blocks > uint64(r.Blocks)+uint64(r.Blocks)/4+blockRoom {
		return p, false
	}
	r.Blocks = uint32(blocks) //nolint:gosec // at most five quarters of what it was
	return p, valid(p)
}

func valid(p crlset.Plan) bool {
	_, err := p.Layout()
	return err == nil
}
