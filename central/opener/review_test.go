package opener_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/audit"
	"kazashi.example/central/backup"
	"kazashi.example/central/boxline"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/lab/invariant"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/central/validity"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

var (
	onHold = refused(record.ReasonOnHold)
	lifted = refused(record.ReasonHoldLifted)
)

// lists is an authority that one test turns: what it says of everybody's taps, from where, and of holds.
type lists struct {
	answer record.Answer
	source wire.Source
	lift   validity.Lift
	err    error
	unsaid error           // of holds alone
	held   []validity.Held // what was asked
}

func (l *lists) StatusWithin(_ context.Context, _ certid.CertID, _ content.Issuer, _, to time.Time) (validity.Status, error) {
	return validity.Status{Answer: l.answer, Source: l.source, ThisUpdate: to.Add(-time.Hour)}, l.err
}

func (l *lists) Lift(_ context.Context, _ certid.CertID, _ content.Issuer, h validity.Held) (validity.Lift, error) {
	l.held = append(l.held, h)
	return l.lift, cmp.Or(l.err, l.unsaid)
}

// with is central's opener, as after a restart, over other lists.
func with(c *simcentral.Central, l *lists) *opener.Opener {
	conf := c.Opener.Config
	conf.Validity, conf.Holds = l, l
	return opener.New(conf)
}

// watched is a desk of a central whose lists have everybody on hold.
type watched struct {
	desk

	lists *lists
}

func newWatched(t *testing.T) watched {
	t.Helper()
	w := watched{newDesk(t, simcentral.New(t)), &lists{answer: record.AnswerOnHold, source: wire.SourceCRL}}
	w.central.Opener = with(w.central, w.lists)
	return w
}

// refuses brings a record that is refused for its hold.
func (w watched) refuses(r content.Record) record.ID {
	w.Helper()
	id := w.bring(r)
	if got := w.settled(id); got != onHold {
		w.Fatalf("final = %s %s, want a refusal for the hold", got.Verdict, got.Reason)
	}
	return id
}

// review looks once, by an opener that knows nothing of the ones before, and compares what came of a record and how many words its box got.
func (w watched) review(when string, id record.ID, want gate.Decision, words int) {
	w.Helper()
	if left, err := with(w.central, w.lists).Review(w.Context()); left != 0 || err != nil {
		w.Errorf("%s: Review = %d, %v, want 0", when, left, err)
	}
	if got := w.settled(id); got != want {
		w.Errorf("%s: final = %s %s, want %s %s", when, got.Verdict, got.Reason, want.Verdict, want.Reason)
	}
	if _, _, v := w.central.Poll(w.box, wire.Poll{}); len(v.Verdicts) != words {
		w.Errorf("%s: the box is told %d words, want %d", when, len(v.Verdicts), words)
	}
}

// whole wants an audit and the checker of invariants to find nothing.
func (w watched) whole() {
	w.Helper()
	r, err := audit.Box(w.Context(), w.central.DB, w.box.ID, audit.Options{Seal: w.central.Keys, Rows: w.central.Keys.Rows})
	if err != nil || !r.Whole {
		w.Errorf("audit = %v, %v, want it whole", r.Faults, err)
	}
	found, err := invariant.CheckAll(w.Context(), invariant.Places{Central: w.central.Dir})
	if err != nil || len(found.Violations) > 0 {
		w.Errorf("CheckAll = %v, %v, want nothing", found.Violations, err)
	}
}

