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
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// First use with the PIN, later use without: for cards of each kind, with and without consent to the attributes.
func TestEnrolThenTapWithoutPIN(t *testing.T) {
	c := newCounter(t)
	c.demand(record.EvidenceCard)
	for _, tc := range []struct {
		key     string
		ask     func(world.Person) localapi.NextCardRequest
		outcome localapi.Outcome
	}{
		{"hanako", enrolment, inOrder},
		{"taro", shortEnrolment, inOrder},
		{"tomas", shortEnrolment, inOrder}, // Gregorian birth key
		{"kiku", enrolment, inOrder},       // day of birth not known
		{"haru", shortEnrolment, inOrder},  // born on the last day of Showa
		{"mirai", enrolment, inOrder},      // next card
	} {
		p, card := c.card(tc.key)
		q := tc.ask(p)
		c.arm(q)
		e := c.want(tc.key+" enrols", card, tc.outcome, record.EvidencePIN)
		if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Bound: true, Attested: q.Attributes}) {
			t.Fatalf("%s: enrolled %+v, want bound, attributes %t", tc.key, e.Enrol, q.Attributes)
		}
		first := c.last()
		c.proves(first, first.Enrolment.Key)
		checkEnrolment(t, p, first, q.Attributes)
		before := tc.outcome
		if before == inOrder {
			before = pending
		}
		e = c.want(tc.key+" taps", card, before, record.EvidenceCard)
		second := c.last()
		c.proves(second, first.Enrolment.Key)
		if second.Card.Enrolled != first.Tap || second.PIN != nil || second.Enrolment != nil || second.Certificate != nil || e.Enrol != nil {
			t.Errorf("%s: the tap's record holds more or less than its proof", tc.key)
		}
		c.settle()
		c.want(tc.key+" taps, confirmed", card, tc.outcome, record.EvidenceCard)
		left := map[string]uint8{"face/0011": 10}
		if tc.key != "mirai" {
			left = full
		}
		c.tries(tc.key, card, left)
	}
}

func checkEnrolment(t *testing.T, p world.Person, r content.Record, attributes bool) {
	t.Helper()
	e := r.Enrolment
	if e.Birth.Date != p.Birth.Compact() || len(r.Certificate) == 0 || r.PIN.Verifier != "practice-city" {
		t.Errorf("%s: birth date, certificate or verifier of the enrolment differ", p.Key)
	}
	if (e.Attributes != nil) != attributes {
		t.Errorf("%s: attributes sealed = %t, want %t", p.Key, e.Attributes != nil, attributes)
	}
	if a := e.Attributes; a != nil && (a.Kinds() != 15 || a.Name != p.FullName() || *a.Address != p.Address || a.Birth != p.Birth.Compact() || *a.Sex != uint8(p.Sex-'0')) {
		t.Errorf("%s: the attributes are not the card's", p.Key)
	}
}

// P5: a typed birth date that the card does not take costs two tries at most, and is to be typed anew; nothing is recorded.
func TestP5WrongBirthDateAtEnrolment(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("hanako")
	q := shortEnrolment(p)
	q.Birth = localapi.NewSecret("19810412")
	c.arm(q)
	c.fails("wrong birth date", card, localapi.FailureBirthDate, 8)
	c.tries("wrong birth date", card, map[string]uint8{"jpki/0018": 3, "face/0011": 8})
	must(t, card.SetTries("face/0011", 4))
	c.arm(shortEnrolment(p))
	e := c.want("too few tries of the birth key", card, inOrder, record.EvidencePIN)
	if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: record.ReasonBirthKeyLocked}) {
		t.Errorf("enrolled %+v, want not bound because of the birth key", e.Enrol)
	}
	if r := c.last(); r.Enrolment == nil || len(r.Enrolment.Key) != 0 || r.Card != nil {
		t.Error("the record holds a card key that nothing proves")
	}
	c.tries("too few tries of the birth key", card, map[string]uint8{"jpki/0018": 3, "face/0011": 4})
	c.demand(record.EvidenceCard)
	c.want("tap afterwards", card, refused(record.ReasonNotEnrolled), record.EvidenceCertificate)
}

// Somebody may enrol with a service that asks for the certificate only.
func TestEnrolWhereTheCertificateIsEnough(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("hanako")
	c.enrol(p, card)
	c.want("a tap afterwards", card, inOrder, record.EvidenceCertificate)
}

// A box that believes no card authority binds nobody, whatever a card says of itself.
func TestUnknownCardAuthority(t *testing.T) {
	known := newCounter(t)
	p, card := known.card("hanako")
	entry := entryOf(known.enrol(p, card))
	nobody, err := cvc.NewAuthorities(nil)
	must(t, err)
	c := newCounter(t, func(conf *tap.Config) { conf.Authorities = func() *cvc.Authorities { return nobody } })
	c.demand(record.EvidenceCard)
	p, card = c.card("hanako")
	c.arm(shortEnrolment(p))
	e := c.want("enrolling", card, inOrder, record.EvidencePIN)
	if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: record.ReasonCardNotGenuine}) {
		t.Errorf("enrolled %+v, want not bound: not genuine", e.Enrol)
	}
	entry.Serial = p.Auth.ID.Serial.Bytes()
	c.push(entry)
	c.want("tapping", card, refused(record.ReasonCardNotGenuine), record.EvidenceCertificate)
}

