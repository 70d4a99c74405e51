package invariant

import (
	"context"
)

// report is one that central made.
type report struct {
	kind, reason string
	box, epoch   id128 // epoch: whose header shows it
}

// readReports wants a report wherever headers show a fork or a lost journal, and such a showing for each that says so.
func (c *checker) readReports(ctx context.Context, f *centralFacts) error {
	made := map[report]bool{}
	err := each(ctx, f.db, func(scan func(...any) error) error {
		var r report
		var box, epoch []byte
		if err := scan(&r.kind, &r.reason, &box, &epoch); err != nil {
			return err
		}
		made[r.of(box, epoch)] = true
		return nil
	}, "SELECT kind, reason, box, epoch FROM reports")
	if err != nil {
		return err
	}
	shown := c.showings(f)
	for r := range shown {
		if !made[r] {
			c.violate(Reported, f.path, "box %s, epoch %s: no report of a %s: %s", r.box.short(), r.epoch.short(), r.kind, r.reason)
		}
	}
	for r := range made {
		if judged[r.reason] && !shown[r] {
			c.violate(Reported, f.path, "box %s, epoch %s: a report of a %s that no header shows: %s", r.box.short(), r.epoch.short(), r.kind, r.reason)
		}
	}
	return nil
}

func (r report) of(box, epoch []byte) report {
	_ = fill(r.box[:], box) // a box or an epoch that is none is shown nowhere
	_ = fill(r.epoch[:], epoch)
	return r
}

// Reasons that central writes, where headers alone show whether they are right.
const (
	twoFirst      = "two first epochs"
	twoSuccessors = "two epochs after one"
	beyondEnd     = "predecessor went on after its end"
	lostJournal   = "the journal before was lost"
	setAside      = "the journal before was set aside"
)

var judged = map[string]bool{twoFirst: true, twoSuccessors: true, beyondEnd: true, lostJournal: true, setAside: true}

// showings is what central's headers show.
func (c *checker) showings(f *centralFacts) map[report]bool {
	shown := map[report]bool{}
	type place struct{ box, before id128 }
	taken := map[place]bool{}
	for _, h := range f.order {
		at := place{h.box, h.before}
		switch h.lineage {
		case lineageUnknown:
			shown[report{"damage", lostJournal, h.box, h.epoch}] = true
			continue
		case lineageFirst:
			if taken[at] {
				shown[report{"fork", twoFirst, h.box, h.epoch}] = true
			}
		default:
			if taken[at] {
				shown[report{"fork", twoSuccessors, h.box, h.epoch}] = true
			}
			if h.cause == causeSetAside {
				shown[report{"damage", setAside, h.box, h.epoch}] = true
			}
			if b := c.epochs[h.before]; b != nil && b.box == h.box && f.lastAuthentic(h.before) > h.last {
				shown[report{"fork", beyondEnd, h.box, h.epoch}] = true
			}
		}
		taken[at] = true
	}
	return shown
}

// lastAuthentic is the greatest number of an epoch that central found to be genuine.
func (f *centralFacts) lastAuthentic(epoch id128) (last uint64) {
	for at, links := range f.links {
		for _, l := range links {
			if at.epoch == epoch && l.authentic {
				last = max(last, at.seq)
			}
		}
	}
	return last
}
