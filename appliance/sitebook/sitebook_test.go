package sitebook_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
)

// An enrolment is found by its certificate, after a power cut as well, and no other is.
func TestP2EnrolmentSurvivesAPowerCut(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	e, tap := w.enrols(b, 1, nil)
	for name, book := range map[string]*sitebook.Book{"now": b, "after the cut": w.cut().open()} {
		got, ok, err := book.Enrolled(t.Context(), city, cert(t, 1))
		if err != nil || !ok || got.Enrolled != tap || got.Birth != e.Birth {
			t.Errorf("%s: Enrolled = %t, %v, want the enrolment", name, ok, err)
		}
		if _, ok, err := book.Enrolled(t.Context(), city, cert(t, 2)); ok || err != nil {
			t.Errorf("%s: Enrolled(another) = %t, %v, want none", name, ok, err)
		}
		if _, ok, err := book.Enrolled(t.Context(), "other-city", cert(t, 1)); ok || err != nil {
			t.Errorf("%s: Enrolled(of another verifier) = %t, %v, want none", name, ok, err)
		}
		if n, err := book.People(t.Context()); n != 1 || err != nil {
			t.Errorf("%s: People = %d, %v, want 1", name, n, err)
		}
	}
	_, again := w.enrols(b, 1, nil)
	if got, _, err := b.Enrolled(t.Context(), city, cert(t, 1)); err != nil || got.Enrolled != again {
		t.Errorf("Enrolled after a second enrolment = the first, %v, want the second", err)
	}
}

// P1, P2: the box ends at every place between entry and record. What has a record counts afterwards, what has none does not, in any order.
func TestP2EveryOrderOfCrashBetweenEntryAndRecord(t *testing.T) {
	for _, tc := range []struct {
		name   string
		do     func(w *world, b *sitebook.Book, v sitebook.Visit)
		counts bool // afterwards
		now    bool // while the box runs on
	}{
		{"before the entry", func(*world, *sitebook.Book, sitebook.Visit) {}, false, false},
		{"between entry and record", func(_ *world, b *sitebook.Book, v sitebook.Visit) { must(t, b.Write(t.Context(), v)) }, false, false},
		{"between record and confirmation", func(w *world, b *sitebook.Book, v sitebook.Visit) {
			must(t, b.Write(t.Context(), v))
			w.records(v.Tap)
		}, true, false},
		{"after the confirmation", func(w *world, b *sitebook.Book, v sitebook.Visit) {
			must(t, b.Write(t.Context(), v))
			w.records(v.Tap)
			b.Confirm(v.Tap)
		}, true, true},
		{"record in doubt, and not there", func(_ *world, b *sitebook.Book, v sitebook.Visit) {
			must(t, b.Write(t.Context(), v))
			b.Doubt(v.Tap)
		}, false, false},
		{"record in doubt, and there", func(w *world, b *sitebook.Book, v sitebook.Visit) {
			must(t, b.Write(t.Context(), v))
			w.records(v.Tap)
			b.Doubt(v.Tap)
		}, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			b := w.open()
			other := w.visit(b, sitebook.Visit{Person: person(t, 9), Used: true})
			tap := record.NewTapID()
			e := enrolment(t, 1, tap)
			v := w.whole(sitebook.Visit{Tap: tap, Person: sitebook.Enrolled(*e), Enrolment: e, Used: true, Link: "L-1"})
			tc.do(w, b, v)
			expect(t, "running", b, v, tc.now)
			after := w.cut().open()
			expect(t, "after the cut", after, v, tc.counts)
			if at, err := after.Used(t.Context(), shelter, person(t, 9), always); err != nil || at.IsZero() {
				t.Errorf("the visit before (%s) is gone: %v, %v", other, at, err)
			}
			w.visit(b, sitebook.Visit{Person: person(t, 8), Used: true}) // settles what was in doubt
			if strings.Contains(tc.name, "in doubt") {
				expect(t, "after the next visit", b, v, tc.counts)
			}
		})
	}
}

func expect(t *testing.T, when string, b *sitebook.Book, v sitebook.Visit, want bool) {
	t.Helper()
	_, enrolled, err := b.Enrolled(t.Context(), city, cert(t, 1))
	must(t, err)
	used, err := b.Used(t.Context(), shelter, v.Person, always)
	must(t, err)
	_, known, err := b.Number(t.Context(), shelter, v.Person)
	must(t, err)
	here, err := b.Present(t.Context())
	must(t, err)
	present := false
	for _, p := range here {
		present = present || p.Tap == v.Tap
	}
	if enrolled != want || used.IsZero() == want || (known == sitebook.Linked) != want || present != want {
		t.Errorf("%s: enrolled %t, used %v, link %d, present %t, want %t of each", when, enrolled, used, known, present, want)
	}
}

