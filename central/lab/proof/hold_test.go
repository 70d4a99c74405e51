package proof_test

import (
	"testing"
	"time"

	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// P6, P7: who was refused for a hold that is lifted later is on the work list; the tap stays refused, nobody becomes a person by it, and the card
// that is laid again is accepted.
func TestP7ALiftedHoldComesToTheWorkList(t *testing.T) {
	r := rig.New(t, rig.Setup{})
	b := ready(r, "b")
	held := b.Tap("mika")
	says(t, held, refusedFor(record.ReasonOnHold), record.EvidenceCertificate)
	b.Settled()
	if err := r.World.Unhold(held.Person.Auth.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.Eventually(func() string { // a list names whole seconds, and must be later than the tap
		if err := r.JPKI.Publish(); err != nil {
			return err.Error()
		}
		if r.Central.Rows("verdicts") < 2 {
			return "central said nothing more of the tap"
		}
		return ""
	})
	r.Eventually(func() string {
		if b.Status().Work != 1 {
			return "nothing is on the work list"
		}
		return ""
	})
	if got := b.Taps()[held.Tap.Tap]; got.Final == nil || *got.Final != refusedFor(record.ReasonHoldLifted) || got.Corrected {
		t.Errorf("the tap is settled as %+v, corrected %t, want hold_lifted and no correction", got.Final, got.Corrected)
	}
	if n := r.Central.Rows("persons"); n != 0 {
		t.Errorf("%d persons by a refusal, want none", n)
	}
	r.Eventually(func() string {
		if told := b.Tap("mika"); told.Tap.First != (localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}) {
			return "the box does not have the newer list"
		}
		return ""
	})
	r.EachOnce()
}
