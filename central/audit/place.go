package audit

import (
	"slices"

	"kazashi.example/sync/epoch"
)

// place finds where each epoch stands among the others by the predecessors that headers sign, whatever came first.
func (a *auditor) place() {
	for _, c := range a.chapters {
		var line []*chapter
		for ; c != nil && c.first == nil; c = a.predecessor(c) {
			c.first = c // also what ends a ring, which only a device that lies can sign
			line = append(line, c)
		}
		for _, l := range slices.Backward(line) {
			if c != nil {
				l.first, l.since = c.first, c.since
			}
			if l.lost {
				l.since, l.above = l, l.since
			}
			c = l
		}
	}
	for _, c := range a.chapters {
		if c.lost {
			a.lost = append(a.lost, c)
		}
	}
}

// predecessor is the epoch that a header names as the one before; nil if it names none of this box.
func (a *auditor) predecessor(c *chapter) *chapter {
	if c.headless || c.before.Lineage != epoch.LineageKnown {
		return nil
	}
	return a.byID[c.before.Epoch]
}

// earlier reports whether an epoch was over when the box began another one and said in it that a journal was lost. The line of predecessors
// says so where there is one: whatever does not come after the other epoch came before it, and what comes from a box's first epoch came before
// every line that begins anew. Of two lines that both begin anew, or where the header is missing that would say, it goes by the box's clock, and by
// what came first where that is not known.
func (c *chapter) earlier(o *chapter) bool {
	switch {
	case c.first == o.first:
		return !c.follows(o)
	case c.first.origin() && !o.first.origin():
		return true
	case o.first.origin() && !c.first.origin() && !c.first.headless:
		return false
	case !c.tapped.IsZero() && !o.tapped.IsZero() && !c.tapped.Equal(o.tapped):
		return c.tapped.Before(o.tapped)
	default:
		return c.row < o.row
	}
}

// origin reports whether a box had no epoch before this one.
func (c *chapter) origin() bool { return !c.headless && c.before.Lineage == epoch.LineageFirst }

// follows reports whether o is the epoch itself or comes before it.
func (c *chapter) follows(o *chapter) bool {
	for l := c.since; l != nil; l = l.above {
		if l == o {
			return true
		}
	}
	return false
}
