package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"kazashi.example/central/boxline"
	"kazashi.example/central/crl"
	"kazashi.example/central/keys"
	"kazashi.example/central/opener"
	"kazashi.example/central/person"
	"kazashi.example/central/policy"
	"kazashi.example/central/rosters"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// wanted is what every box is to have.
type wanted struct {
	policy *policy.Policy
	sets   *crl.Store
	people *rosters.Maker
}

var _ boxline.Desired = wanted{}

// Rules is the rule set in force at a site.
func (w wanted) Rules(site record.SiteID) (rule.Version, []byte, error) {
	set, signed, err := w.policy.RulesFor(site)
	return set.Version, signed, err
}

// Bundle is the trust bundle in force.
func (w wanted) Bundle() (uint64, []byte) { return w.policy.Trust.Number, w.policy.TrustSigned }

// Offers are the sets in force that a box lacks.
func (w wanted) Offers(held []wire.HeldSet) []wire.SetOffer { return w.sets.Offers(held) }

// OpenBlob opens what was offered.
func (w wanted) OpenBlob(id wire.BlobID) (*os.File, error) {
	f, err := w.sets.OpenBlob(id)
	if errors.Is(err, fs.ErrNotExist) {
		return w.people.OpenBlob(id)
	}
	return f, err
}

// services answers what the opener asks of the configuration.
type services struct {
	policy  *policy.Policy
	sectors map[record.ServiceID]string
}

var _ opener.Services = services{}

// Rule is the rule that a box held.
func (s services) Rule(ctx context.Context, site record.SiteID, held rule.Version, id record.ServiceID) (rule.Rule, bool, error) {
	set, known, err := s.policy.RuleAt(ctx, site, held)
	if err == nil && !known {
		set, _, err = s.policy.RulesFor(site)
	}
	if err != nil {
		return rule.Rule{}, false, err
	}
	r, ok := set.For(id)
	return r, ok, nil
}

// Sector is within whose walls a PPID is the same.
func (s services) Sector(id record.ServiceID) (string, bool) {
	sector, ok := s.sectors[id]
	return sector, ok
}

// Services are those of a verifier that a site serves, by id: rosters.Policy.
func (s services) Services(site record.SiteID, v record.VerifierID) (all []person.Service) {
	set, _, err := s.policy.RulesFor(site)
	if err != nil {
		return nil // a set that cannot be signed is not in force
	}
	for _, r := range set.Rules {
		if r.Verifier == v {
			all = append(all, person.Service{ID: r.Service, Sector: s.sectors[r.Service]})
		}
	}
	slices.SortFunc(all, func(a, b person.Service) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all
}

// sealKeys is the one C-seal of the key directory.
type sealKeys struct{ key seal.PrivateKey }

var _ opener.SealKeys = sealKeys{}

// SealKey returns the key if the id is its own.
func (s sealKeys) SealKey(id sign.KeyID) (seal.PrivateKey, error) {
	if s.key.Public().ID() != id {
		return seal.PrivateKey{}, fmt.Errorf("%w: %s", opener.ErrSealKey, id)
	}
	return s.key, nil
}

func tlsKeys(k *keys.Keys) ([]sign.PublicKey, error) {
	pub, err := sign.PublicKeyOf(k.TLS.Public())
	return []sign.PublicKey{pub}, err
}
