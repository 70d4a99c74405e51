package tap_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
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

// unknownDay is a birth date of two eras: Showa ended on the 7th of January 1989.
const unknownDay = "19890100"

// cardMaker signs cards' files with an authority of its own.
type cardMaker struct {
	t  *testing.T
	ca *rsa.PrivateKey
}

func newCardMaker(t *testing.T) cardMaker {
	t.Helper()
	ca, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return cardMaker{t, ca}
}

// vouched has a counter believe the maker.
func (m cardMaker) vouched(conf *tap.Config) {
	var list []cvc.Authority
	for _, id := range []string{card.FaceIssuer, card.InputIssuer} {
		list = append(list, cvc.Authority{Hierarchy: certid.HierarchyPractice, ID: cvc.KeyID(card.MakeKeyID(id)), Key: m.ca.Public()})
	}
	authorities, err := cvc.NewAuthorities(list)
	must(m.t, err)
	conf.Authorities = func() *cvc.Authorities { return authorities }
}

// born makes a card anew for somebody born on unknownDay, and writes its birth key with the year of an era.
func (m cardMaker) born(p world.Person, key string) func(*vcard.Profile) {
	return func(q *vcard.Profile) {
		h := card.Holder{
			Name: p.FullName(), Address: p.Address, Birth: unknownDay, Sex: byte(p.Sex), Number: p.IndividualNumber,
			Municipality: p.Municipality.Code,
		}
		signer, err := x509.ParsePKCS8PrivateKey(q.CardKey)
		must(m.t, err)
		q.BirthKey = key
		q.FaceAge, err = card.AgeRecord(h, signer.(crypto.Signer).Public(), m.ca)
		must(m.t, err)
		q.FaceCVC = m.cvc(card.FaceIssuer, p, false)
		q.InputAttributes, err = card.Attributes(h)
		must(m.t, err)
		q.InputIntegrity, err = card.Integrity(h, m.ca)
		must(m.t, err)
		q.InputCVC = m.cvc(card.InputIssuer, p, true)
	}
}

func (m cardMaker) cvc(issuer string, p world.Person, input bool) []byte {
	b, err := card.Certificate(card.MakeKeyID(issuer), card.MakeKeyID(card.MunicipalKey(p.Municipality.Code, input)), m.ca.Public(), m.ca)
	must(m.t, err)
	return b
}

// P5: where the birth date leaves the era open it is asked for, at the cost of no try; what was said then is kept and opens the card at
// later taps.
func TestP5EraIsAskedForAndKept(t *testing.T) {
	m := newCardMaker(t)
	c := newCounter(t, m.vouched)
	c.demand(record.EvidenceCard)
	typed := func(p world.Person) localapi.NextCardRequest {
		q := shortEnrolment(p)
		q.Birth, q.BirthSure = localapi.NewSecret(unknownDay), true // the certificate is hanako's still
		return q
	}
	for _, tc := range []struct {
		name string
		ask  func(world.Person) localapi.NextCardRequest
		key  string // that opens the card
		era  localapi.Era
		kept uint8
	}{
		{"typed date, Heisei", typed, "010100", localapi.EraHeisei, 4},
		{"typed date, Showa", typed, "640100", localapi.EraShowa, 3},
		{"attributes, Heisei", enrolment, "010100", localapi.EraHeisei, 4},
		{"attributes, Showa", enrolment, "640100", localapi.EraShowa, 3},
	} {
		p, err := c.world.Person("hanako")
		must(t, err)
		_, made := c.card("hanako", m.born(p, tc.key))
		c.arm(tc.ask(p))
		c.fails(tc.name+", not said", made, localapi.FailureBirthEra, 0)
		c.tries(tc.name+", not said", made, full)
		said := tc.ask(p)
		said.Era = tc.era
		c.arm(said)
		e := c.want(tc.name, made, inOrder, record.EvidencePIN)
		if e.Enrol == nil || !e.Enrol.Bound {
			t.Fatalf("%s: enrolled %+v, want bound", tc.name, e.Enrol)
		}
		first := c.last()
		if b := first.Enrolment.Birth; b.Date != unknownDay || b.Form != 1 || b.Era != tc.kept {
			t.Errorf("%s: form %d and era %d are kept, want 1 and %d", tc.name, b.Form, b.Era, tc.kept)
		}
		c.want(tc.name+", tap", made, pending, record.EvidenceCard)
		c.proves(c.last(), first.Enrolment.Key)
		c.push(entryOf(first)) // central gives back the era too
		c.want(tc.name+", tap by central's roster", made, inOrder, record.EvidenceCard)
		c.tries(tc.name, made, full)
	}
}

