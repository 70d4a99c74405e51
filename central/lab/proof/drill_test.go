package proof_test

import (
	"testing"

	"kazashi.example/appliance/drill"
)

// drilled has the lost-box drill look at a box's disks, one in the middle of a power cut among them. It must know every file, table and column
// that a day at the counter left there, and say that they name nobody; this test's own search says whether that is so.
func drilled(t *testing.T, dirs ...string) {
	t.Helper()
	counts := map[drill.ClassID]int64{}
	for _, dir := range dirs {
		for _, c := range lost(t, drill.Options{Dir: dir, Copy: true}).Classes {
			if c.Count != nil {
				counts[c.ID] += *c.Count
			}
		}
	}
	for _, id := range []drill.ClassID{
		drill.Records, drill.RecordsNow, drill.Roster, drill.Enrolments, drill.Links, drill.Staff, drill.DeskLog, drill.SiteKeys, drill.TapTimes,
		drill.Verdicts,
	} {
		if counts[id] == 0 {
			t.Errorf("nothing of %s lay on any disk that the drill looked at: that it names nobody proves nothing", id)
		}
	}
}

// lost is the drill on one disk, which must know everything that lies there, and say that it names nobody.
func lost(t *testing.T, o drill.Options) drill.Report {
	t.Helper()
	r, err := drill.Look(t.Context(), o)
	must(t, err)
	if r.Answer != drill.NamesNobody {
		t.Errorf("the drill on %s = %s, want that it names nobody", o.Dir, r.Answer)
	}
	for _, i := range r.Items {
		for _, p := range i.Problems {
			t.Errorf("the drill does not know %s of %s: %s", p.Where, i.Path, p.ID)
		}
	}
	return r
}
