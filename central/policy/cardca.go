package policy

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"

	"kazashi.example/central/config"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/trust"
)

// ErrCardCA says that a file does not hold exactly one public key of a kind that card authorities have.
var ErrCardCA = errors.New("not a file of one public key, RSA of 2048 bits or on P-384")

// rsaBits is the modulus length of today's card authorities (soltia48/myna-card src/data.rs).
const rsaBits = 2048

// cardCAs reads the card authorities' keys into the bundle. Central itself verifies no card-verifiable certificate: it knows a card by the
// key that an enrolment bound.
func (p *Policy) cardCAs(c config.Config) error {
	for _, a := range c.CardCA {
		h, err := certid.ParseHierarchy(a.Hierarchy)
		if err != nil {
			return err
		}
		issuer, err := hex.DecodeString(a.ID)
		if err != nil {
			return fmt.Errorf("reading a card authority's id: %w", err)
		}
		public, err := readPublic(a.Key)
		if err != nil {
			return err
		}
		p.Trust.CardCAs = append(p.Trust.CardCAs, trust.CardCA{Hierarchy: h, Issuer: issuer, Public: public})
	}
	slices.SortFunc(p.Trust.CardCAs, func(a, b trust.CardCA) int {
		return cmp.Or(cmp.Compare(a.Hierarchy, b.Hierarchy), bytes.Compare(a.Issuer, b.Issuer))
	})
	return nil
}

// readPublic takes one block of PEM (RFC 7468 §13) with any text around it, and returns its SubjectPublicKeyInfo.
func readPublic(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a card authority's key: %w", err)
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("%w: %s", ErrCardCA, path)
	}
	if second, _ := pem.Decode(rest); second != nil {
		return nil, fmt.Errorf("%w: %s", ErrCardCA, path)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCardCA, path, err)
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() == rsaBits {
			return block.Bytes, nil
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P384() {
			return block.Bytes, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrCardCA, path)
}
