package sitebook_test

import (
	"fmt"
	"testing"

	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/sync/record"
	entries "kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
)

// holds compares what waits for central.
func (w *town) holds(when string, enrolments, links int) {
	w.t.Helper()
	c, err := w.Book.Contents(w.t.Context())
	if got, want := fmt.Sprint(c.Enrolments, c.Links), fmt.Sprint(enrolments, links); got != want || err != nil {
		w.t.Errorf("%s: the book holds %s enrolments and links, %v, want %s", when, got, err, want)
	}
}

// number compares a person's, and whose it is.
func (w *town) number(when string, e entries.Entry, want string) {
	w.t.Helper()
	id, err := e.ID()
	must(w.t, err)
	k, err := w.Find(w.t.Context(), rostertest.City, id)
	must(w.t, err)
	if got, err := w.Number(w.t.Context(), rostertest.Library, k); got != want || err != nil {
		w.t.Errorf("%s: Number = %q, %v, want %q", when, got, err, want)
	}
	if p, ok, err := w.ByNumber(w.t.Context(), rostertest.Library, want); want != "" && (!ok || err != nil || !p.Same(k.Person)) {
		w.t.Errorf("%s: ByNumber(%q) = %t, %v, or somebody else", when, want, ok, err)
	}
}

// has is a made-up person with a number of the library.
func has(n int, number string) entries.Entry {
	e := rostertest.Person(n)
	e.Services[0].Number, e.Services[0].Linked = number, record.NewTapID()
	return e
}

// P2: an earlier enrolment goes with the later one, in whichever order central decides about them; what was decided and is not told of stays.
func TestP2SettlesWhoEnrolledTwice(t *testing.T) {
	for name, order := range map[string][]int{"the later first": {1, 0}, "in their order": {0, 1}, "both at once": nil} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			_, first := w.enrols(w.Book, 1, nil)
			e, second := w.enrols(w.Book, 1, nil)
			taps := []record.TapID{first, second}
			w.accepts() // nobody
			for _, i := range order {
				w.find("not yet", cert(t, 1), sitebook.Here)
				w.accepts(taps[i])
				must(t, w.Settle(t.Context()))
				w.find("decided, and not told of", cert(t, 1), sitebook.Here)
				if w.publish(*e); i == 1 {
					break // the earlier one cannot be what central goes by
				}
			}
			if order == nil {
				w.accepts(taps...)
				w.publish(*e)
			}
			w.find("told of", cert(t, 1), sitebook.Central)
			w.holds("told of", 0, 0)
		})
	}
}

// P2: what another box did later goes before what was done here, once central has decided about that; in either order.
func TestP2TwoBoxesEnrol(t *testing.T) {
	for _, here := range []string{"earlier", "later"} {
		t.Run(here, func(t *testing.T) {
			w := newTown(t)
			mine, tap := w.enrols(w.Book, 1, nil)
			other := enrolment(t, 1, record.NewTapID())
			other.Key = []byte("the key of another card")
			w.publish(*other)
			w.find("central has not heard of this box", cert(t, 1), sitebook.Here)
			current := other
			if here == "later" {
				current = mine
			}
			w.accepts(tap)
			w.publish(*current)
			if k := w.find("told of", cert(t, 1), sitebook.Central); string(k.Entry.Key) != string(current.Key) {
				t.Error("the key is the other enrolment's")
			}
			w.holds("told of", 0, 0)
		})
	}
}

// P2: a number that was linked here, and at another box taken back and linked anew, is what central says; so is whoever has the old one now.
func TestP2TwoBoxesLink(t *testing.T) {
	w := newTown(t)
	w.publish(rostertest.Person(1))
	tap := w.visit(w.Book, sitebook.Visit{Person: sitebook.Enrolled(rostertest.Person(1)), Service: rostertest.Library, Link: "OLD"})
	w.publish(has(1, "NEW"), has(3, "OLD"))
	w.number("not decided", rostertest.Person(1), "OLD")
	w.accepts(tap)
	w.publish(has(1, "NEW"), has(3, "OLD"))
	w.number("told of", rostertest.Person(1), "NEW")
	w.number("told of", rostertest.Person(3), "OLD")
	w.holds("told of", 0, 0)
}

// P2: taken back here and given out elsewhere, a number is the other person's, as soon as central says so; and taken back here is taken back
// until central has decided, whatever it says of a later link.
func TestP2TwoBoxesUnlink(t *testing.T) {
	w := newTown(t)
	w.publish(has(1, "OLD"))
	tap := w.visit(w.Book, sitebook.Visit{Person: sitebook.Enrolled(rostertest.Person(1)), Service: rostertest.Library, Unlink: "OLD"})
	w.publish(has(1, "OLD"), has(3, "OTHER"))
	w.number("not decided", rostertest.Person(1), "")
	w.publish(has(1, "OLD"), has(3, "OLD"))
	w.number("somebody else's at central, and this one's record on its way", rostertest.Person(1), "")
	w.accepts(tap)
	w.publish(has(1, "NEW"), has(3, "OLD"))
	w.number("told of", rostertest.Person(1), "NEW")
	w.number("told of", rostertest.Person(3), "OLD")
	w.holds("told of", 0, 0)
}

