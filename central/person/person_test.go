package person_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
)

// town is a central with one box, and what a test does in it.
type town struct {
	*testing.T
	c   *simcentral.Central
	box store.Box
	n   byte
}

func newTown(t *testing.T) *town {
	t.Helper()
	c := simcentral.New(t)
	return &town{T: t, c: c, box: c.Box().Row(t)}
}

// cert is a practice certificate.
func cert(serial ...byte) certid.CertID {
	s, err := certid.ParseSerial(serial)
	if err != nil {
		panic(err) // a test's own literal
	}
	return certid.CertID{Scope: certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, Serial: s}
}

func (w *town) update(f func(tx store.Tx) error) {
	w.Helper()
	w.c.Check(w.c.Store.Update(w.Context(), f))
}

func (w *town) meet(v record.VerifierID, id certid.CertID) (row int64) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		p, err := w.c.People.Meet(tx, v, id, nil, w.c.World.Now())
		row = p.Row
		return err
	})
	return row
}

// find is 0 where the certificate leads to nobody.
func (w *town) find(v record.VerifierID, id certid.CertID) (row int64) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		p, err := w.c.People.Find(tx, v, id)
		row = p.Row
		if errors.Is(err, store.ErrNone) {
			return nil
		}
		return err
	})
	return row
}

func (w *town) renew(older, newer certid.CertID) (out person.Outcome, err error) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		out, err = w.c.People.Renew(tx, person.Renewal{Old: older, New: newer}, w.c.World.Now())
		if errors.Is(err, person.ErrContradicts) {
			return nil
		}
		return err
	})
	return out, err
}

// enrol meets somebody and keeps an enrolment of them at a time.
func (w *town) enrol(id certid.CertID, at time.Time, keyLen int) (tap record.TapID) {
	w.Helper()
	w.n++
	tap = record.TapID{ID128: record.ID128{w.n}}
	who := w.meet(simbox.Verifier, id)
	w.update(func(tx store.Tx) error {
		_, err := w.c.People.Enrol(tx, store.Enrolment{
			Tap: tap, Verifier: simbox.Verifier, Person: who, Box: w.box.ID, Site: w.box.Site, At: at,
		}, person.Kept{
			Hierarchy: id.Scope.Hierarchy, Serial: id.Serial.Bytes(), Birth: &roster.Birth{Date: "19010203", Form: 2},
			Key: make([]byte, keyLen), Attributes: &content.Attributes{Name: "架空太郎", Birth: "19010203"},
		})
		return err
	})
	return tap
}

// listed is a site's roster, and how often it changed.
type listed struct {
	person.Told
	number uint64
}

// page is less than what stands on the rosters of tests.
const page = 3

// roster is what the site is to be told now, without pseudonyms.
func (w *town) roster() (l listed) {
	w.Helper()
	w.update(func(tx store.Tx) (err error) {
		l, err = w.told(tx, func(v record.VerifierID) []person.Service {
			if v != simbox.Verifier {
				return nil
			}
			return []person.Service{{ID: simbox.Service, Sector: "library"}}
		})
		return err
	})
	return l
}

func (w *town) told(tx store.Tx, services func(record.VerifierID) []person.Service) (l listed, err error) {
	w.Helper()
	safe, err := tx.Marks()
	w.c.Check(err)
	terms := person.Terms{Services: services, Safe: safe.Subject, PPID: func(s store.Subject) (record.Subject, error) {
		return opener.PPID(w.c.Keys.Rows, s)
	}}
	states, err := tx.RosterStates()
	w.c.Check(err)
	for _, s := range states {
		if s.Site == w.box.Site {
			l.number = s.Number
		}
	}
	for after := (record.TapID{}); ; {
		all, err := tx.EnrolmentsAt(w.box.Site, after, page)
		if err != nil || len(all) == 0 {
			return l, err
		}
		part, err := w.c.People.Told(tx, all, terms)
		if err != nil {
			return l, err
		}
		l.Entries, l.Gone, l.Damaged = append(l.Entries, part.Entries...), append(l.Gone, part.Gone...), l.Damaged+part.Damaged
		after = all[len(all)-1].Tap
	}
}

// design §6: whatever comes first, the pairs or the person, every certificate of the line leads to the one person.
func TestRenewalsInAnyOrder(t *testing.T) {
	line := []certid.CertID{cert(1), cert(2), cert(3), cert(4)}
	steps := []func(w *town){
		func(w *town) { w.meet("kiyose", line[1]) },
		func(w *town) { _, err := w.renew(line[0], line[1]); w.c.Check(err) },
		func(w *town) { _, err := w.renew(line[1], line[2]); w.c.Check(err) },
		func(w *town) { _, err := w.renew(line[2], line[3]); w.c.Check(err) },
		func(w *town) { _, err := w.renew(line[1], line[2]); w.c.Check(err) }, // again
	}
	r := rand.New(rand.NewPCG(5, 6))
	for try := range 12 {
		w := newTown(t)
		order := r.Perm(len(steps))
		for _, i := range order {
			steps[i](w)
		}
		for i, id := range line {
			if got := w.find("kiyose", id); got != 1 {
				t.Errorf("try %d, order %v: certificate %d leads to person %d, want 1", try, order, i, got)
			}
			if got := w.find("elsewhere", id); got != 0 {
				t.Errorf("another verifier finds person %d, want nobody", got)
			}
		}
		if again := w.meet("kiyose", line[3]); again != 1 {
			t.Errorf("a PIN with the newest certificate makes person %d, want 1", again)
		}
		if n := w.c.Counts(); n.Persons != 1 || n.Renewals != 3 || n.Conflicts != 0 {
			t.Errorf("order %v: counts = %+v, want 1 person, 3 renewals", order, n)
		}
	}
}

