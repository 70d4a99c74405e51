// Package policy makes what central wants every box to believe and to demand: the trust bundle and the rule set, signed and
// numbered.
//
// Both are kept as signed files. When central starts and nothing has changed, the kept file is used again, so that boxes see
// the same bytes; when something changed, or central's epoch rose, a new one is made with a higher number. Numbers are at
// least the time in Unix seconds, so that they rise even over a restored disk. Everything is made once, at the start.
package policy

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
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
	"kazashi.example/sync/certid"
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

// ErrAnchor says that an anchor file holds no certificate.
var ErrAnchor = errors.New("not a certificate file")

// Policy is what boxes are to have.
type Policy struct {
	Rules       rule.Set
	RulesSigned []byte
	Trust       trust.Bundle
	TrustSigned []byte
	Anchors     *jpki.Anchors
}

// Make reads the anchors, and takes or makes the signed files in dir.
func Make(c config.Config, k *keys.Keys, centralEpoch uint64, now time.Time) (*Policy, error) {
	var p Policy
	rules, err := c.Rules()
	if err != nil {
		return nil, err
	}
	p.Rules = rule.Set{Issued: now.Unix(), Rules: rules, Version: rule.Version{CentralEpoch: centralEpoch, N: 1}}
	if err := p.rules(filepath.Join(c.DataDir, fileRules), k, now); err != nil {
		return nil, fmt.Errorf("making the rule set: %w", err)
	}
	if err := p.anchors(c); err != nil {
		return nil, err
	}
	if err := p.trust(filepath.Join(c.DataDir, fileTrust), k, now); err != nil {
		return nil, fmt.Errorf("making the trust bundle: %w", err)
	}
	return &p, nil
}

func (p *Policy) rules(path string, k *keys.Keys, now time.Time) error {
	pub, err := sign.PublicKeyOf(k.Sign.Public())
	if err != nil {
		return err
	}
	kept, err := readOrNone(path)
	if err != nil {
		return err
	}
	if old, err := rule.Open(sign.One{Key: pub}, kept); kept != nil && err == nil {
		same, err := equal(old.Rules, p.Rules.Rules)
		if err != nil {
			return err
		}
		if same && old.Version.CentralEpoch == p.Rules.Version.CentralEpoch {
			p.Rules, p.RulesSigned = old, kept
			return nil
		}
		p.Rules.Version.N = old.Version.N
	}
	p.Rules.Version.N = max(p.Rules.Version.N+1, unix(now))
	if p.RulesSigned, err = p.Rules.Sign(k.Sign); err != nil {
		return err
	}
	return durable.WriteFile(path, p.RulesSigned, 0o600)
}

func (p *Policy) trust(path string, k *keys.Keys, now time.Time) error {
	print, err := k.Fingerprint()
	if err != nil {
		return err
	}
	if p.Trust.Keys, err = publicKeys(k); err != nil {
		return err
	}
	p.Trust.Suites = []seal.Suite{seal.Suite1}
	kept, err := readOrNone(path)
	if err != nil {
		return err
	}
	number := uint64(0)
	if old, err := trust.Open(kept, trust.Terms{Root: print}); kept != nil && err == nil {
		number = old.Number
		p.Trust.Version, p.Trust.Number, p.Trust.Issued = old.Version, old.Number, old.Issued
		same, err := equal(old.Bundle, p.Trust)
		if err != nil {
			return err
		}
		if same {
			p.TrustSigned = kept
			return nil
		}
	}
	p.Trust.Number, p.Trust.Issued = max(number+1, unix(now)), now.Unix()
	if p.TrustSigned, err = p.Trust.Sign([][]byte{k.RootSet}, []crypto.Signer{k.Root}); err != nil {
		return err
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
		{Purposes: []sign.Purpose{sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules}, Public: signKey.DER()},
		{Purposes: []sign.Purpose{trust.UseTLS}, Public: tlsKey.DER()},
		{Purposes: []sign.Purpose{trust.UseSeal}, Public: k.Seal.Public().Bytes()},
	}, nil
}

// anchors reads the certificate files into the bundle, and into the form in which central uses them itself.
func (p *Policy) anchors(c config.Config) error {
	var own []jpki.Anchor
	for _, j := range c.JPKI {
		h, err := certid.ParseHierarchy(j.Hierarchy)
		if err != nil {
			return err
		}
		for purpose, files := range map[certid.Purpose][]string{certid.PurposeAuth: j.AuthAnchors, certid.PurposeSign: j.SignAnchors} {
			for _, file := range files {
				cert, err := readCertificate(file)
				if err != nil {
					return err
				}
				own = append(own, jpki.Anchor{Cert: cert, Hierarchy: h, Purpose: purpose})
			}
		}
	}
	sortAnchors(own)
	for _, a := range own {
		p.Trust.Anchors = append(p.Trust.Anchors, trust.Anchor{Hierarchy: a.Hierarchy, Purpose: a.Purpose, Certificate: a.Cert.Raw})
	}
	var err error
	p.Anchors, err = jpki.NewAnchors(own...)
	return err
}

func readCertificate(path string) (*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading an anchor: %w", err)
	}
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	cert, err := x509.ParseCertificate(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrAnchor, path, err)
	}
	return cert, nil
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

func readOrNone(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}
