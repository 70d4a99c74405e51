package desired_test

import (
	"errors"
	"testing"
	"time"

	"kazashi.example/appliance/desired"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// lawful is a set with a service that takes the bound key alone under the law, and one that asks for the PIN.
func (c *central) lawful(n uint64, change ...func(*rule.Set)) []byte {
	c.t.Helper()
	of := rule.Rule{
		Verifier: "kiyose", Supervised: true, ListFull: 86400, ListProvisional: 86400, TooOld: rule.TooOldRefuse,
		Hierarchies: []certid.Hierarchy{certid.HierarchyProduction},
	}
	bound, pin := of, of
	bound.Service, bound.Basis, bound.Evidence = "kiyose.library", record.BasisArt384, record.EvidenceCardBound
	pin.Service, pin.Basis, pin.Evidence = "kiyose.hall", record.BasisPIN, record.EvidencePIN
	set := rule.Set{Version: rule.Version{CentralEpoch: 1, N: n}, Issued: 1, Site: c.place().Site, Rules: []rule.Rule{bound, pin}}
	for _, f := range change {
		f(&set)
	}
	b, err := canon.Encode(set)
	if err != nil {
		c.t.Fatal(err)
	}
	msg, err := sign.Sign(c.sign, sign.PurposeRules, b) // rule.Set.Sign refuses what some of these tests need
	if err != nil {
		c.t.Fatal(err)
	}
	return msg
}

func approve(until time.Time) func(*trust.Bundle) {
	return func(b *trust.Bundle) {
		a := trust.Approval{Verifier: "kiyose", Reference: "number 1"}
		if !until.IsZero() {
			a.Until = until.Unix()
		}
		b.Approvals = []trust.Approval{a}
	}
}

// P9: what rules are refused for, each by its own error, and nothing changes.
func TestP9RulesAreRefusedByName(t *testing.T) {
	c, other := newCentral(t), newCentral(t)
	s := open(t, c.join())
	must(t, s.ApplyTrust(c.bundle(2, approve(time.Time{}))))
	must(t, s.ApplyRules(c.lawful(5)))
	damaged := c.lawful(6)
	damaged[len(damaged)-1] ^= 1
	payload, err := sign.Payload(c.lawful(6))
	must(t, err)
	forged, err := sign.Sign(c.sign, sign.PurposeVerdicts, payload)
	must(t, err)
	root, err := sign.Sign(c.roots[0], sign.PurposeRules, payload)
	must(t, err)
	for _, try := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"another site's", c.lawful(6, func(r *rule.Set) { r.Site = "ekimae" }), rule.ErrSite},
		{"no site's", c.lawful(6, func(r *rule.Set) { r.Site = "" }), rule.ErrSet},
		{"older", c.lawful(4), desired.ErrOlder},
		{"the same", c.lawful(5), desired.ErrOlder},
		{"another central's", other.lawful(6), sign.ErrUnknownKey},
		{"signed by a root key", root, sign.ErrUnknownKey},
		{"signed for another purpose", forged, sign.ErrSignature},
		{"damaged", damaged, sign.ErrSignature},
		{"against its basis", c.lawful(6, func(r *rule.Set) { r.Rules[0].Supervised = false }), rule.ErrRule},
		{"less than the law asks for", c.lawful(6, func(r *rule.Set) { r.Rules[0].Evidence = record.EvidenceCertificate }), rule.ErrRule},
		{"no approval", c.lawful(6, func(r *rule.Set) { r.Rules[0].Verifier = "higashimurayama" }), rule.ErrApproval},
		{"a service twice", c.lawful(6, func(r *rule.Set) { r.Rules[1] = r.Rules[0] }), rule.ErrSet},
		{"a bundle", c.bundle(9), sign.ErrMessage},
		{"nothing", nil, sign.ErrMessage},
	} {
		if err := s.ApplyRules(try.msg); !errors.Is(err, try.want) {
			t.Errorf("ApplyRules(%s) = %v, want %v", try.name, err, try.want)
		}
		if got := s.Rules().N; got != 5 {
			t.Fatalf("after %s: rules %d are held, want 5", try.name, got)
		}
	}
}

// The rule that rests on an approval is out of force the moment the bundle no longer carries it, or its last day is over, and in force again
// when it is back. Other rules stay.
func TestARuleGoesWithItsApproval(t *testing.T) { // design §2.2
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	if err := s.ApplyRules(c.lawful(1)); !errors.Is(err, rule.ErrApproval) {
		t.Fatalf("ApplyRules before the approval = %v, want ErrApproval", err)
	}
	end := time.Date(2027, 3, 31, 14, 59, 59, 0, time.UTC)
	must(t, s.ApplyTrust(c.bundle(2, approve(end))))
	must(t, s.ApplyRules(c.lawful(1)))
	holds := func(what string, want bool) {
		t.Helper()
		_, _, bound := s.For("kiyose.library")
		_, _, pin := s.For("kiyose.hall")
		if bound != want || !pin || (len(s.OutOfForce()) == 0) != want {
			t.Errorf("%s: the bound key alone %v, the PIN %v, out of force %v; want %v and true", what, bound, pin, s.OutOfForce(), want)
		}
	}
	holds("no date is known", true)
	s.Clock(at(end, record.ConfidenceChecked))
	holds("in its last second", true)
	s.Clock(at(end.Add(time.Second), record.ConfidenceFloor))
	holds("after it", false)
	s.Clock(at(end, record.ConfidenceChecked))
	must(t, s.ApplyTrust(c.bundle(3)))
	holds("withdrawn", false)
	s = again(t, s, dir)
	holds("withdrawn, after a restart", false)
	must(t, s.ApplyTrust(c.bundle(4, approve(time.Time{}))))
	holds("approved again", true)
	must(t, s.RevertTrust(t.Context()))
	holds("back at the bundle without it", false)
}
