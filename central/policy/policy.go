// Package policy makes what central wants every box to believe and to demand: the trust bundle and the rules of each site, signed and
// numbered.
//
// The bundle is a signed file; the rules are editions in the database, of which none is ever removed, so that a tap is decided by the one
// that its box held. When central starts and nothing has changed, both are used again; when something changed, or central's epoch rose,
// both are made with a higher number. Numbers are at least the time in Unix seconds, so that they rise even over a restored disk. What is
// kept and cannot be believed is set aside. Everything is made once, at the start; a [Policy] may be used from any goroutine after that.
//
// Where the root key is not here, or somebody published a bundle, bundles are made by the ceremony alone: [Propose], signatures of the
// holders, [Publish]. Central then goes on with the one in force, and says so where its configuration wants another.
package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/central/keys"
	"kazashi.example/central/store"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// Policy is what boxes are to have.
type Policy struct {
	Trust       trust.Bundle
	TrustSigned []byte
	// Root is the root set that the bundle in force is signed by.
	Root    trust.Fingerprint
	Anchors *jpki.Anchors
	// Damaged lists what was kept and could not be believed. An operator should know of it: the numbers that stood there had to be guessed.
	Damaged []string
	// Differs says that the configuration wants another bundle than the one in force, which only the ceremony can change.
	Differs bool

	keys  *keys.Keys
	db    store.Store
	now   time.Time
	rules edition // in force

	mu       sync.Mutex // guards what follows
	signed   map[record.SiteID][]byte
	editions map[rule.Version]edition // read before
}

// maxEditions bounds the editions kept in memory.
const maxEditions = 256

// maxSigned bounds the signed sets kept in memory; one has at most rule.MaxSet.
const maxSigned = 4096

// Make reads the anchors and card authorities, and takes or makes what is signed. ErrAnchor, ErrCardCA, ErrUnsigned, or an error of
// packages jpki, rule, trust or store for what cannot be signed; nothing is written then.
//
// The bundle is written before the rules, which carry central's epoch: after a crash in between, the next start finds the old
// epoch in the rules and makes both again.
func Make(ctx context.Context, c config.Config, k *keys.Keys, db store.Store, now time.Time) (*Policy, error) {
	p := Policy{
		keys: k, db: db, now: now, signed: map[record.SiteID][]byte{}, editions: map[rule.Version]edition{},
	}
	last, centralEpoch, err := p.lastEdition(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the rules in force: %w", err)
	}
	if p.rules, err = editionOf(c, k.Sign.Public(), rule.Version{CentralEpoch: centralEpoch, N: 1}, now); err != nil {
		return nil, err
	}
	if err := p.want(c); err != nil {
		return nil, err
	}
	sameEpoch := last.Version.CentralEpoch == centralEpoch
	if err := p.trust(c.DataDir, sameEpoch); err != nil {
		return nil, fmt.Errorf("making the trust bundle: %w", err)
	}
	if err := p.rules.under(p.Trust, now); err != nil {
		return nil, err
	}
	if err := p.next(ctx, last, sameEpoch); err != nil {
		return nil, fmt.Errorf("making the rules: %w", err)
	}
	return &p, nil
}

// want fills in the bundle as the configuration describes it.
func (p *Policy) want(c config.Config) (err error) {
	if err := p.anchors(c); err != nil {
		return err
	}
	if err := p.cardCAs(c); err != nil {
		return err
	}
	if p.Trust.Approvals, err = c.Approvals(); err != nil {
		return err
	}
	if p.Trust.Keys, err = publicKeys(p.keys); err != nil {
		return err
	}
	p.Trust.Version, p.Trust.Suites = 1, []seal.Suite{seal.Suite1}
	return nil
}

// Version is that of the rules in force, the same at every site.
func (p *Policy) Version() rule.Version { return p.rules.Version }

// Serves reports whether any service in force is of a verifier.
func (p *Policy) Serves(v record.VerifierID) bool { return p.rules.serves(v) }

// RulesFor is the set of a site, signed: the same bytes until central starts again.
func (p *Policy) RulesFor(site record.SiteID) (rule.Set, []byte, error) {
	set := p.rules.at(site)
	p.mu.Lock()
	defer p.mu.Unlock()
	if b, ok := p.signed[site]; ok {
		return set, b, nil
	}
	b, err := set.Sign(p.keys.Sign)
	if err != nil {
		return rule.Set{}, nil, fmt.Errorf("signing the rules of site %s: %w", site, err)
	}
	if len(p.signed) >= maxSigned {
		clear(p.signed)
	}
	p.signed[site] = b
	return set, b, nil
}

// RuleAt is the set that was in force at a site under a version; false if that was never given out, or central lost it with its database.
func (p *Policy) RuleAt(ctx context.Context, site record.SiteID, v rule.Version) (rule.Set, bool, error) {
	if v == p.rules.Version {
		return p.rules.at(site), true, nil
	}
	p.mu.Lock()
	e, ok := p.editions[v]
	p.mu.Unlock()
	if ok {
		return e.at(site), true, nil
	}
	e, err := readEdition(ctx, p.db, v)
	if errors.Is(err, store.ErrNone) || errors.Is(err, store.ErrDamaged) {
		return rule.Set{}, false, nil
	}
	if err != nil {
		return rule.Set{}, false, fmt.Errorf("reading the rules in force at a tap: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.editions) >= maxEditions {
		clear(p.editions)
	}
	p.editions[v] = e
	return e.at(site), true, nil
}

// next takes the last edition if it is what is wanted now, and otherwise makes another.
func (p *Policy) next(ctx context.Context, last edition, sameEpoch bool) error {
	same, err := last.same(p.rules)
	if err != nil {
		return err
	}
	if same && sameEpoch {
		p.rules = last
		return nil
	}
	p.rules.Version.N = max(last.Version.N+1, unix(p.now))
	return p.keep(ctx)
}

func publicKeys(k *keys.Keys) ([]trust.Key, error) {
	signKey, err := sign.PublicKeyOf(k.Sign.Public())
	if err != nil {
		return nil, err
	}
	tlsKey, err := sign.PublicKeyOf(k.TLS.Public())
	if err != nil {
		return nil, err
	}
	return []trust.Key{
		{Purposes: []sign.Purpose{
			sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules, sign.PurposeRoster, sign.PurposeSet, sign.PurposeDelta,
			sign.PurposeSiteKeys, sign.PurposeOrder, sign.PurposeCourierDown,
		}, Public: signKey.DER()},
		{Purposes: []sign.Purpose{trust.UseTLS}, Public: tlsKey.DER()},
		{Purposes: []sign.Purpose{trust.UseSeal}, Public: k.Seal.Public().Bytes()},
	}, nil
}

// equal compares two values by their only encoding.
func equal(a, b any) (bool, error) {
	x, err := canon.Encode(a)
	if err != nil {
		return false, err
	}
	y, err := canon.Encode(b)
	return bytes.Equal(x, y), err
}

func unix(t time.Time) uint64 { return uint64(max(t.Unix(), 1)) } //nolint:gosec // positive on this line
