package invariant

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	"github.com/fxamacker/cbor/v2"
)

// Numbers of the formats that are judged here, written out once more (design §4 and §5).
const (
	purposeHeader     = "kazashi/epoch/v1"
	purposeCorrection = "kazashi/correction/v1"
	purposeEpochID    = "kazashi/epoch-id/v1"

	lineageFirst, lineageKnown, lineageUnknown = 0, 1, 2
	causeSetAside                              = 4
)

type (
	id128 [16]byte
	hash  [32]byte
)

func (i id128) String() string { return hex.EncodeToString(i[:]) }

func (i id128) short() string { return hex.EncodeToString(i[:4]) }

var (
	errHeader    = errors.New("header is not one of ours")
	errSignature = errors.New("signature is not one by the device for this")
	errEnvelope  = errors.New("envelope is not one of ours")
	errLength    = errors.New("value has the wrong length")
)

// header is what an epoch's header says.
type header struct {
	Version     uint64 `cbor:"1,keyasint"`
	Suite       uint64 `cbor:"2,keyasint"`
	Box         []byte `cbor:"3,keyasint"`
	Epoch       []byte `cbor:"4,keyasint"`
	Recipient   []byte `cbor:"5,keyasint"`
	Enc         []byte `cbor:"6,keyasint"`
	Predecessor struct {
		Lineage uint64 `cbor:"1,keyasint"`
		Epoch   []byte `cbor:"2,keyasint"`
		Last    uint64 `cbor:"3,keyasint"`
		Head    []byte `cbor:"4,keyasint"`
	} `cbor:"7,keyasint"`
	Cause uint64 `cbor:"8,keyasint"`
	Nonce []byte `cbor:"9,keyasint"`
}

// signed is a COSE_Sign1 (RFC 9052 §4.2) without its tag.
type signed struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected map[int]cbor.RawMessage
	Payload     []byte
	Signature   []byte
}

// openSigned verifies a tagged COSE_Sign1 with ES256 (tag 18; RFC 9052 §4.4: the Sig_structure is an array of a context, the protected
// header, the purpose and the payload).
func openSigned(device []byte, purpose string, msg []byte) ([]byte, error) {
	if len(msg) == 0 || msg[0] != 0xd2 {
		return nil, errHeader
	}
	var s signed
	if err := cbor.Unmarshal(msg[1:], &s); err != nil || len(s.Signature) != 64 {
		return nil, errHeader
	}
	public, err := x509.ParsePKIXPublicKey(device)
	if err != nil {
		return nil, fmt.Errorf("reading the device's key: %w", err)
	}
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return nil, errSignature
	}
	text, err := cbor.Marshal([]any{"Signature1", s.Protected, []byte(purpose), s.Payload})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	if !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(s.Signature[:32]), new(big.Int).SetBytes(s.Signature[32:])) {
		return nil, errSignature
	}
	return s.Payload, nil
}

// head is a header that was verified, with the chain's first value.
type head struct {
	box, epoch, before id128
	lineage, last      uint64 // last: of the epoch before
	beforeHead         hash
	cause              uint64
	root               hash // SHA-256 of the payload: what the first envelope continues
}

// openHeader verifies an epoch's header and its own consistency: the id is of its box.
func openHeader(device, msg []byte) (h head, err error) {
	payload, err := openSigned(device, purposeHeader, msg)
	if err != nil {
		return h, err
	}
	var in header
	if err := cbor.Unmarshal(payload, &in); err != nil || in.Version != 1 || in.Suite != 1 {
		return h, errHeader
	}
	p := in.Predecessor
	h = head{lineage: p.Lineage, last: p.Last, cause: in.Cause, root: sha256.Sum256(payload)}
	for _, f := range []struct {
		to   *id128
		from []byte
	}{{&h.box, in.Box}, {&h.epoch, in.Epoch}, {&h.before, p.Epoch}} {
		if err := fill(f.to[:], f.from); err != nil {
			return h, fmt.Errorf("%w: %w", errHeader, err)
		}
	}
	if err := fill(h.beforeHead[:], p.Head); err != nil {
		return h, fmt.Errorf("%w: %w", errHeader, err)
	}
	text, err := cbor.Marshal([]any{purposeEpochID, in.Box, in.Nonce})
	if err != nil {
		return h, err
	}
	if sum := sha256.Sum256(text); id128(sum[:16]) != h.epoch {
		return h, fmt.Errorf("%w: the epoch's id is not of its box", errHeader)
	}
	return h, nil
}

func fill(to, from []byte) error {
	if len(from) != len(to) {
		return errLength
	}
	copy(to, from)
	return nil
}

// envelope is a sealed record as it travels.
type envelope struct {
	epoch    id128
	seq      uint64
	previous hash
	sum      hash
	after    hash // SHA-256 (previous ‖ envelope)
}

func openEnvelope(b []byte) (e envelope, err error) {
	var in struct {
		Version  uint64 `cbor:"1,keyasint"`
		Epoch    []byte `cbor:"2,keyasint"`
		Seq      uint64 `cbor:"3,keyasint"`
		Previous []byte `cbor:"4,keyasint"`
		Sealed   []byte `cbor:"5,keyasint"`
	}
	if err := cbor.Unmarshal(b, &in); err != nil || in.Version != 1 || in.Seq == 0 {
		return e, errEnvelope
	}
	if err := errors.Join(fill(e.epoch[:], in.Epoch), fill(e.previous[:], in.Previous)); err != nil {
		return e, fmt.Errorf("%w: %w", errEnvelope, err)
	}
	e.seq, e.sum, e.after = in.Seq, sha256.Sum256(b), e.previous.next(b)
	return e, nil
}

func (h hash) next(b []byte) (after hash) {
	d := sha256.New()
	d.Write(h[:])
	d.Write(b)
	d.Sum(after[:0])
	return after
}
