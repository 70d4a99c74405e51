package audit_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/audit"
	"kazashi.example/central/courier"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/sync/content"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// say is a word of the box by courier.
func (w *town) say(n uint64, said ...parcel.End) {
	w.TB.Helper()
	state, err := courier.EncodeState(parcel.State{Ends: said})
	w.Check(err)
	ends := make([]store.CourierEnd, 0, len(said))
	for _, e := range said {
		ends = append(ends, store.CourierEnd{Epoch: e.Epoch, Last: e.Last, Head: e.Head})
	}
	w.Check(w.Store.Update(w.TB.Context(), func(tx store.Tx) error {
		_, err := tx.SetCourierState(store.CourierState{Box: w.box.ID, N: n, State: state}, ends)
		return err
	}))
}

// anew begins an epoch after a journal was set aside, with one record.
func (w *town) anew(t *testing.T) *simbox.Epoch {
	t.Helper()
	e := w.box.Open(t, epoch.CauseSetAside, epoch.Predecessor{Lineage: epoch.LineageUnknown})
	e.Tap(t, w.card())
	return e
}

// card is laid now.
func (w *town) card() content.Record {
	c := simbox.Card(0x12)
	c.Time = w.World.Now().UnixMilli()
	return c
}

// bring pushes an epoch without one of its records.
func (w *town) bring(e *simbox.Epoch, but int) {
	w.TB.Helper()
	p := e.Push()
	if but > 0 {
		p.Envelopes = slices.Delete(p.Envelopes, but-1, but)
	}
	w.Push(w.box, p)
	w.Drain()
}

// What the box said by courier of its ends counts, also of an epoch that never came, and whether or not it is the last that it said.
func TestWhatTheBoxSaidByCourierIsKnown(t *testing.T) {
	w := newTown(t)
	never, e3 := record.NewEpochID(), w.third.Signed.Header.Epoch
	want := []audit.Gap{{Epoch: e3.String(), First: 3, Last: 7}, {Epoch: never.String(), HeaderMissing: true}, {Epoch: never.String(), First: 1, Last: 2}}
	for n, said := range [][]parcel.End{{{Epoch: e3, Last: 7}, {Epoch: never, Last: 2}}, {{Epoch: e3, Last: 2}}, {}} {
		w.say(uint64(n)+1, said...)
		r := w.audit(w.Store, w.with())
		if r.Whole || r.Missing != 7 || r.Headers != 1 || !slices.Equal(r.Gaps, want) || len(r.Faults) != 0 {
			t.Errorf("after word %d: audit = %+v, want the gaps %+v", n+1, r, want)
		}
	}
	for _, change := range []string{"UPDATE courier_ends SET last = 2 WHERE epoch = ?", "DELETE FROM courier_ends WHERE epoch = ?"} {
		w.say(9, parcel.End{Epoch: e3, Last: 7})
		r := w.audit(w.copied(t, change, e3.ID128[:]), w.with())
		if !slices.ContainsFunc(r.Faults, func(f audit.Fault) bool { return strings.Contains(f.What, "the greatest that it ever said") }) {
			t.Errorf("%s: faults %+v, want the last word found to say more", change, r.Faults)
		}
	}
}

// A number that the box said it gave to another record than the one that is here stands for a record that never came.
func TestAnotherRecordThanTheBoxSaidIsFound(t *testing.T) {
	w := newTown(t)
	e3, last := w.third.Signed.Header.Epoch, w.third.Records[1]
	w.say(1, parcel.End{Epoch: e3, Last: 2, Head: last.Chain})
	if r := w.audit(w.Store, w.with()); !r.Whole {
		t.Errorf("audit = %+v, want whole: the box said what is here", r)
	}
	w.say(2, parcel.End{Epoch: w.second.Signed.Header.Epoch, Last: 3, Head: last.Chain})
	if r := w.audit(w.Store, w.with()); r.Whole || len(r.Faults) != 1 || r.Faults[0].Seq != 3 {
		t.Errorf("audit = %+v, want the other chain found", r)
	}
}

// P2: what a box said that it wrote is not forgotten with the journal that it loses: it is known, and explained by the loss.
func TestP2ALostJournalForgetsNothingThatTheBoxSaid(t *testing.T) {
	w := newTown(t)
	e3 := w.third.Signed.Header.Epoch
	w.say(1, parcel.End{Epoch: e3, Last: 50})
	if r := w.audit(w.Store, w.with()); r.Whole || r.Missing != 48 {
		t.Errorf("audit = %+v, want 48 missing", r)
	}
	fourth := w.anew(t)
	w.bring(fourth, 0)
	w.say(2, parcel.End{Epoch: fourth.Signed.Header.Epoch, Last: 1})
	want := audit.Gap{Epoch: e3.String(), First: 3, Last: 50, Explained: "the box reported that its journal was lost or set aside, in epoch " + fourth.Signed.Header.Epoch.String()}
	if r := w.audit(w.Store, w.with()); !r.Whole || r.Known != 60 || r.Explained != 48 || !slices.Equal(r.Gaps, []audit.Gap{want}) {
		t.Errorf("audit = %+v, want 60 known and %+v", r, want)
	}
}

