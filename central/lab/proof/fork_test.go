package proof_test

import (
	"strings"
	"testing"

	"kazashi.example/central/intake/lineage"
	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/sync/record"
)

// taps lays cards one after the other: "hanako", "enrol hanako" or "pin hanako".
func taps(b *rig.Box, people ...string) {
	for n, p := range people {
		if key, ok := strings.CutPrefix(p, "enrol "); ok {
			b.Enrol(key, n%2 == 0)
		} else if key, ok := strings.CutPrefix(p, "pin "); ok {
			b.TapPIN(key)
		} else {
			b.Tap(p)
		}
	}
}

// ready starts a box and waits until it can decide.
func ready(r *rig.Rig, name string) *rig.Box {
	b := r.Box(name)
	b.Start()
	b.Ready()
	return b
}

// forked wants a box in quarantine with a fork reported for one of these reasons.
func forked(t *testing.T, r *rig.Rig, b *rig.Box, reasons ...string) {
	t.Helper()
	seen := r.Central.Seen(b.ID)
	if seen.State != "quarantined" {
		t.Errorf("box is %s, want quarantined", seen.State)
	}
	found := false
	for _, x := range seen.Reports {
		if x.Kind == "damage" {
			t.Errorf("a fork is reported as damage: %+v", x)
		}
		for _, want := range reasons {
			found = found || x.Kind == "fork" && x.Reason == want
		}
	}
	if !found {
		t.Errorf("reports = %+v, want a fork: %q", seen.Reports, reasons)
	}
}

// P2, design §5.3: an image of the disk that is put back loses nothing that central had, doubles nothing, and is reported.
func TestP2RestoredDiskImage(t *testing.T) {
	for _, c := range []struct {
		name    string
		running bool
		reason  string
	}{
		{"copied while it ran", true, lineage.BeyondEnd},
		{"copied while it was off", false, lineage.TwoSuccessors},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
			b := ready(r, "b")
			taps(b, "enrol hanako", "goro")
			b.Synced()
			var image string
			if c.running {
				image = b.Image("i")
			} else {
				b.Stop()
				image = b.Image("i")
				b.Start()
			}
			taps(b, "enrol taro", "ren", "hanako")
			b.Synced()
			r.EachOnce()
			before := pseudonyms(t, r, 2)
			if seen := r.Central.Seen(b.ID); seen.State != "active" || len(seen.Reports) != 0 {
				t.Fatalf("before the restore: box is %s with reports %+v, want active with none", seen.State, seen.Reports)
			}
			b.Stop()
			b.PutBack(image)
			b.Start()
			b.Knows(2, 0) // also of whom the image has never heard
			taps(b, "enrol yuki", "hanako", "taro")
			b.Synced()
			if rows := r.EachOnce(); len(rows) != 8 {
				t.Errorf("%d records, want 8", len(rows))
			}
			samePseudonyms(t, before, pseudonyms(t, r, 3))
			b.Settled()
			forked(t, r, b, c.reason)
		})
	}
}

// What an overwritten disk held and never handed over is gone with the disk; that there was something is reported.
func TestP2OverwrittenWithoutEverSyncing(t *testing.T) {
	r := rig.New(t, rig.Setup{})
	b := ready(r, "b")
	taps(b, "hanako")
	b.Synced()
	image := b.Image("i")
	taps(b, "taro")
	b.Synced() // central knows that the epoch went on
	b.Line.Cut()
	b.Tap("yuki")
	overwritten := r.Ledger()[2]
	b.Stop()
	b.PutBack(image)
	b.Line.Restore()
	b.Start()
	taps(b, "kenji")
	b.Synced()
	forked(t, r, b, lineage.BeyondEnd)
	r.Eventually(func() string { return wantRows(r, 3) })
	for _, a := range r.Central.Applied() {
		if a.Tap == overwritten.Tap.Tap {
			t.Error("a record came from a disk that was overwritten")
		}
	}
}

func wantRows(r *rig.Rig, n int) string {
	if len(r.Central.Applied()) >= n {
		return ""
	}
	return "central has not applied everything"
}

// P2, design §5.3: two copies of one box, at work at the same time, lose nothing, double nothing, and are reported.
func TestP2ClonedBox(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	one := ready(r, "b")
	taps(one, "enrol hanako", "enrol taro")
	one.Synced()
	two := one.Clone(one.Image("i"))
	two.Start()
	two.Knows(2, 0)
	for range 3 {
		taps(one, "hanako", "goro")
		taps(two, "hanako", "enrol yuki")
	}
	one.Synced()
	two.Synced()
	if rows := r.EachOnce(); len(rows) != 14 {
		t.Errorf("%d records, want 14", len(rows))
	}
	pseudonyms(t, r, 3) // one a person, whichever copy they came to
	one.Settled()
	two.Settled()
	forked(t, r, one, lineage.BeyondEnd, lineage.TwoSuccessors)
}
