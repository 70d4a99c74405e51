package sitebook_test

import (
	"slices"
	"testing"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/sync/sitekey"
)

// A visit that has the ring in hand while the keys are rotated is either seen by who forgets the old one, or sealed under the new one.
func TestP2NoKeyIsForgottenUnderAVisit(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	ask := o.Ring
	ended := make(chan error, 1)
	var book *sitebook.Book
	var inside func()
	o.Ring = func() (sitekey.Ring, error) {
		r, err := ask()
		if f := inside; f != nil {
			inside = nil
			f()
		}
		return r, err
	}
	book, err := sitebook.Open(t.Context(), w.path, o)
	must(t, err)
	defer book.Close()
	old, _, _ := w.ring.Current()
	var needed []sitekey.Generation
	inside = func() {
		w.rotate()
		go func() {
			ended <- book.Retire(t.Context(), func(list []sitekey.Generation) error { needed = list; return nil })
		}()
	}
	w.visit(book, sitebook.Visit{Used: true, Service: shelter, Person: person(t, 1)})
	must(t, <-ended)
	if !slices.Contains(needed, old) {
		t.Errorf("Retire(%v) although a visit was being sealed under %v", needed, old)
	}
}
