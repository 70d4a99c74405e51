package rule_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// branch is a set of one site.
func branch() rule.Set {
	return rule.Set{
		Version: rule.Version{CentralEpoch: 1, N: 4}, Issued: 1_795_000_000, Rules: []rule.Rule{lawful(), drill()}, Site: "branch",
	}
}

// P9: a set loads whole or not at all, and only from central's signature for rules.
func TestP9SetOpensWholeOrNotAtAll(t *testing.T) {
	good := branch()
	msg, err := good.Sign(central)
	if err != nil {
		t.Fatal(err)
	}
	got, err := rule.Open(keys(t), msg, rule.Terms{Site: good.Site})
	if err != nil || got.Version != good.Version || len(got.Rules) != 2 {
		t.Fatalf("Open = %+v, %v, want %+v", got, err, good)
	}
	if r, ok := got.For("drill"); !ok || r.Basis != record.BasisDrill || !slices.Equal(r.Hierarchies, drill().Hierarchies) {
		t.Errorf("For(drill) = %+v, %v", r, ok)
	}
	if _, ok := got.For("unknown"); ok {
		t.Error("For(unknown) found a rule")
	}
	for _, c := range []struct {
		name string
		make func(*rule.Set)
		want error
	}{
		{"no central epoch", func(s *rule.Set) { s.Version.CentralEpoch = 0 }, rule.ErrSet},
		{"no number", func(s *rule.Set) { s.Version.N = 0 }, rule.ErrSet},
		{"no rules", func(s *rule.Set) { s.Rules = nil }, rule.ErrSet},
		{"a service twice", func(s *rule.Set) { s.Rules = []rule.Rule{drill(), drill()} }, rule.ErrSet},
		{"no site", func(s *rule.Set) { s.Site = "" }, rule.ErrSet},
		{"a site that is no name", func(s *rule.Set) { s.Site = "Branch" }, rule.ErrSet},
		{"a way to unlock that is none", func(s *rule.Set) { s.Unlock = 4 }, rule.ErrSet},
		{"one bad rule", func(s *rule.Set) { s.Rules = []rule.Rule{drill(), {Service: "bad"}} }, rule.ErrRule},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good
			c.make(&s)
			if _, err := s.Sign(central); !errors.Is(err, c.want) {
				t.Errorf("Sign = %v, want %v", err, c.want)
			}
			b, err := canon.Encode(s)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := sign.Sign(central, sign.PurposeRules, b)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := rule.Open(keys(t), msg, rule.Terms{Site: good.Site}); !errors.Is(err, c.want) {
				t.Errorf("Open = %v, want %v", err, c.want)
			}
		})
	}
	payload, err := sign.Payload(msg)
	if err != nil {
		t.Fatal(err)
	}
	forAck, err := sign.Sign(central, sign.PurposeAck, payload)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rule.Open(keys(t), forAck, rule.Terms{Site: good.Site}); !errors.Is(err, sign.ErrSignature) {
		t.Errorf("Open(signed as an acknowledgement) = %v, want ErrSignature", err)
	}
}

// P9: a set is in force at its own site alone, and what goes below the law's wording only for whom the trust bundle approves.
func TestP9SetOpensUnderItsTermsAlone(t *testing.T) {
	bound := lawful()
	bound.Evidence = record.EvidenceCardBound
	approved := func(v record.VerifierID) bool { return v == bound.Verifier }
	for _, c := range []struct {
		name  string
		set   func(*rule.Set)
		terms rule.Terms
		want  error
	}{
		{"own site", func(*rule.Set) {}, rule.Terms{Site: "branch"}, nil},
		{"another site", func(*rule.Set) {}, rule.Terms{Site: "branch-2"}, rule.ErrSite},
		{"a reader without a site", func(*rule.Set) {}, rule.Terms{}, rule.ErrSite},
		{"approved", func(s *rule.Set) { s.Rules[0] = bound }, rule.Terms{Site: "branch", Approved: approved}, nil},
		{"approved for another", func(s *rule.Set) {
			s.Rules[0], s.Rules[0].Verifier = bound, "town.example"
		}, rule.Terms{Site: "branch", Approved: approved}, rule.ErrApproval},
		{"nobody is approved", func(s *rule.Set) { s.Rules[0] = bound }, rule.Terms{Site: "branch"}, rule.ErrApproval},
		{"card-bound at a shelter needs none", func(s *rule.Set) {
			s.Rules[0] = shelter()
			s.Rules[0].Evidence = record.EvidenceCardBound
		}, rule.Terms{Site: "branch"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := branch()
			c.set(&s)
			msg, err := s.Sign(central)
			if err != nil {
				t.Fatal(err)
			}
			got, err := rule.Open(keys(t), msg, c.terms)
			if !errors.Is(err, c.want) || (got.Rules == nil) != (c.want != nil) {
				t.Errorf("Open = %d rules, %v, want %v", len(got.Rules), err, c.want)
			}
			if errors.Is(c.want, rule.ErrApproval) && !errors.Is(err, rule.ErrRule) {
				t.Errorf("Open = %v, want an ErrRule", err)
			}
			if shown, err := rule.Inspect(keys(t), msg); err != nil || shown.Site != "branch" {
				t.Errorf("Inspect = %q, %v, want it shown", shown.Site, err)
			}
		})
	}
}

// P3: the operator's code unlocks a box unless the signed set says otherwise.
func TestP3UnlockByCodeUnlessTheSetSaysOtherwise(t *testing.T) {
	for in, want := range map[rule.Unlock]rule.Unlock{
		0: rule.UnlockCode, rule.UnlockCode: rule.UnlockCode, rule.UnlockTPM: rule.UnlockTPM, rule.UnlockFile: rule.UnlockFile,
	} {
		if got := (rule.Set{Unlock: in}).UnlockBy(); got != want {
			t.Errorf("UnlockBy of %d = %d, want %d", in, got, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	full := branch()
	full.Unlock = rule.UnlockTPM
	bound, busy := lawful(), shelter()
	bound.Evidence = record.EvidenceCardBound
	busy.SecondUse, busy.SecondWithin, busy.SignIn = rule.SecondUseRefuse, 86400, true
	busy.Retention = rule.Retention{Record: 3650, Book: 90, Attributes: 365}
	full.Rules = []rule.Rule{bound, busy}
	for _, s := range []rule.Set{branch(), full} {
		msg, err := s.Sign(central)
		if err != nil {
			f.Fatal(err)
		}
		payload, err := sign.Payload(msg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Add([]byte{0xa0})
	terms := rule.Terms{Site: "branch", Approved: func(v record.VerifierID) bool { return v == "city.example" }}
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(central, sign.PurposeRules, append([]byte{}, in...))
		if err != nil {
			t.Fatal(err)
		}
		s, err := rule.Open(keys(t), msg, terms)
		if err != nil {
			if s.Rules != nil {
				t.Fatalf("Open = %v, and %d rules", err, len(s.Rules))
			}
			return
		}
		if s.Site != terms.Site {
			t.Fatalf("accepted a set of %q", s.Site)
		}
		var v any
		if err := canon.Decode(in, &v, rule.MaxSet); err != nil {
			t.Fatalf("accepted %x: %v", in, err)
		}
		again, err := s.Sign(central)
		if err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
		one, err := canon.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := sign.Payload(again); err != nil || !bytes.Equal(back, one) {
			t.Fatalf("accepted %x encodes in two ways", in)
		}
	})
}