// P2: of links of one person the last is told of first: the others cannot come back.
func TestP2AnEarlierLinkGoesWithALaterOne(t *testing.T) {
	w := newTown(t)
	w.publish(rostertest.Person(1))
	one := sitebook.Enrolled(rostertest.Person(1))
	w.visit(w.Book, sitebook.Visit{Person: one, Service: rostertest.Library, Link: "OLD"})
	w.visit(w.Book, sitebook.Visit{Person: one, Service: rostertest.Library, Unlink: "OLD"})
	last := w.visit(w.Book, sitebook.Visit{Person: one, Service: rostertest.Library, Link: "NEW"})
	w.accepts(last)
	w.publish(has(1, "NEW"))
	w.number("told of", rostertest.Person(1), "NEW")
	w.holds("told of", 0, 0)
}

// P2: what central refused never was: it takes nothing along, and neither stays nor waits for a roster; be it found by a copy alone.
func TestP2WhatWasRefusedTakesNothingAlong(t *testing.T) {
	w := newTown(t)
	_, first := w.enrols(w.Book, 1, nil)
	_, second := w.enrols(w.Book, 1, nil)
	w.decides(record.VerdictRefused, second)
	must(t, w.Settle(t.Context()))
	if k := w.find("refused", cert(t, 1), sitebook.Here); k.Enrolled != first {
		t.Error("Find = the enrolment that was refused")
	}
	w.holds("the second refused", 1, 0)
	p := person(t, 5)
	link := w.visit(w.Book, sitebook.Visit{Person: p, Service: rostertest.Library, Link: "NEVER"})
	e, _ := w.enrols(w.Book, 5, &p)
	w.number("carried along", *e, "NEVER")
	w.decides(record.VerdictRefused, link)
	must(t, w.Settle(t.Context()))
	w.number("refused", *e, "")
}

// P2: a restored central may not know what this box was told: until it has decided anew, and its roster tells of that, what was done here stays.
func TestP2ARestoredCentralSettlesByItsOwnVerdicts(t *testing.T) {
	w := newTown(t)
	e, tap := w.enrols(w.Book, 1, nil)
	w.accepts(tap)
	w.last = rule.Version{CentralEpoch: 2, N: 70} // of other taps
	w.publish(rostertest.Person(3))
	w.find("a restored central that does not know it", cert(t, 1), sitebook.Here)
	w.accepts(tap)
	must(t, w.Settle(t.Context()))
	w.find("decided anew", cert(t, 1), sitebook.Here)
	w.publish(*e)
	w.find("told of anew", cert(t, 1), sitebook.Central)
	w.holds("told of anew", 0, 0)
}

// P2: wherever the power is cut, what is looked at again after the start comes to the same: be it that the verdict was durable and the roster
// was not, the reverse, or that both were and the book had not let go.
func TestP2SettlesAfterAPowerCut(t *testing.T) {
	w := newTown(t)
	e, tap := w.enrols(w.Book, 1, nil)
	must(t, w.Settle(t.Context()))
	again := func() {
		after := w.cut()
		w.Book = after.open()
		must(t, w.Settle(t.Context()))
	}
	w.central.Told = []entries.Through{{Box: theBox, Verdicts: rule.Version{CentralEpoch: 1, N: 1}}}
	must(t, w.Roster.(*roster.Store).Offer(t.Context(), w.central, w.central.Publish(true, rostertest.People(1, 2)))) // the roster first
	again()
	w.find("a roster that tells of what is not here yet", cert(t, 1), sitebook.Here)
	w.accepts(tap)
	after := w.cut() // before the book let go
	must(t, w.Settle(t.Context()))
	w.holds("told of", 0, 0)
	w.Book = after.open()
	w.holds("the power was cut before", 1, 0)
	must(t, w.Settle(t.Context()))
	w.holds("told of", 0, 0)
	w.publish(*e)
	w.find("at last", cert(t, 1), sitebook.Central)
}

// A roster of which part is sealed under a key that is not here yet settles nothing: nobody could say what it says.
func TestSettlesNothingByARosterThatCannotBeRead(t *testing.T) {
	w := newTown(t)
	_, tap := w.enrols(w.Book, 1, nil)
	w.accepts(tap)
	old := w.central.Ring
	w.central.Rotate()
	w.mu.Lock()
	w.ring = old
	w.mu.Unlock()
	w.publish(rostertest.Person(3))
	w.find("sealed", cert(t, 1), sitebook.Here)
	w.mu.Lock()
	w.ring = w.central.Ring
	w.mu.Unlock()
	must(t, w.Settle(t.Context()))
	w.holds("readable", 0, 0)
}
