package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kazashi.example/central/admin"
	"kazashi.example/sync/describe"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Editions lists every version of the rules that was ever in force, newest first.
func (d *Daemon) Editions(ctx context.Context) ([]admin.Edition, error) {
	editions, err := d.wanted.policy.Editions(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the rules: %w", err)
	}
	all := make([]admin.Edition, 0, len(editions))
	for _, e := range editions {
		shown := admin.Edition{
			Version: describe.Version(e.Version), Issued: e.Issued, InForce: e.Version == d.wanted.policy.Version(), Damaged: len(e.Sites) == 0,
		}
		for _, s := range e.Sites[min(1, len(e.Sites)):] {
			shown.Sites = append(shown.Sites, s.Site)
		}
		all = append(all, shown)
	}
	return all, nil
}

// SiteRules are the rules of one site under one version.
func (d *Daemon) SiteRules(ctx context.Context, q admin.AskRules) (admin.SiteRules, error) {
	if err := record.CheckName(q.Site); err != nil {
		return admin.SiteRules{}, &admin.Refused{Err: fmt.Errorf("site: %w", err)}
	}
	if q.Version == "" {
		set, signed, err := d.wanted.policy.RulesFor(q.Site)
		return admin.SiteRules{Rules: describe.OfSet(set, nil), Signed: signed}, err
	}
	v, err := parseVersion(q.Version)
	if err != nil {
		return admin.SiteRules{}, &admin.Refused{Err: err}
	}
	set, ok, err := d.wanted.policy.RuleAt(ctx, q.Site, v)
	if err != nil {
		return admin.SiteRules{}, err
	}
	if !ok {
		return admin.SiteRules{}, &admin.Refused{Err: fmt.Errorf("no rules %s were ever in force here; list them", q.Version)}
	}
	return admin.SiteRules{Rules: describe.OfSet(set, nil)}, nil
}

var errVersion = errors.New("version: central epoch and number, like 1-42")

func parseVersion(s string) (v rule.Version, err error) {
	epoch, n, ok := strings.Cut(s, "-")
	if !ok {
		return v, errVersion
	}
	if v.CentralEpoch, err = strconv.ParseUint(epoch, 10, 64); err != nil {
		return v, errVersion
	}
	if v.N, err = strconv.ParseUint(n, 10, 64); err != nil {
		return v, errVersion
	}
	return v, nil
}