// P5: an era that is wrong is said anew like a date that is, after two tries at most; the same again costs none.
func TestP5WrongEra(t *testing.T) {
	m := newCardMaker(t)
	c := newCounter(t, m.vouched)
	p, err := c.world.Person("hanako")
	must(t, err)
	for _, ask := range []func(world.Person) localapi.NextCardRequest{enrolment, shortEnrolment} {
		_, made := c.card("hanako", m.born(p, "640100"))
		for _, tc := range []struct {
			era  localapi.Era
			left uint8
			say  int
		}{{localapi.EraTaisho, 10, 0}, {localapi.EraHeisei, 8, 8}, {localapi.EraHeisei, 8, 8}} {
			q := ask(p)
			if !q.Attributes {
				q.Birth, q.BirthSure = localapi.NewSecret(unknownDay), true
			}
			q.Era = tc.era
			c.arm(q)
			if e := c.fails(string(tc.era), made, localapi.FailureBirthDate, tc.say); e.TriesOf != "" {
				t.Errorf("%s: tries of %s, want of no PIN", tc.era, e.TriesOf)
			}
			c.tries(string(tc.era), made, map[string]uint8{"jpki/0018": 3, "input/0011": 3, "face/0011": tc.left})
		}
	}
}

// An era that was said of a whole date does no harm and is not kept.
func TestEraOfAWholeDate(t *testing.T) {
	c := newCounter(t)
	p, whole := c.card("hanako") // born in Showa
	q := enrolment(p)
	q.Era = localapi.EraShowa
	c.arm(q)
	e := c.want("enrolling", whole, inOrder, record.EvidencePIN)
	if e.Enrol == nil || !e.Enrol.Bound || c.last().Enrolment.Birth.Era != 0 {
		t.Errorf("enrolled %+v with era %d, want bound, with none", e.Enrol, c.last().Enrolment.Birth.Era)
	}
	q = enrolment(p)
	q.Era = localapi.EraReiwa
	c.arm(q)
	c.fails("another era", whole, localapi.FailureBirthDate, 0)
	c.tries("another era", whole, full)
}

// P5: what has one PIN is not given the second one that was typed for it, be it right anywhere or not.
func TestP5OnePINIsSentWhereThereIsOne(t *testing.T) {
	c := newCounter(t)
	for _, same := range []bool{false, true} {
		p, made := c.card("mirai")
		q := enrolment(p)
		q.InputPIN, q.SamePIN = localapi.NewSecret(string('0'+(p.AuthPIN[0]-'0'+1)%10)+p.AuthPIN[1:]), same
		if same {
			q.InputPIN = localapi.Secret{}
		}
		other := q.InputPIN.Reveal()
		c.arm(q)
		e := c.want("mirai", made, inOrder, record.EvidencePIN)
		if e.Enrol == nil || !e.Enrol.Bound || !e.Enrol.Attested {
			t.Errorf("same %t: enrolled %+v, want bound and attested", same, e.Enrol)
		}
		for _, cmd := range made.sent {
			if cmd[1] == 0x20 && len(cmd) > 4 && string(cmd[5:]) == other {
				t.Error("the second PIN was sent")
			}
		}
		c.tries("mirai", made, map[string]uint8{"auth/0018": 3, "face/0011": 10})
	}
}
