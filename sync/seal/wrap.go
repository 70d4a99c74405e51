package seal

import (
	"crypto"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/mlkem"
	"fmt"
)

// seedLen is the length of an ML-KEM-768 seed (FIPS 203 §7.1: d and z).
const seedLen = mlkem.SeedSize

// Wrap closes a short secret to one recipient: HPKE base mode (RFC 9180 §5.1.1) with the KEM and KDF of suite 1 and AES-256-GCM. What
// info binds must be given again to open it. Nothing in it says who made it.
func Wrap(to PublicKey, info, secret []byte) (enc, sealed []byte, err error) {
	if to.IsZero() {
		return nil, nil, fmt.Errorf("%w: none", ErrKey)
	}
	enc, sender, err := hpke.NewSender(to.key, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
	if err != nil {
		return nil, nil, fmt.Errorf("encapsulating to a key: %w", err)
	}
	if sealed, err = sender.Seal(nil, secret); err != nil {
		return nil, nil, fmt.Errorf("wrapping a secret: %w", err)
	}
	return enc, sealed, nil
}

// Unwrap is the inverse of Wrap. ErrOpen when anything was changed, or wrapped to another key; an error of the hardware when that holds
// the key and fails.
func Unwrap(with PrivateKey, info, enc, sealed []byte) ([]byte, error) {
	if with.key == nil {
		return nil, fmt.Errorf("%w: none", ErrKey)
	}
	r, err := hpke.NewRecipient(enc, with.key, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	secret, err := r.Open(nil, sealed)
	if err != nil {
		return nil, ErrOpen
	}
	return secret, nil
}

// HardwareKey joins a P-256 half that stays in its hardware with an ML-KEM-768 half made from a 64-octet seed. Such a key has no Bytes.
// ErrKey.
func HardwareKey(p256 ecdh.KeyExchanger, seed []byte) (PrivateKey, error) {
	if len(seed) != seedLen {
		return PrivateKey{}, fmt.Errorf("%w: seed of %d octets", ErrKey, len(seed))
	}
	pq, err := mlkem.NewDecapsulationKey768(seed)
	if err != nil {
		return PrivateKey{}, ErrKey // the cause could quote the seed
	}
	k, err := hpke.NewHybridPrivateKey(crypto.Decapsulator(pq), p256)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return PrivateKey{k}, nil
}
