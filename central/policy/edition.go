package policy

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/central/store"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// maxEdition caps an edition, in octets.
const maxEdition = 4 << 20

// edition is all that central demanded under one version.
type edition struct {
	Version rule.Version `cbor:"1,keyasint"`
	Issued  int64        `cbor:"2,keyasint"` // Unix seconds
	Rules   []rule.Rule  `cbor:"3,keyasint"`
	Sites   []siteRules  `cbor:"4,keyasint,omitempty"` // those that differ
	Signer  sign.KeyID   `cbor:"5,keyasint"`           // C-sign: with another one boxes need the sets anew
}

// siteRules is what differs at one site.
type siteRules struct {
	Site     record.SiteID      `cbor:"1,keyasint"`
	Services []record.ServiceID `cbor:"2,keyasint,omitempty"` // none: all
	Unlock   rule.Unlock        `cbor:"3,keyasint"`
}

// anySite stands for every site that is not named.
const anySite record.SiteID = "any"

// editionOf is what the configuration demands; an error of package rule.
func editionOf(c config.Config, signer crypto.PublicKey, v rule.Version, now time.Time) (edition, error) {
	rules, err := c.Rules()
	if err != nil {
		return edition{}, err
	}
	key, err := sign.PublicKeyOf(signer)
	if err != nil {
		return edition{}, err
	}
	e := edition{Version: v, Issued: now.Unix(), Rules: rules, Signer: key.ID()}
	for _, s := range c.Site {
		r := siteRules{Site: record.SiteID(s.ID), Unlock: s.UnlockBy()}
		for _, id := range s.Services {
			r.Services = append(r.Services, record.ServiceID(id))
		}
		slices.Sort(r.Services)
		e.Sites = append(e.Sites, r)
	}
	for _, site := range e.named() {
		if err := e.at(site).Check(); err != nil {
			return edition{}, fmt.Errorf("rules of site %s: %w", site, err)
		}
	}
	return e, nil
}

// named are the sites that differ, and one for all others.
func (e edition) named() []record.SiteID {
	all := []record.SiteID{anySite}
	for _, s := range e.Sites {
		all = append(all, s.Site)
	}
	return all
}

// at is the set of one site.
func (e edition) at(site record.SiteID) rule.Set {
	set := rule.Set{Version: e.Version, Issued: e.Issued, Site: site, Unlock: rule.UnlockCode, Rules: e.Rules}
	i := slices.IndexFunc(e.Sites, func(s siteRules) bool { return s.Site == site })
	if i < 0 {
		return set
	}
	set.Unlock = e.Sites[i].Unlock
	if has := e.Sites[i].Services; len(has) > 0 {
		set.Rules = slices.DeleteFunc(slices.Clone(e.Rules), func(r rule.Rule) bool { return !slices.Contains(has, r.Service) })
	}
	return set
}

func (e edition) serves(v record.VerifierID) bool {
	return slices.ContainsFunc(e.Rules, func(r rule.Rule) bool { return r.Verifier == v })
}

// under returns rule.ErrApproval unless the bundle that boxes are to have approves what needs it.
func (e edition) under(b trust.Bundle, now time.Time) error {
	for _, site := range e.named() {
		approved := func(v record.VerifierID) bool { return b.Approves(v, now) }
		if err := e.at(site).Under(rule.Terms{Site: site, Approved: approved}); err != nil {
			return fmt.Errorf("rules of site %s under trust bundle %d: %w", site, b.Number, err)
		}
	}
	return nil
}

// same compares what two editions demand.
func (e edition) same(o edition) (bool, error) {
	e.Version, e.Issued = o.Version, o.Issued
	return equal(e, o)
}

// lastEdition is the newest; zero if there is none, or none that can be read. It also tells the central epoch.
func (p *Policy) lastEdition(ctx context.Context) (last edition, centralEpoch uint64, err error) {
	var versions []rule.Version
	err = p.db.View(ctx, func(tx store.Tx) (err error) {
		if centralEpoch, err = tx.CentralEpoch(); err != nil {
			return err
		}
		versions, err = tx.RulingVersions()
		return err
	})
	if err != nil || len(versions) == 0 {
		return last, centralEpoch, err
	}
	last, err = readEdition(ctx, p.db, versions[0])
	if errors.Is(err, store.ErrDamaged) {
		p.Damaged = append(p.Damaged, fmt.Sprintf("rules %d-%d", versions[0].CentralEpoch, versions[0].N))
		return edition{Version: rule.Version{N: versions[0].N}}, centralEpoch, nil // the number is still taken
	}
	return last, centralEpoch, err
}

// readEdition reads an edition; store.ErrNone, store.ErrDamaged.
func readEdition(ctx context.Context, db store.Store, v rule.Version) (e edition, err error) {
	var body []byte
	if err := db.View(ctx, func(tx store.Tx) (err error) { body, err = tx.Ruling(v); return err }); err != nil {
		return e, err
	}
	return decodeEdition(v, body)
}

// decodeEdition reads an edition's form; store.ErrDamaged.
func decodeEdition(v rule.Version, body []byte) (e edition, err error) {
	if err := canon.Decode(body, &e, maxEdition); err != nil || e.Version != v {
		return edition{}, fmt.Errorf("%w: rules %d-%d", store.ErrDamaged, v.CentralEpoch, v.N)
	}
	return e, nil
}

// keep makes the edition in force durable, before anybody is told of it.
func (p *Policy) keep(ctx context.Context) error {
	body, err := canon.Encode(p.rules)
	if err != nil {
		return err
	}
	return p.db.Update(ctx, func(tx store.Tx) error { return tx.AddRuling(p.rules.Version, body) })
}

// Retained is for how many days records of each service are kept, by the fewest of all editions that were ever in force; a service that never
// set an end is not in it. store.ErrDamaged if an edition cannot be read.
func Retained(tx store.Tx) (map[record.ServiceID]uint32, error) {
	versions, err := tx.RulingVersions()
	if err != nil {
		return nil, err
	}
	days := map[record.ServiceID]uint32{}
	for _, v := range versions {
		body, err := tx.Ruling(v)
		if err != nil {
			return nil, err
		}
		e, err := decodeEdition(v, body)
		if err != nil {
			return nil, err
		}
		for _, r := range e.Rules {
			if n := r.Retention.Record; n > 0 && (days[r.Service] == 0 || n < days[r.Service]) {
				days[r.Service] = n
			}
		}
	}
	return days, nil
}

// Edition is one version of the rules, for an operator.
type Edition struct {
	Version rule.Version
	Issued  time.Time
	Sites   []rule.Set // the first is of every site that is not named
}

// Editions lists all that were ever in force, newest first. One that is damaged has no sites.
func (p *Policy) Editions(ctx context.Context) ([]Edition, error) {
	var versions []rule.Version
	if err := p.db.View(ctx, func(tx store.Tx) (err error) { versions, err = tx.RulingVersions(); return err }); err != nil {
		return nil, err
	}
	all := make([]Edition, 0, len(versions))
	for _, v := range versions {
		e, err := readEdition(ctx, p.db, v)
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return nil, err
		}
		shown := Edition{Version: v}
		if err == nil {
			shown.Issued = time.Unix(e.Issued, 0).UTC()
			for _, site := range e.named() {
				shown.Sites = append(shown.Sites, e.at(site))
			}
		}
		all = append(all, shown)
	}
	return all, nil
}
