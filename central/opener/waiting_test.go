package opener_test

import (
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
)

// P2: what is linked to somebody whom central has not met is kept until it does: over a PIN, or over a renewal, and under the latest word.
func TestP2ALinkWaitsForItsPerson(t *testing.T) {
	for _, k := range []struct {
		name    string
		renewed bool
	}{{"an enrolment", false}, {"a renewal, and an enrolment with the newer certificate", true}} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			c := simcentral.New(t)
			demand(c, record.EvidenceCertificate)
			d := newDesk(t, c)
			p := simbox.Known(t, 0x23, 1)
			for i, number := range []string{"L-2", "L-1"} { // the later comes first
				r := simbox.Card(p.Serial...)
				r.Time -= (time.Duration(i) * time.Hour).Milliseconds()
				r.Link = &content.Link{Number: number}
				if got := d.settled(d.bring(r)); got != inOrder {
					t.Fatalf("link = %s %s", got.Verdict, got.Reason)
				}
			}
			if k.renewed {
				p = p.Renewed(t, 0x23, 2)
				c.Told.Learn([]byte{0x23, 1}, p.Serial)
			}
			d.bring(p.Enrol(t, d.box.ID))
			got := c.Roster(d.box).Entries
			if len(got) != 1 || got[0].Of(simbox.Service).Number != "L-2" {
				t.Fatalf("%d people on the roster, not the one with the number that was linked before", len(got))
			}
		})
	}
}
