// Package policy makes what central wants every box to believe and to demand: the trust bundle and the rule set, signed and
// numbered.
//
// Both are kept as signed files. When central starts and nothing has changed, the kept file is used again, so that boxes see
// the same bytes; when something changed, or central's epoch rose, both are made with a higher number. Numbers are at least
// the time in Unix seconds, so that they rise even over a restored disk. A kept file that cannot be believed is set aside
// under another name. Everything is made once, at the start; a [Policy] is read-only after that.
package policy

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/central/keys"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// File names inside the data directory.
const (
	fileRules = "rules.cbor"
	fileTrust = "trust.cbor"
)

// Policy is what boxes are to have.
type Policy struct {
	Rules       rule.Set
	RulesSigned []byte
	Trust       trust.Bundle
	TrustSigned []byte
	Anchors     *jpki.Anchors
	// Damaged lists kept files that could not be believed, by the names under which they were set aside. An operator should
	// know of them: the numbers that stood in them had to be guessed.
	Damaged []string

	keys *keys.Keys
	now  time.Time
}

// Make reads the anchors and card authorities, and takes or makes the signed files in the data directory. ErrAnchor, ErrCardCA, or an error of packages jpki,
// rule or trust for a configuration that cannot be signed; nothing is written then.
//
// The bundle is written before the rules, which carry central's epoch: after a crash in between, the next start finds the old
// epoch in the rules and makes both again.
func Make(c config.Config, k *keys.Keys, centralEpoch uint64, now time.Time) (*Policy, error) {
	p := Policy{keys: k, now: now}
	rules, err := c.Rules()
	if err != nil {
		return nil, err
	}
	p.Rules = rule.Set{Issued: now.Unix(), Rules: rules, Version: rule.Version{CentralEpoch: centralEpoch, N: 1}}
	if err := p.Rules.Check(); err != nil {
		return nil, err
	}
	if err := p.anchors(c); err != nil {
		return nil, err
	}
	if err := p.cardCAs(c); err != nil {
		return nil, err
	}
	pathRules := filepath.Join(c.DataDir, fileRules)
	kept, err := p.keptRules(pathRules)
	if err != nil {
		return nil, fmt.Errorf("reading the kept rule set: %w", err)
	}
	sameEpoch := kept.set.Version.CentralEpoch == centralEpoch
	if err := p.trust(filepath.Join(c.DataDir, fileTrust), sameEpoch); err != nil {
		return nil, fmt.Errorf("making the trust bundle: %w", err)
	}
	if err := p.rules(pathRules, kept, sameEpoch); err != nil {
		return nil, fmt.Errorf("making the rule set: %w", err)
	}
	return &p, nil
}

// keptSet is the rule set of an earlier start; zero if there is none.
type keptSet struct {
	set    rule.Set
	signed []byte
}

func (p *Policy) keptRules(path string) (k keptSet, err error) {
	pub, err := sign.PublicKeyOf(p.keys.Sign.Public())
	if err != nil {
		return k, err
	}
	err = p.recall(path, func(b []byte) error {
		set, err := rule.Open(sign.One{Key: pub}, b, rule.Terms{})
		if err == nil {
			k = keptSet{set, b}
		}
		return err
	})
	return k, err
}

// recall reads a kept file and hands it to use. One that use refuses is set aside; a missing one is no error.
func (p *Policy) recall(path string, use func([]byte) error) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if use(b) == nil {
		return nil
	}
	aside := path + ".set-aside-" + p.now.UTC().Format("20060102T150405Z")
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("setting a damaged file aside: %w", err)
	}
	p.Damaged = append(p.Damaged, aside)
	return durable.SyncDir(filepath.Dir(path))
}

// rules takes the kept set if it is what is wanted now, and otherwise makes the next.
func (p *Policy) rules(path string, kept keptSet, sameEpoch bool) error {
	same, err := equal(kept.set.Rules, p.Rules.Rules)
	if err != nil {
		return err
	}
	if same && sameEpoch {
		p.Rules, p.RulesSigned = kept.set, kept.signed
		return nil
	}
	p.Rules.Version.N = max(kept.set.Version.N+1, unix(p.now))
	if p.RulesSigned, err = p.Rules.Sign(p.keys.Sign); err != nil {
		return err
	}
	return durable.WriteFile(path, p.RulesSigned, 0o600)
}

// trust takes the kept bundle if it is what is wanted now, and otherwise makes the next. A central that was restored makes a
// new one in any case: boxes may hold a later one than the restored disk does.
func (p *Policy) trust(path string, sameEpoch bool) error {
	print, err := p.keys.Fingerprint()
	if err != nil {
		return err
	}
	if p.Trust.Keys, err = publicKeys(p.keys); err != nil {
		return err
	}
	p.Trust.Version, p.Trust.Suites = 1, []seal.Suite{seal.Suite1}
	var kept trust.Opened
	var signed []byte
	err = p.recall(path, func(b []byte) error {
		o, err := trust.Open(b, trust.Terms{Root: print})
		if err == nil {
			kept, signed = o, b
		}
		return err
	})
	if err != nil {
		return err
	}
	if signed != nil && sameEpoch {
		p.Trust.Number, p.Trust.Issued = kept.Number, kept.Issued
		if same, err := equal(kept.Bundle, p.Trust); same || err != nil {
			p.TrustSigned = signed
			return err
		}
	}
	p.Trust.Number, p.Trust.Issued = max(kept.Number+1, unix(p.now)), p.now.Unix()
	if p.TrustSigned, err = p.Trust.Sign([][]byte{p.keys.RootSet}, []crypto.Signer{p.keys.Root}); err != nil {
		return err
	}
	if _, err := trust.Open(p.TrustSigned, trust.Terms{Root: print}); err != nil { // root key and root set of two centrals
		return fmt.Errorf("reading back what was signed: %w", err)
	}
	return durable.WriteFile(path, p.TrustSigned, 0o600)
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