// P2, P6, P7: a hold that is lifted is another word and still a refusal, once, under the box's next number; nobody becomes a person by it.
func TestP7ALiftedHoldIsAnotherWordOnce(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	p := simbox.Known(t, 0x31, 1)
	r := p.Enrol(t, w.box.ID)
	id := w.refuses(r)
	w.review("on hold still", id, onHold, 1)
	w.lists.err = validity.ErrNobody
	if left, err := with(w.central, w.lists).Review(t.Context()); left != 1 || err != nil {
		t.Errorf("Review while nobody can say = %d, %v, want 1 left", left, err)
	}
	w.lists.err = nil
	w.central.World.Pass(24 * time.Hour)
	w.lists.lift.Lifted = true
	w.review("lifted", id, lifted, 2)
	w.lists.lift.Lifted = false
	w.review("on hold again, or revoked", id, lifted, 2)
	w.lists.lift = validity.Lift{Lifted: true, Never: true}
	w.review("lifted again", id, lifted, 2)
	if h := w.lists.held[0]; !h.From.Equal(simbox.Tapped) || !h.To.Equal(simbox.Tapped) || !h.Answered.Equal(simbox.Tapped.Add(-time.Hour)) ||
		!h.NotAfter.Equal(simbox.Until) {
		t.Errorf("asked about %+v, want the tap, the list that refused it and the certificate's end", h)
	}
	_, _, told := w.central.Poll(w.box, wire.Poll{})
	_, _, told = w.central.Poll(w.box, wire.Poll{Verdicts: simVersion(told.Version.CentralEpoch, 1)})
	if len(told.Verdicts) != 1 || told.Version.N != 2 || told.Verdicts[0].Tap != r.Tap || told.Verdicts[0].Reason != record.ReasonHoldLifted ||
		told.Verdicts[0].Answer != record.AnswerOnHold {
		t.Errorf("a box that holds 1 is told %+v, want the second word alone", told)
	}
	box, err := w.central.Boxes.Box(t.Context(), w.box.ID)
	w.central.Check(err)
	var carried []byte
	w.central.Check(w.central.Line.Lacks(t.Context(), box, boxline.Said{Poll: wire.Poll{Verdicts: simVersion(told.Version.CentralEpoch, 1)}}, func(p wire.Polled) error {
		carried = append(carried, p.Verdicts...)
		return nil
	}))
	if v, err := wire.OpenVerdicts(sign.One{Key: simcentral.Public(t, w.central.Keys.Sign)}, carried); err != nil || len(v.Verdicts) != 1 || v.Verdicts[0] != told.Verdicts[0] {
		t.Errorf("a stick carries %+v, %v, want what the line tells", v, err)
	}
	if n := w.central.Counts(); n.Persons != 0 || n.Enrolments != 0 || n.Records != 1 || w.central.PPID(w.box, r.Tap) != "" {
		t.Errorf("counts = %+v, PPID %q, want nobody", n, w.central.PPID(w.box, r.Tap))
	}
	w.whole()
}

// P6, P7: where the hold was over by the tap and the list that says so came late, the record is decided as it should have been: person, PPID,
// enrolment and roster are what they would be, whatever happened in between.
func TestP7AHoldThatWasOverByTheTapIsDecidedAnew(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	p := simbox.Known(t, 0x31, 2)
	early := p.Enrol(t, w.box.ID)
	id := w.refuses(early)
	w.lists.answer, w.lists.lift.Never = record.AnswerNotRevoked, true
	later := p.Enrol(t, w.box.ID)
	later.Time += time.Hour.Milliseconds()
	p.SignPIN(t, w.box.ID, &later)
	p.SignCard(t, w.box.ID, &later)
	if got := w.settled(w.bring(later)); got != inOrder {
		t.Fatalf("the next enrolment = %s %s, want accepted", got.Verdict, got.Reason)
	}
	if set := w.central.Roster(w.box); !set.TellsOf(w.box.ID, simVersion(set.Version.CentralEpoch, 2)) {
		t.Errorf("before the look a roster tells of %v, want both words", set.Through)
	}
	for range 2 {
		w.review("over by the tap", id, inOrder, 3)
		w.central.World.Pass(time.Hour)
	}
	if n := w.central.Counts(); n.Persons != 1 || n.Enrolments != 1 || n.Records != 2 || n.Reports != 0 {
		t.Errorf("counts = %+v, want one person with one current enrolment", n)
	}
	if a, b := w.central.PPID(w.box, early.Tap), w.central.PPID(w.box, later.Tap); a == "" || a != b {
		t.Errorf("the taps of one person have the PPIDs %q and %q", a, b)
	}
	set := w.central.Roster(w.box)
	if len(set.Entries) != 1 || set.Entries[0].Enrolled != later.Tap || !set.TellsOf(w.box.ID, simVersion(set.Version.CentralEpoch, 3)) {
		t.Errorf("a roster of %d that tells of %v, want the later enrolment, and all three words", len(set.Entries), set.Through)
	}
	w.whole()
}

