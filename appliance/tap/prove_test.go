package tap_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"kazashi.example/appliance/tap"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/localapi"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

func TestNobodyTapsBeforeEnrolling(t *testing.T) {
	for _, e := range []record.Evidence{record.EvidenceCard, record.EvidenceCardBound} {
		c := newCounter(t)
		c.demand(e)
		_, card := c.card("hanako")
		c.want("a stranger", card, refused(record.ReasonNotEnrolled), record.EvidenceCertificate)
		if n := card.verified(); n != 0 {
			t.Errorf("%s: %d values were verified on a stranger's card, want none", e, n)
		}
	}
}

// faceOf puts the card-face application of another genuine card beside somebody's certificate.
func faceOf(other *vcard.Profile) func(*vcard.Profile) {
	return func(p *vcard.Profile) {
		p.CardKey, p.FaceAge, p.FaceRecord, p.FaceInfo, p.FaceCVC = other.CardKey, other.FaceAge, other.FaceRecord, other.FaceInfo, other.FaceCVC
		p.BirthKey, p.NumberB = other.BirthKey, other.NumberB
	}
}

func (c *counter) profile(key string) *vcard.Profile {
	c.t.Helper()
	p, err := c.world.Person(key)
	must(c.t, err)
	profile, err := vcard.LoadProfile(p.Profile)
	must(c.t, err)
	return profile
}

// TestRelay is the attack of a victim's certificate, which anybody can read who comes near the card, beside another genuine card's
// face application. The bound key differs, and the reason says so.
func TestRelay(t *testing.T) {
	for evidence, wants := range map[record.Evidence]struct{ twin, other record.Reason }{
		record.EvidenceCard:      {record.ReasonCardDiffers, record.ReasonBirthDiffers},
		record.EvidenceCardBound: {record.ReasonCardDiffers, record.ReasonCardDiffers},
	} {
		c := newCounterIn(t, worldtest.Open(t, world.Config{}))
		c.demand(evidence)
		p, own := c.card("hanako")
		c.enrol(p, own)
		certificate := c.profile("hanako")
		_, err := c.world.Reissue("hanako", c.clock.at) // a genuine card of somebody born on the same day
		must(t, err)
		twin := c.profile("hanako")
		_, relay := c.card("hanako", func(q *vcard.Profile) { *q = *certificate; faceOf(twin)(q) })
		c.want("somebody of the same birthday", relay, refused(wants.twin), record.EvidenceCertificate)
		_, relay = c.card("hanako", func(q *vcard.Profile) { *q = *certificate; faceOf(c.profile("taro"))(q) })
		c.want("somebody else", relay, refused(wants.other), record.EvidenceCertificate)
		c.want("the victim", own, pending, evidence)
	}
}

func TestRenewal(t *testing.T) {
	for _, evidence := range []record.Evidence{record.EvidenceCard, record.EvidenceCardBound} {
		c := newCounterIn(t, worldtest.Open(t, world.Config{}))
		c.demand(evidence)
		p, card := c.card("hanako")
		entry := entryOf(c.enrol(p, card))
		// The same card with a new certificate: nobody knows it until central has pushed the new serial number.
		_, err := c.world.Renew("hanako", c.clock.at)
		must(t, err)
		p, card = c.card("hanako")
		c.want("renewed", card, refused(record.ReasonNotEnrolled), record.EvidenceCertificate)
		entry.Serial, entry.Renewed = p.Auth.ID.Serial.Bytes(), true
		c.push(entry)
		c.want("renewed, pushed", card, inOrder, evidence)
		if got := c.last().Card.Enrolled; got != entry.Enrolled {
			t.Error("a tap after the renewal names another enrolment")
		}
		// A new card: its key is another one, and that is no fraud.
		_, err = c.world.Reissue("hanako", c.clock.at)
		must(t, err)
		p, card = c.card("hanako")
		entry.Serial = p.Auth.ID.Serial.Bytes()
		c.push(entry)
		c.want("new card", card, refused(record.ReasonCardRenewed), record.EvidenceCertificate)
		again := c.enrol(p, card)
		c.want("new card, enrolled anew", card, pending, evidence)
		if c.last().Card.Enrolled != again.Tap {
			t.Error("a tap after enrolling anew names the old enrolment")
		}
	}
}

