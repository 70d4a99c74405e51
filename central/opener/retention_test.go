package opener_test

import (
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/sync/content"
	"kazashi.example/sync/rule"
)

// P9: central keeps of what a box sends the attributes that the rule which the box held asks for, wherever they would be kept; the rest of
// the record counts as ever.
func TestP9AttributesBeyondTheRuleAreDropped(t *testing.T) {
	t.Parallel()
	consent := &rule.Consent{JA: "氏名", EN: "name"}
	for name, c := range map[string]struct {
		then, now rule.Attributes
		sent      rule.Attributes
		want      rule.Attributes
	}{
		"as asked":               {15, 15, 15, 15},
		"fewer than asked":       {15, 15, rule.AttributeSex, rule.AttributeSex},
		"more than asked":        {rule.AttributeName, rule.AttributeName, 15, rule.AttributeName},
		"none asked":             {0, 0, 15, 0},
		"asked since":            {rule.AttributeName, 15, 15, rule.AttributeName},
		"not asked any more":     {15, 0, 15, 15},
		"none sent, none wanted": {0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, simcentral.New(t))
			held := rule.Version{CentralEpoch: 1, N: 1}
			set := func(a rule.Attributes) func(*rule.Rule) {
				return func(r *rule.Rule) { r.Attributes, r.Consent = a, consent }
			}
			d.central.World.Before(d.box.Site, held, set(c.then))
			d.central.World.SetRule(set(c.now))
			r := simbox.Known(t, 0x71, 1).Enrol(t, d.box.ID)
			r.Said.Rule = held
			r.Enrolment.Attributes = (&content.Attributes{
				Name: "架空花子", Address: new("架空県"), Birth: simbox.Birthday, Sex: new(uint8(2)),
			}).Only(c.sent)
			id := d.bring(r)
			if got := d.settled(id); got != inOrder {
				t.Fatalf("settled %+v, want in order", got)
			}
			kept, err := d.central.Record(id)
			d.central.Check(err)
			plain, err := d.central.Keys.Rows.Open("records.content", opener.RowOf(id), kept.Content)
			d.central.Check(err)
			sealed, err := content.Decode(plain)
			d.central.Check(err)
			if got := sealed.Enrolment.Attributes.Kinds(); got != c.want || kept.Attributes != c.want {
				t.Errorf("the record keeps %04b and says %04b, want %04b", got, kept.Attributes, c.want)
			}
			d.central.Check(d.central.Store.View(t.Context(), func(tx store.Tx) error {
				e, err := tx.Enrolment(r.Tap)
				if err != nil {
					return err
				}
				k, err := d.central.People.Kept(e)
				if k.Attributes.Kinds() != c.want || len(k.Key) == 0 {
					t.Errorf("the enrolment keeps %04b, want %04b and the card's key", k.Attributes.Kinds(), c.want)
				}
				return err
			}))
			d.central.Push(d.box, d.epoch.Push())
			d.central.Drain()
			if n := d.central.Counts(); n.Records != 1 || n.Applied != 1 {
				t.Errorf("counts = %+v, want one record, applied once", n)
			}
		})
	}
}
