package invariant_test

import (
	"testing"

	"kazashi.example/central/lab/invariant"
	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/sync/record"
)

// P2, design §5.3: a box that was cloned, and one whose disk was put back to yesterday's, seal no number twice and lose nothing; the fork is
// reported, and a report that is missing is found.
func TestP2ForksAreReported(t *testing.T) {
	for name, again := range map[string]func(r *rig.Rig, b *rig.Box, image string) (more []invariant.Box){
		"cloned": func(_ *rig.Rig, b *rig.Box, image string) []invariant.Box {
			two := b.Clone(image)
			two.Start()
			two.Ready()
			two.Knows(1, 0)
			taps(two, nil, []string{"hanako", "goro"})
			two.Synced()
			two.Settled()
			two.Stop()
			return []invariant.Box{{Dir: two.Dir}}
		},
		"restored from yesterday": func(_ *rig.Rig, b *rig.Box, image string) []invariant.Box {
			b.Stop()
			b.PutBack(image)
			b.Start()
			b.Ready()
			taps(b, nil, []string{"goro"})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
			b := r.Box("b")
			b.Start()
			b.Ready()
			taps(b, []string{"hanako"}, []string{"goro"})
			b.Synced()
			image := b.Image("i")
			taps(b, nil, []string{"hanako"})
			b.Synced()
			more := again(r, b, image)
			b.Synced()
			r.EachOnce()
			b.Settled()
			b.Stop()
			r.Central.Stop()
			p := invariant.Places{Boxes: append(more, invariant.Box{Dir: b.Dir}), Central: r.Central.Dir}
			found, err := invariant.CheckAll(t.Context(), p)
			if t.Log(found); err != nil || !found.OK() || found.Waiting != 0 || found.Unseen != 0 {
				t.Fatalf("CheckAll = %v, %v, %v", found, err, found.Err())
			}
			inCentral("DELETE FROM reports")(t, scene{central: r.Central.Dir})
			if found, err = invariant.CheckAll(t.Context(), p); err != nil || !violates(found, invariant.Reported) {
				t.Errorf("CheckAll without the reports = %v, %v, want a violation of %q", found, err, invariant.Reported)
			}
		})
	}
}
