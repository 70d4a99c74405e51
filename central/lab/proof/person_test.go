package proof_test

import (
	"fmt"
	"testing"
	"time"

	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

var (
	inOrder = localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}
	pending = localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonEnrolmentPending}
)

func refusedFor(why record.Reason) localapi.Outcome {
	return localapi.Outcome{Verdict: record.VerdictRefused, Reason: why}
}

// says wants the counter to have said so, on so much evidence.
func says(t *testing.T, told rig.Told, want localapi.Outcome, evidence record.Evidence) {
	t.Helper()
	if told.Tap.First != want || told.Rests.Evidence != evidence {
		t.Errorf("%s: the counter said %+v by %s, want %+v by %s", told.Person.Key, told.Tap.First, told.Rests.Evidence, want, evidence)
	}
}

// bound wants an enrolment after which the card needs no PIN.
func boundNow(t *testing.T, told rig.Told) {
	t.Helper()
	says(t, told, inOrder, record.EvidencePIN)
	if told.Enrol == nil || !told.Enrol.Bound {
		t.Errorf("%s: enrolled %+v, want the card bound", told.Person.Key, told.Enrol)
	}
}

// everyTap wants central's last word on each tap to be this one.
func everyTap(t *testing.T, rows []rig.Applied, want record.Verdict) {
	t.Helper()
	for _, a := range rows {
		if a.Final != want {
			t.Errorf("tap %s by %s is %s (%s) at central, want %s", a.Tap, a.Evidence, a.Final, a.Reason, want)
		}
	}
}

// P1, P2: people enrol and tap without a line, and have a number linked. Until central has confirmed them they are served provisionally;
// everything is accepted when the line is back, under one pseudonym each, which the counter hears; from then on they tap in order, here and at the
// site's other box, with the same number. A backup that has never heard of them makes no difference: the same pseudonyms and numbers.
func TestP2EnrolledAndTappedOffline(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b, other := ready(r, "b"), ready(r, "o")
	manifest := r.Central.Backup("monday")
	b.Line.Cut()
	for key, number := range numbers { // today's card and the next one
		says(t, b.Tap(key), refusedFor(record.ReasonNotEnrolled), record.EvidenceCertificate)
		boundNow(t, b.Enrol(key, key == "hanako"))
		says(t, b.Tap(key), pending, record.EvidenceCard)
		says(t, b.Link(key, number), pending, record.EvidenceCard)
	}
	if n := r.Central.Rows("persons"); n != 0 {
		t.Fatalf("%d persons at a central that heard nothing", n)
	}
	b.Line.Restore()
	b.Synced()
	b.Confirmed(2, "hanako", "mirai")
	known(t, r, b, other)
	before := pseudonyms(t, r, 2)
	r.Central.Backup("tuesday") // a pseudonym leaves central once it is safe
	heard(t, b, before)

	r.Central.Stop()
	r.Central.Restore(manifest)
	if n := r.Central.Rows("persons") + r.Central.Rows("links"); n != 0 {
		t.Fatalf("%d persons and links in a backup from before them", n)
	}
	r.Central.Start()
	r.EachOnce()
	samePseudonyms(t, before, pseudonyms(t, r, 2))
	r.Central.RosterMade()
	b.Confirmed(2, "hanako", "mirai")
	known(t, r, b, other)
	samePseudonyms(t, before, pseudonyms(t, r, 2))
}

// numbers are what people have linked.
var numbers = stage.Numbers()

// known wants everybody to tap in order at each box, with their number, and central to leave it at what the counters served.
func known(t *testing.T, r *rig.Rig, boxes ...*rig.Box) {
	t.Helper()
	for _, b := range boxes {
		for key, number := range numbers {
			b.Has(number)
			told := b.Tap(key)
			says(t, told, inOrder, record.EvidenceCard)
			if told.Number != number {
				t.Errorf("box %s tells another number of %s than the one linked, or none", b.ID, key)
			}
		}
		b.Synced()
	}
	for _, a := range r.EachOnce() {
		if a.First.Served() != a.Final.Served() || a.Final == record.VerdictProvisional {
			t.Errorf("tap %s by %s is %s (%s) at central and was %s at the counter", a.Tap, a.Evidence, a.Final, a.Reason, a.First)
		}
	}
	for _, b := range boxes {
		b.Settled()
	}
}

