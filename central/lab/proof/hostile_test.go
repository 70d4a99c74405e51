package proof_test

import (
	"bytes"
	"testing"
	"time"

	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/central/lab/world"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// claim is what a joined box that turned hostile says of a card that was never laid, and why central does not believe it.
type claim struct {
	name string
	say  content.Record
	why  record.Reason
}

// crime is a scene: records that an honest box made, in clear, and a hostile box with a key of its own.
type crime struct {
	r                        *rig.Rig
	hostile                  *rig.Box
	enrol, tap, mine         content.Record // hanako's enrolment and tap; nao's enrolment
	hanako, nao, yuki, stray world.Person   // the last one by an authority that nobody knows
}

// anew is a record under a tap id of its own, now, with everything else as it was.
func anew(r content.Record) content.Record {
	r.Tap, r.Time = record.NewTapID(), time.Now().UnixMilli()
	if r.PIN != nil {
		p := *r.PIN
		r.PIN = &p
	}
	if r.Card != nil {
		c := *r.Card
		r.Card = &c
	}
	if r.Enrolment != nil {
		r.Card.Enrolled = r.Tap
	}
	return r
}

// as is a record of another person's certificate.
func as(t *testing.T, r content.Record, p world.Person) content.Record {
	t.Helper()
	cert, err := p.Auth.X509()
	must(t, err)
	r.Serial, r.NotBefore, r.NotAfter = p.Auth.ID.Serial.Bytes(), cert.NotBefore.Unix(), cert.NotAfter.Unix()
	if r.PIN != nil {
		r.Certificate = cert.Raw
	}
	return r
}

// byCard is a tap at the hostile box, signed with a person's card, which names an enrolment.
func (c crime) byCard(r content.Record, card world.Person, enrolled record.TapID) content.Record {
	r = anew(r)
	r.Card.Enrolled = enrolled
	r.Card.Signature = c.r.ByCardKey(card, r.CardChallenge(c.hostile.ID))
	return r
}

// withPIN is an enrolment at the hostile box, signed by a person's key behind the PIN and by a card.
func (c crime) withPIN(r content.Record, auth, card world.Person) content.Record {
	r = anew(r)
	r.PIN.Signature = c.r.ByAuthKey(auth, r.PINChallenge(c.hostile.ID))
	r.Card.Signature = c.r.ByCardKey(card, r.CardChallenge(c.hostile.ID))
	return r
}

func (c crime) claims(t *testing.T) []claim {
	yukis := as(t, c.enrol, c.yuki)
	elsewhere := anew(yukis)
	elsewhere.PIN.Verifier = "other-city"
	elsewhere.PIN.Signature = c.r.ByAuthKey(c.yuki, elsewhere.PINChallenge(c.hostile.ID))
	flipped := c.withPIN(yukis, c.yuki, c.yuki)
	flipped.PIN.Signature = bytes.Clone(flipped.PIN.Signature)
	flipped.PIN.Signature[7] ^= 1
	bare := anew(c.tap)
	bare.Evidence, bare.Card = record.EvidenceCertificate, nil
	itself := anew(c.tap)
	itself.Card.Enrolled = itself.Tap
	return []claim{
		{"tap signed by another card", c.byCard(c.tap, c.yuki, c.enrol.Tap), record.ReasonCardNotGenuine},
		{"tap with the signature of an earlier one", anew(c.tap), record.ReasonCardNotGenuine},
		{"tap of another box, word for word", c.tap, record.ReasonTapReplayed},
		{"tap that names itself", itself, record.ReasonNotEnrolled},
		{"tap that names a tap and no enrolment", c.byCard(c.tap, c.hanako, c.tap.Tap), record.ReasonNotEnrolled},
		{"tap of somebody who never enrolled", c.byCard(as(t, c.tap, c.yuki), c.hanako, c.enrol.Tap), record.ReasonNotEnrolled},
		{"relay by the other card's enrolment", c.byCard(c.tap, c.nao, c.mine.Tap), record.ReasonCardDiffers},
		{"relay by the victim's enrolment", c.byCard(c.tap, c.nao, c.enrol.Tap), record.ReasonCardNotGenuine},
		{"victim's card with another certificate", c.byCard(as(t, c.tap, c.nao), c.hanako, c.enrol.Tap), record.ReasonCardDiffers},
		{"certificate alone, said to be accepted", bare, record.ReasonEvidenceTooWeak},
		{"enrolment of another box, word for word", c.enrol, record.ReasonTapReplayed},
		{"enrolment with the PIN proof of an earlier one", anew(c.enrol), record.ReasonPINNotProved},
		{"enrolment with another person's key", c.withPIN(yukis, c.nao, c.yuki), record.ReasonPINNotProved},
		{"enrolment with a bit of the proof changed", flipped, record.ReasonPINNotProved},
		{"enrolment proved to another verifier", elsewhere, record.ReasonPINNotProved},
		{"enrolment by an authority that nobody knows", c.withPIN(as(t, c.enrol, c.stray), c.stray, c.yuki), record.ReasonUnknownIssuer},
	}
}

// P2, P6: a joined box that turned hostile invents taps and enrolments, replays those of another box and claims a relay that an honest box
// refuses. None gets a person, a place on the roster or a pseudonym, and those who have one keep it.
func TestP6HostileBoxMakesNobody(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b, load := alone(r, []string{"enrol hanako", "hanako", "enrol nao"})
	honest := r.Opened(load)
	c := crime{
		r: r, hostile: r.Box("h"), enrol: honest[0], tap: honest[1], mine: honest[2],
		hanako: r.Person("hanako"), nao: r.Person("nao"), yuki: r.Person("yuki"), stray: r.Person("aoi"),
	}
	b.Line.Restore()
	b.Synced()
	b.Knows(2, 0)
	r.EachOnce()
	before := pseudonyms(t, r, 2)
	carrier := c.hostile.Carrier()
	for _, x := range c.claims(t) {
		r.Push(carrier, c.hostile.Invent(x.say))
		got := c.settled(x.say.Tap)
		if got.Final != record.VerdictRefused || got.Reason != x.why || got.PPID != "" {
			t.Errorf("%s: %s (%s), with a pseudonym: %v; want refused (%s) without", x.name, got.Final, got.Reason, got.PPID != "", x.why)
		}
	}
	if p, e, s := r.Central.Rows("persons"), r.Central.Rows("enrolments"), r.Central.Rows("subjects"); p != 2 || e != 2 || s != 2 {
		t.Errorf("%d persons, %d enrolments and %d pseudonyms, want 2 of each", p, e, s)
	}
	b.Knows(2, 0)
	says(t, b.Tap("hanako"), inOrder, record.EvidenceCard)
	b.Synced()
	r.Eventually(func() string { return wantRows(r, 4+len(c.claims(t))) })
	samePseudonyms(t, before, pseudonyms(t, r, 2))
}

// settled waits for central's last word on what the hostile box said under a tap id.
func (c crime) settled(tap record.TapID) (a rig.Applied) {
	c.r.Eventually(func() string {
		for _, a = range c.r.Central.Applied() {
			if a.Box == c.hostile.ID && a.Tap == tap {
				return ""
			}
		}
		return "central has no word on it yet"
	})
	return a
}

// P2, P6: a tap that names an enrolment which nobody ever brings waits, gets no person, and holds up nobody.
func TestP6TapOfAnInventedEnrolmentWaits(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b, load := alone(r, []string{"enrol hanako", "hanako"})
	c := crime{r: r, hostile: r.Box("h"), tap: r.Opened(load)[1], hanako: r.Person("hanako")}
	invented := c.byCard(c.tap, c.hanako, record.NewTapID())
	r.Push(c.hostile.Carrier(), c.hostile.Invent(invented))
	r.Eventually(func() string {
		if r.Central.Rows("envelopes WHERE awaits IS NOT NULL") != 1 {
			return "the invented tap does not wait"
		}
		return ""
	})
	b.Line.Restore()
	b.Synced()
	everyTap(t, r.EachOnce(), record.VerdictAccepted)
	b.Settled()
	pseudonyms(t, r, 1)
	if n := r.Central.Rows("envelopes WHERE awaits IS NOT NULL"); n != 1 {
		t.Errorf("%d taps wait, want the invented one for ever", n)
	}
}

// P2: an honest box's envelopes in a hostile carrier's hands stay what they are: whoever brings an enrolment, it is its box's.
func TestP2CarriedEnrolmentIsItsBoxes(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b, load := alone(r, []string{"enrol hanako", "hanako"})
	carrier := r.Box("h").Carrier()
	for i := range load.Envelopes { // backwards
		r.Push(carrier, wire.Push{Headers: load.Headers, Envelopes: load.Envelopes[len(load.Envelopes)-1-i:]})
	}
	for _, a := range r.EachOnce() {
		if a.Box != b.ID || a.Final != record.VerdictAccepted {
			t.Errorf("record %s of box %s is %s, want the honest box's, accepted", a.ID, a.Box, a.Final)
		}
	}
	pseudonyms(t, r, 1)
}
