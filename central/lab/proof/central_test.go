package proof_test

import (
	"path/filepath"
	"testing"

	"kazashi.example/appliance/journal"
	"kazashi.example/central/intake/lineage"
	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/sync/record"
)

// states counts the taps that a box lists by how far central has them, as its journal knows after a restart.
func states(t *testing.T, b *rig.Box) map[journal.State]int {
	t.Helper()
	n := map[journal.State]int{}
	b.Stop()
	b.Journal(b.Dir, func(j *journal.Journal) {
		rows, err := j.Taps(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			n[row.State]++
		}
	})
	b.Start()
	return n
}

// P2, design §5.6: a restored central is completed by the boxes. What they had deleted as safe was in the backup.
func TestP2RestoredCentral(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	taps(b, "enrol hanako", "enrol taro", "goro")
	b.Synced()
	r.EachOnce()
	manifest := r.Central.Backup("monday")
	pruned(t, r, b, 3)
	b.Knows(2, 0)
	taps(b, "hanako", "enrol yuki", "ren", "enrol kenji", "yuki")
	b.Synced()
	r.EachOnce()
	b.Settled()
	before, epoch := pseudonyms(t, r, 4), r.Central.Status().CentralEpoch
	r.Central.Stop()
	restored := r.Central.Restore(manifest)
	if rows := r.Central.Applied(); len(rows) != 3 {
		t.Fatalf("the restored database has %d records, want 3", len(rows))
	}
	r.Central.Start()
	if now := r.Central.Status().CentralEpoch; now <= epoch || now != restored.CentralEpoch {
		t.Errorf("central epoch is %d after %d, want a higher one", now, epoch)
	}
	if rows := r.EachOnce(); len(rows) != 8 {
		t.Errorf("%d records, want 8", len(rows))
	}
	samePseudonyms(t, before, pseudonyms(t, r, 4))
	settledAgain(r, 8)
	if seen := r.Central.Seen(b.ID); seen.State != "active" || len(seen.Reports) != 0 {
		t.Errorf("box is %s with reports %+v, want active with none", seen.State, seen.Reports)
	}
	b.Confirmed(4, "yuki", "kenji")
	for _, key := range []string{"hanako", "kenji"} {
		if told := b.Tap(key); told.Tap.First.Verdict != record.VerdictAccepted {
			t.Errorf("%s after the restore: %+v, want accepted by the roster", key, told.Tap.First)
		}
	}
	r.EachOnce()
	samePseudonyms(t, before, pseudonyms(t, r, 4))
}

