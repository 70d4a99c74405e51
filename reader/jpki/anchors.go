package jpki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"kazashi.example/sync/certid"
)

// Anchor is one authority key that the caller believes, and what it believes it for. The trust bundle carries them.
type Anchor struct {
	Cert      *x509.Certificate
	Hierarchy certid.Hierarchy
	Purpose   certid.Purpose
}

// Scope is where the serials that this authority gives are unique.
func (a Anchor) Scope() certid.Scope { return certid.Scope{Hierarchy: a.Hierarchy, Purpose: a.Purpose} }

// Anchors is a set of authority keys, several generations under one name. It is immutable.
type Anchors struct {
	list  []Anchor
	byKey map[certid.KeyID]Anchor
}

// NewAnchors checks that each anchor is what it is said to be: a self-signed authority of version 3 that may sign certificates
// and lists, with a subject key identifier, an accepted algorithm, and a name that agrees with its hierarchy and purpose. A
// practice authority therefore cannot pass as the national one. An expired anchor is taken: lists and old records are still
// checked against it. No anchors at all is a set too, to which every issuer is unknown. ErrAnchor otherwise.
func NewAnchors(as ...Anchor) (*Anchors, error) {
	set := &Anchors{byKey: make(map[certid.KeyID]Anchor, len(as))}
	for i, a := range as {
		if err := checkAnchor(a); err != nil {
			return nil, fmt.Errorf("checking anchor %d: %w", i, err)
		}
		id := KeyIDOf(a.Cert)
		if _, dup := set.byKey[id]; dup {
			return nil, fmt.Errorf("%w: anchor %d repeats the key %s", ErrAnchor, i, id)
		}
		set.list, set.byKey[id] = append(set.list, a), a
	}
	return set, nil
}

// ByKey returns the anchor with this key.
func (s *Anchors) ByKey(id certid.KeyID) (Anchor, bool) {
	a, ok := s.byKey[id]
	return a, ok
}

// Has reports whether any anchor is of this scope.
func (s *Anchors) Has(scope certid.Scope) bool { return len(s.IssuerCerts(scope)) > 0 }

// IssuerCerts returns the authority certificates of a scope, all generations, in the order they were handed in.
func (s *Anchors) IssuerCerts(scope certid.Scope) []*x509.Certificate {
	var list []*x509.Certificate
	for _, a := range s.list {
		if a.Scope() == scope {
			list = append(list, a.Cert)
		}
	}
	return list
}

func checkAnchor(a Anchor) error {
	c := a.Cert
	switch {
	case c == nil:
		return fmt.Errorf("%w: no certificate", ErrAnchor)
	case !a.Scope().Valid():
		return fmt.Errorf("%w: scope %s", ErrAnchor, a.Scope())
	case c.Version != 3 || !c.BasicConstraintsValid || !c.IsCA:
		return fmt.Errorf("%w: not an authority of version 3", ErrAnchor)
	case c.KeyUsage&x509.KeyUsageCertSign == 0 || c.KeyUsage&x509.KeyUsageCRLSign == 0:
		return fmt.Errorf("%w: may not sign certificates and lists", ErrAnchor)
	case len(c.SubjectKeyId) == 0:
		return fmt.Errorf("%w: no subject key identifier", ErrAnchor)
	case algorithmOf(c.SignatureAlgorithm, c) == nil:
		return fmt.Errorf("%w: algorithm not accepted", ErrAnchor)
	case claims(c.Subject) != a.Scope():
		return fmt.Errorf("%w: name is not that of scope %s", ErrAnchor, a.Scope())
	case !bytes.Equal(c.RawIssuer, c.RawSubject) || signedBy(c, c) != nil:
		return fmt.Errorf("%w: not self-signed", ErrAnchor)
	}
	return nil
}

// candidates are the anchors that may have signed something with this authority key identifier and issuer name: those with
// the identifier, or, where there is none, those with the name.
func (s *Anchors) candidates(keyID, rawIssuer []byte) []Anchor {
	var list []Anchor
	for _, a := range s.list {
		if len(keyID) > 0 && bytes.Equal(a.Cert.SubjectKeyId, keyID) || len(keyID) == 0 && bytes.Equal(a.Cert.RawSubject, rawIssuer) {
			list = append(list, a)
		}
	}
	return list
}

// An algorithm is one kind of signature that authorities use and people's keys are made for.
type algorithm struct {
	signature x509.SignatureAlgorithm
	key       func(*x509.Certificate) bool
	years     int // more than a certificate for such a key lives, see ErrLifetime
}

// algorithms are today's, and the next card's as the renewal task force's final report of 2024-03-18 has it.
var algorithms = []algorithm{
	{signature: x509.SHA256WithRSA, key: isRSA2048, years: 6},
	{signature: x509.ECDSAWithSHA384, key: isP384, years: 11},
}

// algorithmOf finds the algorithm of a signature by the key in signer; nil if it is not accepted, or not that key's.
func algorithmOf(signature x509.SignatureAlgorithm, signer *x509.Certificate) *algorithm {
	if a := keyAlgorithm(signer); a != nil && a.signature == signature {
		return a
	}
	return nil
}

// keyAlgorithm finds the algorithm that a certificate's key is made for, or nil.
func keyAlgorithm(c *x509.Certificate) *algorithm {
	for i := range algorithms {
		if algorithms[i].key(c) {
			return &algorithms[i]
		}
	}
	return nil
}

func acceptedSignature(s x509.SignatureAlgorithm) bool {
	for i := range algorithms {
		if algorithms[i].signature == s {
			return true
		}
	}
	return false
}

func isRSA2048(c *x509.Certificate) bool {
	k, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && k.N.BitLen() == rsaBits && k.E == rsaExponent
}

func isP384(c *x509.Certificate) bool {
	k, ok := c.PublicKey.(*ecdsa.PublicKey)
	return ok && k.Curve == elliptic.P384()
}

// signedBy returns nil if issuer's key made the signature on c, by the algorithm of that key.
func signedBy(c, issuer *x509.Certificate) error {
	if algorithmOf(c.SignatureAlgorithm, issuer) == nil {
		return ErrAlgorithm
	}
	if err := issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
		return fmt.Errorf("checking signature by %s: %w", KeyIDOf(issuer), err)
	}
	return nil
}
