// Package canon is the one encoding of everything that both ends exchange: deterministic CBOR (RFC 8949 §4.2.1).
//
// A message has exactly one accepted form. Integers, lengths and map keys are in their shortest form and ascending order,
// duplicates, indefinite lengths, tags and floats are refused, and every message has a cap on its size. Unknown map keys are
// accepted and ignored, so that an older end reads a newer one; key numbers are reserved for ever. The functions keep no state.
package canon

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Errors of Decode. A message that gets one of them has left nothing usable in the destination.
var (
	// ErrSize says that a message is longer than its cap.
	ErrSize = errors.New("message is larger than its cap")
	// ErrForm says that bytes are not the one deterministic encoding of anything.
	ErrForm = errors.New("message is not deterministic CBOR")
	// ErrShape says that a well-formed message does not have the fields or lengths its type asks for.
	ErrShape = errors.New("message has the wrong shape")
)

// MaxDepth bounds nesting.
const MaxDepth = 8

// maxElements bounds every array and map; a message that needs more is cut into several.
const maxElements = 8192

var encMode, decMode = modes()

func modes() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // fixed options
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   MaxDepth,
		MaxArrayElements:  maxElements,
		MaxMapPairs:       maxElements,
		ExtraReturnErrors: cbor.ExtraDecErrorNone,
	}.DecMode()
	if err != nil {
		panic(err) // fixed options
	}
	return enc, dec
}

// Encode writes v deterministically. It fails only for types that have no encoding.
func Encode(v any) ([]byte, error) {
	b, err := encMode.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", v, err)
	}
	return b, nil
}

// Decode reads b into v, which must be a pointer. b must be at most limit octets and in its only deterministic form:
// ErrSize, ErrForm or ErrShape otherwise.
func Decode(b []byte, v any, limit int) error {
	if len(b) > limit {
		return fmt.Errorf("%w: %d octets, cap %d", ErrSize, len(b), limit)
	}
	if err := check(b); err != nil {
		return err
	}
	if err := decMode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrShape, err)
	}
	return nil
}

// EncodeFixed writes a byte string, for types of a fixed length.
func EncodeFixed(b []byte) ([]byte, error) { return encMode.Marshal(b) }

// DecodeFixed fills dst from a byte string of exactly its length. The library alone would take a shorter string without an
// error and leave the rest zero.
func DecodeFixed(dst, src []byte) error {
	var b []byte
	if err := decMode.Unmarshal(src, &b); err != nil {
		return fmt.Errorf("%w: %w", ErrShape, err)
	}
	if len(b) != len(dst) {
		return fmt.Errorf("%w: %d octets where %d belong", ErrShape, len(b), len(dst))
	}
	copy(dst, b)
	return nil
}
