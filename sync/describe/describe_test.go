package describe_test

import (
	"encoding/json"
	"strings"
	"testing"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/describe"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

func TestASetInWords(t *testing.T) {
	set := rule.Set{
		Version: rule.Version{CentralEpoch: 1, N: 42}, Issued: 1793286000, Site: "branch-1", Unlock: rule.UnlockTPM,
		Rules: []rule.Rule{{
			Service: "kiyose.library", Verifier: "kiyose", Basis: record.BasisPIN, Evidence: record.EvidencePIN, Supervised: true, SignIn: true,
			ListFull: 3600, ListProvisional: 7200, TooOld: rule.TooOldRefuse, Hierarchies: []certid.Hierarchy{certid.HierarchyProduction},
			SecondUse: rule.SecondUseRefuse, SecondWithin: 60, Attributes: rule.AttributeName | rule.AttributeSex,
			Consent: &rule.Consent{JA: "同意", EN: "consent"}, Retention: rule.Retention{Record: 3, Book: 2, Attributes: 1},
		}},
	}
	d := describe.OfSet(set, func(r rule.Rule) bool { return r.Service == "kiyose.library" })
	var out strings.Builder
	d.Print(&out)
	for _, want := range []string{
		"rules     1-42, issued 2026-10-30 00:00:00 JST\n", "site      branch-1, opens by tpm\n", "service   kiyose.library of kiyose\n",
		"basis pin, evidence pin, cards production, supervised, staff signs in\n", "list counts fully for 1h0m0s, provisionally for 2h0m0s, then refuse\n",
		"second use within 1m0s: refuse\n", "reads on consent: name sex\n", "consent in Japanese: \"同意\"\n", "consent in English: \"consent\"\n", "records 3, site book 2, attributes 1", "OUT OF FORCE",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("Print = %s\nwant %q in it", &out, want)
		}
	}
	b, err := json.Marshal(d)
	if err != nil || !strings.Contains(string(b), `"attributes":["name","sex"],"consent_ja":"同意","consent_en":"consent"`) {
		t.Errorf("Marshal = %s, %v", b, err)
	}
	for word, u := range map[string]rule.Unlock{"code": 0, "file": rule.UnlockFile} {
		set.Unlock = u
		if got := describe.OfSet(set, nil); got.Unlock != word || got.Rules[0].OutOfForce {
			t.Errorf("OfSet = %+v, want it opened by %s", got, word)
		}
	}
}

func TestABundleInWords(t *testing.T) {
	b := trust.Bundle{
		Number: 7, Issued: 1793286000, Expires: 1793289600,
		Keys:      []trust.Key{{Purposes: []sign.Purpose{sign.PurposeAck, sign.PurposeRules}, Public: []byte("a key")}},
		Anchors:   []trust.Anchor{{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Certificate: []byte("a certificate")}},
		CardCAs:   []trust.CardCA{{Hierarchy: certid.HierarchyPractice, Public: []byte("another key")}},
		Approvals: []trust.Approval{{Verifier: "kiyose", Reference: "number \x1b[1m1"}, {Verifier: "city", Reference: "number 2", Until: 1793289600}},
	}
	seen := trust.Seen{Bundle: b, Roots: []trust.SeenRoot{{N: 1, Threshold: 2, Holders: []sign.KeyID{{1}, {2}}}}, Signed: []sign.KeyID{{2}}}
	d := describe.OfSeen(seen)
	var out strings.Builder
	d.Print(&out)
	for _, want := range []string{
		"bundle    7, issued 2026-10-30 00:00:00 JST\n", "expires   2026-10-30 01:00:00 JST\n",
		"root set  1, 00000000000000000000000000000000, 2 of 01000000000000000000000000000000 02000000000000000000000000000000\n",
		"signed    by 02000000000000000000000000000000\n", "for kazashi/ack/v1 kazashi/rules/v1\n", "anchor    practice auth, ",
		"card      practice, ", `approval  kiyose, until withdrawn: "number \x1b[1m1"`, `approval  city, until 2026-10-30 01:00:00 JST: "number 2"`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("Print = %s\nwant %q in it", &out, want)
		}
	}
	if empty, err := json.Marshal(describe.OfBundle(trust.Bundle{})); err != nil || strings.Contains(string(empty), "null") {
		t.Errorf("Marshal(empty) = %s, %v, want lists without null", empty, err)
	}
}
