// Package sign makes and checks the signatures of everything that both ends believe: COSE_Sign1 and COSE_Sign (RFC 9052
// §4) with ES256, detached from nothing, bound to a purpose.
//
// The purpose string goes into external_aad (RFC 9052 §4.4), so that a signature over one kind of message is worthless for
// another. Private keys are reached through crypto.Signer, so that a TPM or HSM can hold them. Functions keep no state and
// may be called from any goroutine.
package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/veraison/go-cose"

	"kazashi.example/sync/canon"
)

// Errors of Open and OpenMany.
var (
	// ErrMessage says that bytes are not a COSE message in its only accepted form.
	ErrMessage = errors.New("not a signed message")
	// ErrUnknownKey says that the key named in the message may not sign for this purpose here.
	ErrUnknownKey = errors.New("signed by a key that is not known for this purpose")
	// ErrSignature says that a signature does not verify.
	ErrSignature = errors.New("signature does not verify")
	// ErrKey says that a key is not an ECDSA key on P-256.
	ErrKey = errors.New("key is not ECDSA on P-256")
)

// MaxMessage caps a signed message, in octets.
const MaxMessage = 8 << 20

// Purpose names what a signature is for. Strings are reserved for ever.
type Purpose string

// Purposes.
const (
	PurposeEpoch       Purpose = "kazashi/epoch/v1"       // epoch header, by D
	PurposeAck         Purpose = "kazashi/ack/v1"         // range acknowledgement, by C-sign
	PurposeVerdicts    Purpose = "kazashi/verdicts/v1"    // final verdicts, by C-sign
	PurposeRules       Purpose = "kazashi/rules/v1"       // rule set, by C-sign
	PurposeRoster      Purpose = "kazashi/roster/v1"      // roster of a box, by C-sign
	PurposeSet         Purpose = "kazashi/crlset/v1"      // head of a revocation set, by C-sign
	PurposeDelta       Purpose = "kazashi/crldelta/v1"    // head of a delta between two sets, by C-sign
	PurposeCRLOverride Purpose = "kazashi/crloverride/v1" // exception to the numbers of revocation lists, by C-sign
	PurposeSiteKeys    Purpose = "kazashi/site-keys/v1"   // grant of a site's keys to a box, by C-sign
	PurposeOrder       Purpose = "kazashi/order/v1"       // order to one box, by C-sign
	PurposePeer        Purpose = "kazashi/peer/v1"        // request and answer between boxes of a site, by D
	PurposeCorrection  Purpose = "kazashi/correction/v1"  // measured error of a box's clock, by D
	PurposeShutdown    Purpose = "kazashi/shutdown/v1"    // time of an orderly end, by D
	PurposeErasure     Purpose = "kazashi/erasure/v1"     // certificate of erasure, by D
	PurposeRing        Purpose = "kazashi/ring/v1"        // site keys as they lie on a box, by D
	PurposeTrust       Purpose = "kazashi/trust/v1"       // trust bundle, by R
	PurposeRoot        Purpose = "kazashi/root/v1"        // root set, by R

	PurposeCourierUp   Purpose = "kazashi/courier-up/v1"   // courier parcel from a box, by D
	PurposeCourierDown Purpose = "kazashi/courier-down/v1" // courier parcel to a box, by C-sign
)

// KeyID is the first 16 octets of the SHA-256 of a key's SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, DER).
type KeyID [16]byte

// String is hex.
func (k KeyID) String() string { return hex.EncodeToString(k[:]) }

// MarshalCBOR writes a 16-octet byte string.
func (k KeyID) MarshalCBOR() ([]byte, error) { return canon.EncodeFixed(k[:]) }

// UnmarshalCBOR takes a byte string of exactly 16 octets.
func (k *KeyID) UnmarshalCBOR(b []byte) error { return canon.DecodeFixed(k[:], b) }

// PublicKey is an ECDSA key on P-256 that was parsed and checked.
type PublicKey struct {
	key *ecdsa.PublicKey
	der []byte
}

// ParsePublicKey takes a SubjectPublicKeyInfo (DER); ErrKey unless it is ECDSA on P-256.
func ParsePublicKey(spki []byte) (PublicKey, error) {
	k, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return PublicKeyOf(k)
}

// PublicKeyOf wraps a key of crypto/ecdsa; ErrKey unless it is on P-256.
func PublicKeyOf(k crypto.PublicKey) (PublicKey, error) {
	ec, ok := k.(*ecdsa.PublicKey)
	if !ok || ec.Curve != elliptic.P256() {
		return PublicKey{}, ErrKey
	}
	der, err := x509.MarshalPKIXPublicKey(ec)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return PublicKey{ec, der}, nil
}

// ID names the key.
func (p PublicKey) ID() KeyID { return KeyIDOf(p.der) }