// pruned lets a box delete what is safe, and wants so many envelopes to be gone.
func pruned(t *testing.T, r *rig.Rig, b *rig.Box, want int) {
	t.Helper()
	var gone int
	r.Eventually(func() string {
		b.Stop()
		defer b.Start()
		b.Journal(b.Dir, func(j *journal.Journal) {
			n, err := j.Prune(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			gone += n
		})
		if gone < want {
			return "the box does not know yet that its records are safe"
		}
		return ""
	})
	if gone != want {
		t.Errorf("Prune deleted %d envelopes, want %d", gone, want)
	}
}

// settledAgain waits until central knows that the boxes hold a final verdict for so many records, durably.
func settledAgain(r *rig.Rig, n int64) {
	r.Eventually(func() string {
		if got := r.Central.Status().Settled; got < n {
			return "verdicts are on their way"
		}
		return ""
	})
}

// P2, design §5.6: a backup from before the box's first record makes no difference; the box sends everything by itself,
// without another tap.
func TestP2RestoredCentralKnewNothingOfTheEpoch(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	manifest := r.Central.Backup("early")
	taps(b, "enrol hanako", "enrol taro", "hanako")
	b.Synced()
	r.EachOnce()
	b.Settled()
	before := pseudonyms(t, r, 2)
	r.Central.Stop()
	r.Central.Restore(manifest)
	r.Central.Start()
	if rows := r.EachOnce(); len(rows) != 3 {
		t.Errorf("%d records, want 3", len(rows))
	}
	samePseudonyms(t, before, pseudonyms(t, r, 2))
	settledAgain(r, 3)
}

// P2: an older backup than the newest is restored while the box has not deleted yet what the newer one made safe: it sends
// that again, although central had signed for it.
func TestP2RestoredFromAnOlderBackup(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	taps(b, "enrol hanako")
	b.Synced()
	r.EachOnce()
	older := r.Central.Backup("older")
	taps(b, "enrol taro")
	b.Synced()
	r.EachOnce()
	r.Central.Backup("newer")
	r.Eventually(func() string {
		for _, s := range b.Taps() {
			if s.Final == nil {
				return "not settled"
			}
		}
		if n := states(t, b)[journal.Safe]; n != 2 {
			return "the box does not know yet that its records are safe"
		}
		return ""
	})
	before := pseudonyms(t, r, 2)
	r.Central.Stop()
	r.Central.Restore(older)
	r.Central.Start()
	if rows := r.EachOnce(); len(rows) != 2 {
		t.Errorf("%d records, want 2", len(rows))
	}
	samePseudonyms(t, before, pseudonyms(t, r, 2))
}

// P2: central's database and backups are lost, its keys are not. The box keeps its records and taps on, is told that nobody
// knows it, and hands over everything that it still has once it was given a new code.
func TestP2CentralLostAndRejoined(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	taps(b, "enrol hanako", "goro", "hanako")
	b.Synced()
	r.EachOnce()
	before := pseudonyms(t, r, 1)
	b.Settled()
	old := r.Central.Status().CentralEpoch
	r.Central.Stop()
	r.Central.Lose()
	r.Eventually(func() string { // a new database counts from the present second
		if epochNow() > old {
			return ""
		}
		return "the second is not over"
	})
	r.Central.Start()
	taps(b, "enrol taro", "taro", "hanako") // P1: nobody at central knows this box
	r.Eventually(func() string { return logged(r, "central refuses this box", `"code":"unknown_box"`) })
	if n := b.Status().Waiting.Records; n == 0 {
		t.Error("no record waits at a box that central does not know")
	}
	b.Stop()
	b.Join()
	b.Start()
	if rows := r.EachOnce(); len(rows) != 6 {
		t.Errorf("%d records, want 6", len(rows))
	}
	samePseudonyms(t, before, pseudonyms(t, r, 2))
	b.Settled()
	if seen := r.Central.Seen(b.ID); seen.State != "active" || len(seen.Reports) != 0 {
		t.Errorf("box is %s with reports %+v, want active with none", seen.State, seen.Reports)
	}
}

// A damaged database is not started on, and the error says what to do. A backup brings everything back.
func TestDamagedCentralDatabase(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	taps(b, "enrol hanako", "enrol taro")
	b.Synced()
	r.EachOnce()
	before := pseudonyms(t, r, 2)
	manifest := r.Central.Backup("monday")
	r.Central.Stop()
	overwrite(t, filepath.Join(r.Central.Dir, "central.db"), 4096, 64<<10)
	d, err := r.Central.Open()
	wantDamaged(t, d, err)
	r.Central.Restore(manifest)
	r.Central.Start()
	taps(b, "enrol yuki", "hanako")
	if rows := r.EachOnce(); len(rows) != 4 {
		t.Errorf("%d records, want 4", len(rows))
	}
	samePseudonyms(t, before, pseudonyms(t, r, 3))
}

// P2, design §5.3: a damaged journal is set aside and reported as damage, not as a fork; taps go on. What was whole in it and not sent is
// taken over from the file and applied once; the file stays, sealed.
func TestP2DamagedJournal(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	taps(b, "enrol hanako", "enrol taro")
	b.Synced()
	b.Line.Cut()
	unsent := b.Enrol("yuki", true)
	b.Stop()
	journalFile := filepath.Join(b.Dir, "journal.db")
	sealed := b.Sealed(b.Image("i")).Envelopes
	overwrite(t, journalFile, 0, 100) // the database's own header
	b.Line.Restore()
	b.Start()
	b.Knows(3, 0) // yuki by the site's book alone
	taps(b, "enrol kenji", "hanako")
	if told := b.Tap("yuki"); told.Tap.First != pending {
		t.Errorf("yuki, whose enrolment is in the damaged file: %+v, want %+v", told.Tap.First, pending)
	}
	b.Synced()
	r.Eventually(func() string { return wantRows(r, 6) })
	if n := r.Central.Rows("envelopes WHERE awaits IS NOT NULL"); n != 0 {
		t.Errorf("%d records wait for an enrolment, want none: yuki's was in the damaged file", n)
	}
	if names := pseudonyms(t, r, 4); names["yuki"] == (name{}) {
		t.Error("the enrolment in the damaged file made nobody a person")
	}
	seen := r.Central.Seen(b.ID)
	if seen.State != "active" || len(seen.Reports) != 1 || seen.Reports[0].Kind != "damage" || seen.Reports[0].Reason != lineage.LostJournal {
		t.Errorf("box is %s with reports %+v, want active with one of damage", seen.State, seen.Reports)
	}
	applied := 0
	for _, a := range r.Central.Applied() {
		if a.Tap == unsent.Tap.Tap {
			applied++
		}
	}
	if applied != 1 {
		t.Errorf("the record of the damaged file was applied %d times, want once", applied)
	}
	aside, err := filepath.Glob(journalFile + ".set-aside-*")
	if err != nil || len(aside) == 0 {
		t.Fatalf("Glob = %v, %v, want the damaged journal", aside, err)
	}
	if len(sealed) != 1 || !holds(t, aside, sealed[0]) {
		t.Error("the record that was not sent is not in the file that was set aside")
	}
}

// What central wanted the box to have is damaged on its disk: the box goes on and has it again from central.
func TestDamagedDesiredState(t *testing.T) {
	for _, c := range []struct {
		file   string
		offset int64
	}{{"desired.db", 0}, {"desired.db", 4096}, {"rules.cbor", 20}, {"clock.floor", 0}, {"lists/*.set", 100}, {"lists/*.manifest", 100}} {
		t.Run(c.file, func(t *testing.T) {
			r := rig.New(t, rig.Setup{})
			b := ready(r, "b")
			taps(b, "hanako", "goro")
			b.Synced()
			r.EachOnce()
			b.Settled()
			b.Stop()
			paths, err := filepath.Glob(filepath.Join(b.Dir, c.file))
			if err != nil || len(paths) != 1 {
				t.Fatalf("Glob(%s) = %v, %v, want one file", c.file, paths, err)
			}
			overwrite(t, paths[0], c.offset, 64)
			b.Start()
			b.Ready()
			taps(b, "taro")
			b.Synced()
			if rows := r.EachOnce(); len(rows) != 3 {
				t.Errorf("%d records, want 3", len(rows))
			}
			b.Settled()
		})
	}
}
