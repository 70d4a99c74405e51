package loss_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/loss"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// town is a site with two boxes: two people are enrolled at the lost one, and a third tapped there with the PIN.
func town(t *testing.T) (c *simcentral.Central, lost *simbox.Box) {
	t.Helper()
	c = simcentral.New(t)
	lost = c.Box()
	c.Box()
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error { _, _, err := c.SiteKeys.Ensure(tx, lost.Site); return err }))
	e := lost.Start(t, epoch.CauseStart)
	for i := range byte(2) {
		e.Tap(t, simbox.Known(t, 0x21, i).Enrol(t, lost.ID))
	}
	e.Tap(t, simbox.Known(t, 0x22).PIN(t, lost.ID))
	e.Tap(t, simbox.Card(0x23))
	c.Push(lost, e.Push())
	c.Drain()
	if n := c.Counts(); n.Records != 4 || n.Persons != 3 {
		t.Fatalf("counts = %+v, want 4 records of 3 persons", n)
	}
	return c, lost
}

func question(c *simcentral.Central, b *simbox.Box) loss.Question {
	return loss.Question{
		Box: b.ID, Unlock: rule.UnlockCode, Services: []loss.Service{{ID: simbox.Service, Sector: simbox.Sector}},
		PPID: func(s store.Subject) (record.Subject, error) { return opener.PPID(c.Keys.Rows, s) }, Seen: simcentral.Start, Waiting: 7,
	}
}

func assess(c *simcentral.Central, q loss.Question) (f loss.Facts, named []loss.Concerned) {
	c.TB.Helper()
	c.Check(c.Store.View(c.TB.Context(), func(tx store.Tx) (err error) { f, named, err = loss.Assess(tx, q, c.World.Now()); return err }))
	return f, named
}

func TestWhomItConcerns(t *testing.T) {
	c, lost := town(t)
	f, named := assess(c, question(c, lost))
	if want := (loss.People{All: 3, Enrolled: 2, Tapped: 3, Unsafe: 3}); f.People != want || len(named) != 0 {
		t.Errorf("before a backup: %+v with %d named, want %+v and nobody named", f.People, len(named), want)
	}
	_, err := c.Keeper.Make(t.Context(), "monday")
	c.Check(err)
	f, named = assess(c, question(c, lost))
	if want := (loss.People{All: 3, Enrolled: 2, Tapped: 3}); f.People != want || len(named) != 3 || f.Services[0].People != 3 {
		t.Errorf("after it: %+v, %+v with %d named, want %+v and 3 named", f.People, f.Services, len(named), want)
	}
	if f.Held.Records != 4 || f.Held.Unnamed != 1 || f.Held.Unsafe != 0 || f.Neighbors != 1 || f.Seen != simcentral.Start || f.Waiting != 7 {
		t.Errorf("facts = %+v, want 4 records, one of nobody, and one other box", f)
	}
	q := question(c, lost)
	q.Since = simcentral.Start.Add(time.Hour)
	if f, _ := assess(c, q); f.People.Tapped != 0 || f.People.All != 2 {
		t.Errorf("of taps since later: %+v, want the two who are enrolled", f.People)
	}
	if text := fmt.Sprintf("%v %+v %x", named[0], named, named); strings.Contains(text, named[0].PPID) {
		t.Error("P3: a pseudonym is printed")
	}
}

