package person_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// word is one record about a number.
type word struct {
	person int64
	number string // empty: taken back
}

// whose is whose number each is, as the roster would say, and how many conflicts stand.
func (w *town) whose(numbers ...string) string {
	w.Helper()
	var got []string
	w.update(func(tx store.Tx) error {
		for _, number := range numbers {
			all, err := tx.NumbersTo(simbox.Service, w.c.People.NumberIndex(simbox.Service, number))
			w.c.Check(err)
			for _, n := range all {
				got = append(got, fmt.Sprintf("%s:%d:%t", number, n.Person, n.Barred))
			}
		}
		all, err := tx.Conflicts(10)
		got = append(got, fmt.Sprint(len(all)))
		return err
	})
	return fmt.Sprint(got)
}

// P6: one number is one person's, to whom it was linked first, in whatever order the records come; the others stay known and are told.
func TestP6OneNumberIsOnePersons(t *testing.T) {
	for _, k := range []struct {
		name  string
		words []word // an hour apart
		want  string
	}{
		{"linked to two", []word{{1, "B-1"}, {2, "B-1"}}, "[B-1:1:false B-1:2:true 1]"},
		{"taken back between", []word{{1, "B-1"}, {1, ""}, {2, "B-1"}}, "[B-1:2:false 0]"},
		{"another number between", []word{{1, "B-1"}, {1, "B-2"}, {2, "B-1"}}, "[B-1:2:false B-2:1:false 0]"},
		{"exchanged", []word{{1, "B-1"}, {2, "B-2"}, {2, "B-1"}, {1, "B-2"}}, "[B-1:2:false B-2:1:false 0]"},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for n := range 6 {
				w := newTown(t)
				w.meet(simbox.Verifier, cert(1))
				w.meet(simbox.Verifier, cert(2))
				order := make([]int, len(k.words))
				for i := range order {
					order[i] = i
				}
				for i := range order[1:] { // some of all orders
					j := i + n*(i+1)%(len(order)-i)
					order[i], order[j] = order[j], order[i]
				}
				for _, i := range order {
					w.update(func(tx store.Tx) error {
						who, err := tx.Person(k.words[i].person)
						w.c.Check(err)
						_, err = w.c.People.Link(tx, who, person.Said{
							Service: simbox.Service, Number: k.words[i].number, Unlink: k.words[i].number == "",
							Tap: record.TapID{ID128: record.ID128{byte(i + 1)}}, At: simbox.Tapped.Add(time.Duration(i) * time.Hour),
						}, w.c.World.Now())
						return err
					})
				}
				if got := w.whose("B-1", "B-2"); got != k.want {
					t.Errorf("in the order %v: %s, want %s", order, got, k.want)
				}
			}
		})
	}
}

// The store itself lets one number be one person's.
func TestTheStoreRefusesANumberOfTwo(t *testing.T) {
	w := newTown(t)
	w.meet(simbox.Verifier, cert(1))
	w.meet(simbox.Verifier, cert(2))
	err := w.c.Store.Update(t.Context(), func(tx store.Tx) error {
		for _, who := range []int64{1, 2} {
			n := store.ServiceNumber{Person: who, Service: simbox.Service, Index: []byte{1}, Number: []byte{2}, Tap: record.NewTapID(), At: simbox.Tapped}
			if err := tx.SetNumber(n); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		t.Error("one number was kept as two persons'")
	}
}

// Two who are one have one number, whoever of them was barred from it.
func TestMergeEndsAContradiction(t *testing.T) {
	w, older, younger := two(t)
	w.update(func(tx store.Tx) error {
		for i, row := range []int64{older, younger} {
			who, err := tx.Person(row)
			w.c.Check(err)
			_, err = w.c.People.Link(tx, who, person.Said{
				Service: simbox.Service, Number: "B-1", Tap: record.NewTapID(), At: simbox.Tapped.Add(time.Duration(i) * time.Hour),
			}, w.c.World.Now())
			w.c.Check(err)
		}
		return nil
	})
	_, err := w.merge(older, younger, 0)
	w.c.Check(err)
	if got, want := w.whose("B-1"), fmt.Sprintf("[B-1:%d:false 0]", older); got != want {
		t.Errorf("merged: %s, want %s", got, want)
	}
	if got := w.acts(); !slices.ContainsFunc(got, func(a store.Act) bool { return a.What == "persons merged" }) {
		t.Errorf("acts = %v", got)
	}
}