// P2: a record is looked for behind the mark of its own visit, however many others were written and confirmed meanwhile.
func TestP2MarksStandBeforeEveryRecordInDoubt(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	slow := w.whole(sitebook.Visit{Person: person(t, 1), Used: true})
	must(t, b.Write(t.Context(), slow))
	for n := range byte(5) {
		w.records(record.NewTapID()) // of a tap that leaves nothing
		w.visit(b, sitebook.Visit{Person: person(t, 10+n), Used: true})
	}
	w.records(slow.Tap)
	expect := func(when string, b *sitebook.Book) {
		t.Helper()
		if here, err := b.Present(t.Context()); err != nil || len(here) != 6 {
			t.Errorf("%s: Present = %d, %v, want 6", when, len(here), err)
		}
	}
	expect("after a cut", w.cut().open())
	b.Doubt(slow.Tap)
	w.visit(b, sitebook.Visit{Person: person(t, 10), Used: true})
	expect("after a doubt", b)
	w.mark += 100 // taps that leave nothing
	expect("much later", w.cut().open())
}

// Only the end of the book is held against the journal at a start, and what was confirmed is not asked for again.
func TestOpenLooksAtTheEndOnly(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	for n := range byte(20) {
		w.visit(b, sitebook.Visit{Person: person(t, n), Used: true})
	}
	after := w.cut()
	after.open()
	if after.asked != 1 {
		t.Errorf("a start after a cut asks for %d records, want the last alone", after.asked)
	}
	must(t, b.Close())
	w.known = nil // the journal let everything go long ago
	w.asked = 0
	if here, err := w.open().Present(t.Context()); err != nil || len(here) != 20 || w.asked != 0 {
		t.Errorf("after a clean end %d present, %v, %d records asked for, want 20 and none", len(here), err, w.asked)
	}
}

// P3: without its keys a book says nothing of anybody, and takes nothing; what needs no person goes on.
func TestP3LockedBook(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	w.enrols(b, 1, nil)
	must(t, b.SetStaff(t.Context(), staff("sato", "made-up code")))
	_, err := b.SignIn(t.Context(), localapi.NewSecret("made-up code"))
	must(t, err)
	w.lock(b, true)
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"Enrolled": func() error { _, _, err := b.Enrolled(ctx, city, cert(t, 1)); return err },
		"Used":     func() error { _, err := b.Used(ctx, shelter, person(t, 1), always); return err },
		"Number":   func() error { _, _, err := b.Number(ctx, shelter, person(t, 1)); return err },
		"ByNumber": func() error { _, _, err := b.ByNumber(ctx, shelter, "1"); return err },
		"Present":  func() error { _, err := b.Present(ctx); return err },
		"Leave":    func() error { return b.Leave(ctx, record.NewTapID()) },
		"Write":    func() error { return b.Write(ctx, w.whole(sitebook.Visit{Person: person(t, 2), Used: true})) },
		"Staff":    func() error { _, err := b.Staff(ctx); return err },
		"SetStaff": func() error { return b.SetStaff(ctx, staff("ito", "another code")) },
		"SignIn":   func() error { _, err := b.SignIn(ctx, localapi.NewSecret("made-up code")); return err },
		"Sessions": func() error { _, err := b.Sessions(ctx); return err },
		"Tick":     func() error { return b.Tick(ctx, record.NewTapID()) },
		"Settle":   func() error { return sitebook.People{Book: b}.Settle(ctx) },
		"Reseal":   func() error { return b.Reseal(ctx) },
		"Import": func() error {
			_, err := b.Import(ctx, strings.NewReader("ppid,number\n"), localapi.Import{Service: loan}, nil)
			return err
		},
	} {
		if err := do(); !errors.Is(err, localapi.ErrLocked) {
			t.Errorf("%s of a locked book = %v, want ErrLocked", name, err)
		}
	}
	if who, ok := b.SignedIn(); ok {
		t.Errorf("SignedIn of a locked book = %s, want nobody", who.ID)
	}
	if n, err := b.People(ctx); n != 1 || err != nil {
		t.Errorf("People of a locked book = %d, %v, want 1", n, err)
	}
	w.lock(b, false)
	if _, ok, err := b.Enrolled(ctx, city, cert(t, 1)); !ok || err != nil {
		t.Errorf("Enrolled once it is open again = %t, %v", ok, err)
	}
	if at, err := b.Used(ctx, shelter, person(t, 2), always); !at.IsZero() || err != nil {
		t.Errorf("Used of somebody who came while it was locked = %v, %v, want never", at, err)
	}
}

