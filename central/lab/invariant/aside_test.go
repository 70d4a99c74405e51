package invariant_test

import (
	"fmt"
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
	b.Stop()
	b.Start()
	b.Ready()
	taps(b, nil, []string{"hanako"})
	r.EachOnce()
	b.Synced()
	b.Stop()
	r.Central.Stop()
	p := invariant.Places{Boxes: []invariant.Box{{Dir: b.Dir}}, Central: r.Central.Dir}
	found, err := invariant.CheckAll(t.Context(), p)
	if t.Log(found); err != nil || !found.OK() || found.Records != 6 || found.Applied != 6 || found.Waiting+found.Aside+found.Lost+found.Unseen > 0 {
		t.Fatalf("CheckAll = %v, %v, %v, want 6 records, all applied", found, err, found.Err())
	}
	damaged, err := invariant.CheckAll(t.Context(), invariant.Places{Boxes: []invariant.Box{{Dir: image}}})
	if err != nil || !violates(damaged, invariant.Whole) {
		t.Errorf("CheckAll(before it was set aside) = %v, %v, want a violation of %q", damaged, err, invariant.Whole)
	}
	afterTheLoss(t, scene{box: b.Dir, central: r.Central.Dir})
	inCentral("UPDATE reports SET epoch = randomblob(16)")(t, scene{central: r.Central.Dir})
	if found, err = invariant.CheckAll(t.Context(), p); err != nil || !violates(found, invariant.Reported) {
		t.Errorf("CheckAll with a report of another epoch = %v, %v, want a violation of %q", found, err, invariant.Reported)
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

// afterTheLoss wants a record to be missed that nobody has and that was written after a journal was set aside: that loss does not explain it.
func afterTheLoss(t *testing.T, whole scene) {
	t.Helper()
	dir := t.TempDir()
	s := scene{box: filepath.Join(dir, "b"), central: filepath.Join(dir, "c")}
	must(t, rig.CopyDir(whole.box, s.box))
	must(t, rig.CopyDir(whole.central, s.central))
	var id []byte
	db := database(t, filepath.Join(s.box, "journal.db"))
	must(t, db.QueryRowContext(t.Context(), "SELECT id FROM epoch WHERE n > 0 ORDER BY n LIMIT 1").Scan(&id))
	must(t, db.Close())
	of := fmt.Sprintf(" WHERE epoch = x'%x'", id)
	inCentral("DELETE FROM taps"+of, "DELETE FROM verdicts"+of, "DELETE FROM records"+of, "DELETE FROM envelopes"+of)(t, s)
	const first = "(SELECT min(n) FROM epoch WHERE n > 0)"
	inJournal("DELETE FROM record WHERE id >> 40 = "+first, "DELETE FROM held WHERE epoch = "+first,
		"DELETE FROM header WHERE n = "+first, "DELETE FROM epoch WHERE n = "+first)(t, s)
	found, err := invariant.CheckAll(t.Context(), invariant.Places{Boxes: []invariant.Box{{Dir: s.box}}, Central: s.central})
	if err != nil || !violates(found, invariant.Explained) || found.Lost > 0 {
		t.Errorf("CheckAll(a record lost after the loss) = %v, %v, %v, want a violation of %q", found, err, found.Err(), invariant.Explained)
	}
}
