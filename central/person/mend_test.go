package person_test

import (
	"errors"
	"testing"
	"time"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/person"
	"kazashi.example/central/store"
)

func (w *town) merge(a, b, keep int64) (m person.Mended, err error) {
	w.Helper()
	reseal := func(s store.Subject, to int64) ([]byte, error) { return opener.Reseal(w.c.Keys.Rows, s, to) }
	err = w.c.Store.Update(w.Context(), func(tx store.Tx) error {
		m, err = w.c.People.Merge(tx, a, b, keep, reseal, w.c.World.Now())
		return err
	})
	return m, err
}

// subject gives a person a made-up pseudonym in a sector.
func (w *town) subject(who int64, sector, ppid string) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		_, err := tx.AddSubject(store.Subject{
			Person: who, Sector: sector, PPID: w.c.Keys.Rows.Seal("subjects.ppid", opener.SubjectRow(who, sector), []byte(ppid)),
		})
		return err
	})
}

// ppids are a person's pseudonyms by sector.
func (w *town) ppids(who int64) map[string]string {
	w.Helper()
	got := map[string]string{}
	w.update(func(tx store.Tx) error {
		all, err := tx.Subjects(who)
		for _, s := range all {
			p, err := opener.PPID(w.c.Keys.Rows, s)
			w.c.Check(err)
			got[s.Sector] = p.Reveal()
		}
		return err
	})
	return got
}

func (w *town) acts() (all []store.Act) {
	w.Helper()
	w.update(func(tx store.Tx) (err error) { all, err = tx.Acts(10); return err })
	return all
}

// two is one person as two, an hour apart, found so by a renewal.
func two(t *testing.T) (w *town, older, younger int64) {
	w = newTown(t)
	w.enrol(cert(1), simbox.Tapped, 10)
	w.c.World.Pass(time.Hour)
	w.enrol(cert(2), simbox.Tapped.Add(time.Hour), 11)
	older, younger = w.find(simbox.Verifier, cert(1)), w.find(simbox.Verifier, cert(2))
	_, err := w.renew(cert(1), cert(2))
	w.c.Check(err)
	return w, older, younger
}

// design §6: two who are one become one: the older stays, pseudonyms that only one has go on, and everything leads to who stays.
func TestMergeKeepsTheOlder(t *testing.T) {
	w, older, younger := two(t)
	w.subject(older, "library", "OLD")
	w.subject(younger, "gym", "NEW")
	before := w.roster()
	m, err := w.merge(younger, older, 0)
	if err != nil || m.Kept != older || m.Gone != younger || m.Moved != 1 || m.Ended != 0 || m.Enrolments != 1 {
		t.Fatalf("Merge = %+v, %v, want the older kept, one pseudonym moved, one enrolment superseded", m, err)
	}
	if got := w.ppids(older); got["library"] != "OLD" || got["gym"] != "NEW" || len(w.ppids(younger)) != 0 {
		t.Errorf("pseudonyms = %v, want both with who stays", got)
	}
	for i := range byte(2) {
		if got := w.find(simbox.Verifier, cert(i+1)); got != older {
			t.Errorf("certificate %d leads to person %d, want %d", i+1, got, older)
		}
	}
	set := w.roster()
	if len(set.Entries) != 1 || len(set.Entries[0].Key) != 11 || set.number <= before.number {
		t.Errorf("roster %d of %d entries, want a later one with the later enrolment alone", set.number, len(set.Entries))
	}
	if n := w.c.Counts(); n.Persons != 1 || n.Conflicts != 0 || n.Enrolments != 1 {
		t.Errorf("counts = %+v, want one person and no conflict", n)
	}
	if a := w.acts(); len(a) != 1 || a[0].Detail != "person 2 into 1; pseudonyms: 1 moved, 0 ended; enrolments superseded: 1" {
		t.Errorf("acts = %+v, want the merge", a)
	}
	if again := w.meet(simbox.Verifier, cert(2)); again != older {
		t.Errorf("a PIN with the newer certificate leads to person %d, want %d", again, older)
	}
}

