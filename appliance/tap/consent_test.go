package tap_test

import (
	"errors"
	"testing"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// asks makes the service's rule ask for attributes under a text of consent.
func (c *counter) asks(a rule.Attributes, text string) {
	r := &c.rules.set.Rules[0]
	r.Attributes, r.Consent = a, nil
	if a != 0 {
		r.Consent = &rule.Consent{JA: text, EN: text}
	}
}

// P9: of what the card gives, the signed rule's attributes alone go to central; a rule without any has no enrolment that asks for them.
func TestP9AttributesOfTheRuleAlone(t *testing.T) {
	c := newCounter(t)
	c.demand(record.EvidenceCard)
	p, card := c.card("hanako")
	for asked := range rule.Attributes(16) {
		c.asks(asked, "agreed")
		if asked == 0 {
			if _, err := c.tap.Arm(enrolment(p)); !errors.Is(err, localapi.ErrNextNotServed) {
				t.Errorf("Arm(attributes) under a rule without any = %v, want ErrNextNotServed", err)
			}
			if _, armed := c.tap.Armed(); armed || len(card.sent) != 0 {
				t.Error("a refused request waits for a card")
			}
			continue
		}
		c.arm(enrolment(p))
		e := c.want("enrols", card, inOrder, record.EvidencePIN)
		r := c.last()
		if got := r.Enrolment.Attributes.Kinds(); got != asked || !e.Enrol.Attested || len(r.Enrolment.Key) == 0 || r.Enrolment.Birth.Date != p.Birth.Compact() {
			t.Errorf("attributes %04b: sealed %04b, attested %t, or not enrolled by the birth date", asked, got, e.Enrol.Attested)
		}
	}
}

// P9: what somebody agreed to is the text of the rule that the record names: under another one nothing is kept, and the rest goes on.
func TestP9AttributesOfTheTextThatWasAgreedTo(t *testing.T) {
	for name, tc := range map[string]struct {
		then rule.Attributes
		text string
		want rule.Attributes
	}{
		"the same edition":        {rule.AttributeName | rule.AttributeSex, "agreed", rule.AttributeName | rule.AttributeSex},
		"less is asked for":       {rule.AttributeName, "agreed", rule.AttributeName},
		"more is asked for":       {15, "agreed", rule.AttributeName | rule.AttributeSex},
		"another text":            {rule.AttributeName | rule.AttributeSex, "another", 0},
		"nothing is asked for":    {0, "", 0},
		"something else entirely": {rule.AttributeAddress, "agreed", 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounter(t)
			c.demand(record.EvidenceCard)
			p, card := c.card("hanako")
			c.asks(rule.AttributeName|rule.AttributeSex, "agreed")
			c.arm(enrolment(p))
			c.asks(tc.then, tc.text)
			e := c.want("enrols", card, inOrder, record.EvidencePIN)
			r := c.last()
			if got := r.Enrolment.Attributes.Kinds(); got != tc.want || e.Enrol.Attested != (tc.want != 0) || !e.Enrol.Bound {
				t.Errorf("sealed %04b, enrolled %+v, want %04b and bound", got, e.Enrol, tc.want)
			}
		})
	}
}
