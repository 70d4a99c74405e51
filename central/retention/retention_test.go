package retention_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/backup"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/retention"
	"kazashi.example/central/store"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

const day = 24 * time.Hour

// house is a central that keeps records of one box for so long.
type house struct {
	*simcentral.Central
	t   *testing.T
	box *simbox.Box
	log *strings.Builder
	now rule.Retention // by the rules in force now
}

func newHouse(t *testing.T, then rule.Retention) *house {
	t.Helper()
	h := &house{Central: simcentral.New(t), t: t, log: &strings.Builder{}, now: then}
	h.rules(then)
	h.box = h.Box()
	h.box.Start(t, epoch.CauseStart)
	h.World.List(h.World.Now())
	return h
}

// rules makes the service read all attributes and keep things for so long.
func (h *house) rules(k rule.Retention) {
	h.World.SetRule(func(r *rule.Rule) {
		r.Attributes, r.Consent, r.Retention = 15, &rule.Consent{JA: "四つ", EN: "all four"}, k
	})
}

// pass turns the clock and what authorities say of it.
func (h *house) pass(d time.Duration) { h.World.Pass(d); h.World.List(h.World.Now()) }

func (h *house) keeper() *retention.Keeper {
	return retention.New(retention.Config{
		Store: h.Store, Rows: h.Keys.Rows, People: h.People, Every: day, Now: h.World.Now, Signed: h.World.Listed,
		Rules: []rule.Rule{{Service: simbox.Service, Retention: h.now}},
		Log:   slog.New(slog.NewTextHandler(h.log, nil)),
	})
}

func (h *house) erase() retention.Round {
	h.t.Helper()
	r, err := h.keeper().Erase(h.t.Context())
	h.Check(err)
	return r
}

// bring has a tap arrive and settled.
func (h *house) bring(r content.Record) record.ID {
	h.t.Helper()
	w := h.box.Epochs[len(h.box.Epochs)-1].Tap(h.t, r)
	h.Push(h.box, h.box.Push())
	h.Drain()
	if _, err := h.Record(w.ID); err != nil {
		h.t.Fatalf("the record is not settled: %v", err)
	}
	return w.ID
}

// at is a tap of now.
func (h *house) at(r content.Record) content.Record {
	r.Time = h.World.Now().UnixMilli()
	return r
}

// enrolment has attributes.
func (h *house) enrolment(p *simbox.Person) content.Record {
	r := p.Enrol(h.t, h.box.ID)
	r.Time = h.World.Now().UnixMilli()
	p.SignPIN(h.t, h.box.ID, &r)
	p.SignCard(h.t, h.box.ID, &r)
	r.Enrolment.Attributes = &content.Attributes{Name: "架空花子", Address: new("架空県"), Birth: "19840217", Sex: new(uint8(2))}
	return r
}

// held is what is here of a record.
type held struct{ content, envelope, attributes, kept, person bool }

func (h *house) held(id record.ID) (got held) {
	h.t.Helper()
	r, err := h.Record(id)
	h.Check(err)
	got = held{content: len(r.Content) > 0, attributes: r.Attributes != 0, person: r.Subject != 0 || len(r.Index) > 0}
	h.Check(h.Store.View(h.t.Context(), func(tx store.Tx) error {
		if e, err := tx.Enrolment(r.Tap); err == nil {
			k, err := h.People.Kept(e)
			h.Check(err)
			got.kept = k.Attributes != nil
		}
		return nil
	}))
	got.envelope = h.envelope(r.Envelope) > 0
	return got
}

// raw looks into the database beside central.
func (h *house) raw(do func(*sql.DB) error) {
	h.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(h.Dir, sqlite.FileDatabase))
	h.Check(err)
	h.Check(errors.Join(do(db), db.Close()))
}

// envelope is how many octets of one are here.
func (h *house) envelope(row int64) (n int) {
	h.t.Helper()
	h.raw(func(db *sql.DB) error {
		return db.QueryRowContext(h.t.Context(), "SELECT length(bytes) FROM envelopes WHERE row = ?", row).Scan(&n)
	})
	return n
}

