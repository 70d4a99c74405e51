package person_test

import (
	"errors"
	"testing"
	"time"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// crowd enrols people from number first on, each a second after the one before.
func (w *town) crowd(v record.VerifierID, first, n, keyLen int) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		for i := first; i < first+n; i++ {
			id := cert(0x21, byte(i>>8), byte(i))
			who, err := w.c.People.Meet(tx, v, id, nil, w.c.World.Now())
			if err != nil {
				return err
			}
			_, err = w.c.People.Enrol(tx, store.Enrolment{
				Tap: record.TapID{ID128: record.ID128{byte(i >> 8), byte(i), 2}}, Verifier: v, Person: who.Row, Box: w.box.ID, Site: w.box.Site,
				At: simbox.Tapped.Add(time.Duration(i) * time.Second),
			}, person.Kept{Hierarchy: id.Scope.Hierarchy, Serial: id.Serial.Bytes(), Birth: &roster.Birth{Date: "19010203", Form: 2}, Key: make([]byte, keyLen)})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// P2: whoever is left out of a roster is counted, also where the number of people and not their size is too much. Those who stand on no
// roster take nobody's place on it.
func TestP2NobodyIsLeftOutOfARosterUncounted(t *testing.T) {
	w := newTown(t)
	const more = 3
	w.crowd(simbox.Verifier, 0, roster.MaxEntries+more, 10)
	w.crowd(simbox.Verifier, 10_000, 2, 0) // without a card key, and newer
	w.crowd("elsewhere", 11_000, 2, 10)    // of a verifier that is not served, and newer
	set, left := w.roster()
	if left != more || len(set.Entries) != roster.MaxEntries {
		t.Errorf("%d entries and %d left out, want %d and %d", len(set.Entries), left, roster.MaxEntries, more)
	}
	for _, e := range set.Entries {
		if e.Serial[1] == 0 && e.Serial[2] < more {
			t.Error("one of the longest enrolled is in it")
		}
	}
	if _, err := set.Sign(w.c.Keys.Sign); err != nil {
		t.Errorf("Sign = %v, want a roster that can be sent", err)
	}
}

// One damaged enrolment costs its own person the place, is counted, and ends when that person enrols anew. Where nothing can be read, the
// roster is not emptied.
func TestOneDamagedEnrolmentStopsNoRoster(t *testing.T) {
	w := newTown(t)
	spoil := func(id byte, kept []byte) int64 {
		who := w.meet(simbox.Verifier, cert(id))
		w.update(func(tx store.Tx) error {
			return tx.AddEnrolment(store.Enrolment{
				Tap: record.TapID{ID128: record.ID128{0xee, id}}, Verifier: simbox.Verifier, Person: who, Box: w.box.ID, Site: w.box.Site,
				At: simbox.Tapped, Current: true, Bound: true, Kept: kept,
			})
		})
		return who
	}
	spoil(1, []byte("damaged"))
	listed := func() (l person.Listed, err error) {
		w.update(func(tx store.Tx) error {
			l, err = w.c.People.Listed(tx, w.box.Site, func(record.VerifierID) bool { return true })
			return nil
		})
		return l, err
	}
	if l, err := listed(); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Listed(nothing but damage) = %d entries, %v, want ErrDamaged", len(l.Entries), err)
	}
	w.enrol(cert(2), simbox.Tapped, 10)
	w.enrol(cert(3), simbox.Tapped, roster.MaxKey+1) // no box would take a set with this one
	if l, err := listed(); err != nil || len(l.Entries) != 1 || l.Damaged != 2 || l.Left != 0 {
		t.Errorf("Listed = %d entries, %d damaged, %d left, %v; want 1, 2 and 0", len(l.Entries), l.Damaged, l.Left, err)
	}
	w.enrol(cert(1), simbox.Tapped.Add(time.Hour), 10)
	if l, err := listed(); err != nil || len(l.Entries) != 2 || l.Damaged != 1 {
		t.Errorf("Listed = %d entries, %d damaged, %v; want who enrolled anew beside the other", len(l.Entries), l.Damaged, err)
	}
}

// Whoever enrols anew without a card key keeps the card that is bound, whichever record comes first; with another card key the later counts.
func TestAnEnrolmentWithoutACardKeepsTheBoundOne(t *testing.T) {
	for _, k := range []struct {
		name   string
		first  int // octets of the key enrolled with the older certificate, an hour before the other
		second int
		want   int
	}{{"bound, then none", 10, 0, 10}, {"none, then bound", 0, 11, 11}, {"bound, then bound", 10, 11, 11}} {
		for _, turned := range []bool{false, true} {
			t.Run(k.name, func(t *testing.T) {
				w := newTown(t)
				_, err := w.renew(cert(1), cert(2))
				w.c.Check(err)
				steps := []func(){
					func() { w.enrol(cert(1), simbox.Tapped, k.first) },
					func() { w.enrol(cert(2), simbox.Tapped.Add(time.Hour), k.second) },
				}
				if turned {
					steps[0], steps[1] = steps[1], steps[0]
				}
				for _, do := range steps {
					do()
				}
				set, _ := w.roster()
				if len(set.Entries) != 1 || len(set.Entries[0].Key) != k.want || string(set.Entries[0].Serial) != "\x02" {
					t.Errorf("turned %v: roster of %d, want one entry with the key of %d octets", turned, len(set.Entries), k.want)
				}
			})
		}
	}
}