// P5: what is wrong with a PIN costs what it must and no more, and leaves no record.
func TestP5WrongPINs(t *testing.T) {
	c := newCounter(t)
	c.demand(record.EvidenceCard)
	p, card := c.card("hanako")
	wrong := func(n byte) string { // differs from p's in the first digit
		return string('0'+(p.AuthPIN[0]-'0'+n)%10) + p.AuthPIN[1:]
	}
	for _, s := range []struct {
		name  string
		ask   localapi.NextCardRequest
		want  localapi.ReadFailure
		tries int
		left  uint8
	}{
		{"wrong", withPIN(wrong(1)), localapi.FailurePINWrong, 2, 2},
		{"the same again", withPIN(wrong(1)), localapi.FailurePINSame, 2, 2},
		{"another wrong one, enrolling", localapi.NextCardRequest{
			Kind: localapi.NextEnrol, PIN: localapi.NewSecret(wrong(2)), Birth: localapi.NewSecret(p.Birth.Compact()),
		}, localapi.FailurePINWrong, 1, 1},
		{"the right one, too late", withPIN(p.AuthPIN), localapi.FailurePINFew, 1, 1},
	} {
		c.arm(s.ask)
		if e := c.fails(s.name, card, s.want, s.tries); e.TriesOf != localapi.PINAuth {
			t.Errorf("%s: tries of %q, want of the authentication PIN", s.name, e.TriesOf)
		}
		c.tries(s.name, card, map[string]uint8{"jpki/0018": s.left, "face/0011": 10})
	}
	must(t, card.SetTries("jpki/0018", 0))
	c.arm(withPIN(p.AuthPIN))
	if e := c.fails("blocked", card, localapi.FailurePINBlocked, 0); e.TriesOf != localapi.PINAuth {
		t.Errorf("blocked: tries of %q, want of the authentication PIN", e.TriesOf)
	}
	must(t, card.ResetCounts())
	q := enrolment(p)
	q.InputPIN = localapi.NewSecret(string('0'+(p.InputPIN[0]-'0'+1)%10) + p.InputPIN[1:])
	c.arm(q)
	if e := c.fails("wrong input-assist PIN", card, localapi.FailurePINWrong, 2); e.TriesOf != localapi.PINInputAssist {
		t.Errorf("wrong input-assist PIN: tries of %q, want of that", e.TriesOf)
	}
	c.tries("wrong input-assist PIN", card, map[string]uint8{"jpki/0018": 3, "input/0011": 2})
	p, card = c.card("tsuru")
	for _, reference := range []string{"jpki/0018", "jpki/001B", "input/0011"} { // issued without PINs
		if _, ok := card.Tries()[reference]; ok {
			must(t, card.SetTries(reference, 0))
		}
	}
	c.arm(withPIN(p.AuthPIN))
	if e := c.fails("issued without PINs", card, localapi.FailureNoPINs, 0); e.TriesOf != "" {
		t.Errorf("issued without PINs: tries of %q, want of no one PIN", e.TriesOf)
	}
}

// P5: later on nothing is tried blindly.
func TestP5LaterTapsSpendNoTryTwice(t *testing.T) {
	c := newCounter(t)
	c.demand(record.EvidenceCard)
	p, card := c.card("hanako")
	entry := entryOf(c.enrol(p, card))
	entry.Birth.Date = "19800413" // somebody mistyped it at central
	c.push(entry)
	for n, want := range []int{1, 0} {
		c.want("wrong birth date", card, refused(record.ReasonBirthDiffers), record.EvidenceCertificate)
		if got := card.verified(); got != want {
			t.Errorf("tap %d sent %d birth dates, want %d", n, got, want)
		}
	}
	entry.Birth.Date = p.Birth.Compact()
	c.push(entry)
	must(t, card.SetTries("face/0011", 2))
	c.want("few tries", card, refused(record.ReasonBirthKeyLocked), record.EvidenceCertificate)
	must(t, card.SetTries("face/0011", 0))
	c.want("no tries", card, refused(record.ReasonBirthKeyLocked), record.EvidenceCertificate)
	if got := card.verified(); got != 0 {
		t.Errorf("%d birth dates were sent to a card with few tries, want none", got)
	}
	must(t, card.ResetCounts())
	c.want("reset by the city office", card, inOrder, record.EvidenceCard)
}