// DER returns the SubjectPublicKeyInfo; the caller must not change it.
func (p PublicKey) DER() []byte { return p.der }

// IsZero reports whether there is no key.
func (p PublicKey) IsZero() bool { return p.key == nil }

// Equal compares the keys themselves.
func (p PublicKey) Equal(q PublicKey) bool { return p.key != nil && q.key != nil && p.key.Equal(q.key) }

// KeyIDOf names any key by its serialised public half.
func KeyIDOf(public []byte) (id KeyID) {
	sum := sha256.Sum256(public)
	copy(id[:], sum[:])
	return id
}

// Keys answers which key of that id may sign for a purpose; ErrUnknownKey when none may.
type Keys interface {
	SigningKey(purpose Purpose, id KeyID) (PublicKey, error)
}

// One is Keys of a single key for every purpose.
type One struct{ Key PublicKey }

// SigningKey returns the key if the id is its own.
func (o One) SigningKey(_ Purpose, id KeyID) (PublicKey, error) {
	if o.Key.IsZero() || o.Key.ID() != id {
		return PublicKey{}, ErrUnknownKey
	}
	return o.Key, nil
}

var _ Keys = One{}

// Sign makes a tagged COSE_Sign1 of payload for a purpose: protected header {alg: ES256, kid}, empty unprotected header.
func Sign(key crypto.Signer, purpose Purpose, payload []byte) ([]byte, error) {
	pub, err := PublicKeyOf(key.Public())
	if err != nil {
		return nil, err
	}
	signer, err := cose.NewSigner(cose.AlgorithmES256, key)
	if err != nil {
		return nil, fmt.Errorf("preparing to sign %s: %w", purpose, err)
	}
	id := pub.ID()
	m := cose.Sign1Message{Headers: headers(id), Payload: payload}
	if err := m.Sign(rand.Reader, []byte(purpose), signer); err != nil {
		return nil, fmt.Errorf("signing %s: %w", purpose, err)
	}
	return m.MarshalCBOR()
}

// Open verifies a message made by Sign for the same purpose and returns its payload and the signing key's id.
// ErrMessage, ErrUnknownKey or ErrSignature otherwise.
func Open(keys Keys, purpose Purpose, msg []byte) ([]byte, KeyID, error) {
	if len(msg) > MaxMessage {
		return nil, KeyID{}, fmt.Errorf("%w: %d octets", ErrMessage, len(msg))
	}
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(msg); err != nil {
		return nil, KeyID{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	id, err := keyID(m.Headers)
	if err != nil {
		return nil, KeyID{}, err
	}
	forgetRaw(&m.Headers)
	if again, err := m.MarshalCBOR(); err != nil || !bytes.Equal(again, msg) {
		return nil, id, fmt.Errorf("%w: not in its only form", ErrMessage)
	}
	pub, err := keys.SigningKey(purpose, id)
	if err != nil {
		return nil, id, fmt.Errorf("opening %s signed by %s: %w", purpose, id, err)
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmES256, pub.key)
	if err != nil {
		return nil, id, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if err := m.Verify([]byte(purpose), verifier); err != nil {
		return nil, id, fmt.Errorf("opening %s: %w", purpose, ErrSignature)
	}
	return m.Payload, id, nil
}

// forgetRaw drops the octets in which headers came, so that encoding them again writes the only form. Left in place they
// would be written back as they came, and a longer length or another order of the map would go unseen.
func forgetRaw(h *cose.Headers) { h.RawProtected, h.RawUnprotected = nil, nil }

func headers(id KeyID) cose.Headers {
	return cose.Headers{Protected: cose.ProtectedHeader{
		cose.HeaderLabelAlgorithm: cose.AlgorithmES256,
		cose.HeaderLabelKeyID:     id[:],
	}}
}

// keyID reads the key id from the protected header and refuses anything beside it and the algorithm.
func keyID(h cose.Headers) (id KeyID, err error) {
	kid, ok := h.Protected[cose.HeaderLabelKeyID].([]byte)
	alg, err := h.Protected.Algorithm()
	if err != nil || alg != cose.AlgorithmES256 || !ok || len(kid) != len(id) || len(h.Protected) != 2 || len(h.Unprotected) != 0 {
		return id, fmt.Errorf("%w: header", ErrMessage)
	}
	copy(id[:], kid)
	return id, nil
}

// Payload returns the payload of a COSE_Sign1 message without believing it.
func Payload(msg []byte) ([]byte, error) {
	var m cose.Sign1Message
	if len(msg) > MaxMessage {
		return nil, fmt.Errorf("%w: %d octets", ErrMessage, len(msg))
	}
	if err := m.UnmarshalCBOR(msg); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return m.Payload, nil
}
