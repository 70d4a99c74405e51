package opener_test

import (
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// P6: a tap is decided by the rule that its box held, at its site; where that version is not known, by the one in force.
func TestATapIsDecidedByTheRuleOfItsTime(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	site := box.Row(t).Site
	old, strange := rule.Version{CentralEpoch: 1, N: 1}, rule.Version{CentralEpoch: 1, N: 77}
	c.World.SetRule(func(r *rule.Rule) { r.Evidence = record.EvidencePIN })
	c.World.Before(site, old, func(r *rule.Rule) { r.Evidence = record.EvidenceCertificate })
	c.World.Before("elsewhere", strange, func(r *rule.Rule) { r.Evidence = record.EvidenceCertificate })
	e := box.Start(t, epoch.CauseStart)
	for serial, try := range map[byte]struct {
		held rule.Version
		want record.Verdict
	}{
		0x41: {old, record.VerdictAccepted},
		0x42: {strange, record.VerdictRefused},        // held at another site alone
		0x43: {rule.Version{}, record.VerdictRefused}, // of a box that had none
	} {
		r := simbox.Card(serial)
		r.Said.Rule = try.held
		w := e.Tap(t, r)
		c.Push(box, e.Push())
		c.Drain()
		if got, err := c.Record(w.ID); err != nil || got.Final.Verdict != try.want {
			t.Errorf("a tap under rules %v = %v, %v, want %v", try.held, got.Final.Verdict, err, try.want)
		}
	}
}