// heard wants the counter to have heard of every accepted tap of these people the pseudonym that central has.
func heard(t *testing.T, b *rig.Box, names map[string]name) {
	t.Helper()
	for _, told := range b.Ledger() {
		if !told.Tap.First.Verdict.Served() {
			continue
		}
		e := b.Heard().Await(0, func(e localapi.Event) bool {
			return e.Type == localapi.EventSettled && e.Tap.Tap == told.Tap.Tap && !e.Subject.IsZero()
		})
		if e.Subject.Reveal() != names[told.Person.Key].ppid {
			t.Errorf("the counter heard another pseudonym of %s than central has", told.Person.Key)
		}
	}
}

// P2: a tap without the PIN comes to central before the enrolment on which it rests. It waits, over a restart of central as well, holds
// up nobody, and is settled as accepted once the enrolment came.
func TestP2TapBeforeItsEnrolment(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b, load := alone(r, []string{"enrol hanako", "hanako", "goro", "hanako"})
	by := map[record.Seq][]byte{}
	for _, e := range load.Envelopes {
		by[decoded(t, e).Seq] = e
	}
	carrier := r.Box("c").Carrier()
	r.Push(carrier, wire.Push{Headers: load.Headers, Envelopes: [][]byte{by[4], by[2], by[3]}})
	waiting := func() string {
		if n, waits := len(r.Central.Applied()), r.Central.Rows("envelopes WHERE awaits IS NOT NULL"); n != 1 || waits != 2 {
			return fmt.Sprintf("%d records are applied and %d wait for a tap, want goro's and hanako's 2", n, waits)
		}
		return ""
	}
	r.Eventually(waiting)
	r.Central.Stop()
	r.Central.Start()
	if missing := waiting(); missing != "" {
		t.Errorf("after a restart: %s", missing)
	}
	if n := r.Central.Rows("persons"); n != 0 {
		t.Errorf("%d persons before the enrolment came, want none", n)
	}
	r.Push(carrier, wire.Push{Envelopes: [][]byte{by[1]}})
	for _, a := range r.EachOnce() {
		if goro := a.ID.Seq == 3; goro != (a.Final == record.VerdictRefused) || goro != (a.PPID == "") {
			t.Errorf("record %s: %s (%s) at central, with a pseudonym: %v", a.ID, a.Final, a.Reason, a.PPID != "")
		}
	}
	pseudonyms(t, r, 1)
	b.Line.Restore()
	b.Synced()
	b.Settled()
}

// P2, design §5.6: the backup that is restored is older than somebody's enrolment. The boxes send it again: the same handle and
// pseudonym, and the roster is whole again, also for a box that never had the enrolment itself.
func TestP2RestoredCentralLostAnEnrolment(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	one, two := ready(r, "b"), ready(r, "o")
	boundNow(t, one.Enrol("hanako", true))
	one.Synced()
	r.EachOnce()
	manifest := r.Central.Backup("monday")
	boundNow(t, one.Enrol("taro", false))
	two.Knows(2, 0)
	says(t, two.Tap("taro"), inOrder, record.EvidenceCard)
	one.Synced()
	two.Synced()
	everyTap(t, r.EachOnce(), record.VerdictAccepted)
	one.Settled()
	two.Settled()
	before := pseudonyms(t, r, 2)
	r.Central.Stop()
	r.Central.Restore(manifest)
	if n := r.Central.Rows("enrolments"); n != 1 {
		t.Fatalf("the restored database has %d enrolments, want hanako's alone", n)
	}
	r.Central.Start()
	everyTap(t, r.EachOnce(), record.VerdictAccepted)
	samePseudonyms(t, before, pseudonyms(t, r, 2))
	r.Central.RosterMade()
	two.Stop()
	two.Start()
	two.Ready()
	two.Knows(2, 0)
	one.Confirmed(2, "hanako", "taro")
	for _, b := range []*rig.Box{one, two} {
		says(t, b.Tap("taro"), inOrder, record.EvidenceCard)
		b.Synced()
	}
	everyTap(t, r.EachOnce(), record.VerdictAccepted)
	samePseudonyms(t, before, pseudonyms(t, r, 2))
}