// The last use counts, by the certificate before the enrolment and after it.
func TestUsedIsTheLastUseOfThePerson(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	if at, err := b.Used(t.Context(), shelter, person(t, 1), always); !at.IsZero() || err != nil {
		t.Fatalf("Used = %v, %v, want never", at, err)
	}
	w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true})
	w.visit(b, sitebook.Visit{Person: person(t, 2), Used: true})
	w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true, Service: "other"})
	w.later(time.Hour)
	before := person(t, 1)
	e, _ := w.enrols(b, 1, &before)
	for name, p := range map[string]sitebook.Person{"by certificate": before, "by enrolment": sitebook.Enrolled(*e)} {
		if at, err := b.Used(t.Context(), shelter, p, always); err != nil || !at.Equal(noon.Add(time.Hour)) {
			t.Errorf("%s: Used = %v, %v, want an hour after noon", name, at, err)
		}
	}
}

// A clock that stood years ahead for a while hides no use from before that.
func TestUsedPassesOverTimesThatCannotBe(t *testing.T) {
	const wrong = 73 * 365 * 24 * time.Hour
	w := newWorld(t)
	b := w.open()
	w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true})
	w.later(wrong)
	for range 3 {
		w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true})
	}
	w.later(-wrong + time.Minute)
	for _, c := range []struct {
		before, want time.Time
	}{
		{noon.Add(time.Hour), noon},
		{noon, noon},
		{noon.Add(-time.Millisecond), time.Time{}},
		{noon.Add(wrong), noon.Add(wrong)},
	} {
		if at, err := b.Used(t.Context(), shelter, person(t, 1), c.before); err != nil || !at.Equal(c.want) {
			t.Errorf("Used before %s = %v, %v, want %v", c.before, at, err, c.want)
		}
	}
}

// Whoever came very often to one service is still seen at another.
func TestUsesOfOneServiceHideNoneOfAnother(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true})
	for range 65 {
		w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true, Service: "gym"})
	}
	if at, err := b.Used(t.Context(), shelter, person(t, 1), always); err != nil || !at.Equal(noon) {
		t.Errorf("Used = %v, %v, want noon", at, err)
	}
}

// A renewed certificate, and a new card with a new enrolment, keep the number, the last use and the presence of the person.
func TestRenewalsKeepLinkAndPresence(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	first, tap := w.enrols(b, 1, nil)
	old := sitebook.Enrolled(*first)
	w.visit(b, sitebook.Visit{Person: old, Link: "L-0042", Service: loan})
	renewed := sitebook.PersonOf(city, cert(t, 2), tap) // as central's roster names them after the renewal
	second, _ := w.enrols(b, 3, &renewed)               // a new card with another certificate, enrolled anew
	third := sitebook.PersonOf(city, cert(t, 4), second.Enrolled)
	book := w.cut().open()
	for name, p := range map[string]sitebook.Person{"renewed": renewed, "enrolled anew": sitebook.Enrolled(*second), "and renewed": third} {
		if number, known, err := book.Number(t.Context(), loan, p); err != nil || known != sitebook.Linked || number != "L-0042" {
			t.Errorf("%s: Number = %q, %d, %v, want the number", name, number, known, err)
		}
		if at, err := book.Used(t.Context(), shelter, p, always); err != nil || at.IsZero() {
			t.Errorf("%s: Used = %v, %v, want a time", name, at, err)
		}
	}
	here, err := book.Present(t.Context())
	if err != nil || len(here) != 1 || here[0].Tap != tap {
		t.Errorf("Present = %+v, %v, want the person once, by the first tap", here, err)
	}
	if p, known, err := book.ByNumber(t.Context(), loan, "L-0042"); err != nil || known != sitebook.Linked || !p.Same(sitebook.Enrolled(*second)) {
		t.Errorf("ByNumber = %d, %v, or somebody else, want the person by the new enrolment", known, err)
	}
}

