package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/trust"
)

// Errors of joining.
var (
	// ErrCode says that text is not a join code. A mistyped one passes once in 16 million times, and then proves nothing.
	ErrCode = errors.New("not a join code: compare it with the one that central printed")
	// ErrProof says that the other side does not know the code's secret, or is not the one it was shown to.
	ErrProof = errors.New("the other side does not hold this join code")
)

const (
	codePrefix = "KZ1"
	codeGroup  = 5
	sumLen     = 3
)

var codeText = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// JoinCode is what an operator carries from central to a new box: a one-time secret and the fingerprint of the root set.
// Neither half is sent: the secret keys the proofs of both sides. It prints as REDACTED; Text is for the operator.
type JoinCode struct {
	Secret [16]byte
	Root   trust.Fingerprint
}

// Text writes the code in groups of five characters without the confusable I, L, O and U, with a checksum.
func (c JoinCode) Text() string {
	raw := append(append([]byte(nil), c.Secret[:]...), c.Root[:]...)
	sum := sha256.Sum256(raw)
	s := codeText.EncodeToString(append(raw, sum[:sumLen]...))
	var b strings.Builder
	b.WriteString(codePrefix)
	for i := 0; i < len(s); i += codeGroup {
		b.WriteByte('-')
		b.WriteString(s[i:min(i+codeGroup, len(s))])
	}
	return b.String()
}

// ParseJoinCode reads what a person typed: case, spaces and dashes do not matter, I and L are 1, O is 0.
func ParseJoinCode(text string) (JoinCode, error) {
	s := strings.NewReplacer("-", "", " ", "", "I", "1", "L", "1", "O", "0").Replace(strings.ToUpper(strings.TrimSpace(text)))
	s, ok := strings.CutPrefix(s, codePrefix)
	if !ok {
		return JoinCode{}, ErrCode
	}
	raw, err := codeText.DecodeString(s)
	var c JoinCode
	n := len(c.Secret) + len(c.Root)
	if err != nil || len(raw) != n+sumLen || codeText.EncodeToString(raw) != s {
		return JoinCode{}, ErrCode
	}
	sum := sha256.Sum256(raw[:n])
	if subtle.ConstantTimeCompare(sum[:sumLen], raw[n:]) != 1 {
		return JoinCode{}, ErrCode
	}
	copy(c.Secret[:], raw)
	copy(c.Root[:], raw[len(c.Secret):])
	return c, nil
}

// String prints REDACTED.
func (JoinCode) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (JoinCode) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb, so that %x and %d do not reach the secret.
func (JoinCode) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED, so that JSON and TOML cannot leak the secret.
func (JoinCode) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (JoinCode) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// CodeID names a join code without giving it away: SHA-256 of the secret, first 8 octets.
type CodeID [8]byte

// ID names the code.
func (c JoinCode) ID() (id CodeID) {
	sum := sha256.Sum256(c.Secret[:])
	copy(id[:], sum[:])
	return id
}

// MarshalCBOR writes an 8-octet byte string.
func (c CodeID) MarshalCBOR() ([]byte, error) { return canon.EncodeFixed(c[:]) }

// UnmarshalCBOR takes a byte string of exactly 8 octets.
func (c *CodeID) UnmarshalCBOR(b []byte) error { return canon.DecodeFixed(c[:], b) }

// MAC is a proof: HMAC-SHA-256 under the code's secret.
type MAC [sha256.Size]byte

// MarshalCBOR writes a 32-octet byte string.
func (m MAC) MarshalCBOR() ([]byte, error) { return canon.EncodeFixed(m[:]) }

// UnmarshalCBOR takes a byte string of exactly 32 octets.
func (m *MAC) UnmarshalCBOR(b []byte) error { return canon.DecodeFixed(m[:], b) }

// JoinRequest is a box's first word. Its proof also covers the key that the server showed on this connection, so that
// somebody in between can neither learn the secret nor pass the proof on.
type JoinRequest struct {
	Code    CodeID       `cbor:"1,keyasint"`
	Box     record.BoxID `cbor:"2,keyasint"`
	Device  []byte       `cbor:"3,keyasint"` // D, SubjectPublicKeyInfo (DER)
	Sealing []byte       `cbor:"4,keyasint"` // S, suite 1 public key
	Server  MAC          `cbor:"5,keyasint"` // SHA-256 of the server's SubjectPublicKeyInfo as seen
	Release string       `cbor:"6,keyasint"` // the box's software
	Proof   MAC          `cbor:"7,keyasint"`
}

// Prove fills in Code and Proof.
func (r JoinRequest) Prove(c JoinCode) (JoinRequest, error) {
	r.Code = c.ID()
	p, err := r.proof(c)
	r.Proof = p
	return r, err
}

// Verify returns ErrProof unless the request was proved with the code.
func (r JoinRequest) Verify(c JoinCode) error {
	p, err := r.proof(c)
	if err != nil {
		return err
	}
	if !hmac.Equal(p[:], r.Proof[:]) {
		return ErrProof
	}
	return nil
}

func (r JoinRequest) proof(c JoinCode) (MAC, error) {
	return mac(c, "kazashi/join/v1", r.Code, r.Box, r.Device, r.Sealing, r.Server, r.Release)
}

// JoinAnswer is central's first word: where the box stands and what it is to believe.
type JoinAnswer struct {
	Site   record.SiteID `cbor:"1,keyasint"`
	Name   string        `cbor:"2,keyasint"`
	Bundle []byte        `cbor:"3,keyasint"` // trust bundle as it travels
	Proof  MAC           `cbor:"4,keyasint"`
	// Replaces is the box whose place this one takes; absent: none's.
	Replaces record.BoxID `cbor:"5,keyasint,omitzero"`
}

// Prove fills in Proof, which ties the answer to the request.
func (a JoinAnswer) Prove(c JoinCode, to JoinRequest) (JoinAnswer, error) {
	p, err := a.proof(c, to)
	a.Proof = p
	return a, err
}

// Verify returns ErrProof unless the answer was proved with the code, to this request.
func (a JoinAnswer) Verify(c JoinCode, to JoinRequest) error {
	p, err := a.proof(c, to)
	if err != nil {
		return err
	}
	if !hmac.Equal(p[:], a.Proof[:]) {
		return ErrProof
	}
	return nil
}

func (a JoinAnswer) proof(c JoinCode, to JoinRequest) (MAC, error) {
	parts := []any{"kazashi/joined/v1", to.Proof, a.Site, a.Name, a.Bundle}
	if !a.Replaces.IsZero() {
		parts = append(parts, a.Replaces)
	}
	return mac(c, parts...)
}

func mac(c JoinCode, parts ...any) (m MAC, err error) {
	b, err := canon.Encode(parts)
	if err != nil {
		return m, fmt.Errorf("proving a join code: %w", err)
	}
	h := hmac.New(sha256.New, c.Secret[:])
	h.Write(b)
	h.Sum(m[:0])
	return m, nil
}