// file reports whether octets stand in the files of the database.
func (h *house) file(octets []byte) (found bool) {
	h.t.Helper()
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(h.Dir, sqlite.FileDatabase+end))
		if !errors.Is(err, fs.ErrNotExist) {
			h.Check(err)
		}
		found = found || bytes.Contains(b, octets)
	}
	return found
}

var (
	all      = held{content: true, envelope: true, attributes: true, kept: true, person: true}
	plain    = held{content: true, envelope: true, person: true}
	stripped = held{content: true, person: true}
	nothing  = held{}
)

// P3, design §9: what is kept for long enough is erased, by the rule of the tap or the one of now, whichever is shorter, and not a day before.
func TestErasesByTheShorterRule(t *testing.T) {
	for name, c := range map[string]struct {
		then, now          rule.Retention
		attributes, record int // days after which each is gone; 0: never
	}{
		"by the tap's":          {rule.Retention{Record: 30, Attributes: 10}, rule.Retention{Record: 30, Attributes: 10}, 10, 30},
		"shorter now":           {rule.Retention{Record: 30, Attributes: 10}, rule.Retention{Record: 20, Attributes: 5}, 5, 20},
		"longer now":            {rule.Retention{Record: 20, Attributes: 5}, rule.Retention{Record: 30, Attributes: 10}, 5, 20},
		"no end now":            {rule.Retention{Record: 20, Attributes: 5}, rule.Retention{}, 5, 20},
		"no end then":           {rule.Retention{}, rule.Retention{Record: 20, Attributes: 5}, 5, 20},
		"attributes alone":      {rule.Retention{Attributes: 5}, rule.Retention{}, 5, 0},
		"attributes as records": {rule.Retention{Record: 20}, rule.Retention{Record: 20}, 20, 20},
		"never":                 {rule.Retention{}, rule.Retention{}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, c.then)
			h.now = c.now
			enrolled := h.bring(h.enrolment(simbox.Known(t, 0x61, 1)))
			tap := h.bring(h.at(simbox.Card(0x61, 2)))
			last := 0
			for _, d := range slices.Compact(slices.Sorted(slices.Values([]int{
				1, max(c.attributes-1, 1), max(c.attributes, 1), max(c.record-1, 1), max(c.record, 1), 40,
			}))) {
				h.pass(time.Duration(d-last) * day)
				last = d
				h.erase()
				want, wantTap := all, plain
				if c.attributes > 0 && d >= c.attributes {
					want = stripped
				}
				if c.record > 0 && d >= c.record {
					want, wantTap = nothing, nothing
				}
				wantTap.person = wantTap.content
				if got := h.held(enrolled); got != want {
					t.Fatalf("day %d: of the enrolment %+v is held, want %+v", d, got, want)
				}
				if got := h.held(tap); got != wantTap {
					t.Fatalf("day %d: of the tap %+v is held, want %+v", d, got, wantTap)
				}
			}
		})
	}
}

// P2, P6: what was erased is known again when it comes again, its acknowledgement and its verdict stay, the person keeps the pseudonym, and a
// later tap that rests on the enrolment settles as before.
func TestP2WhatIsErasedCountsOnce(t *testing.T) {
	h := newHouse(t, rule.Retention{Record: 3})
	h.World.SetRule(func(r *rule.Rule) { r.Evidence = record.EvidenceCard })
	p := simbox.Known(t, 0x61, 1)
	first := h.enrolment(p)
	id := h.bring(first)
	was, err := h.Record(id)
	h.Check(err)
	ppid := h.PPID(h.box, first.Tap)
	_, before, _ := h.Poll(h.box, wire.Poll{})
	h.pass(5 * day)
	if r := h.erase(); r.Records != 1 || h.held(id) != nothing {
		t.Fatalf("erased %+v, want the record", r)
	}
	h.Push(h.box, h.box.Push())
	h.Drain()
	_, after, verdicts := h.Poll(h.box, wire.Poll{})
	now, err := h.Record(id)
	h.Check(err)
	if now.Final != was.Final || now.First != was.First || now.Verdict != was.Verdict || now.Tap != was.Tap || now.Since != was.Since || now.Erased.IsZero() {
		t.Errorf("the evidence of the decision changed: %+v, was %+v", now, was)
	}
	if n := h.Counts(); n.Records != 1 || n.Erased != 1 || n.Ready != 0 || n.Persons != 1 || len(verdicts.Verdicts) != 1 {
		t.Errorf("counts = %+v, %d verdicts, want one of everything", n, len(verdicts.Verdicts))
	}
	if got, want := fmt.Sprint(after.Ranges), fmt.Sprint(before.Ranges); got != want {
		t.Errorf("acknowledged %s, was %s", got, want)
	}
	tap := p.Tap(t, h.box.ID, first.Tap)
	tap.Time = h.World.Now().UnixMilli()
	p.SignCard(t, h.box.ID, &tap)
	second, err := h.Record(h.bring(tap))
	h.Check(err)
	if want := (store.Said{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder, Answer: second.Final.Answer}); second.Final != want {
		t.Errorf("a tap that rests on the enrolment: %+v, want %+v", second.Final, want)
	}
	if got := h.PPID(h.box, tap.Tap); got != ppid || got == "" {
		t.Errorf("PPID = %q, want %q", got, ppid)
	}
	again := first // the same tap id in another record
	if d, err := h.Record(h.bring(again)); err != nil || d.Final.Reason != record.ReasonTapReplayed {
		t.Errorf("a tap id of an erased record again: %+v, %v, want it refused", d.Final, err)
	}
}