// P6, P7: what is not looked at again, and what is looked at and stays.
func TestP7WhatNoLaterListReopens(t *testing.T) {
	t.Parallel()
	over, both := validity.Lift{Never: true}, validity.Lift{Never: true, Lifted: true}
	for _, k := range []struct {
		name   string
		change func(w watched, id record.ID)
		lift   validity.Lift
		want   gate.Decision
	}{
		{"a responder said so of the tap", nil, over, onHold},
		{"a responder said so of the tap, and lifted since", nil, both, lifted},
		{"the responder contradicts the lists", func(w watched, _ record.ID) { w.lists.answer = record.AnswerOnHold }, over, onHold},
		{"the responder contradicts the lists, which lifted it", func(w watched, _ record.ID) { w.lists.answer = record.AnswerOnHold }, both, onHold},
		{"revoked by the tap", func(w watched, _ record.ID) { w.lists.answer = record.AnswerRevoked }, over, onHold},
		{"revoked by the tap, and lifted", func(w watched, _ record.ID) { w.lists.answer = record.AnswerRevoked }, both, onHold},
		{"long ago", func(w watched, _ record.ID) { w.central.World.Pass(opener.ReviewFor + time.Hour) }, validity.Lift{Lifted: true}, onHold},
		{"erased", func(w watched, id record.ID) {
			w.central.Check(w.central.Store.Update(w.Context(), func(tx store.Tx) error { return tx.EraseRecord(id, w.central.World.Now()) }))
		}, validity.Lift{Lifted: true}, onHold},
		{"the rule wants more than was shown", func(w watched, _ record.ID) { demand(w.central, record.EvidenceCard) }, over, onHold},
		{"the rule wants more, and lifted", func(w watched, _ record.ID) { demand(w.central, record.EvidenceCard) }, both, onHold},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t)
			if k.change == nil {
				w.lists.source = wire.SourceOCSP
			}
			id := w.refuses(simbox.Card(0x32, 1))
			w.lists.answer = record.AnswerNotRevoked
			if k.change != nil {
				k.change(w, id)
			}
			w.lists.lift = k.lift
			words := 1
			if k.want == lifted {
				words = 2
			}
			w.review("looked at again", id, k.want, words)
		})
	}
}

// P2, P6: a number is whose it was first by the time of the tap, whatever was decided first; each of the two records gets one word of it.
func TestP2ALateLinkIsOrderedByItsTap(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name         string
		after        time.Duration // the refused link, from the other's
		late, linked gate.Decision
		words        int // with both refusals and acceptances of before
	}{
		{"linked before the other", -time.Hour, inOrder, refused(record.ReasonNumberTaken), 4},
		{"linked after the other", time.Hour, refused(record.ReasonNumberTaken), inOrder, 3},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t)
			link := func(p *simbox.Person, after time.Duration) content.Record {
				r := p.PIN(t, w.box.ID)
				r.Time, r.Link = r.Time+after.Milliseconds(), &content.Link{Number: "L-1"}
				p.SignPIN(t, w.box.ID, &r)
				return r
			}
			first := link(simbox.Known(t, 0x31, 3), k.after)
			late := w.refuses(first)
			w.lists.answer, w.lists.lift.Never = record.AnswerNotRevoked, true
			linked := w.bring(link(simbox.Known(t, 0x31, 4), 0))
			if got := w.settled(linked); got != inOrder {
				t.Fatalf("another's link = %s %s, want accepted", got.Verdict, got.Reason)
			}
			for range 2 {
				w.review("looked at", late, k.late, k.words)
			}
			if got := w.settled(linked); got != k.linked {
				t.Errorf("the other's = %s %s, want %s %s", got.Verdict, got.Reason, k.linked.Verdict, k.linked.Reason)
			}
			if r, err := w.central.Record(late); err != nil || r.Final.Answer != record.AnswerNotRevoked || r.Proved != record.EvidencePIN ||
				(r.Subject != 0) != (k.late == inOrder) {
				t.Errorf("the record rests on %s by %s, pseudonym %d, %v", r.Final.Answer, r.Proved, r.Subject, err)
			}
			w.whole()
		})
	}
}

// P2: a stop before or after any commit of a look, then all of it again: the same single word each, and no second person.
func TestP2EveryCrashPointOfAReviewEndsInOneResult(t *testing.T) {
	t.Parallel()
	k := simcentral.NewKeys(t)
	updates := crashReview(t, k, math.MaxInt64, false)
	if updates != 3 {
		t.Errorf("the look has %d updates, want one a record", updates)
	}
	for at := int64(1); at <= updates; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("update %d, after the commit: %t", at, after), func(t *testing.T) {
				t.Parallel()
				crashReview(t, k, at, after)
			})
		}
	}
}

