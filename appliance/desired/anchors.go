package desired

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"kazashi.example/reader/cvc"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/trust"
)

// anchorsOf turns the bundle's certificate authorities into the reader's own type.
func anchorsOf(b trust.Bundle) (*jpki.Anchors, error) {
	own := make([]jpki.Anchor, 0, len(b.Anchors))
	for _, a := range b.Anchors {
		if !a.Hierarchy.Valid() || !a.Purpose.Valid() {
			continue // of a later release
		}
		cert, err := x509.ParseCertificate(a.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading an anchor of the trust bundle: %w", err)
		}
		own = append(own, jpki.Anchor{Cert: cert, Hierarchy: a.Hierarchy, Purpose: a.Purpose})
	}
	return jpki.NewAnchors(own...)
}

// authoritiesOf turns the bundle's card authorities into the reader's own type.
func authoritiesOf(b trust.Bundle) (*cvc.Authorities, error) {
	own := make([]cvc.Authority, 0, len(b.CardCAs))
	for _, a := range b.CardCAs {
		key, err := x509.ParsePKIXPublicKey(a.Public)
		if !a.Hierarchy.Valid() || err != nil || !cardKey(key) {
			continue // of a later release
		}
		own = append(own, cvc.Authority{Hierarchy: a.Hierarchy, ID: cvc.KeyID(a.Issuer), Key: key})
	}
	set, err := cvc.NewAuthorities(own)
	if err != nil {
		return nil, fmt.Errorf("reading the card authorities of the trust bundle: %w", err)
	}
	return set, nil
}

// cardKey says that cards of this release know the key's algorithm.
func cardKey(k crypto.PublicKey) bool {
	switch k := k.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() == 2048
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P384()
	default:
		return false
	}
}
