package crlset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Bounds of what Extend does; past them a fresh plan is better.
const (
	lateShare   = 64 // of the additions, one may lie outside reasons and dates
	lateFree    = 64 // and so many
	grownShare  = 8  // a region may be widened by this part of its blocks,
	grownFree   = 64 // and so many blocks, beyond what additions need
	crowdFactor = 16 // times the entries aimed at may be added to one block
)

// Extend returns a plan for base with these additions, in rising order and with keys that base has not. p is base's plan but for reasons
// and dates; its regions are kept: the last one is widened, and new ones are put between, where additions have no place. It is p itself if
// all have one. ok is false where a fresh plan, made by a PlanningWriter from the whole set, is better: additions crowd in a block, too
// many are outside the expected reasons and dates, or there would be too many regions or far more blocks than entries. Errors are those
// of reading base.
func (p Plan) Extend(base *Set, additions []Entry) (q Plan, ok bool, err error) {
	l, err := p.Layout()
	if err != nil || !slices.EqualFunc(p.Regions, base.Plan().Regions, Region.same) || !p.expects(additions) {
		return p, false, nil //nolint:nilerr // a plan that contradicts itself has to be made anew
	}
	x := extension{base: base, columns: p.Columns}
	for i, rest := 0, additions; i <= len(l.regions) && err == nil; i++ {
		n := len(rest)
		if i < len(l.regions) {
			n = before(rest, l.regions[i].start)
		}
		if i == 0 {
			err = x.plan(rest[:n])
		} else {
			x.out = append(x.out, p.Regions[i-1])
			err = x.take(&l.regions[i-1], rest[:n], i == len(l.regions))
		}
		rest = rest[n:]
	}
	if errors.Is(err, ErrPlan) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("extending a plan: %w", err)
	}
	q = p
	q.Regions = x.out
	if l, err = q.Layout(); err != nil || len(q.Regions) > freeRegions+2*len(p.Regions) {
		return p, false, nil //nolint:nilerr // too many regions
	}
	return q, l.Moderate(base.Len() + uint64(len(additions))), nil
}

// same reports whether two regions are laid out alike.
func (g Region) same(h Region) bool {
	return bytes.Equal(g.Start, h.Start) && g.Tail == h.Tail && g.Shift == h.Shift && g.Blocks == h.Blocks
}

// expects reports whether few additions need the plain form.
func (p Plan) expects(additions []Entry) bool {
	c, err := newCode(p.Columns, p.Reasons, p.DateBase, p.DateSpan)
	if err != nil {
		return false
	}
	late := 0
	for i := range additions {
		if !c.covers(&additions[i]) {
			late++
		}
	}
	return late <= lateFree+len(additions)/lateShare
}

// before is how many entries are below k.
func before(entries []Entry, k Key) int {
	n := 0
	for n < len(entries) && entries[n].Key.Compare(k) < 0 {
		n++
	}
	return n
}

// extension is a plan on its way. Its errors are ErrPlan where a fresh plan is better, and those of reading the base.
type extension struct {
	base    *Set
	columns Columns
	out     []Region
}

// take gives places to additions from r's start on, r being the last region of out.
func (x *extension) take(r *region, additions []Entry, last bool) error {
	for len(additions) > 0 {
		b, ok := r.block(additions[0].Key)
		if !ok {
			break
		}
		n := r.count(additions, b)
		have, err := x.base.held(r.first + b)
		if err != nil {
			return err
		}
		if n > aimed*crowdFactor || n+have > MaxBlock {
			return fmt.Errorf("%w: additions crowd in a block", ErrPlan)
		}
		additions = additions[n:]
	}
	if last && len(additions) > 0 {
		if blocks := r.widened(additions); blocks > r.blocks {
			x.out[len(x.out)-1].Blocks = uint32(blocks)
			return nil
		}
	}
	return x.plan(additions)
}

// widened is how many blocks r needs to take all of the entries behind it; 0 if new regions suit them better.
func (r *region) widened(homeless []Entry) int {
	hi, ok := r.reach(homeless[len(homeless)-1].Key)
	need := hi>>r.shift + 1
	spare := uint64(r.blocks/grownShare + grownFree)
	if !ok || need-uint64(r.blocks) > spare+uint64(len(homeless)) {
		return 0
	}
	blocks := need + spare
	if blocks > math.MaxUint32 || (blocks<<r.shift)>>r.shift != blocks {
		return 0
	}
	for rest := homeless; len(rest) > 0; {
		hi, _ := r.reach(rest[0].Key)
		n := r.count(rest, int(hi>>r.shift))
		if n > aimed*crowdFactor {
			return 0
		}
		rest = rest[n:]
	}
	return int(blocks)
}

// plan appends regions for entries that have no place, by their density.
func (x *extension) plan(homeless []Entry) error {
	if len(homeless) == 0 {
		return nil
	}
	w := NewPlanningWriter(io.Discard, x.columns)
	if err := w.AddBatch(homeless); err != nil {
		return err
	}
	s, err := w.Close()
	x.out = append(x.out, s.Plan.Regions...)
	return err
}
