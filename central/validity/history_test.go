package validity_test

import (
	"testing"
	"time"

	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
)

// wantWithin asks about a span, with the responder and without it.
func (r *rig) wantWithin(name string, id certid.CertID, issuer content.Issuer, from, to time.Time, want record.Answer) {
	r.t.Helper()
	url := r.authority.OCSP
	defer func() { r.authority.OCSP = url }()
	for _, r.authority.OCSP = range []string{url, ""} {
		got, err := r.authority.StatusWithin(r.t.Context(), id, issuer, from, to)
		if err != nil || got.Answer != want || got.ThisUpdate.IsZero() {
			r.t.Errorf("%s, responder %q: StatusWithin = %v from %v of %v, %v, want %v", name, r.authority.OCSP, got.Answer, got.Source, got.ThisUpdate, err, want)
		}
	}
}

// P6, P7: a hold that began between two lists and before the tap is on none that was in force then; the list after the tap has it, and no
// later one takes that back, whenever the record arrives.
func TestP7AHoldBegunBetweenListsStands(t *testing.T) {
	r := newRig(t)
	id, issuer := r.someone()
	r.fetch() // list 0
	hour := func(n int) time.Time { return day.Add(time.Duration(n) * time.Hour) }
	must(t, r.world.Hold(id, hour(1)))
	check := func(when string) {
		t.Helper()
		r.wantWithin(when+": tapped before the hold", id, issuer, hour(1).Add(-time.Second), hour(1).Add(-time.Second), record.AnswerNotRevoked)
		r.wantWithin(when+": tapped as it began", id, issuer, hour(1), hour(1), record.AnswerOnHold)
		r.wantWithin(when+": tapped during the hold", id, issuer, hour(2), hour(2), record.AnswerOnHold)
	}
	r.add(24 * time.Hour)
	r.fetch() // list 1
	check("after list 1")
	r.add(time.Hour)
	must(t, r.world.Unhold(id, hour(25)))
	r.add(23 * time.Hour)
	r.fetch() // list 2, at hour 48
	check("after list 2")
	r.wantWithin("tapped after the lift", id, issuer, hour(48), hour(48), record.AnswerNotRevoked)
	r.wantWithin("before the hold or after the lift", id, issuer, day.Add(-time.Hour), hour(48), record.AnswerOnHold)
	r.wantWithin("anywhere before the hold", id, issuer, day.Add(-time.Hour), hour(1).Add(-time.Second), record.AnswerNotRevoked)
	must(t, r.world.Hold(id, hour(49)))
	r.add(24 * time.Hour)
	r.fetch() // list 3: on hold again
	check("after list 3")
	r.wantWithin("tapped between the holds", id, issuer, hour(48), hour(48), record.AnswerNotRevoked)
	must(t, r.world.Revoke(id, pki.Superseded, hour(73)))
	r.add(24 * time.Hour)
	r.fetch() // list 4
	check("after list 4")
	r.wantWithin("tapped in the second hold", id, issuer, hour(50), hour(50), record.AnswerOnHold)
	r.wantWithin("somewhere in all this", id, issuer, day, hour(80), record.AnswerRevoked)
}
