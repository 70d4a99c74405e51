package config

import (
	"errors"
	"fmt"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Rules turns the services into rules. Every service at fault is reported.
func (c Config) Rules() ([]rule.Rule, error) {
	var rules []rule.Rule
	var f faults
	for i, s := range c.Service {
		r, of := s.rule()
		f.under(fmt.Sprintf("service[%d]", i), of)
		rules = append(rules, r)
	}
	return rules, errors.Join(f...)
}

// services looks through the tables [[service]]; known are the hierarchies that central can ask about.
func (c Config) services(f *faults, known map[string]bool) {
	seen := map[string]bool{}
	if len(c.Service) == 0 {
		f.add("service: at least one")
	}
	for i, s := range c.Service {
		table := fmt.Sprintf("service[%d]", i)
		r, of := s.rule()
		f.under(table, of)
		if len(of) == 0 && r.NeedsApproval() && !c.approved(s.Verifier) {
			f.add("%s: %w: %w: there is no [[approval]] of %q", table, rule.ErrRule, rule.ErrApproval, s.Verifier)
		}
		for _, h := range s.Hierarchies {
			if !known[h] {
				f.add("%s.hierarchies: there is no [[jpki]] of hierarchy %q, so its cards could never be settled", table, h)
			}
		}
		if seen[s.ID] {
			f.add("%s.id: %q stands twice", table, s.ID)
		}
		seen[s.ID] = true
	}
}

// rule is the service's rule, or what is wrong with it.
func (s Service) rule() (r rule.Rule, f faults) {
	r = rule.Rule{Service: record.ServiceID(s.ID), Verifier: record.VerifierID(s.Verifier), Supervised: s.Supervised, Practice: s.Practice}
	word := func(key string, read func([]byte) error, text string) {
		if err := read([]byte(text)); err != nil {
			f.add(".%s: %w", key, err)
		}
	}
	word("basis", r.Basis.UnmarshalText, s.Basis)
	word("evidence", r.Evidence.UnmarshalText, s.Evidence)
	word("too_old", func(b []byte) (err error) { r.TooOld, err = tooOld(string(b)); return err }, s.TooOld)
	word("list_full", func([]byte) (err error) { r.ListFull, err = seconds(s.ListFull); return err }, "")
	word("list_provisional", func([]byte) (err error) { r.ListProvisional, err = seconds(s.ListProvisional); return err }, "")
	word("second_use", func(b []byte) (err error) { r.SecondUse, err = secondUse(string(b)); return err }, s.SecondUse)
	word("second_within", func([]byte) (err error) { r.SecondWithin, err = seconds(s.SecondWithin); return err }, "")
	word("attributes", func([]byte) (err error) { r.Attributes, err = attributes(s.Attributes); return err }, "")
	word("sector", func(b []byte) error { return record.CheckName(record.ServiceID(b)) }, s.Sector)
	for _, name := range s.Hierarchies {
		h, err := certid.ParseHierarchy(name)
		if err != nil {
			f.add(".hierarchies: %w", err)
		}
		r.Hierarchies = append(r.Hierarchies, h)
	}
	if s.ConsentJA != "" || s.ConsentEN != "" {
		r.Consent = &rule.Consent{JA: s.ConsentJA, EN: s.ConsentEN}
	}
	r.Retention = rule.Retention{Record: s.KeepRecords, Book: s.KeepBook, Attributes: s.KeepAttributes}
	r.SignIn = s.SignIn
	if len(f) == 0 {
		if err := r.Check(); err != nil {
			f.add(": %w", err)
		}
	}
	return r, f
}

func tooOld(s string) (rule.TooOld, error) {
	switch s {
	case "refuse":
		return rule.TooOldRefuse, nil
	case "record":
		return rule.TooOldRecord, nil
	default:
		return 0, fmt.Errorf("%q is neither refuse nor record", s)
	}
}

func secondUse(s string) (rule.SecondUse, error) {
	switch s {
	case "counts":
		return rule.SecondUseCounts, nil
	case "tell":
		return rule.SecondUseTell, nil
	case "refuse":
		return rule.SecondUseRefuse, nil
	default:
		return 0, fmt.Errorf("%q is none of counts, tell and refuse", s)
	}
}

var attributeNames = map[string]rule.Attributes{
	"name": rule.AttributeName, "address": rule.AttributeAddress, "birth_date": rule.AttributeBirthDate, "sex": rule.AttributeSex,
}

func attributes(names []string) (all rule.Attributes, err error) {
	for _, name := range names {
		a, ok := attributeNames[name]
		if !ok || all&a != 0 {
			return 0, fmt.Errorf("%q is none of name, address, birth_date and sex, or stands twice", name)
		}
		all |= a
	}
	return all, nil
}

// seconds are whole ones, as they travel in a rule.
func seconds(d *Duration) (uint32, error) {
	t := time.Duration(*d)
	if t < 0 || t > maxDuration || t%time.Second != 0 {
		return 0, fmt.Errorf("%s is not whole seconds from 0s to ten years", t)
	}
	return uint32(t / time.Second), nil //nolint:gosec // bounded above
}
