package opener_test

import (
	"crypto/x509"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

var inOrder = gate.Decision{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}

// desk is a box with an open epoch.
type desk struct {
	*testing.T
	central *simcentral.Central
	box     *simbox.Box
	epoch   *simbox.Epoch
}

func newDesk(t *testing.T, c *simcentral.Central) desk {
	t.Helper()
	b := c.Box()
	return desk{t, c, b, b.Start(t, epoch.CauseStart)}
}

// bring seals a record and brings it to central, which opens what is due.
func (d desk) bring(r content.Record) record.ID {
	d.Helper()
	w := d.epoch.Tap(d.T, r)
	d.central.Push(d.box, d.epoch.Push())
	d.central.Drain()
	return w.ID
}

// settled is the last word on a record; the zero Decision where it waits.
func (d desk) settled(id record.ID) gate.Decision {
	d.Helper()
	r, err := d.central.Record(id)
	if err != nil {
		return gate.Decision{}
	}
	return gate.Decision{Verdict: r.Final.Verdict, Reason: r.Final.Reason}
}

// demand sets the least evidence of the one service.
func demand(c *simcentral.Central, e record.Evidence) {
	c.World.SetRule(func(r *rule.Rule) { r.Evidence = e })
}

// design §2.7, §6: central believes a PIN after it verified certificate and signature, and nothing else makes a person.
func TestAPersonBeginsWithAVerifiedPIN(t *testing.T) {
	t.Parallel()
	stranger, err := x509.MarshalPKIXPublicKey(simbox.Known(t, 0x11, 9).Card.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		name   string
		change func(d desk, p *simbox.Person, r *content.Record)
		want   gate.Decision
		person int64
	}{
		{"in order", func(desk, *simbox.Person, *content.Record) {}, inOrder, 1},
		{"forged signature", func(_ desk, _ *simbox.Person, r *content.Record) { r.PIN.Signature[40] ^= 1 }, refused(record.ReasonPINNotProved), 0},
		{"another key's signature", func(d desk, p *simbox.Person, r *content.Record) {
			simbox.Known(d, 0x11, 9).SignPIN(d, d.box.ID, r)
		}, refused(record.ReasonPINNotProved), 0},
		{"signed for another box", func(d desk, p *simbox.Person, r *content.Record) {
			p.SignPIN(d, record.NewBoxID(), r)
		}, refused(record.ReasonPINNotProved), 0},
		{"signed for another tap", func(_ desk, _ *simbox.Person, r *content.Record) {
			r.Tap = record.NewTapID()
			r.Card.Enrolled = r.Tap
		}, refused(record.ReasonPINNotProved), 0},
		{"signed at another time", func(_ desk, _ *simbox.Person, r *content.Record) { r.Time++ }, refused(record.ReasonPINNotProved), 0},
		{"signed for another verifier", func(d desk, p *simbox.Person, r *content.Record) {
			r.PIN.Verifier = "elsewhere"
			p.SignPIN(d, d.box.ID, r)
		}, refused(record.ReasonPINNotProved), 0},
		{"a nonce that nobody signed", func(_ desk, _ *simbox.Person, r *content.Record) { r.PIN.Nonce = make([]byte, 16) }, refused(record.ReasonPINNotProved), 0},
		{"signed with the nonce", func(d desk, p *simbox.Person, r *content.Record) {
			r.PIN.Nonce = make([]byte, 16)
			p.SignPIN(d, d.box.ID, r)
		}, inOrder, 1},
		{"no certificate", func(_ desk, _ *simbox.Person, r *content.Record) {
			r.Certificate = []byte("none")
		}, refused(record.ReasonProfile), 0},
		{"revoked", func(d desk, p *simbox.Person, _ *content.Record) {
			d.central.World.Answer(record.AnswerRevoked, p.Serial...)
		}, refused(record.ReasonRevoked), 0},
		{"on hold", func(d desk, p *simbox.Person, _ *content.Record) {
			d.central.World.Answer(record.AnswerOnHold, p.Serial...)
		}, refused(record.ReasonOnHold), 0},
		{"expired", func(d desk, p *simbox.Person, r *content.Record) {
			r.Time, r.Said.Clock = simbox.Until.Add(time.Hour).UnixMilli(), record.ConfidenceChecked
			p.SignPIN(d, d.box.ID, r)
		}, refused(record.ReasonExpired), 0},
		{"a card key that did not sign", func(_ desk, _ *simbox.Person, r *content.Record) { r.Enrolment.Key = stranger }, inOrder, 1},
		{"a card key that is none", func(_ desk, _ *simbox.Person, r *content.Record) { r.Enrolment.Key = []byte{1} }, inOrder, 1},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			demand(c, record.EvidencePIN)
			d := newDesk(t, c)
			p := simbox.Known(t, 0x11, 1)
			r := p.Enrol(t, d.box.ID)
			k.change(d, p, &r)
			if got := d.settled(d.bring(r)); got != k.want {
				t.Errorf("final = %s %s, want %s %s", got.Verdict, got.Reason, k.want.Verdict, k.want.Reason)
			}
			n := c.Counts()
			if has := c.PPID(d.box, r.Tap) != ""; n.Persons != k.person || n.Enrolments != k.person || has != (k.person == 1) {
				t.Errorf("%d persons, %d enrolments, a PPID: %v; want %d of each", n.Persons, n.Enrolments, has, k.person)
			}
		})
	}
}