func TestNumbersAreLinkedAndTakenBack(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	p := person(t, 1)
	want := func(when string, number string, number1, owner sitebook.Linking) {
		t.Helper()
		if n, known, err := b.Number(t.Context(), loan, p); n != number || known != number1 || err != nil {
			t.Errorf("%s: Number = %q, %d, %v, want %q, %d", when, n, known, err, number, number1)
		}
		if who, known, err := b.ByNumber(t.Context(), loan, "L-1"); known != owner || err != nil || known != sitebook.LinkUnknown && !who.Same(p) {
			t.Errorf("%s: ByNumber = %d, %v, want %d", when, known, err, owner)
		}
	}
	want("at first", "", sitebook.LinkUnknown, sitebook.LinkUnknown)
	w.visit(b, sitebook.Visit{Person: p, Link: "L-1", Service: loan})
	want("linked", "L-1", sitebook.Linked, sitebook.Linked)
	if n, known, err := b.Number(t.Context(), shelter, p); known != sitebook.LinkUnknown || err != nil {
		t.Errorf("Number of another service = %q, %d, %v, want none", n, known, err)
	}
	w.visit(b, sitebook.Visit{Person: p, Unlink: "L-1", Service: loan})
	want("taken back", "L-1", sitebook.Unlinked, sitebook.Unlinked)
	refused := w.visit(b, sitebook.Visit{Person: p, Link: "L-2", Service: loan})
	must(t, b.Correct(t.Context(), []sitebook.Correction{{
		Tap: refused, Time: noon, Desk: "desk-1", Service: loan,
		First: localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonListOld},
		Final: localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked},
	}}, rule.Version{CentralEpoch: 1, N: 1}))
	want("central refused the next link", "L-1", sitebook.Unlinked, sitebook.Unlinked)
}

// P6: that a hold was lifted is a second look for the staff, whatever they saw of the refusal; hearing it again is none. Where a restored central
// says the older word alone, nobody is told any more that the person may tap again, until it says that again, too.
func TestP6ALiftedHoldIsASecondLook(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	signIn := func() {
		t.Helper()
		_, err := b.SignIn(t.Context(), localapi.NewSecret("made-up code"))
		must(t, err)
	}
	must(t, b.SetStaff(t.Context(), staff("sato", "made-up code")))
	signIn()
	tap, n := record.NewTapID(), uint64(0)
	outcome := func(v record.Verdict, r record.Reason) localapi.Outcome {
		return localapi.Outcome{Verdict: v, Reason: r}
	}
	refused, lifted := outcome(record.VerdictRefused, record.ReasonOnHold), outcome(record.VerdictRefused, record.ReasonHoldLifted)
	hear := func(when string, first, final, listed localapi.Outcome) {
		t.Helper()
		n++
		must(t, b.Correct(t.Context(), []sitebook.Correction{{
			Tap: tap, Time: noon, Desk: "desk-1", Service: loan, First: first, Final: final, Settled: noon,
		}}, rule.Version{CentralEpoch: 1, N: n}))
		work, err := b.Work(t.Context(), false)
		must(t, err)
		var got localapi.Outcome
		if len(work) > 0 {
			got = work[0].Final
		}
		if got != listed {
			t.Errorf("%s: on the list = %v, want %v", when, got, listed)
		}
	}
	var nothing localapi.Outcome
	served := outcome(record.VerdictProvisional, record.ReasonListOld)
	for _, first := range []localapi.Outcome{refused, served} {
		listed := nothing
		if first == served {
			listed = refused
		}
		tap = record.NewTapID()
		hear("refused", first, refused, listed)
		if first == served {
			must(t, b.Tick(t.Context(), tap))
		}
		hear("lifted", first, lifted, lifted)
		w = w.cut()
		b = w.open()
		signIn()
		hear("lifted, after a cut", first, lifted, lifted)
		hear("the older word again", first, refused, listed)
		hear("and the newer", first, lifted, lifted)
		must(t, b.Tick(t.Context(), tap))
		hear("ticked off, and the word again", first, lifted, nothing)
		hear("ticked off, and the older word", first, refused, nothing)
		hear("ticked off, and the newer", first, lifted, nothing)
	}
	hear("in order after all", served, outcome(record.VerdictAccepted, record.ReasonInOrder), outcome(record.VerdictAccepted, record.ReasonInOrder))
}

