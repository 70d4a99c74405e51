package proof_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// P1, P2: a box is killed at twenty random moments, in the middle of taps, enrolments and pushes. Every verdict that a counter heard is at
// central exactly once. A record that was durable while its verdict was still on the way is there once as well.
func TestP2KilledTwentyTimes(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	taps(b, "enrol hanako", "enrol taro")
	b.Synced()
	b.Stop()
	heard, unheard := 2, map[record.TapID]bool{}
	for n := range 20 {
		if n%5 == 4 {
			b.Line.Cut() // these run on alone
		}
		moment := time.Duration(rand.IntN(30_000)) * time.Microsecond
		heard += b.Killed(rand.IntN(8), moment, "hanako", "goro", "taro", "ren", "yuki", "aoi")
		b.Line.Restore()
	}
	b.Start()
	for _, tap := range b.Unheard() {
		unheard[tap.Tap] = true
	}
	b.Synced()
	b.Settled()
	said := map[record.TapID]int{}
	r.Eventually(func() string { return wantRows(r, heard+len(unheard)) })
	for _, a := range r.Central.Applied() {
		said[a.Tap]++
	}
	for _, told := range r.Ledger() {
		if said[told.Tap.Tap] != 1 {
			t.Errorf("tap %s was heard and is applied %d times, want once", told.Tap.Tap, said[told.Tap.Tap])
		}
		delete(said, told.Tap.Tap)
	}
	for tap, n := range said {
		if n != 1 || !unheard[tap] {
			t.Errorf("tap %s is applied %d times; durable on the box: %v", tap, n, unheard[tap])
		}
	}
	oneNameEach(t, r)
	if seen := r.Central.Seen(b.ID); heard == 2 || seen.State != "active" || len(seen.Reports) != 0 {
		t.Errorf("%d heard, box is %s with reports %+v, want some, active with none", heard, seen.State, seen.Reports)
	}
	t.Logf("%d verdicts heard, %d durable and not heard", heard, len(unheard))
}

// oneNameEach wants one pseudonym for each certificate that has any, and none for two.
func oneNameEach(t *testing.T, r *rig.Rig) {
	t.Helper()
	by, of := map[certid.Serial]string{}, map[string]certid.Serial{}
	for _, a := range r.Central.Applied() {
		if a.PPID == "" {
			continue
		}
		if old, ok := by[a.Serial]; ok && old != a.PPID {
			t.Error("somebody has two pseudonyms")
		}
		if old, ok := of[a.PPID]; ok && old != a.Serial {
			t.Error("two people have one pseudonym")
		}
		by[a.Serial], of[a.PPID] = a.PPID, a.Serial
	}
	if len(by) < 2 || r.Central.Rows("persons") != len(by) {
		t.Errorf("%d people have pseudonyms of %d persons, want all, and 2 at least", len(by), r.Central.Rows("persons"))
	}
}