// P2, design §6: a renewal on the same card changes nothing for the person. On a new card the bound key is another: the tap is refused
// with that reason until the person enrols again, and stays one person. Off-line the new certificate is one of a stranger.
func TestP2RenewedOnTheSameAndOnANewCard(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	boundNow(t, b.Enrol("hanako", true))
	boundNow(t, b.Enrol("taro", false))
	taps(b, "hanako", "taro")
	b.Synced()
	b.Confirmed(2, "hanako", "taro")
	r.EachOnce()
	before := pseudonyms(t, r, 2)
	renew(t, r, b, "hanako", false)
	says(t, b.Tap("hanako"), inOrder, record.EvidenceCard)
	renew(t, r, b, "taro", true)
	says(t, b.Tap("taro"), refusedFor(record.ReasonCardRenewed), record.EvidenceCertificate)
	says(t, b.TapPIN("taro"), inOrder, record.EvidencePIN)
	says(t, b.Tap("taro"), refusedFor(record.ReasonCardRenewed), record.EvidenceCertificate)
	boundNow(t, b.Enrol("taro", true))
	b.Confirmed(2, "taro")
	says(t, b.Tap("taro"), inOrder, record.EvidenceCard)
	b.Synced()
	r.EachOnce()
	samePseudonyms(t, before, pseudonyms(t, r, 2))
	b.Line.Cut()
	heard := r.Central.Status().Renewals
	if _, err := r.World.Renew("hanako", time.Now()); err != nil {
		t.Fatal(err)
	}
	heardOfRenewal(r, heard)
	says(t, b.Tap("hanako"), refusedFor(record.ReasonNotEnrolled), record.EvidenceCertificate)
	says(t, b.TapPIN("hanako"), inOrder, record.EvidencePIN)
	b.Line.Restore()
	b.Knows(2, r.Central.Roster())
	says(t, b.Tap("hanako"), inOrder, record.EvidenceCard)
	b.Synced()
	r.EachOnce()
	samePseudonyms(t, before, pseudonyms(t, r, 2))
	if s := r.Central.Status(); s.Conflicts != 0 {
		t.Errorf("%d conflicts, want none", s.Conflicts)
	}
}

// P6, P7: who enrols with a certificate out of force becomes nobody. The list tells the box at once; what is on no list yet central finds
// out, and the box forgets the card that it had bound.
func TestP7RevokedAtTheEnrolment(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	told := b.Enrol("goro", true)
	says(t, told, refusedFor(record.ReasonRevoked), record.EvidenceCertificate)
	if told.Enrol == nil || told.Enrol.Bound || told.Enrol.Hindrance != record.ReasonRevoked {
		t.Errorf("goro: enrolled %+v, want not bound: revoked", told.Enrol)
	}
	revoke(t, r, r.Person("jiro").Auth.ID)
	b.Line.Cut()
	boundNow(t, b.Enrol("jiro", true))
	says(t, b.Tap("jiro"), pending, record.EvidenceCard)
	b.Line.Restore()
	b.Synced()
	everyTap(t, r.EachOnce(), record.VerdictRefused)
	b.Settled()
	b.Knows(0, 0)
	says(t, b.Tap("jiro"), refusedFor(record.ReasonNotEnrolled), record.EvidenceCertificate)
	b.Synced()
	everyTap(t, r.EachOnce(), record.VerdictRefused)
	pseudonyms(t, r, 0)
	if n := r.Central.Rows("enrolments") + r.Central.Rows("subjects"); n != 0 {
		t.Errorf("%d enrolments and pseudonyms, want none", n)
	}
}

// P6: somebody's certificate before another genuine card, of a person with the same birth date, which the victim's birth date opens.
// The bound key is another one, and the box says so, on-line and off-line.
func TestP6RelayIsRefusedAtTheBox(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	victim, other := "hanako", bornAlike(t, r, "hanako")
	boundNow(t, b.Enrol(victim, true))
	boundNow(t, b.Enrol(other, true))
	for _, up := range []bool{true, false} {
		if !up {
			b.Line.Cut()
		}
		says(t, b.Relay(victim, other), refusedFor(record.ReasonCardDiffers), record.EvidenceCertificate)
		says(t, b.Relay(victim, "taro"), refusedFor(record.ReasonBirthDiffers), record.EvidenceCertificate)
	}
	b.Line.Restore()
	b.Synced()
	for _, a := range r.EachOnce() {
		if a.Evidence == record.EvidenceCertificate && (a.Final != record.VerdictRefused || a.PPID != "") {
			t.Errorf("a relay is %s at central, with a pseudonym: %v", a.Final, a.PPID != "")
		}
	}
	pseudonyms(t, r, 2)
}

// bornAlike is somebody else with a card of today and the same birth date.
func bornAlike(t *testing.T, r *rig.Rig, key string) string {
	t.Helper()
	all, err := r.World.People()
	must(t, err)
	for _, p := range all {
		if p.Key != key && p.Birth == r.Person(key).Birth && p.Kind == people.Card && p.Case == people.InOrder {
			return p.Key
		}
	}
	t.Fatalf("nobody was born on the day of %s", key)
	return ""
}