func TestPresence(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	one := w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true})
	w.later(time.Minute)
	two := w.visit(b, sitebook.Visit{Person: person(t, 2), Used: true})
	w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true})
	want := func(when string, taps ...record.TapID) {
		t.Helper()
		here, err := b.Present(t.Context())
		must(t, err)
		if len(here) != len(taps) {
			t.Fatalf("%s: %d present, want %d", when, len(here), len(taps))
		}
		for i, tap := range taps {
			if here[i].Tap != tap || here[i].Service != shelter || here[i].Spoken != localapi.SpokenCode(tap) {
				t.Errorf("%s: Present[%d] = %+v, want %s", when, i, here[i], tap)
			}
		}
	}
	want("two came, one twice", two, one)
	must(t, b.Leave(t.Context(), one))
	want("one left", two)
	if err := b.Leave(t.Context(), one); !errors.Is(err, localapi.ErrUnknown) {
		t.Errorf("Leave twice = %v, want ErrUnknown", err)
	}
	if at, err := b.Used(t.Context(), shelter, person(t, 1), always); err != nil || at.IsZero() {
		t.Errorf("Used of who left = %v, %v, want a time", at, err)
	}
	back := w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true})
	want("one came back", back, two)
	b = w.cut().open()
	want("after the cut", back, two)
}

// P6: corrections reach the staff, stay over restarts, and change with central's word.
func TestP6WorkListSurvivesRestarts(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	served := localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonListOld}
	refused := localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonOnHold}
	accepted := localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}
	taps := []record.TapID{record.NewTapID(), record.NewTapID(), record.NewTapID(), record.NewTapID()}
	correct := func(i int, first, final localapi.Outcome) {
		t.Helper()
		must(t, b.Correct(t.Context(), []sitebook.Correction{{
			Tap: taps[i], Time: noon.Add(time.Duration(i) * time.Minute), Desk: "desk-1", Service: loan, First: first, Final: final, Settled: noon,
		}}, rule.Version{CentralEpoch: 1, N: uint64(i) + 1}))
	}
	want := func(when string, all bool, list ...int) []localapi.WorkItem {
		t.Helper()
		work, err := b.Work(t.Context(), all)
		must(t, err)
		var got []record.TapID
		for _, x := range work {
			got = append(got, x.Tap)
		}
		if len(got) != len(list) {
			t.Fatalf("%s: %d on the list, want %d", when, len(got), len(list))
		}
		for i, n := range list {
			if got[i] != taps[n] {
				t.Errorf("%s: %d on the list is another tap", when, i)
			}
		}
		return work
	}
	correct(0, served, refused)
	correct(1, served, accepted) // as it was said
	correct(2, refused, accepted)
	correct(3, served, refused)
	if v, err := w.cut().open().Corrected(t.Context()); v != (rule.Version{CentralEpoch: 1, N: 4}) || err != nil {
		t.Errorf("Corrected after a cut = %v, %v, want 4", v, err)
	}
	w.lock(b, true)
	want("locked", false, 3, 2, 0)
	w.lock(b, false)
	if err := b.Tick(t.Context(), taps[0]); !errors.Is(err, localapi.ErrNoStaff) {
		t.Errorf("Tick where nobody can sign in = %v, want ErrNoStaff", err)
	}
	_, err := b.SignIn(t.Context(), localapi.NewSecret("made-up code"))
	if !errors.Is(err, localapi.ErrNoStaff) {
		t.Errorf("SignIn where nobody can = %v, want ErrNoStaff", err)
	}
	must(t, b.SetStaff(t.Context(), staff("sato", "made-up code")))
	if err := b.Tick(t.Context(), taps[0]); !errors.Is(err, localapi.ErrNobody) {
		t.Errorf("Tick by nobody = %v, want ErrNobody", err)
	}
	_, err = b.SignIn(t.Context(), localapi.NewSecret("made-up code"))
	must(t, err)
	must(t, b.Tick(t.Context(), taps[0]))
	if err := b.Tick(t.Context(), taps[1]); !errors.Is(err, localapi.ErrUnknown) {
		t.Errorf("Tick of what is not on the list = %v, want ErrUnknown", err)
	}
	b = w.cut().open()
	want("after the cut", false, 3, 2)
	if work := want("all", true, 3, 2, 0); work[2].Done == nil || work[2].Done.By != "sato" || !work[2].Done.At.Equal(noon) || work[0].Done != nil ||
		work[2].First != served || work[2].Final != refused || work[2].Spoken != localapi.SpokenCode(taps[0]) {
		t.Errorf("the list says %+v", work[2])
	}
	correct(3, served, refused) // heard again
	want("heard again", false, 3, 2)
	correct(3, served, accepted) // the hold was lifted before anybody looked
	want("taken back", false, 2)
	correct(0, served, accepted) // and after somebody had
	if work := want("taken back after somebody acted", false, 2, 0); work[1].Final != accepted || work[1].Done != nil {
		t.Errorf("the list says %+v, want it open again", work[1])
	}
}

