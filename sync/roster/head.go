package roster

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/chunk"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// Caps of the roster of a site.
const (
	MaxHead    = 16 << 10 // octets of a signed head
	MaxParts   = 24       // segments of one roster
	MaxSegment = 1 << 30  // octets of a segment
	MaxPeople  = 1 << 20  // of one site
	MaxBoxes   = 128      // of a site, that a head tells of
)

// rootDomain separates roots of segments from every other hash; part of the format.
const rootDomain = "kazashi/roster/root/v1"

// Root names a segment: the digest over its size and chunk digests. It is the wire.BlobID of its file.
type Root [32]byte

// RootOf is the root of a segment of size octets with these chunk digests.
func RootOf(size uint64, digests []byte) Root { return chunk.Root(rootDomain, size, digests) }

// MarshalCBOR writes a 32-octet byte string.
func (r Root) MarshalCBOR() ([]byte, error) { return canon.EncodeFixed(r[:]) }

// UnmarshalCBOR takes a byte string of exactly 32 octets.
func (r *Root) UnmarshalCBOR(b []byte) error { return canon.DecodeFixed(r[:], b) }

// Part is one segment of a roster.
type Part struct {
	Root       Root               `cbor:"1,keyasint"`
	Size       uint64             `cbor:"2,keyasint"` // octets in chunks; their digests follow in the file
	Generation sitekey.Generation `cbor:"3,keyasint"` // of the site key under which it is sealed
	Entries    uint32             `cbor:"4,keyasint"`
	Gone       uint32             `cbor:"5,keyasint,omitempty"` // enrolments of which it says that they are on the roster no more
}

// FileSize is the size of the segment's file in octets: its chunks and their digests.
func (p Part) FileSize() uint64 { return p.Size + 32*uint64(chunk.Count(p.Size)) } //nolint:gosec // a count

// Through says up to which final verdict of a box a roster tells: with each up to it, what its record changed of anybody is in.
type Through struct {
	Box      record.BoxID `cbor:"1,keyasint"`
	Verdicts rule.Version `cbor:"2,keyasint"` // N is 0 where the box has none under this central epoch
}

// Head is the roster of a site: which segments make it up. What a newer segment says of an enrolment replaces what older ones say.
type Head struct {
	Version rule.Version  `cbor:"1,keyasint"`
	Site    record.SiteID `cbor:"2,keyasint"`
	Made    int64         `cbor:"3,keyasint"`           // by central's clock, Unix seconds
	Parts   []Part        `cbor:"4,keyasint,omitempty"` // newest first
	People  uint32        `cbor:"5,keyasint"`           // who stand on it
	Through []Through     `cbor:"6,keyasint,omitempty"` // of each box of the site, rising by its id
}

// TellsOf reports whether the roster tells of a box's final verdict. A verdict of another central epoch it does not tell of: a restored
// central may never have heard of it, and gives every verdict anew.
func (h Head) TellsOf(box record.BoxID, v rule.Version) bool {
	return slices.ContainsFunc(h.Through, func(t Through) bool {
		return t.Box == box && t.Verdicts.CentralEpoch == v.CentralEpoch && v.N <= t.Verdicts.N
	})
}

// At is when the roster was made, UTC.
func (h Head) At() time.Time { return time.Unix(h.Made, 0).UTC() }

// Check returns ErrRoster unless the head may be used.
func (h Head) Check() error {
	if h.Version.CentralEpoch == 0 || h.Version.N == 0 || record.CheckName(h.Site) != nil || h.Made <= 0 ||
		len(h.Parts) > MaxParts || h.People > MaxPeople {
		return fmt.Errorf("%w: version, site, time or number", ErrRoster)
	}
	seen := map[Root]bool{}
	for _, p := range h.Parts {
		if p.Size == 0 || p.Size > MaxSegment || p.Generation.IsZero() || p.Entries > MaxPeople || p.Gone > MaxPeople || seen[p.Root] {
			return fmt.Errorf("%w: a segment", ErrRoster)
		}
		seen[p.Root] = true
	}
	return checkThrough(h.Through)
}

func checkThrough(all []Through) error {
	if len(all) > MaxBoxes {
		return fmt.Errorf("%w: %d boxes", ErrRoster, len(all))
	}
	for i, t := range all {
		if t.Box.IsZero() || t.Verdicts.CentralEpoch == 0 || i > 0 && bytes.Compare(all[i-1].Box.ID128[:], t.Box.ID128[:]) >= 0 {
			return fmt.Errorf("%w: boxes", ErrRoster)
		}
	}
	return nil
}

// Sign closes a head with C-sign. ErrRoster.
func (h Head) Sign(key crypto.Signer) ([]byte, error) {
	if err := h.Check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(h)
	if err != nil {
		return nil, err
	}
	return sign.Sign(key, sign.PurposeRoster, b)
}

// OpenHead verifies and checks a signed head. Whether it is of this site is the caller's to ask. ErrRoster, or an error of packages sign
// and canon.
func OpenHead(keys sign.Keys, msg []byte) (Head, error) {
	if len(msg) > MaxHead {
		return Head{}, fmt.Errorf("%w: %d octets, cap %d", canon.ErrSize, len(msg), MaxHead)
	}
	payload, _, err := sign.Open(keys, sign.PurposeRoster, msg)
	if err != nil {
		return Head{}, err
	}
	var h Head
	if err := canon.Decode(payload, &h, MaxHead); err != nil {
		return Head{}, err
	}
	return h, h.Check()
}

// PeekHead reads a head without believing it, for whoever asks which files it names. ErrRoster, or an error of packages sign and canon.
func PeekHead(msg []byte) (Head, error) {
	payload, err := sign.Payload(msg)
	if err != nil {
		return Head{}, err
	}
	var h Head
	if err := canon.Decode(payload, &h, MaxHead); err != nil {
		return Head{}, err
	}
	return h, h.Check()
}