// A certificate that its authority did not sign proves nothing, whatever its key signed.
func TestPINOfACertificateOfNobody(t *testing.T) {
	c := simcentral.New(t)
	c.World.Examined(func(der []byte) (jpki.AuthCert, error) {
		found, err := simbox.Examine(der)
		found.Profile = jpki.ErrPolicy
		return found, err
	})
	d := newDesk(t, c)
	if got := d.settled(d.bring(simbox.Known(t, 0x11, 1).PIN(t, d.box.ID))); got != refused(record.ReasonProfile) {
		t.Errorf("final = %s %s, want refused for its profile", got.Verdict, got.Reason)
	}
	c.World.Examined(func(der []byte) (jpki.AuthCert, error) {
		found, err := simbox.Examine(der)
		found.Chain, found.Hierarchy = jpki.ChainBroken, 0
		return found, err
	})
	if got := d.settled(d.bring(simbox.Known(t, 0x11, 1).PIN(t, d.box.ID))); got != refused(record.ReasonChainBroken) {
		t.Errorf("final = %s %s, want refused for its chain", got.Verdict, got.Reason)
	}
	if n := c.Counts(); n.Persons != 0 {
		t.Errorf("%d persons, want none", n.Persons)
	}
}

// design §2.7, P6: a weaker tap finds who is known, and nobody else. A forged PIN is refused, though the rule asks for the certificate alone.
func TestAWeakerTapFindsWhoIsKnown(t *testing.T) {
	c := simcentral.New(t)
	d := newDesk(t, c)
	before := simbox.Card(0x12, 1)
	forged := simbox.Known(t, 0x12, 1).PIN(t, d.box.ID)
	forged.PIN.Signature[0] ^= 1
	enrolled := simbox.Known(t, 0x12, 1).Enrol(t, d.box.ID)
	after, other := simbox.Card(0x12, 1), simbox.Card(0x12, 2)
	for _, k := range []struct {
		record content.Record
		want   gate.Decision
	}{{before, inOrder}, {forged, refused(record.ReasonPINNotProved)}, {enrolled, inOrder}, {after, inOrder}, {other, inOrder}} {
		if got := d.settled(d.bring(k.record)); got != k.want {
			t.Errorf("final = %s %s, want %s %s under a rule for the certificate alone", got.Verdict, got.Reason, k.want.Verdict, k.want.Reason)
		}
	}
	for name, k := range map[string]struct {
		tap  record.TapID
		want string
	}{
		"before the enrolment": {before.Tap, ""}, "forged PIN": {forged.Tap, ""}, "someone else": {other.Tap, ""},
		"after the enrolment": {after.Tap, c.PPID(d.box, enrolled.Tap)},
	} {
		if got := c.PPID(d.box, k.tap); got != k.want {
			t.Errorf("PPID(%s) = %q, want %q", name, got, k.want)
		}
	}
	if n := c.Counts(); n.Persons != 1 || c.PPID(d.box, enrolled.Tap) == "" {
		t.Errorf("%d persons, want 1 with a PPID", n.Persons)
	}
}

