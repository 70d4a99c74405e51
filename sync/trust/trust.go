// Package trust is the one signed object from which a box learns every other key it must believe: central's keys with their
// purposes, the certificate authorities of the cards, the suites accepted.
//
// It carries the whole chain of root sets, so that a box a year late can walk it from the set it knows. Opening is a pure
// function of bytes, trusted fingerprint and the number in force; keeping the bundle and taking it back is the box's.
package trust

import (
	"crypto"
	"fmt"
	"slices"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// Uses of keys that do not sign COSE messages. Strings are reserved for ever, like those of package sign.
const (
	UseTLS  sign.Purpose = "kazashi/tls/v1"  // C-tls, SubjectPublicKeyInfo
	UseSeal sign.Purpose = "kazashi/seal/v1" // C-seal, suite 1 public key
)

// uses are what a box of this release needs a key for.
var uses = []sign.Purpose{UseTLS, UseSeal, sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules}

// more are what a box can do without: it then has no roster, no revocation set, no site key of central's, and takes no order.
var more = []sign.Purpose{sign.PurposeRoster, sign.PurposeSet, sign.PurposeDelta, sign.PurposeSiteKeys, sign.PurposeOrder, sign.PurposeCourierDown}

// maxKeys bounds every list of a bundle.
const maxKeys = 256

// Key is one key of central with what it may be used for.
type Key struct {
	Purposes []sign.Purpose `cbor:"1,keyasint"`
	Public   []byte         `cbor:"2,keyasint"` // SubjectPublicKeyInfo (DER), or the suite's own form for UseSeal
}

func (k Key) may(p sign.Purpose) bool { return slices.Contains(k.Purposes, p) }

// Anchor is one key generation of a certificate authority. One of a hierarchy or purpose that is not known here came with a
// later release: it is carried, and counts for nothing.
type Anchor struct {
	Hierarchy   certid.Hierarchy `cbor:"1,keyasint"`
	Purpose     certid.Purpose   `cbor:"2,keyasint"`
	Certificate []byte           `cbor:"3,keyasint"` // X.509, DER
}

// CardCA is an issuer key of card-verifiable certificates, which has no certificate of its own.
type CardCA struct {
	Hierarchy certid.Hierarchy `cbor:"1,keyasint"`
	Issuer    []byte           `cbor:"2,keyasint"` // issuer key id as it stands in the card's certificate, 16 octets
	Public    []byte           `cbor:"3,keyasint"` // SubjectPublicKeyInfo, DER
}

// Bundle is what a box believes.
type Bundle struct {
	Version uint8        `cbor:"1,keyasint"`
	Number  uint64       `cbor:"2,keyasint"` // rises; an older bundle never replaces a newer one
	Issued  int64        `cbor:"3,keyasint"` // Unix seconds
	Expires int64        `cbor:"4,keyasint,omitempty"`
	Suites  []seal.Suite `cbor:"5,keyasint"`
	Keys    []Key        `cbor:"6,keyasint"`
	Anchors []Anchor     `cbor:"7,keyasint"`
	CardCAs []CardCA     `cbor:"8,keyasint"`
	// Approvals are for verifiers whose rules may take evidence card-bound under art38-4.
	Approvals []Approval `cbor:"9,keyasint,omitempty"`
}

// file is a bundle as it travels: the chain of root sets and the bundle signed by the last.
type file struct {
	Roots  [][]byte `cbor:"1,keyasint"`
	Bundle []byte   `cbor:"2,keyasint"`
}

// Sign makes the travelling form. roots is the whole chain of signed root sets.
func (b Bundle) Sign(roots [][]byte, keys []crypto.Signer) ([]byte, error) {
	b.Version = 1
	if err := b.check(); err != nil {
		return nil, err
	}
	payload, err := canon.Encode(b)
	if err != nil {
		return nil, err
	}
	msg, err := sign.SignMany(keys, sign.PurposeTrust, payload)
	if err != nil {
		return nil, err
	}
	return canon.Encode(file{Roots: roots, Bundle: msg})
}

// Opened is a verified bundle with the root set that a later one must follow from.
type Opened struct {
	Bundle
	Root Fingerprint
}

// Terms are what a bundle is opened against.
type Terms struct {
	Root   Fingerprint // the root set trusted here
	Number uint64      // of the bundle in force; 0 if none
	Now    time.Time   // zero: a clock too poor to judge expiry
}

// Open verifies a travelling bundle. ErrRoot, ErrThreshold, ErrRollback, ErrExpired, ErrBundle, or an error of packages
// canon and sign.
func Open(b []byte, t Terms) (Opened, error) {
	var f file
	if err := canon.Decode(b, &f, MaxBundle); err != nil {
		return Opened{}, err
	}
	root, print, err := walk(t.Root, f.Roots)
	if err != nil {
		return Opened{}, err
	}
	if err := enough(root, sign.PurposeTrust, f.Bundle); err != nil {
		return Opened{}, fmt.Errorf("trust bundle: %w", err)
	}
	payload, err := sign.Peek(f.Bundle)
	if err != nil {
		return Opened{}, err
	}
	var o Opened
	if err := canon.Decode(payload, &o.Bundle, MaxBundle); err != nil {
		return Opened{}, err
	}
	o.Root = print
	switch {
	case o.Number < t.Number:
		return Opened{}, fmt.Errorf("%w: %d, in force %d", ErrRollback, o.Number, t.Number)
	case o.Expires != 0 && !t.Now.IsZero() && t.Now.Unix() > o.Expires:
		return Opened{}, ErrExpired
	}
	return o, o.check()
}

func (b Bundle) check() error {
	if b.Version != 1 || b.Number == 0 || len(b.Keys) > maxKeys || len(b.Anchors) > maxKeys || len(b.CardCAs) > maxKeys {
		return fmt.Errorf("%w: version, number or size", ErrBundle)
	}
	if !slices.Contains(b.Suites, seal.Suite1) {
		return fmt.Errorf("%w: no suite that is known here", ErrBundle)
	}
	for _, k := range b.Keys {
		if err := k.check(); err != nil {
			return err
		}
	}
	for _, a := range b.Anchors {
		if a.Hierarchy == 0 || a.Purpose == 0 || len(a.Certificate) == 0 {
			return fmt.Errorf("%w: anchor", ErrBundle)
		}
	}
	for _, c := range b.CardCAs {
		if c.Hierarchy == 0 || len(c.Issuer) != 16 || len(c.Public) == 0 {
			return fmt.Errorf("%w: card authority", ErrBundle)
		}
	}
	if err := checkApprovals(b.Approvals); err != nil {
		return err
	}
	for _, use := range uses {
		if !slices.ContainsFunc(b.Keys, func(k Key) bool { return k.may(use) }) {
			return fmt.Errorf("%w: no key for %s", ErrBundle, use)
		}
	}
	return nil
}

// check refuses a key whose form does not fit its purposes, and one that both seals and signs.
func (k Key) check() error {
	if len(k.Purposes) == 0 {
		return fmt.Errorf("%w: a key for nothing", ErrBundle)
	}
	if k.may(UseSeal) {
		if len(k.Purposes) != 1 {
			return fmt.Errorf("%w: a sealing key with a second purpose", ErrBundle)
		}
		_, err := seal.ParsePublicKey(k.Public)
		return err
	}
	if k.may(sign.PurposeTrust) || k.may(sign.PurposeRoot) || k.may(sign.PurposeEpoch) {
		return fmt.Errorf("%w: central's key may not be a root or a device", ErrBundle)
	}
	if !slices.ContainsFunc(k.Purposes, func(p sign.Purpose) bool { return slices.Contains(more, p) || slices.Contains(uses, p) }) {
		return nil // of a later release, in a form that is not known here
	}
	_, err := sign.ParsePublicKey(k.Public)
	return err
}

// SigningKey finds the key that may sign for a purpose.
func (b Bundle) SigningKey(p sign.Purpose, id sign.KeyID) (sign.PublicKey, error) {
	for _, k := range b.Keys {
		if k.may(p) && sign.KeyIDOf(k.Public) == id {
			return sign.ParsePublicKey(k.Public)
		}
	}
	return sign.PublicKey{}, sign.ErrUnknownKey
}

var _ sign.Keys = Bundle{}

// SealKey is the key to seal to: the first in the list.
func (b Bundle) SealKey() (seal.PublicKey, error) {
	for _, k := range b.Keys {
		if k.may(UseSeal) {
			return seal.ParsePublicKey(k.Public)
		}
	}
	return seal.PublicKey{}, fmt.Errorf("%w: no key for %s", ErrBundle, UseSeal)
}

// TLSKeys are the keys by which central may be recognised on the uplink.
func (b Bundle) TLSKeys() []sign.PublicKey {
	var keys []sign.PublicKey
	for _, k := range b.Keys {
		if p, err := sign.ParsePublicKey(k.Public); err == nil && k.may(UseTLS) {
			keys = append(keys, p)
		}
	}
	return keys
}
