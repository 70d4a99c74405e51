package validity_test

import (
	"errors"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/validity"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
)

// P6, P7: a hold is over by the tap only where a list that was made by then says so, and lifted only where one made after the tap and the
// answer has no entry any more. Another hold, a revocation and the certificate's end are neither.
func TestP7WhatBecameOfAHold(t *testing.T) {
	r := newRig(t)
	id, issuer := r.someone()
	hour := func(n int) time.Time { return day.Add(time.Duration(n) * time.Hour) }
	end := day.AddDate(0, 2, 0)
	want := func(when string, tapped, notAfter time.Time, want validity.Lift) {
		t.Helper()
		answered := tapped.Add(-time.Hour)
		got, err := r.authority.Lift(t.Context(), id, issuer, validity.Held{From: tapped, To: tapped, Answered: answered, NotAfter: notAfter})
		if got != want || err != nil {
			t.Errorf("%s: Lift = %+v, %v, want %+v", when, got, err, want)
		}
	}
	none, gone, never := validity.Lift{}, validity.Lift{Lifted: true}, validity.Lift{Never: true}
	r.fetch() // list 0
	must(t, r.world.Hold(id, hour(1)))
	r.add(24 * time.Hour)
	r.fetch() // list 1, at hour 24
	want("on hold", hour(25), end, none)
	must(t, r.world.Unhold(id, hour(30)))
	r.add(24 * time.Hour) // list 2 is made at hour 48, and comes late
	want("before the list came", hour(49), end, none)
	r.fetch()
	want("tapped on hold", hour(25), end, gone)
	want("tapped after the lift, before the next list", hour(31), end, gone)
	want("tapped after the list that came late was made", hour(49), end, never)
	want("the end is why the entry is gone", hour(25), hour(47), none)
	got, err := r.authority.Lift(t.Context(), id, issuer, validity.Held{From: hour(25), To: hour(25), Answered: hour(48), NotAfter: end})
	if got != none || err != nil {
		t.Errorf("answered by a responder as late as the list: Lift = %+v, %v, want none", got, err)
	}
	got, err = r.authority.Lift(t.Context(), id, issuer, validity.Held{From: hour(-1), To: hour(49), Answered: hour(24), NotAfter: end})
	if got != none || err != nil {
		t.Errorf("somewhere from before the first list: Lift = %+v, %v, want none", got, err)
	}
	must(t, r.world.Hold(id, hour(50)))
	r.add(24 * time.Hour)
	r.fetch() // list 3
	want("on hold again", hour(25), end, none)
	want("over by the tap, and on hold again", hour(49), end, never)
	must(t, r.world.Revoke(id, pki.Superseded, hour(73)))
	r.add(24 * time.Hour)
	r.fetch() // list 4
	want("revoked", hour(25), end, none)
	if _, err := r.authority.Lift(t.Context(), id, content.Issuer{1}, validity.Held{}); !errors.Is(err, validity.ErrIssuer) {
		t.Errorf("Lift of an issuer that is not known = %v, want ErrIssuer", err)
	}
}

// P7: where the history was lost, nothing says that a hold was over by a tap before the oldest set; a newer list still lifts it.
func TestP7ALostHistoryReopensNothing(t *testing.T) {
	r := newRig(t)
	id, issuer := r.someone()
	hour := func(n int) time.Time { return day.Add(time.Duration(n) * time.Hour) }
	r.fetch()
	must(t, r.world.Hold(id, hour(1)))
	r.add(24 * time.Hour)
	r.fetch()
	must(t, r.world.Unhold(id, hour(30)))
	r.add(24 * time.Hour)
	held := validity.Held{From: hour(25), To: hour(25), Answered: hour(24), NotAfter: day.AddDate(0, 2, 0)}
	r.store = openStore(t, r.anchors(), r.time) // an empty folder
	r.authority.Lists = r.store
	if _, err := r.authority.Lift(t.Context(), id, issuer, held); !errors.Is(err, validity.ErrNobody) || !errors.Is(err, crl.ErrNone) {
		t.Errorf("Lift without a set = %v, want ErrNobody", err)
	}
	r.fetch()
	past, err := r.store.AsOf(auth, id.Serial, held.From, held.To)
	if past.Answer != record.AnswerNotRevoked || past.Whole || past.Gap != nil || err != nil {
		t.Errorf("AsOf = %v, whole %t, %v, %v, want not revoked as far as the one set goes", past.Answer, past.Whole, past.Gap, err)
	}
	if got, err := r.authority.Lift(t.Context(), id, issuer, held); got != (validity.Lift{Lifted: true}) || err != nil {
		t.Errorf("Lift = %+v, %v, want lifted alone", got, err)
	}
}
