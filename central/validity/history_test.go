package validity_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"kazashi.example/central/crl"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/validity"
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

// P6: of what the responder and the lists say the stricter counts, each by the date that it names.
func TestP6TheStricterOfResponderAndListsCounts(t *testing.T) {
	r := newRig(t)
	a := r.generation(3)
	key, issuer := a.Key, r.short(3)
	id := certid.CertID{Scope: auth, Serial: mustSerial(t, 0x123456)}
	before, after := day.Add(-time.Hour), day.Add(time.Second)
	none, held, dead := status(record.AnswerNotRevoked, fromOCSP), status(record.AnswerOnHold, fromOCSP), status(record.AnswerRevoked, fromOCSP)
	for i, k := range []struct {
		name    string
		entry   pki.Reason // on the list; 0: none
		listed  time.Time
		reason  int // the responder's; -1: good
		revoked time.Time
		want    validity.Status
	}{
		{"neither", 0, before, -1, before, none},
		{"the list: on hold", pki.CertificateHold, before, -1, before, status(record.AnswerOnHold, fromList)},
		{"the list: on hold later", pki.CertificateHold, after, -1, before, none},
		{"the list: revoked, the responder: on hold", pki.Superseded, before, 6, before, status(record.AnswerRevoked, fromList)},
		{"the list: revoked later, the responder: on hold", pki.Superseded, after, 6, before, held},
		{"the list: on hold, the responder: revoked later", pki.CertificateHold, before, 4, after, status(record.AnswerOnHold, fromList)},
		{"the list: on hold, the responder: revoked", pki.CertificateHold, before, 4, before, dead},
		{"both on hold", pki.CertificateHold, before, 6, before, held},
	} {
		var entries []pki.Entry
		if k.entry != 0 {
			entries = []pki.Entry{{Serial: id.Serial.Int(), At: k.listed, Reason: k.entry}}
		}
		r.list(a, int64(i+1), entries...)
		r.spoil(say(byHand(t, a, a.Cert, key, id.Serial.Int(), func(o *ocsp.Response) {
			if k.reason >= 0 {
				o.Status, o.RevokedAt, o.RevocationReason = ocsp.Revoked, k.revoked, k.reason
			}
		})))
		r.want(k.name, id, issuer, day, k.want)
		if k.name == "the list: on hold, the responder: revoked later" {
			got, err := r.authority.StatusWithin(t.Context(), id, issuer, day, after)
			if err != nil || got.Answer != record.AnswerRevoked || got.Source != fromOCSP {
				t.Errorf("StatusWithin to the moment of the revocation = %v from %v, %v, want revoked from the responder", got.Answer, got.Source, err)
			}
		}
	}
}

// list makes a set of one list, a minute old and good for an hour, in a store of its own.
func (r *rig) list(by *pki.Authority, number int64, entries ...pki.Entry) {
	r.t.Helper()
	at := day.Add(-time.Minute)
	der, err := by.List(number, at, at.Add(time.Hour), entries)
	must(r.t, err)
	r.authority.Lists = openStore(r.t, r.anchors(), r.time)
	_, err = r.authority.Lists.Ingest(r.t.Context(), bytes.NewReader(der), crl.IngestOptions{Scope: auth})
	must(r.t, err)
	_, err = r.authority.Lists.Build(r.t.Context(), auth)
	must(r.t, err)
}

// P6: where only lists answer, the newest must still have been good at the end of the span.
func TestP6AListThatWasOverWithinTheSpanVouchesForNothing(t *testing.T) {
	r := newRig(t)
	r.authority.OCSP = ""
	id := certid.CertID{Scope: auth, Serial: mustSerial(t, 0x123456)}
	r.list(r.generation(3), 1) // good until 59 minutes after day
	over := day.Add(59 * time.Minute)
	r.wantWithin("within its time", id, r.short(3), day.Add(-time.Hour), over, record.AnswerNotRevoked)
	if got, err := r.authority.StatusWithin(t.Context(), id, r.short(3), day, over.Add(time.Second)); !errors.Is(err, validity.ErrNobody) {
		t.Errorf("StatusWithin to a second after the list was over = %v, %v, want ErrNobody", got.Answer, err)
	}
	r.list(r.generation(3), 2, pki.Entry{Serial: id.Serial.Int(), At: day, Reason: pki.CertificateHold})
	r.wantWithin("on hold on a list that was over", id, r.short(3), day, over.AddDate(0, 0, 1), record.AnswerOnHold)
}
