package opener_test

import (
	"errors"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
)

// silent is a service of renewals that does not answer.
func silent() error { return errors.New("nobody answers") }

// conflicts are those that nobody settled.
func conflicts(t *testing.T, c *simcentral.Central) (all []store.Conflict) {
	t.Helper()
	c.Check(c.Store.View(t.Context(), func(tx store.Tx) (err error) { all, err = tx.Conflicts(10); return err }))
	return all
}

// P2: nobody becomes a second person because a PIN came before the renewal: before a person is made, the service is asked, and while it is
// silent the record waits and nobody else does.
func TestP2ANewcomerWaitsForTheRenewals(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	d := newDesk(t, c)
	p := simbox.Known(t, 0x81, 1)
	first := p.Enrol(t, d.box.ID)
	d.bring(first)
	asked := 0
	c.Told.Ask = func() error { asked++; return silent() }
	renewed := p.Renewed(t, 0x81, 2)
	again := renewed.Enrol(t, d.box.ID)
	id := d.bring(again)
	known := p.PIN(t, d.box.ID)
	if got := d.settled(d.bring(known)); got != inOrder || asked != 1 {
		t.Errorf("a known person's PIN = %s %s after %d questions, want accepted, and one question for the newcomer alone", got.Verdict, got.Reason, asked)
	}
	c.World.Pass(24 * time.Hour)
	c.Drain()
	if got, n := d.settled(id), c.Counts(); got != (gate.Decision{}) || n.Persons != 1 || n.Awaiting != 0 || n.Ready != 1 {
		t.Fatalf("the newcomer = %s %s, counts %+v; want it to wait as backlog", got.Verdict, got.Reason, n)
	}
	c.Told.Ask = func() error {
		c.Told.Learn([]byte{0x81, 1}, []byte{0x81, 2})
		return nil
	}
	c.World.Pass(5 * time.Minute)
	c.Drain()
	if got := d.settled(id); got != inOrder || c.PPID(d.box, again.Tap) != c.PPID(d.box, first.Tap) || c.PPID(d.box, first.Tap) == "" {
		t.Errorf("after the answer = %s %s with another pseudonym, want accepted with the first one", got.Verdict, got.Reason)
	}
	c.Told.Ask = func() error { return nil }
	stranger := simbox.Known(t, 0x81, 3).Enrol(t, d.box.ID)
	if got := d.settled(d.bring(stranger)); got != inOrder || c.PPID(d.box, stranger.Tap) == "" {
		t.Errorf("somebody whom the service does not know = %s %s, want a new person", got.Verdict, got.Reason)
	}
	if n := c.Counts(); n.Persons != 2 || n.Conflicts != 0 {
		t.Errorf("counts = %+v, want two persons and no conflict", n)
	}
}

// P2, P6: a card tap that was accepted at the counter waits for the renewal by which the box knew its certificate, and is settled with it;
// one whose card did not sign is refused at once, and so is one of whose renewal the service does not know.
func TestP2ACardTapWaitsForItsRenewal(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name   string
		ask    func() error
		change func(*content.Record)
		waits  bool
		want   gate.Decision
	}{
		{"in order", silent, func(*content.Record) {}, true, inOrder},
		{"the service knows of none", func() error { return nil }, func(*content.Record) {}, false, refused(record.ReasonNotEnrolled)},
		{"forged", silent, func(r *content.Record) { r.Card.Signature[5] ^= 1 }, false, refused(record.ReasonCardNotGenuine)},
		{"nobody tells of renewals", nil, func(*content.Record) {}, false, refused(record.ReasonNotEnrolled)},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			d := newDesk(t, c)
			p := simbox.Known(t, 0x82, 1)
			enrolled := p.Enrol(t, d.box.ID)
			d.bring(enrolled)
			demand(c, record.EvidenceCard)
			c.Told.Ask = k.ask
			tap := p.Renewed(t, 0x82, 2).Tap(t, d.box.ID, enrolled.Tap)
			k.change(&tap)
			id := d.bring(tap)
			c.World.Pass(7 * 24 * time.Hour)
			c.Drain()
			n := c.Counts()
			if got := d.settled(id); (got == gate.Decision{}) != k.waits || (n.Awaiting == 1) != k.waits {
				t.Fatalf("before the renewal = %s %s, %d awaiting; want it to wait: %v", got.Verdict, got.Reason, n.Awaiting, k.waits)
			}
			c.Told.Learn([]byte{0x82, 1}, []byte{0x82, 2})
			c.Drain()
			if got, n := d.settled(id), c.Counts(); got != k.want || n.Awaiting != 0 {
				t.Errorf("final = %s %s, %d awaiting; want %s %s", got.Verdict, got.Reason, n.Awaiting, k.want.Verdict, k.want.Reason)
			}
			if got := c.PPID(d.box, tap.Tap); (got == c.PPID(d.box, enrolled.Tap)) != (k.want == inOrder) {
				t.Errorf("PPID = %q, want the enrolment's for an accepted tap alone", got)
			}
		})
	}
}

