// Package seal closes records so that central alone can open them: suite 1 of the project.
//
// A box encapsulates one key per epoch to central's sealing key with HPKE (RFC 9180, export-only) over the hybrid KEM
// MLKEM768-P256 (0x0050, draft-ietf-hpke-pq), HKDF-SHA-256, and seals each record with AES-256-GCM (NIST SP 800-38D) under
// that key, the sequence number as nonce. A record opens by itself, in any order, any number of times. The key lives in
// memory only; Wipe forgets it as well as Go can promise. A [Key] may be used from any goroutine, Wipe must come last.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// Suite numbers a whole set of algorithms. It is written in every header and never negotiated.
type Suite uint16

// Suite1 is HPKE 0x0050 / HKDF-SHA-256 / export-only, AES-256-GCM, SHA-256 chains, ES256.
const Suite1 Suite = 1

// Lengths of suite 1, in octets.
const (
	EncLen    = 1153 // encapsulation: 1088 of ML-KEM-768 and 65 of P-256
	PublicLen = 1249 // public key: 1184 of ML-KEM-768 and 65 of P-256
	TagLen    = 16   // AES-GCM tag
	keyLen    = 32
)

// exportContext and infoPurpose bind the exported key to its use.
const (
	exportContext = "kazashi epoch"
	infoPurpose   = "kazashi/records/v1"
)

// Errors of this package.
var (
	ErrSuite = errors.New("suite is not known here")
	ErrKey   = errors.New("not a sealing key")
	ErrOpen  = errors.New("sealed bytes do not open: changed, or sealed under another key")
)

// PublicKey is the half that boxes seal to.
type PublicKey struct{ key hpke.PublicKey }

// ParsePublicKey takes PublicLen octets as RFC 9180 serialises them; ErrKey otherwise.
func ParsePublicKey(b []byte) (PublicKey, error) {
	if len(b) != PublicLen {
		return PublicKey{}, fmt.Errorf("%w: %d octets", ErrKey, len(b))
	}
	k, err := hpke.MLKEM768P256().NewPublicKey(b)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return PublicKey{k}, nil
}

// Bytes is the inverse of ParsePublicKey.
func (p PublicKey) Bytes() []byte { return p.key.Bytes() }

// ID names the key.
func (p PublicKey) ID() sign.KeyID { return sign.KeyIDOf(p.key.Bytes()) }

// IsZero reports whether there is no key.
func (p PublicKey) IsZero() bool { return p.key == nil }

// PrivateKey is the half of the opener, or of a box for what is sealed to it. It prints as REDACTED.
type PrivateKey struct{ key hpke.PrivateKey }

// GenerateKey makes a new key pair.
func GenerateKey() (PrivateKey, error) {
	k, err := hpke.MLKEM768P256().GenerateKey()
	if err != nil {
		return PrivateKey{}, fmt.Errorf("making a sealing key: %w", err)
	}
	return PrivateKey{k}, nil
}

// ParsePrivateKey is the inverse of Bytes; ErrKey otherwise.
func ParsePrivateKey(b []byte) (PrivateKey, error) {
	k, err := hpke.MLKEM768P256().NewPrivateKey(b)
	if err != nil {
		return PrivateKey{}, ErrKey // the cause could quote the key
	}
	return PrivateKey{k}, nil
}

// Bytes serialises the secret as RFC 9180 §7.1.2 does.
func (p PrivateKey) Bytes() ([]byte, error) { return p.key.Bytes() }

// Public returns the other half.
func (p PrivateKey) Public() PublicKey { return PublicKey{p.key.PublicKey()} }

