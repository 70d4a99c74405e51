package config

import (
	"fmt"
	"slices"
	"time"

	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/trust"
)

// tokyo is where an approval's last day ends; Japan keeps no summer time.
var tokyo = time.FixedZone("JST", 9*60*60)

// unlocks are the words for rule.Unlock.
var unlocks = map[string]rule.Unlock{"code": rule.UnlockCode, "tpm": rule.UnlockTPM, "file": rule.UnlockFile}

// UnlockBy is the word as boxes are told it. The site was validated.
func (s Site) UnlockBy() rule.Unlock { return unlocks[s.Unlock] }

// sites looks through the tables [[site]].
func (c Config) sites(f *faults) {
	seen := map[string]bool{}
	for i, s := range c.Site {
		table := fmt.Sprintf("site[%d].", i)
		if err := record.CheckName(record.SiteID(s.ID)); err != nil {
			f.add("%sid: %w", table, err)
		}
		if seen[s.ID] {
			f.add("%sid: %q stands twice", table, s.ID)
		}
		seen[s.ID] = true
		if unlocks[s.Unlock] == 0 {
			f.add("%sunlock: %q is none of code, tpm and file", table, s.Unlock)
		}
		for j, id := range s.Services {
			if !slices.ContainsFunc(c.Service, func(known Service) bool { return known.ID == id }) || slices.Contains(s.Services[:j], id) {
				f.add("%sservices: there is no [[service]] of id %q, or it stands twice", table, id)
			}
		}
	}
}

// approvals looks through the tables [[approval]].
func (c Config) approvals(f *faults) {
	for i, a := range c.Approval {
		table := fmt.Sprintf("approval[%d].", i)
		if !slices.ContainsFunc(c.Service, func(s Service) bool { return s.Verifier == a.Verifier }) {
			f.add("%sverifier: no [[service]] is of %q", table, a.Verifier)
		}
		if slices.ContainsFunc(c.Approval[:i], func(b Approval) bool { return b.Verifier == a.Verifier }) {
			f.add("%sverifier: %q stands twice", table, a.Verifier)
		}
		if n := len(a.Reference); n == 0 || n > trust.MaxReference {
			f.add("%sreference: 1 to %d octets", table, trust.MaxReference)
		}
		if _, err := a.until(); err != nil {
			f.add("%suntil: %q is no day like 2027-03-31", table, a.Until)
		}
	}
}

func (c Config) approved(verifier string) bool {
	return slices.ContainsFunc(c.Approval, func(a Approval) bool { return a.Verifier == verifier })
}

func (a Approval) until() (int64, error) {
	if a.Until == "" {
		return 0, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, a.Until, tokyo)
	return day.AddDate(0, 0, 1).Unix() - 1, err
}

// Approvals are what the trust bundle is to carry.
func (c Config) Approvals() ([]trust.Approval, error) {
	var all []trust.Approval
	for _, a := range c.Approval {
		until, err := a.until()
		if err != nil {
			return nil, fmt.Errorf("%w: approval of %s: %w", ErrConfig, a.Verifier, err)
		}
		all = append(all, trust.Approval{Verifier: record.VerifierID(a.Verifier), Reference: a.Reference, Until: until})
	}
	return all, nil
}
