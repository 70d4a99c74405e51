package sign

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"fmt"

	"github.com/veraison/go-cose"
)

// maxSigners bounds the signatures on one message.
const maxSigners = 16

// SignMany makes a tagged COSE_Sign (RFC 9052 §4.1) of payload with one signature per key, in the order given.
func SignMany(keys []crypto.Signer, purpose Purpose, payload []byte) ([]byte, error) {
	m := cose.NewSignMessage()
	m.Payload = payload
	m.Headers.Protected = cose.ProtectedHeader{}
	signers := make([]cose.Signer, 0, len(keys))
	for _, key := range keys {
		pub, err := PublicKeyOf(key.Public())
		if err != nil {
			return nil, err
		}
		signer, err := cose.NewSigner(cose.AlgorithmES256, key)
		if err != nil {
			return nil, fmt.Errorf("preparing to sign %s: %w", purpose, err)
		}
		id := pub.ID()
		m.Signatures = append(m.Signatures, &cose.Signature{Headers: headers(id)})
		signers = append(signers, signer)
	}
	if err := m.Sign(rand.Reader, []byte(purpose), signers...); err != nil {
		return nil, fmt.Errorf("signing %s: %w", purpose, err)
	}
	return m.MarshalCBOR()
}

// Peek returns the payload of a COSE_Sign message without believing it: a root set must be read to learn who may sign it.
func Peek(msg []byte) ([]byte, error) {
	m, err := decodeMany(msg)
	if err != nil {
		return nil, err
	}
	return m.Payload, nil
}

// OpenMany verifies a message made by SignMany and returns its payload and the distinct keys whose signatures verify.
// Signatures by keys that are not known do not count and do no harm; a bad signature by a known key is ErrSignature.
func OpenMany(keys Keys, purpose Purpose, msg []byte) ([]byte, []KeyID, error) {
	m, err := decodeMany(msg)
	if err != nil {
		return nil, nil, err
	}
	verified := make([]KeyID, 0, len(m.Signatures))
	seen := make(map[KeyID]bool, len(m.Signatures))
	for _, s := range m.Signatures {
		id, err := keyID(s.Headers)
		if err != nil {
			return nil, nil, err
		}
		pub, err := keys.SigningKey(purpose, id)
		if err != nil || seen[id] {
			continue
		}
		verifier, err := cose.NewVerifier(cose.AlgorithmES256, pub.key)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		if err := s.Verify(verifier, bodyProtected(), m.Payload, []byte(purpose)); err != nil {
			return nil, nil, fmt.Errorf("opening %s signed by %s: %w", purpose, id, ErrSignature)
		}
		seen[id] = true
		verified = append(verified, id)
	}
	return m.Payload, verified, nil
}

func decodeMany(msg []byte) (*cose.SignMessage, error) {
	if len(msg) > MaxMessage {
		return nil, fmt.Errorf("%w: %d octets", ErrMessage, len(msg))
	}
	var m cose.SignMessage
	if err := m.UnmarshalCBOR(msg); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if len(m.Headers.Protected) != 0 || len(m.Headers.Unprotected) != 0 || len(m.Signatures) > maxSigners {
		return nil, fmt.Errorf("%w: header or number of signatures", ErrMessage)
	}
	forgetRaw(&m.Headers)
	for _, s := range m.Signatures {
		forgetRaw(&s.Headers)
	}
	if again, err := m.MarshalCBOR(); err != nil || !bytes.Equal(again, msg) {
		return nil, fmt.Errorf("%w: not in its only form", ErrMessage)
	}
	return &m, nil
}

// bodyProtected is the body's empty protected header as it stands in a Sig_structure: an empty byte string.
func bodyProtected() []byte { return []byte{0x40} }
