package rule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

var central = byhand.Key("rule central")

func keys(t testing.TB) sign.Keys { t.Helper(); return testkey.Only(t, central) }

// lawful is a rule for a tap without PIN that the law allows.
func lawful() rule.Rule {
	return rule.Rule{
		Service: "library-loan", Verifier: "city.example", Basis: record.BasisArt384, Evidence: record.EvidenceCard, Supervised: true,
		ListFull: uint32(rule.Art384ListLimit / time.Second), ListProvisional: 7 * 86400, TooOld: rule.TooOldRefuse,
		Hierarchies: []certid.Hierarchy{certid.HierarchyProduction},
	}
}

func drill() rule.Rule {
	r := lawful()
	r.Service, r.Basis, r.Evidence, r.Practice = "drill", record.BasisDrill, record.EvidenceCertificate, true
	r.Hierarchies = []certid.Hierarchy{certid.HierarchyPractice}
	return r
}

// shelter is a reception that reads a name on consent.
func shelter() rule.Rule {
	r := lawful()
	r.Service, r.Basis, r.Evidence, r.TooOld = "shelter", record.BasisDisasterIntake, record.EvidenceCertificate, rule.TooOldRecord
	r.Attributes, r.Consent, r.Retention.Book = rule.AttributeName|rule.AttributeBirthDate, consent(), 90
	return r
}

func consent() *rule.Consent {
	return &rule.Consent{JA: "氏名を読み取ります。", EN: "Your name is read."}
}

// P9: a rule that contradicts itself or its legal basis does not load (design: "does not load").
func TestP9CheckRefuses(t *testing.T) {
	for _, c := range append(lawfulRules(), unlawfulRules()...) {
		t.Run(c.name, func(t *testing.T) {
			r := c.rule()
			c.make(&r)
			if err := r.Check(); !errors.Is(err, c.want) || (err != nil && !errors.Is(err, rule.ErrRule)) {
				t.Errorf("Check = %v, want %v", err, c.want)
			}
			_, err := rule.Set{Version: rule.Version{CentralEpoch: 1, N: 1}, Site: "branch", Rules: []rule.Rule{drill2(), r}}.Sign(central)
			if !errors.Is(err, c.want) {
				t.Errorf("Sign(set with it) = %v, want %v", err, c.want)
			}
		})
	}
}

// changed is a rule and one change to it.
type changed struct {
	name string
	rule func() rule.Rule
	make func(*rule.Rule)
	want error
}

func lawfulRules() []changed {
	return []changed{
		{"lawful", lawful, func(*rule.Rule) {}, nil},
		{"lawful, stronger", lawful, func(r *rule.Rule) { r.Evidence = record.EvidencePIN }, nil},
		{"drill", drill, func(*rule.Rule) {}, nil},
		{"drill takes every card", drill, func(r *rule.Rule) { r.Hierarchies = []certid.Hierarchy{1, 2, 3} }, nil},
		{"drill, unsupervised, old list", drill, func(r *rule.Rule) { r.Supervised, r.ListFull = false, 7*86400 }, nil},
		{"pin", lawful, func(r *rule.Rule) { r.Basis, r.Evidence, r.Supervised = record.BasisPIN, record.EvidencePIN, false }, nil},
		{"shelter", lawful, func(r *rule.Rule) {
			r.Basis, r.Evidence, r.TooOld, r.Retention.Book = record.BasisDisasterIntake, record.EvidenceCertificate, rule.TooOldRecord, 90
		}, nil},
		{"second use told", lawful, func(r *rule.Rule) { r.SecondUse, r.SecondWithin = rule.SecondUseTell, 86400 }, nil},
		{"second use refused, just before it is forgotten", lawful, func(r *rule.Rule) {
			r.SecondUse, r.SecondWithin, r.Retention.Book = rule.SecondUseRefuse, 86400, 1
		}, nil},
		{"signed in", lawful, func(r *rule.Rule) { r.SignIn = true }, nil},
		{"art38-4 card-bound, its approval not looked at", lawful, func(r *rule.Rule) { r.Evidence = record.EvidenceCardBound }, nil},
		{"attributes at an enrolment for taps without PIN", lawful, func(r *rule.Rule) {
			r.Attributes, r.Consent = rule.AttributeName, consent()
		}, nil},
		{"attributes where the PIN is asked each time", lawful, func(r *rule.Rule) {
			r.Basis, r.Evidence, r.Attributes, r.Consent = record.BasisPIN, record.EvidencePIN, rule.AttributeName|rule.AttributeSex, consent()
		}, nil},
		{"attributes in practice", drill, func(r *rule.Rule) { r.Attributes, r.Consent = rule.AttributeAddress, consent() }, nil},
		{"attributes at a shelter", shelter, func(*rule.Rule) {}, nil},
		{"retention", shelter, func(r *rule.Rule) { r.Retention = rule.Retention{Record: 365, Book: 90, Attributes: 365} }, nil},
		{"the longest consent", shelter, func(r *rule.Rule) { r.Consent.JA = strings.Repeat("あ", rule.MaxConsent/3) }, nil},
	}
}