// P6: a tap without PIN counts as far as the bound key proves it, and the reason says what was missing.
func TestCardEvidenceIsVerified(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name   string
		change func(d desk, r *content.Record)
		want   gate.Decision
	}{
		{"in order", func(desk, *content.Record) {}, inOrder},
		{"against the bound key alone", func(_ desk, r *content.Record) { r.Evidence = record.EvidenceCardBound }, refused(record.ReasonEvidenceTooWeak)},
		{"forged signature", func(_ desk, r *content.Record) { r.Card.Signature[7] ^= 1 }, refused(record.ReasonCardNotGenuine)},
		{"another card", func(d desk, r *content.Record) {
			simbox.Known(d, 0x13, 2).SignCard(d, d.box.ID, r)
		}, refused(record.ReasonCardNotGenuine)},
		{"signed for another box", func(d desk, r *content.Record) {
			simbox.Known(d, 0x13, 1).SignCard(d, record.NewBoxID(), r)
		}, refused(record.ReasonCardNotGenuine)},
		{"signed for another verifier", func(d desk, r *content.Record) {
			r.Card.Verifier = "elsewhere"
			simbox.Known(d, 0x13, 1).SignCard(d, d.box.ID, r)
		}, refused(record.ReasonCardNotGenuine)},
		{"relay: a victim's certificate and another genuine card", func(d desk, r *content.Record) {
			thief := simbox.Known(d, 0x13, 2).Enrol(d, d.box.ID)
			d.bring(thief)
			r.Card.Enrolled = thief.Tap
			simbox.Known(d, 0x13, 2).SignCard(d, d.box.ID, r)
		}, refused(record.ReasonCardDiffers)},
		{"names a tap that was no enrolment", func(d desk, r *content.Record) {
			plain := simbox.Card(0x13, 1)
			d.bring(plain)
			r.Card.Enrolled = plain.Tap
			simbox.Known(d, 0x13, 1).SignCard(d, d.box.ID, r)
		}, refused(record.ReasonNotEnrolled)},
		{"names itself", func(d desk, r *content.Record) {
			r.Card.Enrolled = r.Tap
			simbox.Known(d, 0x13, 1).SignCard(d, d.box.ID, r)
		}, refused(record.ReasonNotEnrolled)},
		{"names an enrolment that was refused", func(d desk, r *content.Record) {
			d.central.World.Answer(record.AnswerRevoked, 0x13, 3)
			bad := simbox.Known(d, 0x13, 3).Enrol(d, d.box.ID)
			d.bring(bad)
			r.Card.Enrolled = bad.Tap
		}, refused(record.ReasonNotEnrolled)},
		{"an enrolment that bound no card", func(d desk, r *content.Record) {
			e := simbox.Known(d, 0x13, 1).Enrol(d, d.box.ID)
			e.Enrolment.Key, e.Card = nil, nil
			d.bring(e)
			r.Card.Enrolled = e.Tap
			simbox.Known(d, 0x13, 1).SignCard(d, d.box.ID, r)
		}, refused(record.ReasonNotEnrolled)},
		{"a certificate that leads to nobody", func(d desk, r *content.Record) { r.Serial = []byte{0x13, 4} }, refused(record.ReasonNotEnrolled)},
		{"revoked", func(d desk, _ *content.Record) { d.central.World.Answer(record.AnswerRevoked, 0x13, 1) }, refused(record.ReasonRevoked)},
		{"the box saw another card", func(_ desk, r *content.Record) {
			r.Evidence, r.Card = record.EvidenceCertificate, nil
			r.Said.Verdict, r.Said.Reason = record.VerdictRefused, record.ReasonCardDiffers
		}, refused(record.ReasonCardDiffers)},
		{"the box saw that it was on hold, and asked for no more", func(_ desk, r *content.Record) {
			r.Evidence, r.Card = record.EvidenceCertificate, nil
			r.Said.Verdict, r.Said.Reason = record.VerdictRefused, record.ReasonOnHold
		}, refused(record.ReasonOnHold)},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			demand(c, record.EvidenceCertificate)
			d := newDesk(t, c)
			p := simbox.Known(t, 0x13, 1)
			enrolled := p.Enrol(t, d.box.ID)
			d.bring(enrolled)
			r := p.Tap(t, d.box.ID, enrolled.Tap)
			k.change(d, &r)
			demand(c, record.EvidenceCard)
			if got := d.settled(d.bring(r)); got != k.want {
				t.Errorf("final = %s %s, want %s %s", got.Verdict, got.Reason, k.want.Verdict, k.want.Reason)
			}
			if got := c.PPID(d.box, r.Tap); k.want == inOrder && got != c.PPID(d.box, enrolled.Tap) || k.want != inOrder && got != "" {
				t.Errorf("PPID = %q, want the enrolment's for an accepted tap and none for another", got)
			}
		})
	}
}