// crashReview looks at three refusals, one of which is decided anew, and stops at an update.
func crashReview(t *testing.T, k *simcentral.Keys, at int64, after bool) int64 {
	t.Helper()
	world, dir := simcentral.NewWorld(t, k), t.TempDir()
	c := simcentral.Open(t, dir, k, world, nil)
	l := &lists{answer: record.AnswerOnHold, source: wire.SourceOCSP}
	c.Opener = with(c, l)
	w := watched{newDesk(t, c), l}
	p := simbox.Known(t, 0x31, 5)
	ids := []record.ID{w.refuses(simbox.Card(0x32, 2)), w.refuses(simbox.Card(0x32, 3))}
	l.source = wire.SourceCRL
	anew := p.Enrol(t, w.box.ID)
	ids = append(ids, w.refuses(anew))
	l.answer, l.lift = record.AnswerNotRevoked, validity.Lift{Never: true, Lifted: true}
	c.Check(c.DB.Close())

	f := &failing{at: at, after: after}
	c = simcentral.Open(t, dir, k, world, func(db store.Store) store.Store { f.Store = db; return f })
	w.central = c
	left, err := with(c, l).Review(t.Context())
	if err != nil || (left > 0) != (at <= 3) {
		t.Errorf("Review = %d, %v", left, err)
	}
	c.Check(c.DB.Close())
	begun := f.n.Load()
	c = simcentral.Open(t, dir, k, world, nil)
	w.central = c
	for range 2 {
		for i, want := range []gate.Decision{lifted, lifted, inOrder} {
			w.review("again", ids[i], want, 6)
		}
	}
	if n := c.Counts(); n.Persons != 1 || n.Enrolments != 1 || c.PPID(w.box, anew.Tap) == "" {
		t.Errorf("counts = %+v, want one person, enrolled, with a PPID", n)
	}
	w.whole()
	c.Check(c.DB.Close())
	return begun
}

// P2: two that look at once, as where several run over one store, give one word.
func TestP2TwoReviewsGiveOneWord(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	id := w.refuses(simbox.Known(t, 0x31, 6).Enrol(t, w.box.ID))
	w.lists.answer, w.lists.lift.Never = record.AnswerNotRevoked, true
	conf := w.central.Opener.Config
	second := &store.Record{}
	conf.Holds = meanwhile{w.lists, func() { // another one is quicker, between the look and the word
		w.central.Check(w.central.DB.View(t.Context(), func(tx store.Tx) (err error) { *second, err = tx.Record(id); return err }))
		if second.Verdict == 1 {
			w.review("the quicker one", id, inOrder, 2)
		}
	}}
	if left, err := opener.New(conf).Review(t.Context()); left != 0 || err != nil {
		t.Errorf("Review = %d, %v", left, err)
	}
	w.review("both", id, inOrder, 2)
	w.whole()
}

type meanwhile struct {
	opener.Holds

	do func()
}

func (m meanwhile) Lift(ctx context.Context, id certid.CertID, issuer content.Issuer, h validity.Held) (validity.Lift, error) {
	m.do()
	return m.Holds.Lift(ctx, id, issuer, h)
}

// P2, P8: a central that was set back to before its second word says both again, under numbers of its new epoch and in the same order.
func TestP2ARestoredCentralSaysItAgain(t *testing.T) {
	t.Parallel()
	k := simcentral.NewKeys(t)
	world, dir := simcentral.NewWorld(t, k), t.TempDir()
	c := simcentral.Open(t, dir, k, world, nil)
	l := &lists{answer: record.AnswerOnHold, source: wire.SourceCRL}
	c.Opener = with(c, l)
	w := watched{newDesk(t, c), l}
	id := w.refuses(simbox.Known(t, 0x31, 7).Enrol(t, w.box.ID))
	_, err := c.Keeper.Make(t.Context(), "before")
	c.Check(err)
	l.answer, l.lift.Never = record.AnswerNotRevoked, true
	w.review("over by the tap", id, inOrder, 2)
	r, err := c.Record(id)
	c.Check(err)
	before := c.PPID(w.box, r.Tap)
	_, _, had := c.Poll(w.box, wire.Poll{})
	c.Check(c.DB.Close())
	_, err = backup.Restore(t.Context(), dir, filepath.Join(c.Keeper.Dir, "before.json"), world.Now())
	c.Check(err)
	w.central = simcentral.Open(t, dir, k, world, nil)
	w.review("restored", id, inOrder, 2)
	_, _, told := w.central.Poll(w.box, wire.Poll{Verdicts: had.Version})
	if told.Version.Compare(had.Version) <= 0 || len(told.Verdicts) != 2 || told.Verdicts[1].Verdict != record.VerdictAccepted {
		t.Errorf("told %+v after %v, want both words under a later version", told, had.Version)
	}
	if after := w.central.PPID(w.box, r.Tap); before == "" || after != before {
		t.Errorf("PPID %q, before the restore %q", after, before)
	}
	w.whole()
	w.central.Check(w.central.DB.Close())
}
