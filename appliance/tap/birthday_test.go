package tap_test

import (
	"testing"
	"time"

	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/record"
)

// P5: a typed birth date that does not fit the certificate has nothing verified, neither PIN nor date; confirmed, it goes on.
func TestP5ABirthDateThatDoesNotFitSpendsNothing(t *testing.T) {
	c := newCounter(t)
	c.demand(record.EvidenceCard)
	for _, tc := range []struct{ key, typed string }{
		{"hanako", "19800413"}, {"hanako", "19800512"}, {"hanako", "19800500"}, {"hanako", "19550505"}, {"kiku", "19480500"}, {"haru", "19890108"},
	} {
		p, card := c.card(tc.key)
		before := card.Tries()
		q := shortEnrolment(p)
		q.Birth = localapi.NewSecret(tc.typed)
		c.arm(q)
		c.fails(tc.key+" "+tc.typed, card, localapi.FailureBirthDoubt, 0)
		c.tries(tc.key+" "+tc.typed, card, before)
		c.secrets(tc.key+" "+tc.typed, card, 0)
		if !wiped(q) {
			t.Errorf("%s %s: what was typed in is still there", tc.key, tc.typed)
		}
	}
	p, card := c.card("hanako")
	q := shortEnrolment(p)
	q.Birth, q.BirthSure = localapi.NewSecret("19800413"), true
	c.arm(q)
	c.fails("confirmed and wrong", card, localapi.FailureBirthDate, 8)
	c.tries("confirmed and wrong", card, map[string]uint8{"jpki/0018": 3, "face/0011": 8})
	q = shortEnrolment(p)
	q.BirthSure = true
	c.arm(q)
	if e := c.want("confirmed and right", card, inOrder, record.EvidencePIN); e.Enrol == nil || !e.Enrol.Bound {
		t.Errorf("confirmed and right: enrolled %+v, want bound", e.Enrol)
	}
}

// A certificate of JPKI ends with a birthday of its holder's, at midnight in Japan.
func TestOnBirthday(t *testing.T) {
	for _, tc := range []struct {
		birth, ends string
		want        bool
	}{
		{"19800217", "2030-02-17T14:59:59Z", true},
		{"19800217", "2030-02-16T15:00:00Z", true}, // the 17th has begun in Japan
		{"19800217", "2030-02-16T14:59:59Z", false},
		{"19800217", "2030-02-17T15:00:00Z", false},
		{"19800218", "2030-02-17T14:59:59Z", false},
		{"19800317", "2030-02-17T14:59:59Z", false},
		{"19800200", "2030-02-17T14:59:59Z", true},
		{"19800300", "2030-02-17T14:59:59Z", false},
		{"19800000", "2030-02-17T14:59:59Z", true},
		{"20000229", "2028-02-29T14:59:59Z", true},
		{"20000229", "2031-02-28T14:59:59Z", true},
		{"20000229", "2031-03-01T14:59:59Z", true},
		{"20000229", "2031-03-02T14:59:59Z", false},
		{"20000229", "2031-02-27T14:59:59Z", false},
		{"20000228", "2028-02-29T14:59:59Z", false},
		{"20000301", "2031-02-28T14:59:59Z", false},
	} {
		birth, err := mynumber.ParseBirthDate(tc.birth)
		must(t, err)
		ends, err := time.Parse(time.RFC3339, tc.ends)
		must(t, err)
		if got := tap.OnBirthday(birth, ends); got != tc.want {
			t.Errorf("onBirthday(%s, %s) = %t, want %t", tc.birth, tc.ends, got, tc.want)
		}
	}
}

// P5, P6: where the rule asks for the PIN at every tap an enrolment promises nothing else, and asks the card for no birth date and no
// key of its own.
func TestP5EnrolmentWhereThePINIsAskedForEachTime(t *testing.T) {
	c := newCounter(t)
	c.demand(record.EvidencePIN)
	p, card := c.card("hanako")
	wrong := shortEnrolment(p)
	wrong.Birth = localapi.NewSecret("19550505")
	for _, q := range []localapi.NextCardRequest{shortEnrolment(p), wrong, enrolment(p)} {
		c.arm(q)
		e := c.want("enrolling", card, inOrder, record.EvidencePIN)
		if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{PINEachTime: true, Attested: q.Attributes}) {
			t.Errorf("enrolled %+v, want the PIN each time, attributes %t", e.Enrol, q.Attributes)
		}
		c.secrets("enrolling", card, map[bool]int{false: 1, true: 2}[q.Attributes])
		r := c.last()
		if r.Card != nil || (r.Enrolment != nil) != q.Attributes {
			t.Errorf("attributes %t: the record holds an enrolment %t, a proof of the card %t", q.Attributes, r.Enrolment != nil, r.Card != nil)
		}
		if r.Enrolment != nil && (len(r.Enrolment.Key) > 0 || r.Enrolment.Attributes == nil || r.Enrolment.Birth.Date != p.Birth.Compact()) {
			t.Error("the record holds a key, or not the attributes and their birth date")
		}
		c.proves(r, nil)
		c.want("the next visit", card, refused(record.ReasonEvidenceTooWeak), record.EvidenceCertificate)
	}
	if n, err := c.book.People(t.Context()); n != 0 || err != nil {
		t.Errorf("%d people may tap without the PIN, %v, want none", n, err)
	}
	c.tries("afterwards", card, full)
}