// A clock that jumps erases nothing: days are over only by what an authority has signed; a clock that falls back erases later.
func TestNoClockAloneErases(t *testing.T) {
	h := newHouse(t, rule.Retention{Record: 30, Attributes: 10})
	id := h.bring(h.enrolment(simbox.Known(t, 0x61, 1)))
	h.World.Pass(73 * 365 * day) // 2099
	if r := h.erase(); r.Records+r.Attributes != 0 || h.held(id) != all || !r.AsOf.Equal(h.World.Listed()) {
		t.Errorf("after a jump to 2099: %+v, and %+v is held", r, h.held(id))
	}
	if !strings.Contains(h.log.String(), "days ahead of the newest list") {
		t.Errorf("nobody is told: %s", h.log)
	}
	h.World.Pass(-2 * 73 * 365 * day) // before 1970
	h.World.List(simcentral.Start.Add(100 * day))
	if r := h.erase(); r.Records+r.Attributes != 0 || h.held(id) != all || !r.AsOf.Equal(h.World.Now().UTC()) {
		t.Errorf("after a fall: %+v, and %+v is held", r, h.held(id))
	}
	h.World.List(time.Time{})
	h.World.Pass(73*365*day + 20*day)
	if r := h.erase(); r.Records+r.Attributes != 0 || !r.AsOf.IsZero() || h.held(id) != all {
		t.Errorf("without a signed time: %+v, and %+v is held", r, h.held(id))
	}
	h.World.List(h.World.Now())
	if r := h.erase(); r.Attributes != 1 || h.held(id) != stripped {
		t.Errorf("clock and lists agree on day 20: %+v, and %+v is held", r, h.held(id))
	}
}

// A record that came while the clock stood in the past is not erased once it is right again, nor one whose box said 1970.
func TestAClockInThePastMakesNothingOld(t *testing.T) {
	h := newHouse(t, rule.Retention{Record: 30})
	right := h.World.Now()
	list := right.Add(-6 * time.Hour)
	h.World.Pass(-20 * 365 * day)
	late := h.at(simbox.Card(0x61, 1))
	late.Said.Clock = record.ConfidenceNone
	behind := h.bring(late)
	h.World.Pass(20 * 365 * day)
	old := simbox.Card(0x61, 2)
	old.Time, old.Said.ListTime, old.Said.ListNumber = 0, list.Unix(), 1 // the box: checked, 1970
	boxed := h.bring(old)
	ahead := h.at(simbox.Card(0x61, 3))
	ahead.Time, ahead.Said.ListTime, ahead.Said.ListNumber = right.AddDate(80, 0, 0).UnixMilli(), right.AddDate(80, 0, 0).Unix(), 1
	future := h.bring(ahead)
	h.pass(20 * day)
	if r := h.erase(); r.Records != 0 || !h.held(behind).content || !h.held(boxed).content || !h.held(future).content {
		t.Errorf("day 20: erased %+v, want nothing", r)
	}
	h.pass(11 * day)
	if r := h.erase(); r.Records != 3 {
		t.Errorf("day 31: erased %+v, want all three", r)
	}
}