// A certificate whose issuer is not known here can be enrolled, and is found again only once central knows it.
func TestEnrolmentOfAnUnknownIssuer(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("aoi")
	c.arm(shortEnrolment(p))
	provisional := localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonIssuerNotVerified}
	e := c.want("enrolling", card, provisional, record.EvidencePIN)
	if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: record.ReasonIssuerNotVerified}) {
		t.Errorf("enrolled %+v, want not bound", e.Enrol)
	}
	r := c.last()
	c.proves(r, r.Enrolment.Key)
	c.demand(record.EvidenceCard)
	c.want("tapping", card, refused(record.ReasonNotEnrolled), record.EvidenceCertificate)
}

// Torn away at each command of an enrolment and of a tap: no record, one word, and nothing is spent that was not sent.
func TestTornAtEveryCommand(t *testing.T) {
	c := newCounter(t)
	c.demand(record.EvidenceCard)
	p, card := c.card("hanako")
	entry := entryOf(c.enrol(p, card))
	for at := 1; ; at++ {
		_, torn := c.card("hanako")
		torn.tear = at
		c.arm(enrolment(p))
		e := c.lay(torn)
		if len(torn.sent) < at { // the whole procedure takes fewer commands
			break
		}
		if e.Type != localapi.EventReadFailed || e.Failure != localapi.FailureTorn {
			t.Fatalf("torn at command %d of an enrolment: event %s %s, want torn", at, e.Type, e.Failure)
		}
	}
	c.push(entry)
	for at := 1; ; at++ {
		_, torn := c.card("hanako")
		torn.tear = at
		e := c.lay(torn)
		if len(torn.sent) < at {
			if e.Type != localapi.EventVerdict || e.Tap.First != inOrder {
				t.Errorf("the whole tap: event %s %s", e.Type, e.Failure)
			}
			break
		}
		if e.Type != localapi.EventReadFailed || e.Failure != localapi.FailureTorn {
			t.Fatalf("torn at command %d of a tap: event %s %s, want torn", at, e.Type, e.Failure)
		}
	}
}

// A genuine card of one hierarchy beside a certificate of another: each is in order, and they are not one card.
func TestCardOfAnotherHierarchy(t *testing.T) {
	ca, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	authorities, err := cvc.NewAuthorities([]cvc.Authority{
		{Hierarchy: certid.HierarchyTest, ID: cvc.KeyID(card.MakeKeyID("6000023")), Key: ca.Public()},
	})
	must(t, err)
	c := newCounter(t, func(conf *tap.Config) { conf.Authorities = func() *cvc.Authorities { return authorities } })
	c.demand(record.EvidenceCard)
	var other *vcard.Profile
	var bound []byte
	p, mixed := c.card("hanako", func(q *vcard.Profile) {
		other = q
		key, err := x509.ParsePKCS8PrivateKey(q.CardKey)
		must(t, err)
		public := key.(crypto.Signer).Public()
		bound, err = x509.MarshalPKIXPublicKey(public)
		must(t, err)
		q.FaceCVC, err = card.Certificate(card.MakeKeyID("6000023"), card.MakeKeyID("6482013"), ca.Public(), ca)
		must(t, err)
		q.FaceAge, err = card.AgeRecord(card.Holder{Birth: "19800412"}, public, ca)
		must(t, err)
	})
	for _, taken := range [][]certid.Hierarchy{
		{certid.HierarchyPractice, certid.HierarchyTest}, {certid.HierarchyPractice},
	} {
		c.rules.set.Rules[0].Hierarchies = taken
		c.arm(shortEnrolment(p))
		e := c.want("enrolling", mixed, inOrder, record.EvidencePIN)
		if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: record.ReasonCardNotGenuine}) {
			t.Errorf("enrolled %+v where %v are taken, want not bound: not genuine", e.Enrol, taken)
		}
	}
	c.push(roster.Entry{
		Hierarchy: certid.HierarchyPractice, Serial: p.Auth.ID.Serial.Bytes(), Verifier: "practice-city", Enrolled: record.NewTapID(),
		Birth: roster.Birth{Date: p.Birth.Compact(), Form: 1}, Key: bound,
	})
	c.want("tapping", mixed, refused(record.ReasonCardNotGenuine), record.EvidenceCertificate)
	// An unknown issuer's certificate has no hierarchy to compare with: the service's own decide.
	c.rules.set.Rules[0].Hierarchies = []certid.Hierarchy{certid.HierarchyPractice}
	p, stranger := c.card("aoi", faceOf(other))
	c.arm(localapi.NextCardRequest{Kind: localapi.NextEnrol, PIN: localapi.NewSecret(p.AuthPIN), Birth: localapi.NewSecret("19800412"), BirthSure: true})
	provisional := localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonIssuerNotVerified}
	e := c.want("unknown issuer", stranger, provisional, record.EvidencePIN)
	if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: record.ReasonCardNotGenuine}) {
		t.Errorf("enrolled %+v, want not bound: not genuine", e.Enrol)
	}
}

// A card whose face answers nonsense: the PIN was proved all the same, but a tap that needs the face is none.
func TestNonsenseOfTheFace(t *testing.T) {
	c := newCounter(t)
	p, whole := c.card("hanako")
	entry := entryOf(c.enrol(p, whole))
	p, garbled := c.card("hanako", func(q *vcard.Profile) { q.FaceAge = []byte{0xFF, 0x10, 0x01, 0x00} })
	c.arm(shortEnrolment(p))
	e := c.want("enrolling", garbled, inOrder, record.EvidencePIN)
	if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: record.ReasonCardRefuses}) {
		t.Errorf("enrolled %+v, want not bound", e.Enrol)
	}
	c.push(entry)
	c.demand(record.EvidenceCard)
	c.fails("tapping", garbled, localapi.FailureNonsense, 0)
	c.tries("tapping", garbled, full)
}
