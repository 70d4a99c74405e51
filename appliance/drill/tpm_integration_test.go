//go:build integration

package drill_test

import (
	"slices"
	"testing"

	"kazashi.example/appliance/drill"
	"kazashi.example/appliance/vault/tpm/swtpm"
	"kazashi.example/sync/rule"
)

// P3: the same with a TPM that holds the box's keys, where the thief has the whole box: under the code it counts his tries, and by itself it
// opens everything, which the drill says in red.
func TestP3SaysWhatASearchFindsWithATPM(t *testing.T) {
	for name, c := range map[string]struct {
		way    rule.Unlock
		answer drill.Answer
		lie    string
		off    drill.Reach
		red    bool
	}{
		"code": {rule.UnlockCode, drill.NamesNobody, drill.LieCodeTPM, drill.Tries, false},
		"tpm":  {rule.UnlockTPM, drill.NamesPeople, drill.LieTPM, drill.Yes, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := plant(t, swtpm.Start(t).Where(), c.way)
			agreed(t, b, c.answer)
			r := look(t, b.dir)
			if r.Keys.Lie != c.lie || r.Keys.Identity != drill.LieTPM || !r.Keys.Counts {
				t.Errorf("Keys = %+v, want the identity in a TPM that counts, and the site keys by %s", r.Keys, c.lie)
			}
			said := slices.ContainsFunc(r.Findings, func(f drill.Finding) bool { return f.ID == drill.LiesTPM && f.Level == drill.Red })
			for _, k := range r.Classes {
				if k.ID == drill.SiteKeys && (k.Reach[drill.Off] != c.off || k.Red != c.red || said != c.red) {
					t.Errorf("site keys: %+v, said in red %v, want %s", k, said, c.off)
				}
				if k.ID == drill.DeviceKey && k.Reach[drill.Off] != drill.Use {
					t.Errorf("the device key's reach is %s, want it usable and not to be copied", k.Reach[drill.Off])
				}
			}
		})
	}
}