// P9: what a rule does not ask for is not kept in the envelope that brought it, either.
func TestP9TheEnvelopeOfMoreThanWasAskedForIsErased(t *testing.T) {
	h := newHouse(t, rule.Retention{})
	for asked, want := range map[rule.Attributes]held{
		15: all, rule.AttributeName: {content: true, attributes: true, kept: true, person: true}, 0: stripped,
	} {
		h.World.SetRule(func(r *rule.Rule) { r.Attributes = asked })
		if got := h.held(h.bring(h.enrolment(simbox.Known(t, 0x62, byte(asked)+1)))); got != want {
			t.Errorf("asked for %04b: %+v is held, want %+v", asked, got, want)
		}
	}
}

// Nothing is erased within a day of being applied, however long ago the tap was: its box still asks for the pseudonym.
func TestABacklogStaysADay(t *testing.T) {
	h := newHouse(t, rule.Retention{Record: 7})
	tap := h.at(simbox.Card(0x61, 1))
	h.pass(14 * day)
	id := h.bring(tap)
	for _, step := range []struct {
		pass time.Duration
		want bool
	}{{0, true}, {23 * time.Hour, true}, {time.Hour, false}} {
		h.pass(step.pass)
		h.erase()
		if got := h.held(id).content; got != step.want {
			t.Errorf("%s later: held = %t, want %t", step.pass, got, step.want)
		}
	}
}

// P2, design §5.6: a restored database brings back what was erased since; the next round erases it again, and nothing counts twice.
func TestARestoreIsErasedAgain(t *testing.T) {
	k := simcentral.NewKeys(t)
	h := &house{t: t, log: &strings.Builder{}, now: rule.Retention{Record: 5, Attributes: 2}}
	w, dir := simcentral.NewWorld(t, k), t.TempDir()
	h.Central = simcentral.Open(t, dir, k, w, nil)
	h.rules(h.now)
	h.box = h.Box()
	h.box.Start(t, epoch.CauseStart)
	w.List(w.Now())
	id := h.bring(h.enrolment(simbox.Known(t, 0x61, 1)))
	_, err := h.Keeper.Make(t.Context(), "before")
	h.Check(err)
	h.pass(3 * day)
	h.erase()
	other := h.bring(h.at(simbox.Card(0x61, 2)))
	h.pass(3 * day)
	h.erase()
	if h.held(id) != nothing || !h.held(other).content {
		t.Fatalf("before the restore %+v and %+v are held", h.held(id), h.held(other))
	}
	h.Check(h.DB.Close())
	_, err = backup.Restore(t.Context(), dir, filepath.Join(h.Keeper.Dir, "before.json"), w.Now())
	h.Check(err)
	h.Central = simcentral.Open(t, dir, k, w, nil)
	defer func() { h.Check(h.DB.Close()) }()
	if h.held(id) != all {
		t.Fatalf("the backup holds %+v, want all", h.held(id))
	}
	if r := h.erase(); r.Records != 1 || h.held(id) != nothing {
		t.Errorf("after the restore: %+v, and %+v is held", r, h.held(id))
	}
	h.Push(h.box, h.box.Push()) // all of it, as after every restore
	h.Drain()
	if n := h.Counts(); n.Records != 2 || n.Erased != 1 || h.held(id) != nothing || !h.held(other).content {
		t.Errorf("counts = %+v, want two records, one of them erased", n)
	}
}

// What was erased does not stand in the file any more.
func TestErasedIsNotInTheFile(t *testing.T) {
	h := newHouse(t, rule.Retention{Record: 3})
	id := h.bring(h.enrolment(simbox.Known(t, 0x61, 1)))
	r, err := h.Record(id)
	h.Check(err)
	sealed := r.Content[len(r.Content)/2:][:24]
	if !h.file(sealed) {
		t.Fatal("the search does not find a content that is there")
	}
	h.pass(4 * day)
	h.erase()
	h.Check(h.DB.Flush(t.Context()))
	if h.file(sealed) {
		t.Error("the sealed content still stands in the database")
	}
}

