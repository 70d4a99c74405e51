package main

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"kazashi.example/reader/cvc"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

// maxTrust is the longest trust file, in octets.
const maxTrust = 1 << 20

// errTrust says that a trust file cannot be used.
var errTrust = errors.New("trust file is not usable")

// trust is what a trust file says is to be believed. The zero value believes nobody.
type trust struct {
	people *jpki.Anchors
	cards  *cvc.Authorities
}

// loadTrust reads a file of PEM blocks: CERTIFICATE is a root of the JPKI, with the headers Hierarchy and Purpose; PUBLIC KEY is a card
// authority's, with the headers Hierarchy and Key-Id (32 hex digits). An empty path believes nobody.
func loadTrust(path string) (trust, error) {
	if path == "" {
		return trust{}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return trust{}, fmt.Errorf("reading the trust file: %w", err)
	}
	if info.Size() > maxTrust {
		return trust{}, fmt.Errorf("reading %s: %w: longer than %d octets", path, errTrust, maxTrust)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return trust{}, fmt.Errorf("reading the trust file: %w", err)
	}
	t, err := parseTrust(b)
	if err != nil {
		return trust{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return t, nil
}

func parseTrust(b []byte) (trust, error) {
	var anchors []jpki.Anchor
	var authorities []cvc.Authority
	n := 0
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		n++
		hierarchy, err := certid.ParseHierarchy(block.Headers["Hierarchy"])
		if err != nil {
			return trust{}, fmt.Errorf("%w: block %d: %w", errTrust, n, err)
		}
		switch block.Type {
		case "CERTIFICATE":
			a := jpki.Anchor{Hierarchy: hierarchy}
			if a.Purpose, err = certid.ParsePurpose(block.Headers["Purpose"]); err == nil {
				a.Cert, err = x509.ParseCertificate(block.Bytes)
			}
			anchors = append(anchors, a)
		case "PUBLIC KEY":
			a := cvc.Authority{Hierarchy: hierarchy}
			id, bad := hex.DecodeString(block.Headers["Key-Id"])
			if bad != nil || copy(a.ID[:], id) != len(a.ID) || len(id) != len(a.ID) {
				return trust{}, fmt.Errorf("%w: block %d: Key-Id is not 32 hex digits", errTrust, n)
			}
			a.Key, err = x509.ParsePKIXPublicKey(block.Bytes)
			authorities = append(authorities, a)
		default:
			err = errors.New("neither CERTIFICATE nor PUBLIC KEY")
		}
		if err != nil {
			return trust{}, fmt.Errorf("%w: block %d: %w", errTrust, n, err)
		}
	}
	if n == 0 {
		return trust{}, fmt.Errorf("%w: no PEM block", errTrust)
	}
	return newTrust(anchors, authorities)
}

func newTrust(anchors []jpki.Anchor, authorities []cvc.Authority) (t trust, err error) {
	if t.people, err = jpki.NewAnchors(anchors...); err != nil {
		return trust{}, fmt.Errorf("%w: %w", errTrust, err)
	}
	if t.cards, err = cvc.NewAuthorities(authorities); err != nil {
		return trust{}, fmt.Errorf("%w: %w", errTrust, err)
	}
	return t, nil
}