// Reseal goes on where it was interrupted, and everything is found in between and after.
func TestResealIsInterruptible(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	for n := range byte(200) {
		w.visit(b, sitebook.Visit{Person: person(t, n), Used: true, Link: "L-" + string(rune('A'+n%26)) + string(rune('A'+n/26)), Service: loan})
	}
	must(t, b.SetStaff(t.Context(), staff("sato", "made-up code")))
	old := w.ring
	w.rotate()
	w.visit(b, sitebook.Visit{Person: person(t, 201), Used: true, Service: loan})
	all := func(when string, b *sitebook.Book) {
		t.Helper()
		for n := range byte(200) {
			if _, known, err := b.Number(t.Context(), loan, person(t, n)); err != nil || known != sitebook.Linked {
				t.Fatalf("%s: Number(%d) = %d, %v, want linked", when, n, known, err)
			}
		}
	}
	gens := func(b *sitebook.Book) int {
		t.Helper()
		g, err := b.Generations(t.Context())
		must(t, err)
		return len(g)
	}
	ctx := &steps{Context: t.Context(), left: 3}
	if err := b.Reseal(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Reseal cut short = %v, want context.Canceled", err)
	}
	if n := gens(b); n != 2 {
		t.Errorf("%d generations after a part, want 2", n)
	}
	all("in between", b)
	after := w.cut()
	b = after.open()
	all("after a cut in between", b)
	must(t, b.Reseal(t.Context()))
	if n := gens(b); n != 1 {
		t.Errorf("%d generations after all, want 1", n)
	}
	current, _, _ := after.ring.Current()
	after.ring = after.ring.Without(old.Generations()...)
	if g, _ := b.Generations(t.Context()); len(g) != 1 || g[0] != current {
		t.Errorf("sealed under %v, want the current generation", g)
	}
	all("without the old key", b)
	if s, err := b.Staff(t.Context()); err != nil || len(s) != 1 {
		t.Errorf("Staff = %d, %v, want 1", len(s), err)
	}
	_, err := b.SignIn(t.Context(), localapi.NewSecret("made-up code"))
	must(t, err)
}

// steps is a context that ends after it was looked at some times.
type steps struct {
	context.Context //nolint:containedctx // this is one

	left int
}

func (s *steps) Err() error {
	if s.left--; s.left < 0 {
		return context.Canceled
	}
	return nil
}

// An entry under a key that is lost is passed over, stays, and is not taken for another.
func TestLostKeyLosesItsEntriesOnly(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	w.enrols(b, 1, nil)
	old := w.ring
	w.rotate()
	w.enrols(b, 2, nil)
	w.ring = w.ring.Without(old.Generations()...)
	if _, ok, err := b.Enrolled(t.Context(), city, cert(t, 1)); ok || err != nil {
		t.Errorf("Enrolled under a lost key = %t, %v, want none", ok, err)
	}
	if _, ok, err := b.Enrolled(t.Context(), city, cert(t, 2)); !ok || err != nil {
		t.Errorf("Enrolled under the key that is left = %t, %v", ok, err)
	}
	must(t, b.Reseal(t.Context()))
	here, err := b.Present(t.Context())
	if err != nil || len(here) != 1 {
		t.Errorf("Present = %d, %v, want 1", len(here), err)
	}
	if n, err := b.People(t.Context()); n != 2 || err != nil {
		t.Errorf("People = %d, %v, want 2: what cannot be opened stays", n, err)
	}
}