// P5: where the certificate alone is reason to refuse, no try is spent, and that reason is said (P6).
func TestP5WhatIsRefusedAnywaySpendsNoTry(t *testing.T) {
	for _, tc := range []struct {
		key  string
		want record.Reason
	}{
		{"goro", record.ReasonRevoked},
		{"mika", record.ReasonOnHold},
		{"sachiko", record.ReasonExpired},
		{"ren", record.ReasonChainBroken},
	} {
		c := newCounter(t)
		p, card := c.card(tc.key)
		c.push(roster.Entry{
			Hierarchy: certid.HierarchyPractice, Serial: p.Auth.ID.Serial.Bytes(), Verifier: "practice-city", Enrolled: record.NewTapID(),
			Birth: roster.Birth{Date: p.Birth.Compact(), Form: 1}, Key: []byte{0x30},
		})
		for _, evidence := range []record.Evidence{record.EvidenceCertificate, record.EvidenceCardBound, record.EvidenceCard, record.EvidencePIN} {
			c.demand(evidence)
			c.want(tc.key+" for "+evidence.String(), card, refused(tc.want), record.EvidenceCertificate)
		}
		c.arm(enrolment(p))
		e := c.want(tc.key+" enrols", card, refused(tc.want), record.EvidenceCertificate)
		if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: tc.want}) {
			t.Errorf("%s: enrolled %+v, want %s", tc.key, e.Enrol, tc.want)
		}
		if n := card.verified(); n != 0 {
			t.Errorf("%s: %d values were verified, want none", tc.key, n)
		}
		if got, want := len(c.last().Certificate) > 0, tc.want == record.ReasonChainBroken; got != want {
			t.Errorf("%s: certificate sent along = %t, want %t", tc.key, got, want)
		}
	}
}

// A card that signs only after the birth date falls back; one that signs at once is asked for no more.
func TestCardBound(t *testing.T) {
	c := newCounter(t)
	c.demand(record.EvidenceCardBound)
	p, card := c.card("hanako")
	enrolled := c.enrol(p, card)
	c.want("bound", card, pending, record.EvidenceCardBound)
	c.proves(c.last(), enrolled.Enrolment.Key)
	if n := card.verified(); n != 0 {
		t.Errorf("%d values were verified, want none", n)
	}
	open := false
	shy := transmit(func(cmd []byte) ([]byte, error) {
		open = open || cmd[1] == 0x20 && len(cmd) > 4
		if cmd[0] == 0x80 && cmd[1] == 0x2a && !open {
			return []byte{0x69, 0x82}, nil
		}
		return card.Card.Transmit(cmd), nil
	})
	e := c.lay(shy)
	if e.Type != localapi.EventVerdict || e.Tap.First != pending || e.Rests.Evidence != record.EvidenceCard {
		t.Errorf("a card that signs only after the birth date: event %s %s %+v, want pending with evidence card", e.Type, e.Failure, e.Tap)
	}
	c.proves(c.last(), enrolled.Enrolment.Key)
}

func TestRuleThatWantsThePIN(t *testing.T) {
	c := newCounter(t)
	c.demand(record.EvidencePIN)
	p, card := c.card("hanako")
	c.want("without the PIN", card, refused(record.ReasonEvidenceTooWeak), record.EvidenceCertificate)
	c.arm(withPIN(p.AuthPIN))
	e := c.want("with the PIN", card, inOrder, record.EvidencePIN)
	if r := c.last(); r.PIN == nil || r.Enrolment != nil || e.Enrol != nil {
		t.Error("the record of a tap with the PIN holds more or less than its proof")
	}
	c.proves(c.last(), nil)
	c.want("the card after that", card, refused(record.ReasonEvidenceTooWeak), record.EvidenceCertificate)
	c.tries("with the PIN", card, full)
}

// P5: a phone keeps its certificate behind the PIN. Nobody here knows its authority, so that it would be refused after the PIN as well: no
// value is sent to it, right or wrong, whatever the next card was laid for.
func TestP5PhoneNeverGetsThePIN(t *testing.T) {
	c := newCounter(t)
	p, phone := c.card("sumire")
	for _, e := range []record.Evidence{record.EvidenceCertificate, record.EvidenceCard, record.EvidencePIN} {
		c.demand(e)
		c.fails("without the PIN for "+e.String(), phone, localapi.FailurePINProtected, 0)
		for name, q := range map[string]localapi.NextCardRequest{
			"the PIN": withPIN(p.AuthPIN), "a wrong PIN": withPIN("0000"), "a birth date": shortEnrolment(p), "attributes": enrolment(p),
		} {
			c.arm(q)
			c.fails(name+" for "+e.String(), phone, localapi.FailurePINProtected, 0)
		}
	}
	if n := phone.verified(); n != 0 || len(c.opened()) != 0 {
		t.Errorf("%d values were sent to the phone, and %d records written, want none", n, len(c.opened()))
	}
	c.tries("at the end", phone, map[string]uint8{"jpki/0018": 3})
}