// design §2.6: live records travel before the backlog. A tap waits for the enrolment that it names, and is settled with it.
func TestP2ATapWaitsForItsEnrolment(t *testing.T) {
	for _, k := range []struct {
		name    string
		revoked bool
		want    gate.Decision
	}{
		{"accepted", false, inOrder},
		{"refused", true, refused(record.ReasonNotEnrolled)},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			d, other := newDesk(t, c), newDesk(t, c)
			demand(c, record.EvidenceCard)
			p := simbox.Known(t, 0x14, 1)
			enrolled := p.Enrol(t, d.box.ID)
			waiting := d.bring(p.Tap(t, d.box.ID, enrolled.Tap))
			if n := c.Counts(); d.settled(waiting) != (gate.Decision{}) || n.Ready != 1 {
				t.Fatalf("settled as %v, %d ready, want it to wait", d.settled(waiting), n.Ready)
			}
			c.World.Pass(7 * 24 * time.Hour)
			c.Drain()
			if d.settled(waiting) != (gate.Decision{}) {
				t.Fatalf("settled as %v after a week, want it to wait: nothing expires", d.settled(waiting))
			}
			if k.revoked {
				c.World.Answer(record.AnswerRevoked, p.Serial...)
			}
			asked := c.World.Asked()
			other.bring(simbox.Known(t, 0x14, 2).PIN(t, other.box.ID))
			if c.World.Asked() != asked+1 {
				t.Errorf("asked %d times, want once: a record that waits for another is not asked about", c.World.Asked()-asked)
			}
			if k.revoked {
				c.World.Answer(record.AnswerNotRevoked, p.Serial...)
			}
			enrolled.Said.Clock = record.ConfidenceChecked
			if k.revoked {
				enrolled.PIN.Signature[3] ^= 1
			}
			d.bring(enrolled)
			if got := d.settled(waiting); got != k.want {
				t.Errorf("final = %s %s once the enrolment came, want %s %s", got.Verdict, got.Reason, k.want.Verdict, k.want.Reason)
			}
		})
	}
}

// A box that names enrolments which never come keeps its own records waiting, and nobody else's.
func TestP2AHostileBoxHoldsUpNobody(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	bad, good := newDesk(t, c), newDesk(t, c)
	demand(c, record.EvidenceCard)
	for i := range 300 {
		bad.epoch.Tap(t, simbox.Known(t, 0x15, 1).Tap(t, bad.box.ID, record.TapID{ID128: record.ID128{byte(i), byte(i >> 8), 1}}))
	}
	c.Push(bad.box, bad.epoch.Push())
	c.Drain()
	p := simbox.Known(t, 0x15, 2)
	enrolled := p.Enrol(t, good.box.ID)
	good.bring(enrolled)
	id := good.bring(p.Tap(t, good.box.ID, enrolled.Tap))
	if got, n := good.settled(id), c.Counts(); got != inOrder || n.Ready != 300 {
		t.Errorf("the other box's tap = %s %s, %d waiting; want it accepted beside 300", got.Verdict, got.Reason, n.Ready)
	}
	var due time.Time
	c.Check(c.DB.View(t.Context(), func(tx store.Tx) (err error) { due, err = tx.NextReady(); return err }))
	if left := due.Sub(c.World.Now()); left < time.Hour {
		t.Errorf("they are looked at again in %s, want hours: their coming alone makes them due", left)
	}
}