func TestSettleLetsGoOfWhatCentralTookIn(t *testing.T) {
	w := newTown(t)
	b := w.Book
	_, one := w.enrols(b, 1, nil)
	w.enrols(b, 2, nil)
	link := w.visit(b, sitebook.Visit{Person: person(t, 3), Link: "L-3", Service: loan})
	unlink := w.visit(b, sitebook.Visit{Person: person(t, 4), Unlink: "L-4", Service: loan})
	w.accepts(one, link)
	w.publish()
	if _, ok, _ := b.Enrolled(t.Context(), city, cert(t, 1)); ok {
		t.Error("an enrolment that central tells of is still local")
	}
	if _, ok, _ := b.Enrolled(t.Context(), city, cert(t, 2)); !ok {
		t.Error("an enrolment that central does not tell of is gone")
	}
	if _, known, _ := b.Number(t.Context(), loan, person(t, 3)); known != sitebook.LinkUnknown {
		t.Error("a link that central tells of is still local")
	}
	if _, known, _ := b.Number(t.Context(), loan, person(t, 4)); known != sitebook.Unlinked {
		t.Error("an unlink that central does not tell of is gone")
	}
	w.accepts(unlink)
	w.publish()
	if _, known, _ := b.Number(t.Context(), loan, person(t, 4)); known != sitebook.LinkUnknown {
		t.Error("an unlink that central tells of is still local")
	}
	if at, err := b.Used(t.Context(), shelter, person(t, 1), always); err != nil || at.IsZero() {
		t.Errorf("Used of a settled person = %v, %v, want a time", at, err)
	}
}

func TestExpireKeepsWhatTheRuleKeeps(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	w.enrols(b, 1, nil) // uses the shelter
	w.visit(b, sitebook.Visit{Person: person(t, 2), Used: true, Service: "kept-for-good"})
	must(t, b.Leave(t.Context(), w.visit(b, sitebook.Visit{Person: person(t, 3), Used: true})))
	must(t, b.SetStaff(t.Context(), staff("sato", "made-up code")))
	_, err := b.SignIn(t.Context(), localapi.NewSecret("made-up code"))
	must(t, err)
	old := sitebook.Correction{
		Tap: record.NewTapID(), Time: noon, Desk: "desk-1", Service: shelter, First: localapi.Outcome{Verdict: record.VerdictAccepted, Reason: 1},
		Final: localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked}, Settled: noon,
	}
	open := old
	open.Tap = record.NewTapID()
	must(t, b.Correct(t.Context(), []sitebook.Correction{old, open}, rule.Version{CentralEpoch: 1, N: 2}))
	must(t, b.Tick(t.Context(), old.Tap))
	days := func(s record.ServiceID) uint32 { return map[record.ServiceID]uint32{shelter: 7}[s] }
	w.lock(b, true)
	midnight := time.Date(2026, 11, 30, 0, 0, 0, 0, time.FixedZone("JST", 9*60*60)) // the end of the day on which seven were over
	must(t, b.Expire(t.Context(), midnight.Add(-time.Millisecond), days))
	w.lock(b, false)
	if c, err := b.Contents(t.Context()); err != nil || c.Uses != 4 {
		t.Errorf("on the last day the book holds %+v, %v, want 4 uses", c, err)
	}
	must(t, b.Expire(t.Context(), midnight, days))
	want := sitebook.Contents{Enrolments: 1, Uses: 1, Staff: 1, Sessions: 1, Work: 1}
	if c, err := b.Contents(t.Context()); err != nil || c != want {
		t.Errorf("after it the book holds %+v, %v, want %+v", c, err, want)
	}
}

// P1: while the book looks for what is over, taps are taken, and what is kept for good is not looked at.
func TestP1ExpireGoesOnBesideTaps(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	for range 70 { // more than one transaction lets go of
		w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true})
		w.visit(b, sitebook.Visit{Person: person(t, 1), Used: true, Service: "kept-for-good"})
	}
	w.later(8 * 24 * time.Hour)
	asked := map[record.ServiceID]int{}
	must(t, b.Expire(t.Context(), noon.Add(9*24*time.Hour), func(s record.ServiceID) uint32 {
		asked[s]++
		w.visit(b, sitebook.Visit{Person: person(t, 2), Used: true})
		return map[record.ServiceID]uint32{shelter: 7}[s]
	}))
	if c, err := b.Contents(t.Context()); err != nil || c.Uses != 70+2 || asked[shelter] != 1 || asked["kept-for-good"] != 1 {
		t.Errorf("the book holds %+v, %v, want 72 uses; each service was to be asked for once: %v", c, err, asked)
	}
}

// P3: who was at the desk is forgotten in the end, which no rule says.
func TestP3SessionsExpire(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	must(t, b.SetStaff(t.Context(), staff("sato", "made-up code")))
	never := func(record.ServiceID) uint32 { return 0 }
	for range 2 {
		_, err := b.SignIn(t.Context(), localapi.NewSecret("made-up code"))
		must(t, err)
		w.later(time.Hour)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 2}, {time.Millisecond, 1}, {time.Hour, 1}, {2 * time.Hour, 0}} {
		must(t, b.Expire(t.Context(), noon.Add(sitebook.SessionDays*24*time.Hour+c.after), never))
		if list, err := b.Sessions(t.Context()); err != nil || len(list) != c.want {
			t.Errorf("%d days and %s later: %d sessions, %v, want %d", sitebook.SessionDays, c.after, len(list), err, c.want)
		}
	}
	if list, err := b.Staff(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("Staff = %d, %v, want who may sign in", len(list), err)
	}
}

