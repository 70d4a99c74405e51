package sitebook_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// What is kept in memory of who is present is what a book that was just opened reads, after whatever happens.
func TestPresentIsWhatABookJustOpenedSays(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	r := rand.New(rand.NewPCG(1, 19))
	var open []sitebook.Visit
	for n := range 120 {
		w.later(time.Minute)
		switch v := w.whole(sitebook.Visit{Person: person(t, byte(r.IntN(6))), Used: true}); r.IntN(7) {
		case 0, 1:
			w.visit(b, v)
		case 2:
			w.enrols(b, byte(r.IntN(6)), &v.Person)
		case 3:
			must(t, b.Write(t.Context(), v))
			open = append(open, v)
		case 4:
			if len(open) > 0 {
				w.records(open[0].Tap)
				b.Confirm(open[0].Tap)
				open = open[1:]
			}
		case 5:
			if here, err := b.Present(t.Context()); err != nil {
				t.Fatal(err)
			} else if len(here) > 0 {
				must(t, b.Leave(t.Context(), here[r.IntN(len(here))].Tap))
			}
		case 6:
			must(t, b.Expire(t.Context(), noon.Add(24*time.Hour+time.Duration(n)*30*time.Minute), func(record.ServiceID) uint32 { return 1 }))
		}
		if len(open) > 0 {
			continue // what came after a visit that is open waits for it
		}
		got, err := b.Present(t.Context())
		must(t, err)
		want, err := w.cut().open().Present(t.Context())
		must(t, err)
		count, err := b.CountPresent(t.Context())
		if fmt.Sprint(got) != fmt.Sprint(want) || err != nil || count != len(want) {
			t.Fatalf("step %d: Present = %v, CountPresent = %d, %v, want %v", n, got, count, err, want)
		}
	}
}

// P1: who was read once is not read again for each look at the screen; P3: and forgotten with the keys.
func TestP1PresentReadsOnce(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	for n := range byte(3) {
		w.visit(b, sitebook.Visit{Person: person(t, n), Used: true})
	}
	count := func(when string, want int) {
		t.Helper()
		if n, err := b.CountPresent(t.Context()); n != want || err != nil {
			t.Errorf("%s: CountPresent = %d, %v, want %d", when, n, err, want)
		}
	}
	count("at first", 3)
	db, err := sql.Open("sqlite", w.path)
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `UPDATE entry SET sealed = x'00'`) // so that whoever read them now would find nobody
	must(t, err)
	w.visit(b, sitebook.Visit{Person: person(t, 7), Used: true})
	count("with somebody new", 4)
	w.lock(b, true)
	if _, err := b.CountPresent(t.Context()); !errors.Is(err, localapi.ErrLocked) {
		t.Errorf("CountPresent of a locked book = %v, want ErrLocked", err)
	}
	w.lock(b, false)
	count("read anew", 1)
}