// String prints REDACTED.
func (PrivateKey) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (PrivateKey) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (PrivateKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (PrivateKey) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Info is what an epoch's key is bound to: it opens for no other box, epoch or recipient.
type Info struct {
	Suite     Suite
	Box       record.BoxID
	Epoch     record.EpochID
	Recipient sign.KeyID
}

func (i Info) bytes() ([]byte, error) {
	return canon.Encode([]any{infoPurpose, i.Suite, i.Box, i.Epoch, i.Recipient})
}

// Encapsulate makes a fresh epoch key and the EncLen octets from which the recipient finds it again. Info.Recipient is set
// from the key.
func Encapsulate(to PublicKey, i Info) (enc []byte, key *Key, err error) {
	if i.Suite != Suite1 {
		return nil, nil, fmt.Errorf("%w: %d", ErrSuite, i.Suite)
	}
	i.Recipient = to.ID()
	info, err := i.bytes()
	if err != nil {
		return nil, nil, err
	}
	return EncapsulateTo(to, info, exportContext)
}

// EncapsulateTo makes a fresh key and the EncLen octets from which the recipient finds it again. What info and context say must be
// said again to find it. Context keeps uses of one encapsulation apart.
func EncapsulateTo(to PublicKey, info []byte, context string) (enc []byte, key *Key, err error) {
	if to.IsZero() {
		return nil, nil, fmt.Errorf("%w: none", ErrKey)
	}
	enc, sender, err := hpke.NewSender(to.key, hpke.HKDFSHA256(), hpke.ExportOnly(), info)
	if err != nil {
		return nil, nil, fmt.Errorf("encapsulating a key: %w", err)
	}
	secret, err := sender.Export(context, keyLen)
	if err != nil {
		return nil, nil, fmt.Errorf("exporting a key: %w", err)
	}
	key, err = newKey(secret)
	return enc, key, err
}

// Decapsulate finds the epoch key again. A wrong private key or info is not seen here (ML-KEM rejects implicitly): the key
// then opens nothing.
func Decapsulate(with PrivateKey, i Info, enc []byte) (*Key, error) {
	if i.Suite != Suite1 {
		return nil, fmt.Errorf("%w: %d", ErrSuite, i.Suite)
	}
	info, err := i.bytes()
	if err != nil {
		return nil, err
	}
	return DecapsulateFrom(with, info, enc, exportContext)
}

// DecapsulateFrom is the inverse of EncapsulateTo, as Decapsulate is of Encapsulate.
func DecapsulateFrom(with PrivateKey, info, enc []byte, context string) (*Key, error) {
	if with.key == nil {
		return nil, fmt.Errorf("%w: none", ErrKey)
	}
	r, err := hpke.NewRecipient(enc, with.key, hpke.HKDFSHA256(), hpke.ExportOnly(), info)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	secret, err := r.Export(context, keyLen)
	if err != nil {
		return nil, fmt.Errorf("exporting a key: %w", err)
	}
	return newKey(secret)
}

// Key is K_epoch, or the key of one message. It prints as REDACTED and has no way out of the process.
type Key struct{ aead cipher.AEAD }

func newKey(secret []byte) (*Key, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	clear(secret)
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return &Key{aead}, nil
}

// Seal closes content under seq. The caller never seals twice under one seq: a repeated nonce would give the key away.
func (k *Key) Seal(seq record.Seq, aad, content []byte) []byte {
	n := nonce(seq)
	return k.aead.Seal(nil, n[:], content, aad)
}

// Open is the inverse of Seal; ErrOpen when anything was changed.
func (k *Key) Open(seq record.Seq, aad, sealed []byte) ([]byte, error) {
	n := nonce(seq)
	content, err := k.aead.Open(nil, n[:], sealed, aad)
	if err != nil {
		return nil, ErrOpen
	}
	return content, nil
}

// Wipe forgets the key; Seal and Open panic afterwards. Go keeps no promise about copies already made.
func (k *Key) Wipe() { k.aead = nil }

// String prints REDACTED.
func (*Key) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (*Key) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (*Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (*Key) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// nonce is seq as 96 bits, big-endian.
func nonce(seq record.Seq) (n [12]byte) {
	binary.BigEndian.PutUint64(n[4:], uint64(seq))
	return n
}