// What a card cannot prove by its face application.
func TestCardsWithoutAFace(t *testing.T) {
	bare := func(p *vcard.Profile) { faceOf(&vcard.Profile{})(p); p.NumberB = "" }
	c := newCounter(t)
	p, whole := c.card("hanako")
	entry := entryOf(c.enrol(p, whole))
	c.push(entry)
	_, card := c.card("hanako", bare, func(p *vcard.Profile) { p.IndividualNumber = ""; withoutInput(p) })
	for _, e := range []record.Evidence{record.EvidenceCard, record.EvidenceCardBound} {
		c.demand(e)
		c.want("no face for "+e.String(), card, refused(record.ReasonCardRefuses), record.EvidenceCertificate)
	}
	c.arm(shortEnrolment(p))
	e := c.want("enrolling without a face", card, inOrder, record.EvidencePIN)
	if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: record.ReasonCardRefuses}) {
		t.Errorf("enrolled %+v, want not bound", e.Enrol)
	}
	c.arm(enrolment(p))
	e = c.want("nothing to read either", card, inOrder, record.EvidencePIN)
	if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: record.ReasonCardRefuses}) || c.last().Enrolment != nil {
		t.Errorf("enrolled %+v, want nothing", e.Enrol)
	}
}

func withoutInput(p *vcard.Profile) {
	p.InputKey, p.InputPIN, p.InputAttributes, p.InputIntegrity, p.InputCVC, p.InputInfo, p.InputPublic = nil, "", nil, nil, nil, nil, nil
}

// A card that lies about its PIN: the signature is another key's. Such a card is refused though the rule asks for less.
func TestPINThatIsNotProved(t *testing.T) {
	c := newCounter(t)
	stolen := c.profile("hanako").AuthCert
	p, card := c.card("taro", func(q *vcard.Profile) { q.AuthCert = stolen })
	c.arm(withPIN(p.AuthPIN))
	c.want("with the PIN", card, refused(record.ReasonPINNotProved), record.EvidenceCertificate)
	q := shortEnrolment(p)
	q.BirthSure = true // the stolen certificate ends on another birthday
	c.arm(q)
	e := c.want("enrolling", card, refused(record.ReasonCardNotGenuine), record.EvidenceCertificate)
	if e.Enrol == nil || *e.Enrol != (localapi.Enrolled{Hindrance: record.ReasonCardNotGenuine}) {
		t.Errorf("enrolled %+v, want nothing", e.Enrol)
	}
}

// The counter's word for each error of the card side.
func TestFailures(t *testing.T) {
	var now error
	c := newCounter(t, func(conf *tap.Config) { conf.Cards = unopened{conf.Cards, &now} })
	_, card := c.card("hanako")
	tries := func(err error) error { return &mynumber.TriesError{Reference: mynumber.RefAuthPIN, Left: 2, Err: err} }
	for _, tc := range []struct {
		err   error
		want  localapi.ReadFailure
		tries int
	}{
		{mynumber.ErrNotMyNumber, localapi.FailureNotMyNumber, 0},
		{mynumber.ErrNoCertificate, localapi.FailureNoCert, 0},
		{mynumber.ErrPINNeeded, localapi.FailurePINProtected, 0},
		{mynumber.ErrTorn, localapi.FailureTorn, 0},
		{mynumber.ErrNonsense, localapi.FailureNonsense, 0},
		{mynumber.ErrForbidden, localapi.FailureNonsense, 0},
		{mynumber.ErrBirthDate, localapi.FailureBirthDate, 0},
		{context.DeadlineExceeded, localapi.FailureTorn, 0},
		{errors.New("anything else"), localapi.FailureNonsense, 0},
		{tries(mynumber.ErrWrongPIN), localapi.FailurePINWrong, 2},
		{tries(mynumber.ErrSameWrong), localapi.FailurePINSame, 2},
		{tries(mynumber.ErrFewTries), localapi.FailurePINFew, 2},
		{tries(mynumber.ErrBlocked), localapi.FailurePINBlocked, 2},
		{errors.Join(mynumber.ErrNoPINs, tries(mynumber.ErrBlocked)), localapi.FailureNoPINs, 2},
		{errors.Join(mynumber.ErrTorn, &tap.ReadError{Failure: localapi.FailureReaderGone, Err: mynumber.ErrTorn}), localapi.FailureReaderGone, 0},
	} {
		now = tc.err
		c.fails(tc.err.Error(), card, tc.want, tc.tries)
	}
}

// unopened is readers on which no card can be opened.
type unopened struct {
	tap.Cards
	err *error
}

func (u unopened) Open(context.Context, string) (tap.Connection, error) { return nil, *u.err }

// What the card signs names the tap as it is recorded, to the millisecond, and no other (P6).
func TestChallengeIsTheRecords(t *testing.T) {
	c := newCounter(t)
	c.clock.at = c.clock.at.Add(123456 * time.Nanosecond)
	p, card := c.card("hanako")
	first := c.enrol(p, card)
	c.proves(first, first.Enrolment.Key)
	c.demand(record.EvidenceCard)
	c.want("a tap", card, pending, record.EvidenceCard)
	if bytes.Equal(first.Card.Signature, c.last().Card.Signature) {
		t.Error("two taps have one signature")
	}
}