// Many are erased in more than one transaction; one whose attributes are to go and that cannot be read goes whole, and stops no other.
func TestADamagedRecordStopsNoOther(t *testing.T) {
	h := newHouse(t, rule.Retention{Record: 9, Attributes: 2})
	var ids []record.ID
	for i := range 70 {
		r := h.at(simbox.Card(0x61, byte(i)+1))
		if i < 3 {
			r = h.enrolment(simbox.Known(t, 0x61, byte(i)+1))
		}
		ids = append(ids, h.box.Epochs[0].Tap(t, r).ID)
	}
	h.Push(h.box, h.box.Push())
	h.Drain()
	h.raw(func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), "UPDATE records SET content_sealed = x'00' WHERE epoch = ? AND seq = ?", ids[1].Epoch.ID128[:], int64(ids[1].Seq))
		return err
	})
	h.pass(3 * day)
	r := h.erase()
	if r.Attributes != 2 || r.Records != 1 || r.Damaged != 1 {
		t.Errorf("erased %+v, want two enrolments' attributes and one record whole", r)
	}
	h.pass(7 * day)
	if r := h.erase(); r.Records != 69 || r.Attributes != 0 {
		t.Errorf("erased %+v, want the 69 others", r)
	}
	if strings.Contains(h.log.String(), "架空") {
		t.Error("the log names somebody")
	}
}

// A round that was cut short at any commit leaves each record whole or erased, and the next round ends it.
func TestARoundThatWasCutShort(t *testing.T) {
	h := newHouse(t, rule.Retention{Record: 9, Attributes: 2})
	ids := []record.ID{h.bring(h.enrolment(simbox.Known(t, 0x61, 1))), h.bring(h.enrolment(simbox.Known(t, 0x61, 2)))}
	h.pass(3 * day)
	cuts := 0
	for ; ; cuts++ {
		k := h.keeper()
		k.Store = &cutting{Store: h.Store, after: cuts}
		_, err := k.Erase(t.Context())
		for _, id := range ids {
			if got := h.held(id); got != all && got != stripped {
				t.Fatalf("cut before commit %d: %+v is held, want all or all but attributes", cuts, got)
			}
		}
		if err == nil {
			break
		}
		if !errors.Is(err, errCut) {
			t.Fatalf("Erase = %v, want that it was cut short", err)
		}
	}
	if cuts < 3 || h.held(ids[0]) != stripped || h.held(ids[1]) != stripped {
		t.Errorf("after %d cuts %+v and %+v are held, want all but attributes", cuts, h.held(ids[0]), h.held(ids[1]))
	}
}

var errCut = errors.New("cut short")

// cutting fails every commit after some.
type cutting struct {
	store.Store
	after int
}

func (c *cutting) Update(ctx context.Context, f func(store.Tx) error) error {
	return c.Store.Update(ctx, func(tx store.Tx) error {
		err := f(tx)
		if c.after--; c.after < 0 {
			err = errors.Join(err, errCut)
		}
		return err
	})
}

// Run erases at the start and then every day; while nobody has signed a time it asks again soon.
func TestRunErasesDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan time.Time)
		signed := time.Time{}
		k := retention.New(retention.Config{
			Store: rounds{}, Every: day, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Signed: func() time.Time { asked <- time.Now(); return signed },
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		first := <-asked
		synctest.Wait()
		signed = time.Now()
		second := <-asked
		third := <-asked
		if second.Sub(first) != 10*time.Minute || third.Sub(second) != day {
			t.Errorf("rounds after %s and %s, want ten minutes and a day", second.Sub(first), third.Sub(second))
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want that the context ended", err)
		}
	})
}

// rounds is a store with nothing in it.
type rounds struct{}

func (rounds) View(_ context.Context, f func(store.Tx) error) error   { return f(empty{}) }
func (rounds) Update(_ context.Context, f func(store.Tx) error) error { return f(empty{}) }

type empty struct{ store.Tx }

func (empty) Overdue(store.Overdue, int) ([]store.Record, error) { return nil, nil }
func (empty) RetentionRound() (store.RetentionRound, error)      { return store.RetentionRound{}, nil }
func (empty) SetRetentionRound(store.RetentionRound) error       { return nil }