func TestRenewalSaysWhatItDid(t *testing.T) {
	w := newTown(t)
	w.meet("kiyose", cert(1))
	w.meet("elsewhere", cert(1))
	out, err := w.renew(cert(1), cert(2))
	if err != nil || !out.News || out.Linked != 2 || len(out.Sites) != 0 {
		t.Errorf("Renew = %+v, %v, want news that links one certificate for each of two verifiers", out, err)
	}
	if out, err = w.renew(cert(1), cert(2)); err != nil || out.News || out.Linked != 0 {
		t.Errorf("Renew(again) = %+v, %v, want nothing", out, err)
	}
}

// A serial that belongs to another person is reported and never moved.
func TestTwoPersonsStayTwo(t *testing.T) {
	w := newTown(t)
	older, newer := w.meet("kiyose", cert(1)), w.meet("kiyose", cert(2))
	out, err := w.renew(cert(1), cert(2))
	if err != nil || len(out.Conflicts) != 1 || out.Linked != 0 {
		t.Fatalf("Renew = %+v, %v, want one conflict", out, err)
	}
	if c := out.Conflicts[0]; c.Verifier != "kiyose" || c.Person != older || c.Other != newer {
		t.Errorf("conflict = %+v, want the older certificate's person first", c)
	}
	if a, b := w.find("kiyose", cert(1)), w.find("kiyose", cert(2)); a != older || b != newer {
		t.Errorf("persons = %d and %d, want them as they were", a, b)
	}
	out, err = w.renew(cert(2), cert(3))
	if err != nil || len(out.Conflicts) != 0 {
		t.Errorf("Renew(next) = %+v, %v, want the same conflict not told twice", out, err)
	}
	if got := w.find("kiyose", cert(3)); got != newer {
		t.Errorf("the next certificate leads to person %d, want the nearer one, %d", got, newer)
	}
	if n := w.c.Counts(); n.Conflicts != 1 {
		t.Errorf("%d conflicts, want 1", n.Conflicts)
	}
}

func TestRenewalsThatContradict(t *testing.T) {
	w := newTown(t)
	other := cert(9)
	other.Scope.Purpose = certid.PurposeSign
	for _, p := range [][2]certid.CertID{{cert(1), cert(2)}, {cert(2), cert(3)}} {
		_, err := w.renew(p[0], p[1])
		w.c.Check(err)
	}
	for name, p := range map[string][2]certid.CertID{
		"two successors": {cert(1), cert(4)}, "two predecessors": {cert(5), cert(2)}, "a circle": {cert(3), cert(1)},
		"a short circle": {cert(2), cert(1)}, "itself": {cert(6), cert(6)}, "another kind of certificate": {cert(7), other},
	} {
		if out, err := w.renew(p[0], p[1]); !errors.Is(err, person.ErrContradicts) {
			t.Errorf("Renew(%s) = %+v, %v, want ErrContradicts", name, out, err)
		}
	}
	if n := w.c.Counts(); n.Renewals != 2 {
		t.Errorf("%d renewals, want the 2 that were true", n.Renewals)
	}
}

// A line longer than any life ends somewhere, and does not hang.
func TestALineWithoutEnd(t *testing.T) {
	w := newTown(t)
	w.meet("kiyose", cert(0x10, 1))
	w.update(func(tx store.Tx) error {
		for i := range 200 {
			_, err := w.c.People.Renew(tx, person.Renewal{Old: cert(0x10, byte(i+1)), New: cert(0x10, byte(i+2))}, w.c.World.Now())
			if err != nil {
				return err
			}
		}
		return nil
	})
	if got := w.find("kiyose", cert(0x10, 201)); got != 1 {
		t.Errorf("the last of 200 leads to person %d, want 1: each pair links as it comes", got)
	}
}

// Whatever comes first, the latest enrolment at a site is current; the others keep the key for taps that name them, and nothing else.
func TestTheLatestEnrolmentCounts(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}} {
		w := newTown(t)
		taps := map[int]record.TapID{}
		for _, i := range order {
			taps[i] = w.enrol(cert(1), simbox.Tapped.Add(time.Duration(i)*time.Hour), 10+i)
		}
		set := w.roster()
		if len(set.Entries) != 1 || set.Entries[0].Enrolled != taps[2] || len(set.Entries[0].Key) != 12 {
			t.Errorf("order %v: roster has %d entries, want the latest enrolment alone", order, len(set.Entries))
		}
		w.update(func(tx store.Tx) error {
			for i, tap := range taps {
				e, err := tx.Enrolment(tap)
				w.c.Check(err)
				k, err := w.c.People.Kept(e)
				w.c.Check(err)
				if latest := i == 2; e.Current != latest || (k.Birth != nil) != latest || (k.Attributes != nil) != latest || len(k.Key) != 10+i {
					t.Errorf("order %v: enrolment %d: current %v, birth date kept %v, key of %d octets", order, i, e.Current, k.Birth != nil, len(k.Key))
				}
			}
			return nil
		})
	}
}

