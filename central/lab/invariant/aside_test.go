package invariant_test

import (
	"path/filepath"
	"testing"

	"kazashi.example/central/lab/invariant"
	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/sync/record"
)

// P2, design §5.3: a journal that was damaged and set aside loses no whole record, end to end: what waited in it reaches central, and the
// damage is reported. A record that is left in the file is found.
func TestP2WhatWasSetAsideIsFound(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := r.Box("b")
	b.Start()
	b.Ready()
	taps(b, []string{"hanako"}, nil)
	b.Synced()
	b.Line.Cut()
	taps(b, nil, []string{"hanako", "goro", "hanako"})
	b.Stop()
	overwrite(t, filepath.Join(b.Dir, "journal.db"), 2)
	image := b.Image("damaged")
	b.Line.Restore()
	b.Start()
	b.Ready()
	taps(b, nil, []string{"goro"})
	r.EachOnce()
	b.Synced()
	b.Stop()
	r.Central.Stop()
	p := invariant.Places{Boxes: []invariant.Box{{Dir: b.Dir}}, Central: r.Central.Dir}
	found, err := invariant.CheckAll(t.Context(), p)
	if t.Log(found); err != nil || !found.OK() || found.Records != 5 || found.Applied != 5 || found.Waiting+found.Aside+found.Lost+found.Unseen > 0 {
		t.Fatalf("CheckAll = %v, %v, %v, want 5 records, all applied", found, err, found.Err())
	}
	damaged, err := invariant.CheckAll(t.Context(), invariant.Places{Boxes: []invariant.Box{{Dir: image}}})
	if err != nil || !violates(damaged, invariant.Whole) {
		t.Errorf("CheckAll(before it was set aside) = %v, %v, want a violation of %q", damaged, err, invariant.Whole)
	}
	inCentral("DELETE FROM reports")(t, scene{central: r.Central.Dir})
	if found, err = invariant.CheckAll(t.Context(), p); err != nil || !violates(found, invariant.Reported) {
		t.Errorf("CheckAll without the reports = %v, %v, want a violation of %q", found, err, invariant.Reported)
	}
	inJournal("DELETE FROM record WHERE id < 0", "DELETE FROM epoch WHERE n < 0", "DELETE FROM header WHERE n < 0", "DELETE FROM held WHERE epoch < 0")(t, scene{box: b.Dir})
	alone, err := invariant.CheckAll(t.Context(), invariant.Places{Boxes: []invariant.Box{{Dir: b.Dir}}})
	if err != nil || !alone.OK() || alone.Aside != 4 {
		t.Errorf("CheckAll(mined and forgotten) = %v, %v, want 4 records left in the file", alone, err)
	}
}
