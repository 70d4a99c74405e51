package delta

import (
	"fmt"
	"io"

	"kazashi.example/sync/crlset"
)

// Apply writes the set that the deltas, in order, make of base: octet for octet what a crlset.Writer makes of the same entries under
// the last plan. With no delta it writes the base again. ErrBase if a delta does not fit what those before it made; other errors are
// those of base and w, and crlset.ErrPlan if a plan has no place for an entry. After an error what was written is worthless.
func Apply(w io.Writer, base *crlset.Set, deltas ...*Delta) (crlset.Summary, error) {
	plan, entries, planned := base.Plan(), base.Len(), false
	for i, d := range deltas {
		if d.head.Base != entries || d.head.Columns != base.Columns() {
			return crlset.Summary{}, fmt.Errorf("applying delta %d of %d: %w", i+1, len(deltas), ErrBase)
		}
		entries = d.head.next()
		if d.head.Plan != nil {
			plan, planned = *d.head.Plan, true
		}
	}
	if !planned {
		return patch(w, base, deltas)
	}
	return rewrite(w, base.Source(), plan, deltas)
}

// rewrite codes every entry anew.
func rewrite(w io.Writer, from crlset.Source, plan crlset.Plan, deltas []*Delta) (crlset.Summary, error) {
	for _, d := range deltas {
		from = newCursor(from, d)
	}
	out, err := crlset.NewWriter(w, plan)
	if err != nil {
		return crlset.Summary{}, err
	}
	batch := make([]crlset.Entry, 0, 512)
	for more := true; more; {
		var e crlset.Entry
		if more, err = from.Next(&e); err != nil {
			return crlset.Summary{}, fmt.Errorf("applying deltas: %w", err)
		}
		if more {
			batch = append(batch, e)
		}
		if !more || len(batch) == cap(batch) {
			if err := out.AddBatch(batch); err != nil {
				return crlset.Summary{}, fmt.Errorf("applying deltas: %w", err)
			}
			batch = batch[:0]
		}
	}
	return out.Close()
}

// cursor is the source of a set's entries with one delta applied.
type cursor struct {
	base      crlset.Source
	edits     *editReader
	additions *additionReader
	rank      uint64 // of the next entry of the base
	total     uint64 // entries of the base
	edit      bool   // edits.now is ahead
	addition  bool   // additions.now is ahead
	entry     crlset.Entry
	there     bool
	begun     bool
}

func newCursor(base crlset.Source, d *Delta) *cursor {
	return &cursor{base: base, edits: d.readEdits(), additions: d.readAdditions(), total: d.head.Base}
}

// Next gives the entries of the base that stay, as they are told now, and the additions.
func (c *cursor) Next(e *crlset.Entry) (bool, error) {
	if !c.begun {
		c.begun, c.edit, c.addition = true, c.edits.next(), c.additions.next()
		if err := c.advance(); err != nil {
			return false, err
		}
	}
	order := -1
	switch {
	case !c.there && !c.addition:
		return false, nil
	case !c.there:
		order = 1
	case c.addition:
		order = c.entry.Key.Compare(c.additions.now.Key)
	}
	switch {
	case order < 0:
		*e = c.entry
		return true, c.advance()
	case order > 0:
		*e = c.additions.now
		c.addition = c.additions.next()
		return true, nil
	default:
		return false, fmt.Errorf("%w: an addition is there already", ErrBase)
	}
}

// advance goes on to the next entry of the base that stays.
func (c *cursor) advance() (err error) {
	for {
		if c.there, err = c.base.Next(&c.entry); err != nil {
			return err
		}
		if !c.there {
			if c.rank != c.total {
				return fmt.Errorf("%w: number of entries", ErrBase)
			}
			return nil
		}
		if !c.edit || c.edits.now.rank != c.rank {
			c.rank++
			return nil
		}
		x := c.edits.now
		c.rank++
		c.edit = c.edits.next()
		if !x.removed {
			return x.apply(&c.entry)
		}
	}
}

// apply tells an entry otherwise.
func (x *edit) apply(e *crlset.Entry) error {
	if x.told && x.reason == e.Reason || x.dated && x.date == e.Date {
		return fmt.Errorf("%w: a change to what is there already", ErrBase)
	}
	if x.told {
		e.Reason = x.reason
	}
	if x.dated {
		e.Date = x.date
	}
	return nil
}
