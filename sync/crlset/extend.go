package crlset

import "math"

// Bounds of what Extend does; past them a fresh plan is better.
const (
	lateShare   = 64 // of the additions, one may lie outside reasons and dates
	lateFree    = 64 // and so many
	grownShare  = 8  // a region may be widened by this part of its blocks,
	grownFree   = 64 // and so many blocks, beyond what additions need
	crowdFactor = 16 // times the entries aimed at may be added to one block
)

// Extend returns a plan for a set with these additions, in rising order, that keeps the regions of p: the last one is widened, and new
// ones are put between, where additions have no place. It is p itself if all have one. ok is false where a fresh plan, made by a
// PlanningWriter from the whole set, is better: additions crowd in a block, or too many are outside the expected reasons and dates.
func (p Plan) Extend(additions []Entry) (q Plan, ok bool) {
	l, err := p.Layout()
	if err != nil || !p.expects(additions) {
		return p, false
	}
	q = p
	q.Regions = nil
	rest := additions
	for i := 0; i <= len(l.regions); i++ {
		n := len(rest)
		if i < len(l.regions) {
			n = before(rest, l.regions[i].start)
		}
		if i == 0 {
			q.Regions = planFor(q.Regions, rest[:n])
		} else {
			var fine bool
			if q.Regions, fine = l.regions[i-1].take(append(q.Regions, p.Regions[i-1]), rest[:n], i == len(l.regions)); !fine {
				return p, false
			}
		}
		rest = rest[n:]
	}
	if len(q.Regions) > freeRegions+2*len(p.Regions) || len(q.Regions) > MaxRegions {
		return p, false
	}
	_, err = q.Layout()
	return q, err == nil
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

// take gives places to additions from r's start on, r being the last of out; false if they crowd.
func (r *region) take(out []Region, additions []Entry, last bool) ([]Region, bool) {
	in, block := 0, -1
	for crowd := 0; in < len(additions); in++ {
		b, ok := r.block(additions[in].Key)
		if !ok {
			break
		}
		if b != block {
			block, crowd = b, 0
		}
		if crowd++; crowd > aimed*crowdFactor {
			return out, false
		}
	}
	homeless := additions[in:]
	if len(homeless) == 0 {
		return out, true
	}
	if last {
		blocks := r.widened(homeless)
		if blocks > r.blocks {
			out[len(out)-1].Blocks = uint32(blocks)
			return out, true
		}
	}
	return planFor(out, homeless), true
}

// widened is how many blocks r needs to take all of the entries behind it; 0 if new regions suit them better.
func (r *region) widened(homeless []Entry) int {
	hi, ok := r.reach(homeless[len(homeless)-1].Key)
	need := hi>>r.shift + 1
	spare := uint64(r.blocks/grownShare + grownFree)
	if !ok || need-uint64(r.blocks) > spare+uint64(len(homeless)) {
		return 0
	}
	if blocks := need + spare; blocks <= math.MaxUint32 && (blocks<<r.shift)>>r.shift == blocks {
		return int(blocks)
	}
	return 0
}

// planFor appends regions for entries that have no place.
func planFor(out []Region, entries []Entry) []Region {
	for len(entries) > 0 {
		g := Region{Start: entries[0].Key.octets(), Blocks: 1}
		g.Tail, g.Shift = geometry(entries, even(entries), aimed)
		r := region{start: entries[0].Key, blocks: 1, tail: g.Tail, shift: g.Shift}
		n := 0
		for n < len(entries) {
			hi, ok := r.reach(entries[n].Key)
			if b := hi >> g.Shift; !ok || b > uint64(g.Blocks)+emptyRun {
				break
			} else {
				g.Blocks = max(g.Blocks, uint32(b)+1)
			}
			n++
		}
		out, entries = append(out, g), entries[n:]
	}
	return out
}
