// Package ppid derives a person's handle and the pseudonyms that each sector may know them by.
//
// Both are keyed, deterministic and one-way: whoever has no key learns nothing from them, whoever restores an old database
// derives the same ones again. Pure functions of key and input; storing them is the store's.
package ppid

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// ErrInput says that a verifier, certificate or sector is missing or malformed.
var ErrInput = errors.New("no pseudonym can be made from this")

// Handle names a person towards one verifier, inside central only. It is kept for ever, over every renewal. It prints as
// REDACTED.
type Handle [sha256.Size]byte

// IsZero reports whether the handle was never set.
func (h Handle) IsZero() bool { return h == Handle{} }

// String prints REDACTED.
func (Handle) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (Handle) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (Handle) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED, so that JSON and TOML cannot leak a handle.
func (Handle) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (Handle) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Deriver holds K_handle and K_ppid of one key epoch. It is read-only and may be used from any goroutine. It prints as REDACTED.
type Deriver struct {
	handleKey, ppidKey []byte
	epoch              uint32
}

// NewDeriver takes 32-octet keys; epoch numbers the PPID key and is stored with every PPID made under it.
func NewDeriver(handleKey, ppidKey []byte, epoch uint32) (*Deriver, error) {
	if len(handleKey) != 32 || len(ppidKey) != 32 || epoch == 0 {
		return nil, fmt.Errorf("%w: keys have 32 octets and an epoch from 1", ErrInput)
	}
	return &Deriver{bytes.Clone(handleKey), bytes.Clone(ppidKey), epoch}, nil
}

// String prints REDACTED.
func (Deriver) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (Deriver) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (Deriver) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (Deriver) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Epoch numbers the PPID key.
func (d *Deriver) Epoch() uint32 { return d.epoch }

// Handle is HMAC-SHA-256(K_handle, CBOR ["handle/v1", verifier, hierarchy, purpose, first serial]): first is the serial with
// which the verifier met this person first.
func (d *Deriver) Handle(v record.VerifierID, first certid.CertID) (h Handle, err error) {
	if record.CheckName(v) != nil || !first.Scope.Valid() || first.Serial.IsZero() {
		return h, fmt.Errorf("%w: verifier or certificate", ErrInput)
	}
	sum, err := mac(d.handleKey, "handle/v1", v, first.Scope.Hierarchy, first.Scope.Purpose, first.Serial.Bytes())
	copy(h[:], sum)
	return h, err
}

// PPID is base32 (RFC 4648 §6, no padding, 52 characters) of HMAC-SHA-256(K_ppid, CBOR ["ppid/v1", sector, handle]).
func (d *Deriver) PPID(sector string, h Handle) (record.Subject, error) {
	if sector == "" || h.IsZero() {
		return record.Subject{}, fmt.Errorf("%w: sector or handle", ErrInput)
	}
	sum, err := mac(d.ppidKey, "ppid/v1", sector, h[:])
	if err != nil {
		return record.Subject{}, err
	}
	return record.NewSubject(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum)), nil
}

func mac(key []byte, parts ...any) ([]byte, error) {
	b, err := canon.Encode(parts)
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, key)
	m.Write(b)
	return m.Sum(nil), nil
}