// The report says what was done and what is not known, in both languages, and names nobody.
func TestTheReport(t *testing.T) {
	c, lost := town(t)
	_, err := c.Keeper.Make(t.Context(), "monday")
	c.Check(err)
	f, named := assess(c, question(c, lost))
	text := write(t, f)
	for _, want := range []string{"下書きです", "A draft: nothing was done yet", "3 人", "Concerned: 3 ", "7 by its last word", "最後の通信では 7 件", "assume not"} {
		if !strings.Contains(text, want) {
			t.Errorf("the draft lacks %q", want)
		}
	}
	l, known, err := c.Boxes.Lose(t.Context(), lost.ID, f.Seen, f.Waiting)
	if err != nil || known || l.Was != store.BoxActive || l.Generation.IsZero() {
		t.Fatalf("Lose = %+v, %v, %v, want it done", l, known, err)
	}
	c.World.Pass(time.Hour)
	again, known, err := c.Boxes.Lose(t.Context(), lost.ID, time.Time{}, 0)
	if err != nil || !known || again != l {
		t.Errorf("Lose again = %+v, %v, %v, want the same loss", again, known, err)
	}
	q := question(c, lost)
	q.Seen, q.Waiting = time.Time{}, 0 // central was started anew
	f, _ = assess(c, q)
	text = write(t, f)
	for _, want := range []string{
		"2026-11-22 12:00:00 JST", l.Generation.String(), "7 by its last word", "not given (`kazashi-central box wipe", "1 台", "before: active",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "下書き") || strings.Contains(text, "<no value>") || strings.Contains(text, "%!") {
		t.Errorf("the report is a draft, or broken:\n%s", text)
	}
	for _, p := range named {
		if strings.Contains(text, p.PPID) {
			t.Error("P3: the report names somebody")
		}
	}
	if strings.Count(text, "box settle "+lost.ID.String()) != 2 {
		t.Error("the report does not say in both languages how what is held is settled")
	}
	for unlock, want := range map[rule.Unlock]string{rule.UnlockTPM: "with the TPM alone", rule.UnlockFile: "with a file alone"} {
		q.Unlock = unlock
		f, _ := assess(c, q)
		if got := write(t, f); !strings.Contains(got, want) || !strings.Contains(got, "読めると考えてください") {
			t.Errorf("the report lacks %q", want)
		}
	}
	c.Check(c.Boxes.Reinstate(t.Context(), lost.ID))
	if f, _ := assess(c, q); !f.Lost.IsZero() {
		t.Error("a box that was found is still lost")
	}
}

// What was done before the box was said to be lost is not said to have been done then, and a key is promised to nobody who is not given one.
func TestTheReportSaysWhatWasDoneWhen(t *testing.T) {
	const anew, before = "at the same time the site got a new key", "a key made on 2026-11-22 12:00:00 JST"
	for name, k := range map[string]struct {
		first func(c *simcentral.Central, lost, other record.BoxID) error
		has   []string
		lacks []string
	}{
		"nothing": {func(*simcentral.Central, record.BoxID, record.BoxID) error { return nil }, []string{anew, "同じ時に", "the box was taken out of service", "The 1 other"}, []string{before, "do not get it"}},
		"wiped": {func(c *simcentral.Central, lost, _ record.BoxID) error {
			_, err := c.Boxes.Order(c.TB.Context(), lost, order.KindWipe, time.Time{})
			return err
		}, []string{before, "2026-11-24 12:00:00 JST: the box was taken out of service", "この時には新しくしていません"}, []string{anew, "同じ時に"}},
		"revoked": {func(c *simcentral.Central, lost, _ record.BoxID) error { return c.Boxes.Revoke(c.TB.Context(), lost) }, []string{
			before, "2026-11-24 12:00:00 JST: the box was said to be lost; it was not in service any more", "その前から使用中ではありません",
		}, []string{anew, "the box was taken out of service", "この端末の利用を止めました"}},
		"a neighbour that forked": {func(c *simcentral.Central, _, other record.BoxID) error {
			return c.Boxes.Quarantine(c.TB.Context(), other)
		}, []string{
			anew, "The 0 other", "**1 more in service do not get it**", "**ほかの 1 台は受け取りません**",
		}, []string{"The 1 other"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, lost := town(t)
			boxes, err := c.Boxes.Boxes(t.Context())
			c.Check(err)
			i := slices.IndexFunc(boxes, func(b store.Box) bool { return b.ID != lost.ID })
			c.Check(k.first(c, lost.ID, boxes[i].ID))
			c.World.Pass(48 * time.Hour)
			_, _, err = c.Boxes.Lose(t.Context(), lost.ID, time.Time{}, 0)
			c.Check(err)
			f, _ := assess(c, question(c, lost))
			text := write(t, f)
			for _, want := range k.has {
				if !strings.Contains(text, want) {
					t.Errorf("the report lacks %q:\n%s", want, text)
				}
			}
			for _, no := range k.lacks {
				if strings.Contains(text, no) {
					t.Errorf("the report says %q", no)
				}
			}
		})
	}
}

// Whoever is on the site's roster no more may be on the one that was lost.
func TestWhoeverWasEnrolledIsConcerned(t *testing.T) {
	c, lost := town(t)
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error {
		all, err := tx.EnrolmentsAt(lost.Site, record.TapID{}, 10)
		if err != nil || len(all) != 2 {
			t.Errorf("EnrolmentsAt = %d, %v, want 2", len(all), err)
		}
		return tx.Supersede(all[0].Tap, all[0].Kept)
	}))
	if f, _ := assess(c, question(c, lost)); f.People.Enrolled != 2 {
		t.Errorf("enrolled = %d, want both", f.People.Enrolled)
	}
}

func write(t *testing.T, f loss.Facts) string {
	t.Helper()
	var b strings.Builder
	if err := loss.Report(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
