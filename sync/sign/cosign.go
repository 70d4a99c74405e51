package sign

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/veraison/go-cose"
)

// CoSign adds one key's signature to a message that others sign, too, each where his key is: the result is what SignMany makes of all
// their keys. A nil msg begins one. ErrMessage if msg holds another payload, or a signature of this key already.
func CoSign(msg []byte, key crypto.Signer, purpose Purpose, payload []byte) ([]byte, error) {
	if len(msg) == 0 {
		return SignMany([]crypto.Signer{key}, purpose, payload)
	}
	m, err := decodeMany(msg)
	if err != nil {
		return nil, err
	}
	pub, err := PublicKeyOf(key.Public())
	if err != nil {
		return nil, err
	}
	id := pub.ID()
	if !bytes.Equal(m.Payload, payload) || slices.ContainsFunc(m.Signatures, by(id)) {
		return nil, fmt.Errorf("%w: another payload, or signed by %s before", ErrMessage, id)
	}
	signer, err := cose.NewSigner(cose.AlgorithmES256, key)
	if err != nil {
		return nil, fmt.Errorf("preparing to sign %s: %w", purpose, err)
	}
	s := &cose.Signature{Headers: headers(id)}
	if err := s.Sign(rand.Reader, signer, bodyProtected(), payload, []byte(purpose)); err != nil {
		return nil, fmt.Errorf("signing %s: %w", purpose, err)
	}
	m.Signatures = append(m.Signatures, s)
	return finishMany(m)
}

// Join puts the signatures of b that a lacks behind those of a. ErrMessage unless both hold the same payload.
func Join(a, b []byte) ([]byte, error) {
	if len(a) == 0 || len(b) == 0 {
		return slices.Concat(a, b), nil
	}
	m, err := decodeMany(a)
	if err != nil {
		return nil, err
	}
	more, err := decodeMany(b)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(m.Payload, more.Payload) {
		return nil, fmt.Errorf("%w: another payload", ErrMessage)
	}
	for _, s := range more.Signatures {
		id, err := keyID(s.Headers)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(m.Signatures, by(id)) {
			m.Signatures = append(m.Signatures, s)
		}
	}
	return finishMany(m)
}

// finishMany writes a message that Open would read.
func finishMany(m *cose.SignMessage) ([]byte, error) {
	if len(m.Signatures) > maxSigners {
		return nil, fmt.Errorf("%w: more than %d signatures", ErrMessage, maxSigners)
	}
	for _, s := range m.Signatures {
		forgetRaw(&s.Headers)
	}
	return m.MarshalCBOR()
}

func by(id KeyID) func(*cose.Signature) bool {
	return func(s *cose.Signature) bool {
		other, err := keyID(s.Headers)
		return err == nil && other == id
	}
}
