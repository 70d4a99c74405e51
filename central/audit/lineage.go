package audit

import (
	"kazashi.example/central/intake/lineage"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// finding is what a report says of an epoch.
type finding struct {
	kind   store.ReportKind
	reason string
	epoch  record.EpochID
}

// lineage finds forks and lost journals in the headers again, and looks for the reports that central made of them.
func (a *auditor) lineage() {
	a.made = map[finding]bool{}
	for _, r := range a.reports {
		a.made[finding{r.Kind, r.Reason, r.Epoch}], a.made[finding{r.Kind, r.Reason, r.Other}] = true, true
		a.r.Told = append(a.r.Told, Told{string(r.Kind), r.Reason, r.Epoch.String(), r.At})
	}
	var first *chapter
	after := map[record.EpochID]*chapter{}
	for _, c := range a.chapters {
		if c.rivals {
			a.reported(store.ReportFork, lineage.TwoRecords, c.id)
		}
		for _, e := range c.ends {
			if c.applied > e.last {
				a.reported(store.ReportFork, lineage.BeyondEnd, e.by.id, c.id)
			}
		}
		for _, e := range c.forked {
			a.reported(store.ReportFork, lineage.OtherHead, e.by.id, c.id)
		}
		if c.headless {
			continue
		}
		switch c.before.Lineage {
		case epoch.LineageFirst:
			if first != nil {
				a.reported(store.ReportFork, lineage.TwoFirst, c.id, first.id)
			}
			first = c
		case epoch.LineageUnknown:
			a.reported(store.ReportDamage, lineage.LostJournal, c.id)
		case epoch.LineageKnown:
			a.succession(c, after)
		}
	}
}

func (a *auditor) succession(c *chapter, after map[record.EpochID]*chapter) {
	before := c.before.Epoch
	if o := after[before]; o != nil {
		a.reported(store.ReportFork, lineage.TwoSuccessors, c.id, o.id)
	}
	after[before] = c
	if a.byID[before] == nil {
		a.reported(store.ReportFork, lineage.ForeignBefore, c.id)
	}
	if c.cause == epoch.CauseSetAside {
		a.reported(store.ReportDamage, lineage.SetAside, c.id)
	}
}

// reported notes a fault unless central made a report of something that is seen in the tables, under one of the epochs concerned.
func (a *auditor) reported(kind store.ReportKind, reason string, of ...record.EpochID) {
	for _, id := range of {
		if a.made[finding{kind, reason, id}] {
			return
		}
	}
	a.fault(record.ID{Epoch: of[0]}, "%s, and no report says so: %s", kind, reason)
}

// stray finds what verdicts name and is not here.
func (a *auditor) stray() error {
	a.strays = map[record.ID]bool{}
	n, err := a.tx.FiledRecords(a.box.ID)
	if err != nil {
		return err
	}
	a.records = n.Records
	if n.Verdicts != n.LastVerdict {
		a.fault(record.ID{}, "of the %d verdicts that the box was given numbers for, %d are here", n.LastVerdict, n.Verdicts)
	}
	if n.Held > n.LastVerdict {
		a.fault(record.ID{}, "the box holds verdict %d, and the newest here is %d", n.Held, n.LastVerdict)
	}
	if n.Removed != 0 {
		a.fault(record.ID{}, "%d rows were taken out of the tables of headers and envelopes, of this box or another one", n.Removed)
	}
	if n.Verdicts == n.Records && n.Verdicts == n.LastVerdict {
		return nil
	}
	gone, err := a.tx.StrayVerdicts(a.box.ID, MaxFaults)
	for _, id := range gone {
		if !a.strays[id] {
			a.fault(id, "there is a verdict on it, and no record")
		}
		a.strays[id] = true
	}
	return err
}

// compare looks for records that no envelope of the box led to.
func (a *auditor) compare() error {
	if a.records == a.applied {
		return nil
	}
	stray, err := a.tx.StrayRecords(a.box.ID, MaxFaults)
	for _, id := range stray {
		a.fault(id, "there is a record of it, and no envelope that it came in")
	}
	return err
}