// design §2: a tap id counts once, so that an enrolment cannot be brought a second time by another box, or by its own.
func TestAReplayedEnrolmentEnrolsNobody(t *testing.T) {
	c := simcentral.New(t)
	d, other := newDesk(t, c), newDesk(t, c)
	r := simbox.Known(t, 0x16, 1).Enrol(t, d.box.ID)
	d.bring(r)
	for _, again := range []desk{d, other} {
		if got := again.settled(again.bring(r)); got != refused(record.ReasonTapReplayed) {
			t.Errorf("final = %s %s, want refused as replayed", got.Verdict, got.Reason)
		}
	}
	if n := c.Counts(); n.Enrolments != 1 || n.Persons != 1 {
		t.Errorf("counts = %+v, want one enrolment of one person", n)
	}
}

// JPKI Act Art. 38-4 binds the verifier: what one learned at an enrolment counts for no other.
func TestAnEnrolmentCountsForItsVerifierAlone(t *testing.T) {
	c := simcentral.New(t)
	d := newDesk(t, c)
	p := simbox.Known(t, 0x17, 1)
	enrolled := p.Enrol(t, d.box.ID)
	d.bring(enrolled)
	c.World.SetRule(func(r *rule.Rule) { r.Verifier, r.Evidence = "elsewhere", record.EvidenceCard })
	tap := p.Tap(t, d.box.ID, enrolled.Tap)
	tap.Card.Verifier = "elsewhere"
	p.SignCard(t, d.box.ID, &tap)
	if got := d.settled(d.bring(tap)); got != refused(record.ReasonNotEnrolled) {
		t.Errorf("final = %s %s, want refused as not enrolled", got.Verdict, got.Reason)
	}
	pin := p.PIN(t, d.box.ID)
	pin.PIN.Verifier = "elsewhere"
	p.SignPIN(t, d.box.ID, &pin)
	if got := d.settled(d.bring(pin)); got != inOrder || c.PPID(d.box, pin.Tap) == c.PPID(d.box, enrolled.Tap) {
		t.Errorf("final = %s %s, want accepted as another verifier's person", got.Verdict, got.Reason)
	}
	if n := c.Counts(); n.Persons != 2 {
		t.Errorf("%d persons, want one for each verifier", n.Persons)
	}
}

// P2: taps and the enrolments that they name, shuffled, by two openers at once: whoever waits is found by whom it waits for, also if that
// one is applied while it is being put off.
func TestP2WaitingTapsMeetTheirEnrolments(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	demand(c, record.EvidenceCard)
	d := newDesk(t, c)
	var records []content.Record
	for i := range 40 {
		p := simbox.Known(t, 0x18, byte(i))
		enrolled := p.Enrol(t, d.box.ID)
		records = append(records, enrolled, p.Tap(t, d.box.ID, enrolled.Tap), p.Tap(t, d.box.ID, enrolled.Tap))
	}
	rand.New(rand.NewPCG(7, 8)).Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	for _, r := range records {
		d.epoch.Tap(t, r)
	}
	c.Push(d.box, d.epoch.Push())
	second := opener.New(c.Opener.Config)
	var both sync.WaitGroup
	for _, o := range []*opener.Opener{c.Opener, second} {
		both.Go(func() {
			if err := o.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	c.Drain() // what the one put off as the other had gone already
	if n := c.Counts(); n.Records != 120 || n.Ready != 0 || n.Persons != 40 || n.Enrolments != 40 {
		t.Errorf("counts = %+v, want all 120 settled without waiting", n)
	}
	for _, r := range records {
		if c.PPID(d.box, r.Tap) == "" {
			t.Fatal("a tap has no PPID")
		}
	}
}
