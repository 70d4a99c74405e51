package tap_test

import (
	"testing"

	"kazashi.example/appliance/tap"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/card"
	"kazashi.example/localapi"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// testInput has attributes of a card signed by an input-assist authority of the test hierarchy.
func (m cardMaker) testInput(p world.Person) func(*vcard.Profile) {
	return func(q *vcard.Profile) {
		h := card.Holder{
			Name: "偽造\u3000次郎", Address: p.Address, Birth: p.Birth.Compact(), Sex: byte(p.Sex), Number: p.IndividualNumber,
			Municipality: p.Municipality.Code,
		}
		var err error
		q.InputAttributes, err = card.Attributes(h)
		must(m.t, err)
		q.InputIntegrity, err = card.Integrity(h, m.ca)
		must(m.t, err)
		q.InputCVC, err = card.Certificate(card.MakeKeyID("6000033"), card.MakeKeyID("6482013"), m.ca.Public(), m.ca)
		must(m.t, err)
	}
}

// believed has a counter believe the world's authorities, and this one of the test hierarchy.
func (m cardMaker) believed(conf *tap.Config) {
	list := append(authorityList(m.t, shared(m.t)),
		cvc.Authority{Hierarchy: certid.HierarchyTest, ID: cvc.KeyID(card.MakeKeyID("6000033")), Key: m.ca.Public()})
	authorities, err := cvc.NewAuthorities(list)
	must(m.t, err)
	conf.Authorities = func() *cvc.Authorities { return authorities }
}

// Attributes that a test authority signed are no national person's, however good certificate, PIN and face beside them are: nothing is
// attested, and nothing enrolled by their birth date.
func TestAttributesOfAnotherHierarchy(t *testing.T) {
	m := newCardMaker(t)
	c := newCounter(t, m.believed)
	p, err := c.world.Person("hanako")
	must(t, err)
	noFace := func(q *vcard.Profile) {
		faceOf(&vcard.Profile{NumberB: q.NumberB})(q)
	}
	_, whole := c.card("hanako", m.testInput(p))
	_, faceless := c.card("hanako", m.testInput(p), noFace)
	for _, taken := range [][]certid.Hierarchy{{certid.HierarchyPractice, certid.HierarchyTest}, {certid.HierarchyPractice}} {
		for _, demanded := range []record.Evidence{record.EvidenceCard, record.EvidencePIN} {
			for name, laid := range map[string]*plastic{"beside a face": whole, "without a face": faceless} {
				c.demand(demanded)
				c.rules.set.Rules[0].Hierarchies = taken
				c.arm(enrolment(p))
				outcome, evidence := inOrder, record.EvidencePIN
				if laid == whole && demanded == record.EvidenceCard { // two hierarchies on one card: a false one
					outcome, evidence = refused(record.ReasonCardNotGenuine), record.EvidenceCertificate
				}
				e := c.want(name+" for "+demanded.String(), laid, outcome, evidence)
				if e.Enrol == nil || e.Enrol.Attested || e.Enrol.Bound || e.Enrol.Hindrance != record.ReasonCardNotGenuine {
					t.Errorf("%s, for %s, where %v are taken: enrolled %+v, want nothing: not genuine", name, demanded, taken, e.Enrol)
				}
				if r := c.last(); r.Enrolment != nil || r.Card != nil {
					t.Errorf("%s, for %s, where %v are taken: the record holds an enrolment", name, demanded, taken)
				}
			}
		}
	}
	_, genuine := c.card("hanako")
	c.demand(record.EvidenceCard)
	c.arm(enrolment(p))
	if e := c.want("the card itself", genuine, inOrder, record.EvidencePIN); *e.Enrol != (localapi.Enrolled{Bound: true, Attested: true}) {
		t.Errorf("enrolled %+v, want all of it", e.Enrol)
	}
}
