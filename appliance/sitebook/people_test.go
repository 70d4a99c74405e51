package sitebook_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	entries "kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// town is a site book and a real roster under one ring.
type town struct {
	*world
	sitebook.People

	central *rostertest.Central
	last    rule.Version // of this box's final verdicts
	finals  map[record.TapID]sitebook.Final
}

// theBox is the one of these tests.
var theBox = record.BoxID{ID128: record.ID128{0xb0}}

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{world: newWorld(t), central: rostertest.New(t), last: rule.Version{CentralEpoch: 1}, finals: map[record.TapID]sitebook.Final{}}
	w.Box, w.Final = theBox, func(_ context.Context, tap record.TapID) (sitebook.Final, bool, error) {
		f, ok := w.finals[tap]
		return f, ok, nil
	}
	w.ring = w.central.Ring
	w.Book = w.open()
	store, err := roster.Open(roster.Config{
		Dir: t.TempDir(), Site: site, Keys: func() sign.Keys { return w.central },
		Ring: func() (sitekey.Ring, error) { return w.options().Ring() },
	})
	must(t, err)
	t.Cleanup(store.Close)
	w.Roster = store
	return w
}

// decides has central decide about taps, each under a version of its own.
func (w *town) decides(v record.Verdict, taps ...record.TapID) {
	for _, tap := range taps {
		w.last.N++
		w.finals[tap] = sitebook.Final{Version: w.last, Verdict: v}
	}
}

func (w *town) accepts(taps ...record.TapID) { w.decides(record.VerdictAccepted, taps...) }

// publish has central send a roster of these people alone, which tells of whatever was decided so far.
func (w *town) publish(list ...entries.Entry) {
	w.t.Helper()
	w.central.Told = []entries.Through{{Box: theBox, Verdicts: w.last}}
	offer := w.central.Publish(true, func(s *segment.Writer) error {
		for _, e := range list {
			if err := s.Add(e); err != nil {
				return err
			}
		}
		return nil
	})
	must(w.t, w.Roster.(*roster.Store).Offer(w.t.Context(), w.central, offer))
	must(w.t, w.Settle(w.t.Context()))
}

func (w *town) find(when string, id certid.CertID, want sitebook.Source) sitebook.Known {
	w.t.Helper()
	k, err := w.Find(w.t.Context(), rostertest.City, id)
	if err != nil || k.Source != want {
		w.t.Errorf("%s: Find = %d, %v, want %d", when, k.Source, err, want)
	}
	return k
}

// What was done here goes before central's word until central tells of it, be it under a renewed certificate; never after.
func TestPeopleAreWhatWasDoneHereUntilCentralSettlesIt(t *testing.T) {
	w := newTown(t)
	w.find("at first", cert(t, 1), sitebook.Nowhere)
	e, tap := w.enrols(w.Book, 1, nil)
	if k := w.find("enrolled", cert(t, 1), sitebook.Here); k.Entry.Enrolled != tap {
		t.Error("Find = another enrolment")
	}
	w.publish(rostertest.Person(1))
	w.find("a roster without it", cert(t, 1), sitebook.Here)
	w.accepts(tap)
	renewed := *e
	renewed.Serial, renewed.Renewed = cert(t, 2).Serial.Bytes(), true
	w.publish(renewed)
	w.find("named, under the certificate before", cert(t, 1), sitebook.Nowhere)
	if k := w.find("named", cert(t, 2), sitebook.Central); k.Enrolled != tap {
		t.Error("Find = another enrolment")
	}
	w.lock(w.Book, true)
	if _, err := w.Find(t.Context(), city, cert(t, 2)); !errors.Is(err, localapi.ErrLocked) {
		t.Errorf("Find of a locked site = %v, want ErrLocked", err)
	}
}

