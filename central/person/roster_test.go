package person_test

import (
	"testing"
	"time"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

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
	if l := w.roster(); len(l.Entries) != 0 || l.Damaged != 1 {
		t.Errorf("nothing but damage is told as %d entries, %d damaged, want 0 and 1", len(l.Entries), l.Damaged)
	}
	w.enrol(cert(2), simbox.Tapped, 10)
	w.enrol(cert(3), simbox.Tapped, roster.MaxKey+1) // no box would take a set with this one
	if l := w.roster(); len(l.Entries) != 1 || l.Damaged != 2 {
		t.Errorf("%d entries, %d damaged; want 1 and 2", len(l.Entries), l.Damaged)
	}
	w.enrol(cert(1), simbox.Tapped.Add(time.Hour), 10)
	if l := w.roster(); len(l.Entries) != 2 || l.Damaged != 1 {
		t.Errorf("%d entries, %d damaged; want who enrolled anew beside the other", len(l.Entries), l.Damaged)
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
				set := w.roster()
				if len(set.Entries) != 1 || len(set.Entries[0].Key) != k.want || string(set.Entries[0].Serial) != "\x02" {
					t.Errorf("turned %v: roster of %d, want one entry with the key of %d octets", turned, len(set.Entries), k.want)
				}
			})
		}
	}
}
