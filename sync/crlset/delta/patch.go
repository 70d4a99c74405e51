package delta

import (
	"errors"
	"fmt"
	"io"

	"kazashi.example/sync/crlset"
)

// patch applies deltas that leave the plan as it is: blocks that no delta touches are copied.
func patch(w io.Writer, base *crlset.Set, deltas []*Delta) (crlset.Summary, error) {
	c := &chain{layout: base.Layout()}
	for _, d := range deltas {
		if !room(c.layout, d.head.next()) {
			return crlset.Summary{}, fmt.Errorf("%w: more entries than its blocks hold", crlset.ErrPlan)
		}
		l := &level{edits: d.readEdits(), additions: d.readAdditions()}
		l.edit = l.edits.next()
		if err := l.add(c.layout); err != nil {
			return crlset.Summary{}, err
		}
		c.levels = append(c.levels, l)
	}
	s, err := crlset.Revise(w, base, c)
	switch {
	case errors.Is(err, crlset.ErrConflict):
		return crlset.Summary{}, fmt.Errorf("%w: %w", ErrBase, err)
	case err != nil:
		return crlset.Summary{}, fmt.Errorf("applying deltas: %w", err)
	case !c.done():
		return crlset.Summary{}, fmt.Errorf("%w: edits past the last entry", ErrBase)
	default:
		return s, nil
	}
}

// chain says what becomes of each block of a base by several deltas.
type chain struct {
	layout *crlset.Layout
	levels []*level
	edits  []crlset.Edit  // room for revisions
	added  []crlset.Entry // the same
}

// roomFor is how many edits or additions are made room for at once.
const roomFor = 1 << 12

// level is how far one delta of a chain is.
type level struct {
	edits     *editReader
	additions *additionReader
	rank      uint64 // of the block's first entry in the set that this delta applies to
	edit      bool   // edits.now is ahead
	block     int    // of additions.now; -1 if none is ahead
}

// add goes on to the next addition and finds its block.
func (l *level) add(layout *crlset.Layout) error {
	l.block = -1
	if !l.additions.next() {
		return nil
	}
	block, ok := layout.Block(l.additions.now.Key)
	if !ok {
		return fmt.Errorf("%w: no region for an addition", crlset.ErrPlan)
	}
	l.block = block
	return nil
}

// Revise is crlset.Reviser's. A delta counts ranks in the set that those before it made, so each goes by the number of entries that
// the block has by then.
func (c *chain) Revise(dst []crlset.Revision, block, entries int) ([]crlset.Revision, error) {
	for _, l := range c.levels {
		end := l.rank + uint64(entries)
		if l.block == block || l.edit && l.edits.now.rank < end {
			r, err := c.take(l, block, end)
			if err != nil {
				return nil, err
			}
			dst = append(dst, r)
			entries += len(r.Added)
			for i := range r.Edits {
				if r.Edits[i].Removed {
					entries--
				}
			}
		}
		l.rank = end
	}
	return dst, nil
}

// take gathers what a delta says of a block whose entries rank below end.
func (c *chain) take(l *level, block int, end uint64) (r crlset.Revision, err error) {
	c.edits, c.added = roomy(c.edits), roomy(c.added)
	for ; l.edit && l.edits.now.rank < end; l.edit = l.edits.next() {
		x := &l.edits.now
		c.edits = append(c.edits, crlset.Edit{
			Place: int(x.rank - l.rank), Removed: x.removed, Told: x.told, Dated: x.dated, Reason: x.reason, Date: x.date,
		})
	}
	for err == nil && l.block == block {
		if len(c.added) == crlset.MaxBlock {
			return r, fmt.Errorf("%w: more than %d additions to a block", crlset.ErrPlan, crlset.MaxBlock)
		}
		c.added = append(c.added, l.additions.now)
		err = l.add(c.layout)
	}
	return crlset.Revision{Edits: c.edits, Added: c.added}, err
}

// roomy is what is behind s, or new room if little is left there.
func roomy[T any](s []T) []T {
	if s = s[len(s):]; cap(s) < roomFor/64 {
		return make([]T, 0, roomFor)
	}
	return s
}

// done reports whether every delta came to its end.
func (c *chain) done() bool {
	for _, l := range c.levels {
		if l.edit || l.block >= 0 {
			return false
		}
	}
	return true
}