// P3: closing leaves nothing, and says what there was.
func TestP3EraseLeavesNothing(t *testing.T) {
	w := newWorld(t)
	must(t, os.WriteFile(w.path+".set-aside-earlier", []byte("an old book"), 0o600))
	b := w.open()
	w.enrols(b, 1, nil)
	w.visit(b, sitebook.Visit{Person: person(t, 2), Link: "L-2", Service: loan})
	must(t, b.SetStaff(t.Context(), staff("sato", "made-up code")))
	_, err := b.SignIn(t.Context(), localapi.NewSecret("made-up code"))
	must(t, err)
	w.lock(b, true)
	had, err := b.Erase(t.Context())
	if want := (sitebook.Contents{Enrolments: 1, Uses: 1, Links: 1, Staff: 1, Sessions: 1}); err != nil || had != want {
		t.Errorf("Erase = %+v, %v, want %+v", had, err, want)
	}
	w.lock(b, false)
	if c, err := b.Contents(t.Context()); err != nil || c != (sitebook.Contents{}) {
		t.Errorf("after Erase the book holds %+v, %v, want nothing", c, err)
	}
	if _, err := os.Stat(w.path + ".set-aside-earlier"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was set aside is still there: %v", err)
	}
	if _, ok := b.SignedIn(); ok {
		t.Error("somebody is still signed in")
	}
	w.enrols(b, 3, nil) // and it goes on
	if n, err := b.People(t.Context()); n != 1 || err != nil {
		t.Errorf("People = %d, %v, want the new one", n, err)
	}
}

func TestOpenRefusesAndSetsAside(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	w.enrols(b, 1, nil)
	must(t, b.Close())
	o := w.options()
	o.Site = "branch-2"
	if _, err := sitebook.Open(t.Context(), w.path, o); !errors.Is(err, sitebook.ErrElsewhere) {
		t.Errorf("Open of another site's = %v, want ErrElsewhere", err)
	}
	good, err := os.ReadFile(w.path)
	must(t, err)
	newer := append([]byte{}, good...)
	newer[63] = 9 // user_version, https://www.sqlite.org/fileformat2.html §1.3
	must(t, os.WriteFile(w.path, newer, 0o600))
	if _, err := sitebook.Open(t.Context(), w.path, w.options()); !errors.Is(err, sitebook.ErrNewer) {
		t.Errorf("Open of a newer release's = %v, want ErrNewer", err)
	}
	for name, bad := range map[string][]byte{"no database": []byte("no database"), "empty": {}, "torn": good[:len(good)/2]} {
		must(t, os.WriteFile(w.path, bad, 0o600))
		b, err := sitebook.Open(t.Context(), w.path, w.options())
		if err != nil {
			t.Fatalf("Open of one that is %s = %v, want a new one", name, err)
		}
		if n, err := b.People(t.Context()); n != 0 || err != nil {
			t.Errorf("%s: People = %d, %v, want none", name, n, err)
		}
		must(t, b.Close())
	}
}

func TestVisitsThatAreNone(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	for name, v := range map[string]sitebook.Visit{
		"nothing":          {Person: person(t, 1)},
		"nobody":           {Used: true},
		"no enrolment":     {Person: person(t, 1), Enrolment: &roster.Entry{}},
		"no such number":   {Person: person(t, 1), Link: "a\nb"},
		"a long number":    {Person: person(t, 1), Link: strings.Repeat("1", 65)},
		"unknown verifier": {Person: sitebook.PersonOf("", cert(t, 1), record.TapID{}), Used: true},
	} {
		if err := b.Write(t.Context(), w.whole(v)); !errors.Is(err, sitebook.ErrVisit) {
			t.Errorf("Write(%s) = %v, want ErrVisit", name, err)
		}
	}
	must(t, b.Close())
	if err := b.Write(t.Context(), w.whole(sitebook.Visit{Person: person(t, 1), Used: true})); !errors.Is(err, sitebook.ErrClosed) {
		t.Errorf("Write to a closed book = %v, want ErrClosed", err)
	}
}
