package courier

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Marks of a parcel: its first octets, and its last.
const (
	headMark = "KZPARCEL"
	tailMark = "LECRAPZK"
	headLen  = 8
	tailLen  = 4 + sha256.Size + 8 // length of the trailer, its SHA-256, mark
)

// maxN bounds the number of a parcel: ten digits.
const maxN = 9_999_999_999

// manifest names every part of a parcel.
type manifest struct {
	Version      uint8        `cbor:"1,keyasint"`
	Kind         Kind         `cbor:"2,keyasint"`
	Box          record.BoxID `cbor:"3,keyasint"`
	N            uint64       `cbor:"4,keyasint"` // 0 for joining and joined
	Made         int64        `cbor:"5,keyasint"` // clock of who made it, Unix milliseconds
	Parts        []listed     `cbor:"6,keyasint"`
	Covers       []Cover      `cbor:"7,keyasint,omitempty"`  // up and recovered
	CentralEpoch uint64       `cbor:"8,keyasint,omitempty"`  // down
	Blobs        []wire.Blob  `cbor:"9,keyasint,omitempty"`  // down: files that lie beside it
	Enc          []byte       `cbor:"10,keyasint,omitempty"` // down and joined: encapsulation to S
	Heard        uint64       `cbor:"11,keyasint,omitempty"` // down: number of the up parcel whose State it answers; 0 if none
}

// listed is a part, in the order in which they lie.
type listed struct {
	Type   Type       `cbor:"1,keyasint"`
	Length uint64     `cbor:"2,keyasint"`
	Digest epoch.Hash `cbor:"3,keyasint"` // SHA-256 of its octets as they lie
}

// trailer is a manifest as it travels.
func (m manifest) trailer(signer crypto.Signer) ([]byte, error) {
	b, err := canon.Encode(m)
	if err != nil {
		return nil, err
	}
	switch m.Kind {
	case Up:
		b, err = sign.Sign(signer, sign.PurposeCourierUp, b)
	case Down:
		b, err = sign.Sign(signer, sign.PurposeCourierDown, b)
	case Recovered, Joining, Joined:
	}
	if err == nil && len(b) > MaxTrailer {
		err = fmt.Errorf("%w: manifest of %d octets", ErrOrder, len(b))
	}
	return b, err
}

// cbor tags and maps by their first octet (RFC 8949 §3.1).
const taggedSign1 = 0xd2

// readTrailer reads a manifest without believing its signature. ErrNewer, ErrDamaged.
func readTrailer(b []byte) (m manifest, err error) {
	bare := b
	signed := len(b) > 0 && b[0] == taggedSign1
	if signed {
		if bare, err = sign.Payload(b); err != nil {
			return m, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	var only struct {
		Version uint64 `cbor:"1,keyasint"`
	}
	if err := canon.Decode(bare, &only, MaxTrailer); err == nil && only.Version > Version {
		return m, fmt.Errorf("%w: version %d, this release reads up to %d", ErrNewer, only.Version, Version)
	}
	if err := canon.Decode(bare, &m, MaxTrailer); err != nil {
		return m, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := m.check(); err != nil {
		return m, err
	}
	if signed != m.Kind.signed() {
		return m, fmt.Errorf("%w: an %s parcel's signature", ErrDamaged, m.Kind)
	}
	return m, nil
}

func (m manifest) check() error {
	bad := func(what string) error { return fmt.Errorf("%w: manifest: %s", ErrDamaged, what) }
	numbered := m.Kind == Up || m.Kind == Down || m.Kind == Recovered
	switch {
	case m.Version != Version || !m.Kind.Valid():
		return bad("version or kind")
	case m.Box.IsZero() || numbered != (m.N > 0) || m.N > maxN || m.Made < 0:
		return bad("box, number or time")
	case len(m.Parts) == 0 || len(m.Parts) > MaxCount || len(m.Covers) > MaxCount || len(m.Blobs) > MaxBlobs:
		return bad("number of parts")
	case m.Kind.sealed() != (len(m.Enc) == seal.EncLen) || !m.Kind.sealed() && len(m.Enc) > 0:
		return bad("encapsulation")
	case (m.Kind == Down) != (m.CentralEpoch > 0) || m.Kind != Down && (len(m.Blobs) > 0 || m.Heard > 0) || m.Heard > maxN:
		return bad("central epoch, files or what was heard")
	case m.Kind != Up && m.Kind != Recovered && len(m.Covers) > 0:
		return bad("covers")
	case !numbered && len(m.Parts) != 1:
		return bad("parts of joining")
	}
	for _, c := range m.Covers {
		if c.Epoch.IsZero() || c.First == 0 || c.Last < c.First || c.Last >= 1<<62 {
			return bad("covers")
		}
	}
	return m.checkParts()
}

func (m manifest) checkParts() error {
	var all uint64
	states, ends := 0, 0
	for _, p := range m.Parts {
		if !m.Kind.allowed(p.Type) || p.Length == 0 || p.Length > p.Type.most() {
			return fmt.Errorf("%w: manifest: part of type %d with %d octets", ErrDamaged, p.Type, p.Length)
		}
		if all += p.Length; all > MaxParts {
			return fmt.Errorf("%w: manifest: more than %d octets", ErrDamaged, MaxParts)
		}
		switch p.Type {
		case TypeState:
			states++
		case TypeEnds:
			ends++
		case TypeRun, TypeCorrection, TypePolled, TypeJoinRequest, TypeJoinAnswer:
		}
	}
	if states > 1 || ends > 0 && states == 0 {
		return fmt.Errorf("%w: manifest: %d states", ErrDamaged, states)
	}
	return nil
}

// most is how many octets a part of the type has at most, as it lies.
func (t Type) most() uint64 {
	switch t {
	case TypeRun, TypeEnds, TypeState:
		return MaxPart
	case TypeCorrection:
		return wire.MaxCorrection
	case TypePolled, TypeJoinAnswer:
		return MaxPolled
	case TypeJoinRequest:
		return wire.MaxJoin
	default:
		return 0
	}
}

// tail ends a parcel.
func tail(trailer []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, tailLen), uint32(len(trailer))) //nolint:gosec // at most MaxTrailer
	sum := sha256.Sum256(trailer)
	return append(append(b, sum[:]...), tailMark...)
}

// readTail is how long the trailer is, and its digest. ErrHalf, ErrDamaged.
func readTail(b []byte) (length int64, sum [sha256.Size]byte, err error) {
	if len(b) != tailLen || !bytes.Equal(b[tailLen-len(tailMark):], []byte(tailMark)) {
		return 0, sum, ErrHalf
	}
	n := binary.BigEndian.Uint32(b)
	if n == 0 || n > MaxTrailer {
		return 0, sum, fmt.Errorf("%w: manifest of %d octets", ErrDamaged, n)
	}
	return int64(n), [sha256.Size]byte(b[4:]), nil
}

// Purposes and contexts of what is sealed to a box.
const (
	downPurpose   = "kazashi/courier-down/v1"
	joinedPurpose = "kazashi/courier-joined/v1"
	sealContext   = "kazashi courier"
)

// info is what the key of a sealed parcel is bound to.
func (m manifest) info() ([]byte, error) {
	purpose := downPurpose
	if m.Kind == Joined {
		purpose = joinedPurpose
	}
	return canon.Encode([]any{purpose, seal.Suite1, m.Box, m.N})
}

// aad is what the tag of part i covers beside it.
func aad(t Type, i int) ([]byte, error) { return canon.Encode([]any{t, i}) }