func unlawfulRules() []changed {
	return []changed{
		{"art38-4 with a certificate alone", lawful, func(r *rule.Rule) { r.Evidence = record.EvidenceCertificate }, rule.ErrRule},
		{"art38-4 unsupervised", lawful, func(r *rule.Rule) { r.Supervised = false }, rule.ErrRule},
		{"art38-4 with too old a list", lawful, func(r *rule.Rule) { r.ListFull++ }, rule.ErrRule},
		{"art38-4 provisionally with too old a list", lawful, func(r *rule.Rule) {
			r.ListProvisional = uint32(rule.Art384ProvisionalLimit/time.Second) + 1
		}, rule.ErrRule},
		{"art38-4 written down without asking", lawful, func(r *rule.Rule) { r.TooOld = rule.TooOldRecord }, rule.ErrRule},
		{"pin written down without asking", lawful, func(r *rule.Rule) {
			r.Basis, r.Evidence, r.TooOld = record.BasisPIN, record.EvidencePIN, rule.TooOldRecord
		}, rule.ErrRule},
		{"art38-4 with attributes and no consent", lawful, func(r *rule.Rule) { r.Attributes = rule.AttributeName }, rule.ErrRule},
		{"attributes without consent", shelter, func(r *rule.Rule) { r.Consent = nil }, rule.ErrRule},
		{"consent without attributes", shelter, func(r *rule.Rule) { r.Attributes = 0 }, rule.ErrRule},
		{"consent in one language", shelter, func(r *rule.Rule) { r.Consent.JA = " " }, rule.ErrRule},
		{"consent too long", shelter, func(r *rule.Rule) { r.Consent.EN = strings.Repeat("x", rule.MaxConsent+1) }, rule.ErrRule},
		{"unknown attribute", shelter, func(r *rule.Rule) { r.Attributes = 16 }, rule.ErrRule},
		{"unknown word about a second use", lawful, func(r *rule.Rule) { r.SecondUse, r.SecondWithin = 3, 1 }, rule.ErrRule},
		{"second use without a time", lawful, func(r *rule.Rule) { r.SecondUse = rule.SecondUseTell }, rule.ErrRule},
		{"time without a second use", lawful, func(r *rule.Rule) { r.SecondWithin = 1 }, rule.ErrRule},
		{"second use forgotten before its time", lawful, func(r *rule.Rule) {
			r.SecondUse, r.SecondWithin, r.Retention.Book = rule.SecondUseRefuse, 86401, 1
		}, rule.ErrRule},
		{"shelter that never forgets", shelter, func(r *rule.Rule) { r.Retention.Book = 0 }, rule.ErrRule},
		{"attributes kept where none are read", lawful, func(r *rule.Rule) { r.Retention.Attributes = 1 }, rule.ErrRule},
		{"attributes kept longer than their record", shelter, func(r *rule.Rule) {
			r.Retention.Record, r.Retention.Attributes = 10, 11
		}, rule.ErrRule},
		{"kept for ever and a day", lawful, func(r *rule.Rule) { r.Retention.Record = rule.MaxDays + 1 }, rule.ErrRule},
		{"art38-4 as practice", lawful, func(r *rule.Rule) { r.Practice = true }, rule.ErrRule},
		{"art38-4 with practice cards", lawful, func(r *rule.Rule) { r.Hierarchies = []certid.Hierarchy{1, 3} }, rule.ErrRule},
		{"art38-4 with test cards", lawful, func(r *rule.Rule) { r.Hierarchies = []certid.Hierarchy{2} }, rule.ErrRule},
		{"pin without PIN", lawful, func(r *rule.Rule) { r.Basis = record.BasisPIN }, rule.ErrRule},
		{"drill that is not practice", drill, func(r *rule.Rule) { r.Practice = false }, rule.ErrRule},
		{"no basis", lawful, func(r *rule.Rule) { r.Basis = 0 }, rule.ErrRule},
		{"unknown basis", lawful, func(r *rule.Rule) { r.Basis = 5 }, rule.ErrRule},
		{"no evidence", drill, func(r *rule.Rule) { r.Evidence = record.EvidenceNone }, rule.ErrRule},
		{"unknown evidence", lawful, func(r *rule.Rule) { r.Evidence = 5 }, rule.ErrRule},
		{"nothing about old lists", lawful, func(r *rule.Rule) { r.TooOld = 0 }, rule.ErrRule},
		{"unknown word about old lists", lawful, func(r *rule.Rule) { r.TooOld = 3 }, rule.ErrRule},
		{"provisional shorter than full", lawful, func(r *rule.Rule) { r.ListProvisional = r.ListFull - 1 }, rule.ErrRule},
		{"no card is taken", lawful, func(r *rule.Rule) { r.Hierarchies = nil }, rule.ErrRule},
		{"unknown hierarchy", drill, func(r *rule.Rule) { r.Hierarchies = []certid.Hierarchy{4} }, rule.ErrRule},
		{"service without a name", lawful, func(r *rule.Rule) { r.Service = "" }, record.ErrName},
		{"verifier without a name", lawful, func(r *rule.Rule) { r.Verifier = "City" }, record.ErrName},
	}
}

// drill2 is a second service.
func drill2() rule.Rule { r := drill(); r.Service = "drill-2"; return r }

// P9: what a restored central says comes after everything it said before, however high its numbers were.
func TestP9VersionsOrderByCentralEpochFirst(t *testing.T) {
	rising := []rule.Version{{}, {CentralEpoch: 1}, {CentralEpoch: 1, N: 9}, {CentralEpoch: 2}, {CentralEpoch: 2, N: 1}, {CentralEpoch: 3}}
	for i, v := range rising {
		for j, w := range rising {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := v.Compare(w); got != want {
				t.Errorf("%v.Compare(%v) = %d, want %d", v, w, got, want)
			}
		}
	}
}
