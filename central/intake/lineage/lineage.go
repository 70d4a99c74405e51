// Package lineage finds out whether a box's epochs are one history: the fork rules of design §5.3.
//
// It runs inside the step that brings the news, a header or an opened record, so that a report and its cause commit together.
// Only what is proved counts: a header by its device signature, a record by its tag. An envelope that was merely received
// proves nothing, or anybody could have a box quarantined. A fork quarantines the box and drops nothing; a lost journal is
// reported as damage and quarantines nothing. Functions keep no state.
package lineage

import (
	"errors"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// Reasons of reports. Strings stand in databases and are never reused.
const (
	TwoFirst      = "two first epochs"                   // two epochs of one box that had none before them
	TwoSuccessors = "two epochs after one"               // two epochs that name one predecessor
	BeyondEnd     = "predecessor went on after its end"  // central holds more of it than the successor knows of
	OtherHead     = "predecessor ends in another chain"  // the value after its last record is not central's
	ForeignBefore = "predecessor belongs to another box" //
	TwoHeaders    = "two headers for one epoch"          // both signed by the device
	TwoRecords    = "two records for one number"         // both sealed under the epoch's key
	LostJournal   = "the journal before was lost"        // epoch.LineageUnknown
	SetAside      = "the journal before was set aside"   // epoch.CauseSetAside with a known predecessor
)

// Header looks at a header that was just added.
func Header(tx store.Tx, e store.Epoch, now time.Time) error {
	p := e.Signed.Header.Predecessor
	if err := ends(tx, e, now); err != nil {
		return err
	}
	switch p.Lineage {
	case epoch.LineageFirst:
		firsts, err := tx.FirstEpochs(e.Box)
		if err != nil {
			return err
		}
		return others(tx, e, firsts, TwoFirst, now)
	case epoch.LineageUnknown:
		return tx.AddReport(store.Report{Kind: store.ReportDamage, Reason: LostJournal, Box: e.Box, Epoch: e.ID, At: now})
	case epoch.LineageKnown:
		return known(tx, e, now)
	}
	return nil
}

func known(tx store.Tx, e store.Epoch, now time.Time) error {
	p := e.Signed.Header.Predecessor
	if e.Signed.Header.Cause == epoch.CauseSetAside {
		if err := tx.AddReport(store.Report{Kind: store.ReportDamage, Reason: SetAside, Box: e.Box, Epoch: e.ID, Other: p.Epoch, At: now}); err != nil {
			return err
		}
	}
	siblings, err := tx.Successors(p.Epoch)
	if err != nil {
		return err
	}
	if err := others(tx, e, siblings, TwoSuccessors, now); err != nil {
		return err
	}
	before, err := tx.Epoch(p.Epoch)
	if errors.Is(err, store.ErrNone) {
		return nil // looked at again when it comes
	}
	if err != nil {
		return err
	}
	return meets(tx, before, e, now)
}

// ends looks at the successors of a header that came after them.
func ends(tx store.Tx, e store.Epoch, now time.Time) error {
	after, err := tx.Successors(e.ID)
	if err != nil {
		return err
	}
	for _, s := range after {
		if err := meets(tx, e, s, now); err != nil {
			return err
		}
	}
	return nil
}

// others reports a fork if the box has another epoch in the same place.
func others(tx store.Tx, e store.Epoch, same []store.Epoch, reason string, now time.Time) error {
	for _, o := range same {
		if o.ID != e.ID && o.Box == e.Box {
			return Fork(tx, store.Report{Reason: reason, Box: e.Box, Epoch: e.ID, Other: o.ID, At: now})
		}
	}
	return nil
}

// meets compares what a successor says of its predecessor's end with what central knows of it.
func meets(tx store.Tx, before, after store.Epoch, now time.Time) error {
	p := after.Signed.Header.Predecessor
	r := store.Report{Box: after.Box, Epoch: after.ID, Other: before.ID, Seq: p.LastSeq, At: now}
	if before.Box != after.Box {
		r.Reason = ForeignBefore
		return Fork(tx, r)
	}
	last, err := tx.LastAuthentic(before.ID)
	if err != nil {
		return err
	}
	if last > p.LastSeq {
		r.Reason = BeyondEnd
		if err := Fork(tx, r); err != nil {
			return err
		}
	}
	head, err := before.Signed.Root, error(nil)
	if p.LastSeq > 0 {
		head, err = tx.ChainAt(record.ID{Epoch: before.ID, Seq: p.LastSeq})
	}
	if errors.Is(err, store.ErrNone) {
		return nil // looked at again when that record is opened
	}
	if err != nil || head == p.Head {
		return err
	}
	r.Reason = OtherHead
	return Fork(tx, r)
}

// Record looks at a record whose tag has just verified: its epoch's successors may have ended the epoch elsewhere.
func Record(tx store.Tx, e store.Epoch, now time.Time) error { return ends(tx, e, now) }

// Fork keeps the report and quarantines the box, unless it is out of service already.
func Fork(tx store.Tx, r store.Report) error {
	r.Kind = store.ReportFork
	if err := tx.AddReport(r); err != nil {
		return err
	}
	b, err := tx.Box(r.Box)
	if err != nil || b.State != store.BoxActive {
		return err
	}
	return tx.SetBoxState(r.Box, store.BoxQuarantined)
}