// Where both have a pseudonym in one sector, an operator says which one ends; nothing is changed before.
func TestMergeAsksWhichPseudonymEnds(t *testing.T) {
	for _, keepOlder := range []bool{true, false} {
		w, older, younger := two(t)
		w.subject(older, "library", "OLD")
		w.subject(younger, "library", "NEW")
		if m, err := w.merge(older, younger, 0); !errors.Is(err, person.ErrPPIDs) {
			t.Fatalf("Merge = %+v, %v, want ErrPPIDs", m, err)
		}
		if n := w.c.Counts(); n.Persons != 2 || n.Conflicts != 1 || len(w.acts()) != 0 {
			t.Fatalf("counts = %+v, want nothing changed", n)
		}
		keep, want := younger, "NEW"
		if keepOlder {
			keep, want = older, "OLD"
		}
		m, err := w.merge(older, younger, keep)
		if err != nil || m.Kept != keep || m.Ended != 1 || w.ppids(keep)["library"] != want {
			t.Errorf("Merge(keep %d) = %+v, %v, pseudonym %q; want %q", keep, m, err, w.ppids(keep)["library"], want)
		}
		for i := range byte(2) {
			if got := w.find(simbox.Verifier, cert(i+1)); got != keep {
				t.Errorf("certificate %d leads to person %d, want %d", i+1, got, keep)
			}
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	w, older, younger := two(t)
	elsewhere := w.meet("elsewhere", cert(1))
	for name, k := range map[string]struct {
		a, b, keep int64
		want       error
	}{
		"itself":            {older, older, 0, person.ErrStranger},
		"nobody":            {older, 99, 0, person.ErrStranger},
		"keeping a third":   {older, younger, elsewhere, person.ErrStranger},
		"another verifier":  {older, elsewhere, 0, person.ErrVerifiers},
		"another verifier'": {elsewhere, younger, elsewhere, person.ErrVerifiers},
	} {
		if m, err := w.merge(k.a, k.b, k.keep); !errors.Is(err, k.want) {
			t.Errorf("Merge(%s) = %+v, %v, want %v", name, m, err, k.want)
		}
	}
	_, err := w.merge(older, younger, 0)
	w.c.Check(err)
	if m, err := w.merge(older, younger, 0); !errors.Is(err, person.ErrStranger) {
		t.Errorf("Merge(again) = %+v, %v, want ErrStranger", m, err)
	}
}

func (w *town) withdraw(older, newer byte) (m person.Mended, err error) {
	w.Helper()
	err = w.c.Store.Update(w.Context(), func(tx store.Tx) error {
		m, err = w.c.People.Withdraw(tx, person.Renewal{Old: cert(older), New: cert(newer)}, w.c.World.Now())
		return err
	})
	return m, err
}

// design §6: a renewal that was withdrawn leads nowhere any more, does not come again, and makes room for the true one.
func TestAWithdrawnRenewalLeadsNowhere(t *testing.T) {
	w := newTown(t)
	w.enrol(cert(1), simbox.Tapped, 10)
	victim := w.find(simbox.Verifier, cert(1))
	for _, p := range [][2]byte{{1, 2}, {2, 3}} {
		_, err := w.renew(cert(p[0]), cert(p[1]))
		w.c.Check(err)
	}
	w.enrol(cert(2), simbox.Tapped.Add(time.Hour), 11) // takes the victim's place on the roster, with the birth date
	before := w.roster()
	for _, none := range [][2]byte{{1, 3}, {2, 1}, {7, 8}} {
		if m, err := w.withdraw(none[0], none[1]); !errors.Is(err, person.ErrNoRenewal) {
			t.Errorf("Withdraw(%v) = %+v, %v, want ErrNoRenewal", none, m, err)
		}
	}
	m, err := w.withdraw(1, 2)
	if err != nil || m.Cut != 2 || m.Enrolments != 1 || len(m.Sites) != 1 {
		t.Fatalf("Withdraw = %+v, %v, want two certificates cut and one enrolment ended", m, err)
	}
	for id, want := range map[byte]int64{1: victim, 2: 0, 3: 0} {
		if got := w.find(simbox.Verifier, cert(id)); got != want {
			t.Errorf("certificate %d leads to person %d, want %d", id, got, want)
		}
	}
	if set := w.roster(); len(set.Entries) != 0 || set.number <= before.number {
		t.Errorf("roster of %d, want a later one without the false entry", len(set.Entries))
	}
	if out, err := w.renew(cert(1), cert(2)); err != nil || out.News || w.find(simbox.Verifier, cert(2)) != 0 {
		t.Errorf("Renew(what was withdrawn) = %+v, %v, want nothing", out, err)
	}
	if out, err := w.renew(cert(1), cert(9)); err != nil || !out.News || w.find(simbox.Verifier, cert(9)) != victim {
		t.Errorf("Renew(the true one) = %+v, %v, want it to lead to the person", out, err)
	}
	if other := w.meet(simbox.Verifier, cert(2)); other == victim || w.find(simbox.Verifier, cert(3)) != other {
		t.Errorf("a PIN with the other certificate makes person %d, want a new one, found by the next certificate too", other)
	}
	if a := w.acts(); len(a) != 1 || a[0].What != "renewal withdrawn" {
		t.Errorf("acts = %+v, want the withdrawal", a)
	}
}

// Whoever was met with the newer certificate first keeps it.
func TestAWithdrawalLeavesEachTheirOwn(t *testing.T) {
	w := newTown(t)
	w.enrol(cert(2), simbox.Tapped, 10)
	_, err := w.renew(cert(1), cert(2))
	w.c.Check(err)
	own := w.find(simbox.Verifier, cert(2))
	if w.find(simbox.Verifier, cert(1)) != own {
		t.Fatal("the older certificate does not lead to the person before the withdrawal")
	}
	m, err := w.withdraw(1, 2)
	if err != nil || m.Cut != 1 || m.Enrolments != 0 {
		t.Errorf("Withdraw = %+v, %v, want the older certificate alone cut", m, err)
	}
	if a, b := w.find(simbox.Verifier, cert(1)), w.find(simbox.Verifier, cert(2)); a != 0 || b != own {
		t.Errorf("certificates lead to %d and %d, want nobody and %d", a, b, own)
	}
	if set := w.roster(); len(set.Entries) != 1 {
		t.Errorf("roster of %d, want the person's own entry", len(set.Entries))
	}
}