func TestAtTheSameMomentOneCounts(t *testing.T) {
	w := newTown(t)
	first := w.enrol(cert(1), simbox.Tapped, 10)
	second := w.enrol(cert(1), simbox.Tapped, 11)
	if set := w.roster(); len(set.Entries) != 1 || set.Entries[0].Enrolled != second {
		t.Errorf("roster = %d entries naming neither %s nor %s alone", len(set.Entries), first, second)
	}
}

// design §6: who renewed stands under the new serial number; who enrolled with it anew is not there twice.
func TestTheRosterFollowsRenewals(t *testing.T) {
	w := newTown(t)
	w.enrol(cert(1), simbox.Tapped, 10)
	before := w.roster()
	out, err := w.renew(cert(1), cert(2))
	if err != nil || len(out.Sites) != 1 || out.Sites[0] != w.box.Site {
		t.Fatalf("Renew = %+v, %v, want the roster of the site to change", out, err)
	}
	after := w.roster()
	if len(after.Entries) != 1 || after.number != before.number+1 || !after.Entries[0].Renewed ||
		string(after.Entries[0].Serial) != "\x02" || before.Entries[0].Renewed {
		t.Errorf("roster %d -> %d of %d entries, want the next number with the new serial, renewed", before.number, after.number, len(after.Entries))
	}
	w.enrol(cert(2), simbox.Tapped.Add(time.Hour), 11)
	if set := w.roster(); len(set.Entries) != 1 || set.Entries[0].Renewed {
		t.Errorf("roster of %d entries, want the new enrolment alone", len(set.Entries))
	}
	w.enrol(cert(5), simbox.Tapped, 12) // one person as two
	w.enrol(cert(6), simbox.Tapped, 13)
	_, err = w.renew(cert(5), cert(6))
	w.c.Check(err)
	set := w.roster()
	if len(set.Entries) != 2 || len(set.Gone) != 1 {
		t.Errorf("roster of %d entries, %d gone, want one who enrolled with each certificate, 2 and 1", len(set.Entries), len(set.Gone))
	}
	for _, e := range set.Entries {
		if e.Renewed {
			t.Error("who enrolled with the certificate gave way to who renewed to it")
		}
	}
}

func TestTheRosterIsTheSites(t *testing.T) {
	w := newTown(t)
	w.enrol(cert(1), simbox.Tapped, 10)
	w.enrol(cert(2), simbox.Tapped, 0) // no card key: the PIN each time
	elsewhere := w.box
	elsewhere.Site = "shelter-7"
	w.box = elsewhere
	w.enrol(cert(1), simbox.Tapped, 11)
	w.enrol(cert(3), simbox.Tapped, 12)
	if set := w.roster(); len(set.Entries) != 2 {
		t.Errorf("the second site's roster has %d entries, want its 2", len(set.Entries))
	}
	w.box.Site = "honmachi"
	set := w.roster()
	if len(set.Entries) != 1 || len(set.Entries[0].Key) != 10 {
		t.Errorf("the first site's roster has %d entries, want its own enrolment with a card key", len(set.Entries))
	}
	w.update(func(tx store.Tx) error {
		none, err := w.told(tx, func(record.VerifierID) []person.Service { return nil })
		if len(none.Entries) != 0 {
			t.Errorf("a verifier that is not served has %d entries, want none", len(none.Entries))
		}
		return err
	})
	number := func() uint64 {
		return w.roster().number
	}
	was := number()
	for range 2 {
		w.update(func(tx store.Tx) error { return tx.RaiseRosters(rule.Version{CentralEpoch: 3, N: 4}) })
	}
	if now := number(); now != was+1 {
		t.Errorf("number %d after two starts with new rules, want %d", now, was+1)
	}
}

// P3: what an enrolment keeps shows itself to nobody by mistake.
func TestP3KeptPrintsRedacted(t *testing.T) {
	k := person.Kept{Serial: []byte{1, 2, 3}, Birth: &roster.Birth{Date: "19010203"}, Attributes: &content.Attributes{Name: "架空太郎"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, k); got != "REDACTED" {
			t.Errorf("Sprintf(%s) = %q, want REDACTED", verb, got)
		}
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("kept", slog.Any("kept", k))
	b, err := json.Marshal(k)
	if err != nil || string(b) != `"REDACTED"` || !strings.Contains(log.String(), "kept=REDACTED") {
		t.Errorf("JSON %s, %v, log %s; want REDACTED", b, err, log.String())
	}
}