// What explains a gap is that the epoch was over when the journal was lost, not that its header came first: what is live goes before what is
// mined, and sticks come in any order.
func TestTheOrderOfArrivalExplainsNothing(t *testing.T) {
	gap := func(t *testing.T, w *town, in *simbox.Epoch, explained bool) {
		t.Helper()
		r := w.audit(w.Store, w.with())
		id := in.Signed.Header.Epoch.String()
		if r.Whole != explained || r.Explained+r.Missing != 1 || len(r.Gaps) != 1 || r.Gaps[0].Epoch != id || (r.Gaps[0].Explained != "") != explained {
			t.Errorf("audit = whole %v, gaps %+v, faults %+v, want one gap in epoch %s, explained: %v", r.Whole, r.Gaps, r.Faults, id, explained)
		}
	}
	old := func(t *testing.T, w *town) *simbox.Epoch {
		t.Helper()
		e := w.box.Start(t, epoch.CauseRotation)
		for range 5 {
			e.Tap(t, w.card())
		}
		return e
	}
	t.Run("before the loss", func(t *testing.T) {
		w := newTown(t)
		e := old(t, w)
		w.bring(w.anew(t), 0)
		w.bring(e, 3)
		gap(t, w, e, true)
	})
	t.Run("after the loss", func(t *testing.T) {
		w := newTown(t)
		lost := w.anew(t)
		after := old(t, w)
		w.bring(after, 3)
		w.bring(lost, 0)
		gap(t, w, after, false)
	})
	t.Run("between two losses", func(t *testing.T) {
		w := newTown(t)
		first := w.anew(t)
		between := old(t, w)
		w.World.Pass(time.Hour)
		second := w.anew(t)
		w.bring(second, 0)
		w.bring(between, 3)
		w.bring(first, 0)
		gap(t, w, between, true)
	})
	t.Run("after two losses", func(t *testing.T) {
		w := newTown(t)
		first := w.anew(t)
		w.World.Pass(time.Hour)
		second := w.anew(t)
		after := old(t, w)
		w.bring(after, 3)
		w.bring(second, 0)
		w.bring(first, 0)
		gap(t, w, after, false)
	})
}

// P2: what nobody opened may be anybody's: without keys a forged envelope that waits under a number fills no gap.
func TestP2WhatWaitsUnopenedFillsNoGapUnproved(t *testing.T) {
	w := newTown(t)
	w.Check(w.Boxes.Revoke(t.Context(), w.box.ID))
	fourth := w.box.Start(t, epoch.CauseRotation)
	for range 4 {
		fourth.Tap(t, w.card())
	}
	p := fourth.Push()
	forged, err := epoch.DecodeEnvelope(p.Envelopes[1])
	w.Check(err)
	forged.Sealed[0] ^= 1
	raw, err := forged.Encode()
	w.Check(err)
	p.Envelopes[1] = raw
	w.Push(w.box, p)
	w.bring(w.box.Start(t, epoch.CauseRotation), 0) // which signs the end of the fourth
	if r := w.audit(w.Store, audit.Options{}); r.Whole || r.Waiting != 5 || r.Unproved != 2 || r.Missing != 0 {
		t.Errorf("without keys: audit = %+v, want the first two unproved: nothing that is signed follows from them", r)
	}
	if r := w.audit(w.Store, w.with()); r.Whole || r.Missing != 1 || r.Unproved != 0 {
		t.Errorf("with keys: audit = %+v, want the second one missing", r)
	}
	w.Push(w.box, fourth.Push()) // with the true one
	for _, o := range []audit.Options{{}, w.with()} {
		if r := w.audit(w.Store, o); !r.Whole || r.Waiting != 5 || r.Unproved != 0 {
			t.Errorf("opened %v: audit = %+v, want whole", r.Opened, r)
		}
	}
	w.third.Tap(t, w.card())
	w.Push(w.box, w.third.Push()) // beyond the end that the fourth signs
	if r := w.audit(w.Store, audit.Options{}); r.Whole || r.Unproved != 1 {
		t.Errorf("without keys: audit = %+v, want one unproved after the last that is proved", r)
	}
}

// A box may have named ten thousands of epochs that never came: each is counted, and the first of them are listed.
func TestManyEpochsThatNeverCame(t *testing.T) {
	w := newTown(t)
	var ends []parcel.End
	for range 4096 {
		ends = append(ends, parcel.End{Epoch: record.NewEpochID(), Last: 2})
	}
	w.say(1, ends...)
	r := w.audit(w.Store, w.with())
	if r.Whole || r.Missing != 2*4096 || r.Headers != 4096 || len(r.Gaps) != audit.MaxGaps || r.MoreGaps != 2*4096-audit.MaxGaps {
		t.Errorf("audit: %d missing, %d beginnings, %d gaps and %d more, want 8192 of 4096 epochs", r.Missing, r.Headers, len(r.Gaps), r.MoreGaps)
	}
}
