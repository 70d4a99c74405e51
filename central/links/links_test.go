package links_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/links"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// town is a site of two boxes where people enrolled at the first.
type town struct {
	*testing.T
	c     *simcentral.Central
	other *simbox.Box
	ppids []string
}

func newTown(t *testing.T, people int) *town {
	t.Helper()
	c := simcentral.New(t)
	b := c.Box()
	w := &town{T: t, c: c, other: c.Box()}
	e := b.Start(t, epoch.CauseStart)
	var taps []record.TapID
	for n := range people {
		r := simbox.Known(t, 0x31, byte(n+1)).Enrol(t, b.ID)
		e.Tap(t, r)
		taps = append(taps, r.Tap)
	}
	c.Push(b, e.Push())
	c.Drain()
	_, err := c.Keeper.Make(t.Context(), "one") // pseudonyms leave central with a backup
	c.Check(err)
	for _, tap := range taps {
		w.ppids = append(w.ppids, c.PPID(b, tap))
	}
	return w
}

func (w *town) taker() links.Taker {
	return links.Taker{
		Store: w.c.Store, People: w.c.People, Now: w.c.World.Now,
		PPID: func(s store.Subject) (record.Subject, error) { return opener.PPID(w.c.Keys.Rows, s) },
	}
}

func (w *town) take(dry bool, all ...links.Link) links.Report {
	w.Helper()
	r, err := w.taker().Take(w.Context(), simbox.Service, string(simbox.Service), all, dry)
	w.c.Check(err)
	return r
}

// numbers is what the roster of the other box says, by pseudonym.
func (w *town) numbers() map[string]string {
	w.Helper()
	w.c.World.Pass(time.Minute)
	got := map[string]string{}
	for _, e := range w.c.Roster(w.other).Entries {
		if s := e.Of(simbox.Service); s.Number != "" {
			got[s.PPID] = s.Number
		}
	}
	return got
}

// Links that are taken over reach every box of the site by its roster, and the same list again changes nothing.
func TestOtherBoxesKnowWhatWasTakenOver(t *testing.T) {
	w := newTown(t, 3)
	list := []links.Link{{2, w.ppids[0], "B-1"}, {3, w.ppids[1], "B-2"}}
	if r := w.take(true, list...); r.Linked != 2 || len(r.Faults) != 0 || len(w.numbers()) != 0 {
		t.Errorf("looking only = %+v, want two that would be linked, and none that is", r)
	}
	if r := w.take(false, list...); r.Linked != 2 || len(r.Faults) != 0 {
		t.Errorf("taking = %+v, want two linked", r)
	}
	if got, want := w.numbers(), (map[string]string{w.ppids[0]: "B-1", w.ppids[1]: "B-2"}); !reflect.DeepEqual(got, want) {
		t.Errorf("another box of the site knows %d numbers, or others, want the two", len(got))
	}
	if r := w.take(false, list...); r.Linked != 0 || r.Present != 2 {
		t.Errorf("again = %+v, want both there", r)
	}
}

// A list with one line at fault is not taken; each fault is told by its line.
func TestAListAtFaultIsNotTaken(t *testing.T) {
	w := newTown(t, 3)
	w.take(false, links.Link{2, w.ppids[0], "B-1"})
	r := w.take(false, links.Link{2, w.ppids[1], "B-1"}, links.Link{3, w.ppids[0], "B-9"}, links.Link{4, "NOBODY", "B-4"},
		links.Link{5, w.ppids[2], "B-5"}, links.Link{6, w.ppids[2], "B-6"}, links.Link{7, "ANOTHER", "B-5"}, links.Link{8, "LAST", "B\n"})
	want := []links.Fault{
		{2, links.FaultTaken}, {3, links.FaultTaken}, {4, links.FaultUnknown}, {6, links.FaultTwice}, {7, links.FaultTwice}, {8, links.FaultNumber},
	}
	if !reflect.DeepEqual(r.Faults, want) || r.Linked != 0 {
		t.Errorf("report = %+v, want the faults %+v", r, want)
	}
	if got := w.numbers(); len(got) != 1 {
		t.Errorf("%d numbers are linked, want the one of before", len(got))
	}
}

// failing stops after some updates.
type failing struct {
	store.Store
	left int
}

var errStop = errors.New("the machine stops here")

func (f *failing) Update(ctx context.Context, do func(store.Tx) error) error {
	if f.left--; f.left < 0 {
		return errStop
	}
	return f.Store.Update(ctx, do)
}

// P2: what a stop left undone is done by the same list again.
func TestP2AStopIsMadeUpFor(t *testing.T) {
	w := newTown(t, 1)
	w.c.Check(w.c.Store.Update(t.Context(), func(tx store.Tx) error {
		for n := range 300 { // more than one transaction takes
			row, err := tx.AddPerson(store.Person{Verifier: simbox.Verifier, Index: fmt.Append(nil, "index", n), Handle: []byte{1}, Made: w.c.World.Now()})
			w.c.Check(err)
			ppid := fmt.Sprintf("MADEUP%04d", n)
			w.ppids = append(w.ppids, ppid)
			_, err = tx.AddSubject(store.Subject{
				Person: row, Sector: string(simbox.Service),
				PPID: w.c.Keys.Rows.Seal("subjects.ppid", opener.SubjectRow(row, string(simbox.Service)), []byte(ppid)),
			})
			w.c.Check(err)
		}
		return nil
	}))
	var list []links.Link
	for n, ppid := range w.ppids {
		list = append(list, links.Link{Line: n + 2, PPID: ppid, Number: fmt.Sprint("B-", n)})
	}
	half := w.taker()
	half.Store = &failing{w.c.Store, 1}
	if _, err := half.Take(t.Context(), simbox.Service, string(simbox.Service), list, false); !errors.Is(err, errStop) {
		t.Fatalf("Take = %v, want the stop", err)
	}
	if r := w.take(false, list...); r.Present != 256 || r.Linked != len(list)-256 || len(r.Faults) != 0 {
		t.Errorf("again = %+v, want the rest linked", r)
	}
}