// P6: who became two before the renewal was known is no false card: taps by the older enrolment with the newer certificate count.
func TestP6TwoWhoAreOneAreNoFalseCard(t *testing.T) {
	c := simcentral.New(t)
	d := newDesk(t, c)
	p := simbox.Known(t, 0x83, 1)
	older := p.Enrol(t, d.box.ID)
	d.bring(older)
	renewed := p.Renewed(t, 0x83, 2)
	d.bring(renewed.Enrol(t, d.box.ID))
	demand(c, record.EvidenceCard)
	if got := d.settled(d.bring(renewed.Tap(t, d.box.ID, older.Tap))); got != refused(record.ReasonCardDiffers) {
		t.Errorf("before the renewal is known = %s %s, want refused as another card", got.Verdict, got.Reason)
	}
	if out := c.Told.Learn([]byte{0x83, 1}, []byte{0x83, 2}); len(out.Conflicts) != 1 || out.Conflicts[0].Kind != store.ConflictTwo {
		t.Fatalf("Renew = %+v, want the conflict of two", out)
	}
	if got := d.settled(d.bring(renewed.Tap(t, d.box.ID, older.Tap))); got != inOrder {
		t.Errorf("after it = %s %s, want accepted: the two are one", got.Verdict, got.Reason)
	}
}

// P3, P6: a false renewal hands over no pseudonym to somebody who enrols with another birth date, and takes nobody off the roster.
func TestP3AFalseRenewalHandsOverNoPseudonym(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name  string
		birth string
		same  bool
	}{{"the same birth date", simbox.Birthday, true}, {"another birth date", "19991231", false}} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			d := newDesk(t, c)
			victim, other := simbox.Known(t, 0x84, 1), simbox.Known(t, 0x84, 2)
			kept := victim.Enrol(t, d.box.ID)
			d.bring(kept)
			c.Told.Learn([]byte{0x84, 1}, []byte{0x84, 2})
			c.Told.Learn([]byte{0x84, 2}, []byte{0x84, 3})
			r := other.Enrol(t, d.box.ID)
			r.Enrolment.Birth.Date = k.birth
			if got := d.settled(d.bring(r)); got != inOrder {
				t.Fatalf("final = %s %s, want accepted", got.Verdict, got.Reason)
			}
			if same := c.PPID(d.box, r.Tap) == c.PPID(d.box, kept.Tap); same != k.same || c.PPID(d.box, r.Tap) == "" {
				t.Errorf("the pseudonym is the kept person's: %v, want %v", same, k.same)
			}
			all := conflicts(t, c)
			if k.same {
				if len(all) != 0 || c.Counts().Persons != 1 {
					t.Errorf("conflicts = %+v, want one person and none", all)
				}
				return
			}
			if len(all) != 1 || all[0].Kind != store.ConflictBirth || all[0].Person != 1 || all[0].Other != 2 {
				t.Errorf("conflicts = %+v, want one for the birth date", all)
			}
			set := c.Roster(d.box)
			for _, e := range set.Entries {
				if mine := e.Enrolled == kept.Tap; mine && (e.Serial[1] != 1 || e.Renewed) || !mine && (e.Serial[1] != 3 || e.Birth.Date != k.birth) {
					t.Errorf("entry under serial %x, renewed %v: want each under their own line", e.Serial, e.Renewed)
				}
			}
			if len(set.Entries) != 2 {
				t.Errorf("roster of %d, want both", len(set.Entries))
			}
			demand(c, record.EvidenceCard)
			if got := d.settled(d.bring(victim.Tap(t, d.box.ID, kept.Tap))); got != inOrder {
				t.Errorf("the victim's own tap = %s %s, want accepted", got.Verdict, got.Reason)
			}
			if got := d.settled(d.bring(victim.Renewed(t, 0x84, 2).Tap(t, d.box.ID, kept.Tap))); got != refused(record.ReasonCardDiffers) {
				t.Errorf("the victim's card with the other's certificate = %s %s, want refused", got.Verdict, got.Reason)
			}
			next := simbox.Card(0x84, 3)
			demand(c, record.EvidenceCertificate)
			d.bring(next)
			if c.PPID(d.box, next.Tap) != c.PPID(d.box, r.Tap) {
				t.Error("the certificate after the disputed one does not lead to the new person")
			}
		})
	}
}