func TestNumbersOfBoxAndCentral(t *testing.T) {
	w := newTown(t)
	of := func(n int) certid.CertID {
		p := rostertest.Person(n)
		id, err := p.ID()
		must(t, err)
		return id
	}
	w.publish(rostertest.Person(1), rostertest.Person(2))
	want := func(when string, n int, number string) {
		t.Helper()
		k, err := w.Find(t.Context(), rostertest.City, of(n))
		must(t, err)
		got, err := w.Number(t.Context(), rostertest.Library, k)
		if got != number || err != nil {
			t.Errorf("%s: Number(%d) = %q, %v, want %q", when, n, got, err, number)
		}
		if number == "" {
			return
		}
		if p, ok, err := w.ByNumber(t.Context(), rostertest.Library, number); !ok || err != nil || !p.Same(k.Person) {
			t.Errorf("%s: ByNumber(%q) = %t, %v, or somebody else", when, number, ok, err)
		}
	}
	free := func(when, number string) {
		t.Helper()
		if _, ok, err := w.ByNumber(t.Context(), rostertest.Library, number); ok || err != nil {
			t.Errorf("%s: ByNumber(%q) = %t, %v, want nobody", when, number, ok, err)
		}
	}
	two := sitebook.Enrolled(rostertest.Person(2))
	want("central's word", 2, rostertest.Number(2))
	want("no number", 1, "")
	back := w.visit(w.Book, sitebook.Visit{Person: two, Service: rostertest.Library, Unlink: rostertest.Number(2)})
	want("taken back here", 2, "")
	free("taken back here", rostertest.Number(2))
	link := w.visit(w.Book, sitebook.Visit{Person: two, Service: rostertest.Library, Link: "NEW"})
	want("linked anew", 2, "NEW")
	free("linked anew", rostertest.Number(2))
	again, _ := w.enrols(w.Book, 7, &two) // a new card, not confirmed
	if k := w.find("a new card", cert(t, 7), sitebook.Here); k.Enrolled != again.Enrolled {
		t.Error("Find = another enrolment")
	} else if got, err := w.Number(t.Context(), rostertest.Library, k); got != "NEW" || err != nil {
		t.Errorf("Number by the new card = %q, %v, want NEW", got, err)
	}
	said := rostertest.Person(2)
	said.Services[0].Number, said.Services[0].Linked = "NEW", link
	w.accepts(back, link)
	w.publish(said, rostertest.Person(1))
	if k := w.find("the number confirmed, the card not", cert(t, 7), sitebook.Here); k.Enrolled == again.Enrolled {
		if got, err := w.Number(t.Context(), rostertest.Library, k); got != "NEW" || err != nil {
			t.Errorf("Number by the new card = %q, %v, want NEW", got, err)
		}
	}
	said.Serial, said.Enrolled = again.Serial, again.Enrolled
	w.accepts(again.Enrolled)
	w.publish(said, rostertest.Person(1))
	k := w.find("both confirmed", cert(t, 7), sitebook.Central)
	if got, err := w.Number(t.Context(), rostertest.Library, k); got != "NEW" || err != nil {
		t.Errorf("Number by central = %q, %v, want NEW", got, err)
	}
	if p, ok, err := w.ByNumber(t.Context(), rostertest.Library, "NEW"); !ok || err != nil || !p.Same(k.Person) {
		t.Errorf("ByNumber by central = %t, %v, or somebody else", ok, err)
	}
	if c, err := w.Book.Contents(t.Context()); err != nil || c.Links != 0 || c.Enrolments != 0 {
		t.Errorf("the book still holds %+v, %v", c, err)
	}
}

// Links are taken over for whoever the roster knows by the PPID of the service, and for nobody else.
func TestPeopleImport(t *testing.T) {
	w := newTown(t)
	w.publish(rostertest.Person(1), rostertest.Person(2), rostertest.Person(3))
	ppid := func(n int) string { return rostertest.Person(n).Services[0].PPID }
	file := func(n int, number string) string { return fmt.Sprintf("ppid,number\n%s,%s\n", ppid(n), number) }
	for _, c := range []struct {
		name, text string
		service    record.ServiceID
		want       string
	}{
		{"new", file(1, "OLD-1"), rostertest.Library, "1 0 []"},
		{"as central has it", file(2, rostertest.Number(2)), rostertest.Library, "0 1 []"},
		{"another than central's", file(2, "OLD-2"), rostertest.Library, "0 0 [{2 taken}]"},
		{"somebody else's at central", file(3, rostertest.Number(2)), rostertest.Library, "0 0 [{2 taken}]"},
		{"nobody's PPID", file(4, "OLD-4"), rostertest.Library, "0 0 [{2 unknown_person}]"},
		{"of another service", file(3, "OLD-3"), "other", "0 0 [{2 unknown_person}]"},
	} {
		r, err := w.Import(t.Context(), strings.NewReader(c.text), localapi.Import{Service: c.service})
		if got := fmt.Sprint(r.Linked, r.Present, r.Faults); got != c.want || err != nil {
			t.Errorf("%s: Import = %s, %v, want %s", c.name, got, err, c.want)
		}
	}
	is := func(when, want string) {
		t.Helper()
		p := rostertest.Person(1)
		id, err := p.ID()
		must(t, err)
		k := w.find(when, id, sitebook.Central)
		if got, err := w.Number(t.Context(), rostertest.Library, k); got != want || err != nil {
			t.Errorf("%s: Number = %q, %v, want %s", when, got, err, want)
		}
	}
	is("taken over", "OLD-1")
	must(t, w.Book.Expire(t.Context(), noon.Add(1000*24*time.Hour), func(record.ServiceID) uint32 { return 1 }))
	w.publish(rostertest.Person(1), rostertest.Person(2))
	is("years later, and central knows nothing of it", "OLD-1")
	said := rostertest.Person(1)
	said.Services[0].Number, said.Services[0].Linked = "NEW", record.NewTapID()
	w.publish(said, rostertest.Person(2))
	is("another box linked another", "NEW")
	if c, err := w.Book.Contents(t.Context()); err != nil || c.Links != 0 {
		t.Errorf("the book still holds %+v, %v", c, err)
	}
}
