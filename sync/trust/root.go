package trust

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/sign"
)

// Errors of root sets and bundles.
var (
	// ErrRoot says that a chain of root sets does not lead from the one trusted here.
	ErrRoot = errors.New("root keys do not follow from the ones trusted here")
	// ErrThreshold says that too few root keys signed.
	ErrThreshold = errors.New("too few root keys signed")
	// ErrBundle says that a bundle is well signed but contradicts itself.
	ErrBundle = errors.New("trust bundle contradicts itself")
	// ErrRollback says that a bundle is older than the one in force.
	ErrRollback = errors.New("trust bundle is older than the one in force")
	// ErrExpired says that a bundle's time is over.
	ErrExpired = errors.New("trust bundle has expired")
)

// Caps.
const (
	MaxBundle   = 1 << 20 // octets, whole
	maxRootSet  = 4 << 10 // octets, one signed set
	maxRootKeys = 16
	maxRootSets = 64
)

// Fingerprint names a root set: SHA-256 of its payload, first 16 octets. It is what a join code carries.
type Fingerprint [16]byte

// String is hex.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// RootSet is who may sign the trust bundle: any Threshold of Keys.
type RootSet struct {
	Version   uint8    `cbor:"1,keyasint"`
	N         uint64   `cbor:"2,keyasint"` // 1, 2, 3 … along the chain
	Threshold uint8    `cbor:"3,keyasint"`
	Keys      [][]byte `cbor:"4,keyasint"` // SubjectPublicKeyInfo, DER

	public map[sign.KeyID]sign.PublicKey
}

// SigningKey returns a root key for the two purposes root keys have.
func (r RootSet) SigningKey(p sign.Purpose, id sign.KeyID) (sign.PublicKey, error) {
	k, ok := r.public[id]
	if !ok || p != sign.PurposeRoot && p != sign.PurposeTrust {
		return sign.PublicKey{}, sign.ErrUnknownKey
	}
	return k, nil
}

var _ sign.Keys = RootSet{}

// NewRootSet lists the public halves of keys.
func NewRootSet(n uint64, threshold uint8, keys []sign.PublicKey) RootSet {
	r := RootSet{Version: 1, N: n, Threshold: threshold}
	for _, k := range keys {
		r.Keys = append(r.Keys, k.DER())
	}
	return r
}

// Sign closes a root set with its own keys and, for N > 1, those of the set before it.
func (r RootSet) Sign(keys []crypto.Signer) ([]byte, error) {
	b, err := canon.Encode(r)
	if err != nil {
		return nil, err
	}
	return sign.SignMany(keys, sign.PurposeRoot, b)
}

// readRootSet decodes a signed set without believing it; its signatures are checked by walk.
func readRootSet(msg []byte) (RootSet, Fingerprint, error) {
	payload, err := sign.Peek(msg)
	if err != nil {
		return RootSet{}, Fingerprint{}, err
	}
	r, err := parseRootSet(payload)
	if err != nil {
		return RootSet{}, Fingerprint{}, err
	}
	return r, fingerprint(payload), nil
}

// parseRootSet decodes and checks the payload of a set.
func parseRootSet(payload []byte) (RootSet, error) {
	var r RootSet
	if err := canon.Decode(payload, &r, maxRootSet); err != nil {
		return RootSet{}, err
	}
	if r.Version != 1 || r.N == 0 || r.Threshold == 0 || int(r.Threshold) > len(r.Keys) || len(r.Keys) > maxRootKeys {
		return RootSet{}, fmt.Errorf("%w: threshold or keys", ErrRoot)
	}
	r.public = make(map[sign.KeyID]sign.PublicKey, len(r.Keys))
	for _, der := range r.Keys {
		k, err := sign.ParsePublicKey(der)
		if err != nil {
			return RootSet{}, err
		}
		r.public[k.ID()] = k
	}
	if len(r.public) != len(r.Keys) {
		return RootSet{}, fmt.Errorf("%w: a key twice", ErrRoot)
	}
	return r, nil
}

func fingerprint(payload []byte) (f Fingerprint) {
	sum := sha256.Sum256(payload)
	copy(f[:], sum[:])
	return f
}

// FingerprintOf names a signed root set.
func FingerprintOf(msg []byte) (Fingerprint, error) {
	_, f, err := readRootSet(msg)
	return f, err
}

// walk follows the chain from the trusted set to the last one: each next set is signed by enough keys of the one before and
// enough of its own (the rule of TUF, specification §5.3). A box a year late walks every step it missed.
func walk(trusted Fingerprint, chain [][]byte) (RootSet, Fingerprint, error) {
	if len(chain) > maxRootSets {
		return RootSet{}, Fingerprint{}, fmt.Errorf("%w: %d sets", ErrRoot, len(chain))
	}
	var at *RootSet
	var f Fingerprint
	for _, msg := range chain {
		next, print, err := readRootSet(msg)
		if err != nil {
			return RootSet{}, Fingerprint{}, err
		}
		if at == nil && print != trusted {
			continue // from before the set trusted here
		}
		if at != nil {
			if next.N != at.N+1 {
				return RootSet{}, Fingerprint{}, fmt.Errorf("%w: set %d after %d", ErrRoot, next.N, at.N)
			}
			if err := enough(*at, sign.PurposeRoot, msg); err != nil {
				return RootSet{}, Fingerprint{}, fmt.Errorf("root set %d by the one before: %w", next.N, err)
			}
		}
		if err := enough(next, sign.PurposeRoot, msg); err != nil {
			return RootSet{}, Fingerprint{}, fmt.Errorf("root set %d by itself: %w", next.N, err)
		}
		at, f = &next, print
	}
	if at == nil {
		return RootSet{}, Fingerprint{}, fmt.Errorf("%w: %s is not in the chain", ErrRoot, trusted)
	}
	return *at, f, nil
}

// enough asks for Threshold signatures of the set's keys on msg.
func enough(r RootSet, p sign.Purpose, msg []byte) error {
	_, by, err := sign.OpenMany(r, p, msg)
	if err != nil {
		return err
	}
	if len(by) < int(r.Threshold) {
		return fmt.Errorf("%w: %d of %d", ErrThreshold, len(by), r.Threshold)
	}
	return nil
}
