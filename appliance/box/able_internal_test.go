package box

import (
	"testing"
	"time"

	"kazashi.example/appliance/clock"
	"kazashi.example/localapi"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// P6: what the status says of full acceptance is what the gate does with a card in order, for the same reason, at every age of the list.
func TestP6AbilitiesAgreeWithTheGate(t *testing.T) {
	if gate.Ahead != clock.Tolerance {
		t.Errorf("a list may be %v ahead, and two clocks that agree %v", gate.Ahead, clock.Tolerance)
	}
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	lists := []time.Time{
		{},
		now, now.Add(gate.Ahead), now.Add(gate.Ahead + time.Second), now.Add(-time.Hour), now.Add(-time.Hour - time.Second),
		now.Add(-2 * time.Hour), now.Add(-2*time.Hour - time.Second),
	}
	for _, basis := range []record.Basis{record.BasisArt384, record.BasisDisasterIntake} {
		for _, old := range []rule.TooOld{rule.TooOldRefuse, rule.TooOldRecord} {
			for _, confidence := range []record.Confidence{record.ConfidenceNone, record.ConfidenceFloor, record.ConfidenceChecked} {
				for _, at := range lists {
					r := rule.Rule{
						Basis: basis, Evidence: record.EvidencePIN, TooOld: old, ListFull: 3600, ListProvisional: 7200,
						Hierarchies: []certid.Hierarchy{certid.HierarchyProduction},
					}
					answer := record.AnswerNotRevoked
					if at.IsZero() {
						answer = record.AnswerNotCovered
					}
					d := gate.Decide(gate.Input{
						Rule: r, Ruled: true, Clock: gate.Clock{Now: now, Confidence: confidence}, Status: gate.Status{Answer: answer, ThisTime: at},
						Shown: gate.Shown{
							Evidence: record.EvidencePIN, Chain: gate.ChainVerified, ProfileOK: true, Hierarchy: certid.HierarchyProduction,
							NotBefore: now, NotAfter: now,
						},
					})
					s := localapi.Status{Clock: localapi.Clock{Now: now, Confidence: confidence}}
					if !at.IsZero() {
						s.List = localapi.List{ThisUpdate: at, AgeSeconds: int64(now.Sub(at).Seconds())}
					}
					f := facts{s: s, rule: r, ruled: true}
					want := d.Reason
					if want == record.ReasonInOrder {
						want = 0
					}
					serves := d.Verdict.Served()
					if old == rule.TooOldRecord && want == record.ReasonListTooOld {
						want = record.ReasonListOld // written down all the same
					}
					if got := f.accept(); got != want || (f.pin() == 0) != serves {
						t.Errorf("%v, too old %v, list %v, clock %v: accept() = %v, pin() = %v, the gate says %v %v", basis, old, at, confidence,
							got, f.pin(), d.Verdict, d.Reason)
					}
				}
			}
		}
	}
}
