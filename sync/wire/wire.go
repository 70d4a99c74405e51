// Package wire is what box and central say to each other over the uplink: joining, pushing records up, polling for what
// central wants the box to have.
//
// Everything that must be believed later travels as a signed object inside these messages; the messages themselves are
// believed only as far as the connection is. Key numbers are reserved for ever. Values and pure functions.
package wire

import (
	"encoding/hex"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
)

// Caps of messages, in octets and elements.
const (
	MaxJoin      = 64 << 10
	MaxPush      = 2 << 20
	MaxPushed    = 512 // envelopes, and headers, of one push
	MaxPoll      = 64 << 10
	MaxPolled    = 8 << 20
	MaxSubjects  = 256     // asked for, or given, in one poll
	MaxEpochs    = 256     // asked about in one poll
	MaxOffers    = 16      // revocation sets held, or offered, in one poll: one a scope
	MaxDeltas    = 31      // of one offer; a box further behind takes the set
	MaxMade      = 8       // generations of a site's key brought in one poll
	MaxOrders    = 8       // open orders given in one poll
	MaxDone      = 4       // outcomes of orders said in one poll
	MaxErasure   = 6 << 10 // octets of a certificate of erasure
	MaxSegments  = 64      // of one roster
	MaxCorrected = 16      // corrections of one push
	MaxWait      = 55      // seconds a poll may be held open
	MaxErrorBody = 4 << 10
)

// Push carries headers, envelopes and corrections of a clock up; headers first. Anyone may carry them.
type Push struct {
	Headers     [][]byte `cbor:"1,keyasint,omitempty"` // epoch headers, signed
	Envelopes   [][]byte `cbor:"2,keyasint,omitempty"`
	Corrections [][]byte `cbor:"3,keyasint,omitempty"` // Correction, signed by D
}

// Pushed answers a push once everything in it is durably stored.
type Pushed struct {
	Ack     []byte    `cbor:"1,keyasint"`           // ack.Ack, signed; covers the epochs that were touched
	Refused []Refused `cbor:"2,keyasint,omitempty"` // what could not be stored, and will not be if sent again
}

// Refused names one thing of a push that is no header or envelope of anybody's.
type Refused struct {
	Index  uint32 `cbor:"1,keyasint"` // headers first, then envelopes, then corrections, from 0
	Reason string `cbor:"2,keyasint"`
}

// Poll says what the box has, so that central can answer with what it lacks. Key 5 named revocation lists by CRL number and is never
// used again.
type Poll struct {
	Verdicts rule.Version      `cbor:"1,keyasint"`           // newest final verdict held, 0 if none
	Acks     rule.Version      `cbor:"2,keyasint"`           // newest acknowledgement held
	Rules    rule.Version      `cbor:"3,keyasint"`           // rule set held
	Trust    uint64            `cbor:"4,keyasint"`           // trust bundle held
	Epochs   []record.EpochID  `cbor:"6,keyasint,omitempty"` // epochs with records that are not yet safe
	Subjects []record.TapID    `cbor:"7,keyasint,omitempty"` // taps whose PPID the box has not
	Wait     uint16            `cbor:"8,keyasint"`           // seconds to wait if there is nothing new
	Time     int64             `cbor:"9,keyasint"`           // the box's clock, Unix milliseconds
	Waiting  uint64            `cbor:"10,keyasint"`          // records not yet received by central
	Release  string            `cbor:"11,keyasint"`
	Roster   rule.Version      `cbor:"12,keyasint,omitzero"`  // roster held; absent if none
	Sets     []HeldSet         `cbor:"13,keyasint,omitempty"` // revocation sets in use
	Made     []sitekey.Wrapped `cbor:"14,keyasint,omitempty"` // generations of the site's key made here, wrapped to C-seal, until a grant names them
	Nonce    order.Nonce       `cbor:"15,keyasint,omitzero"`  // under which the clock's floor may be lowered; absent if it may not
	Locked   bool              `cbor:"16,keyasint,omitempty"` // the box has no site key open, and wants a grant
	Grant    rule.Version      `cbor:"17,keyasint,omitzero"`  // grant of site keys held; absent if none
	Done     []OrderDone       `cbor:"18,keyasint,omitempty"` // orders that were done or refused
}

// OrderDone says what became of an order.
type OrderDone struct {
	Order   order.ID      `cbor:"1,keyasint"`
	Outcome order.Outcome `cbor:"2,keyasint"`
	Erasure []byte        `cbor:"3,keyasint,omitempty"` // certificate of erasure, signed by D
}

// HeldSet names a revocation set that a box has in use.
type HeldSet struct {
	Hierarchy certid.Hierarchy `cbor:"1,keyasint"`
	Purpose   certid.Purpose   `cbor:"2,keyasint"`
	Number    rule.Version     `cbor:"3,keyasint"`
	Root      BlobID           `cbor:"4,keyasint"` // of its file
}

// BlobID names a file by its content. Of a file in chunks (a set, a delta) it is the root of the chunk digests (crlset.Root),
// of any other the SHA-256.
type BlobID [32]byte

// String is hex, as it stands in paths.
func (b BlobID) String() string { return hex.EncodeToString(b[:]) }

// MarshalCBOR writes a 32-octet byte string.
func (b BlobID) MarshalCBOR() ([]byte, error) { return canon.EncodeFixed(b[:]) }

// UnmarshalCBOR takes a byte string of exactly 32 octets.
func (b *BlobID) UnmarshalCBOR(x []byte) error { return canon.DecodeFixed(b[:], x) }

// Blob is a file that central serves by ranges of octets; see uplink.
type Blob struct {
	ID   BlobID `cbor:"1,keyasint"`
	Size uint64 `cbor:"2,keyasint"` // octets
}

// SetOffer says which revocation set of a scope is the newest and where its parts are. It is not signed: what is fetched is.
type SetOffer struct {
	Hierarchy certid.Hierarchy `cbor:"1,keyasint"`
	Purpose   certid.Purpose   `cbor:"2,keyasint"`
	Number    rule.Version     `cbor:"3,keyasint"`
	Manifest  Blob             `cbor:"4,keyasint"`           // manifest.Manifest
	Set       Blob             `cbor:"5,keyasint"`           // the set's file
	Deltas    []DeltaOffer     `cbor:"6,keyasint,omitempty"` // the chain from the set that the box holds, oldest first; empty if there is none
}

// DeltaOffer is one step of the chain.
type DeltaOffer struct {
	Base  rule.Version `cbor:"1,keyasint"`
	Next  rule.Version `cbor:"2,keyasint"`
	Head  Blob         `cbor:"3,keyasint"` // manifest.DeltaHead, signed
	Delta Blob         `cbor:"4,keyasint"` // the delta's file
}

// Subject is the PPID of one tap, for the live page only.
type Subject struct {
	Tap  record.TapID `cbor:"1,keyasint"`
	PPID string       `cbor:"2,keyasint"`
}

// RosterOffer says which roster of the box's site is the newest and where its parts are. It is not signed: the head is.
type RosterOffer struct {
	Version  rule.Version `cbor:"1,keyasint"`
	Head     Blob         `cbor:"2,keyasint"`
	Segments []Blob       `cbor:"3,keyasint,omitempty"`
}

// Polled is what the box lacks. Every part may be empty. Key 6 held revocation lists, key 9
// rosters; neither is ever used again.
type Polled struct {
	CentralEpoch uint64      `cbor:"1,keyasint"`
	Ack          []byte      `cbor:"2,keyasint,omitempty"` // ack.Ack, signed
	Verdicts     []byte      `cbor:"3,keyasint,omitempty"` // Verdicts, signed
	Rules        []byte      `cbor:"4,keyasint,omitempty"` // rule.Set, signed
	Bundle       []byte      `cbor:"5,keyasint,omitempty"` // trust bundle as it travels
	Subjects     []Subject   `cbor:"7,keyasint,omitempty"`
	Time         int64       `cbor:"8,keyasint,omitempty"`  // central's clock when it answered, Unix milliseconds
	Sets         []SetOffer  `cbor:"10,keyasint,omitempty"` // newer revocation sets; if there are any, these are all
	Grant        []byte      `cbor:"11,keyasint,omitempty"` // sitekey.Grant, signed
	Orders       [][]byte    `cbor:"12,keyasint,omitempty"` // order.Order, signed, oldest first
	RosterOffer  RosterOffer `cbor:"13,keyasint,omitzero"`  // roster of the box's site, if the box holds an older one
	// ReplacedBy says that another box took the place of this one, which gets acknowledgements and orders alone from now on.
	ReplacedBy record.BoxID `cbor:"14,keyasint,omitzero"`
}

// Failure is the body of every answer that is not 200.
type Failure struct {
	Code    string `cbor:"1,keyasint"`
	Message string `cbor:"2,keyasint"`
}

// Failure codes. Strings are reserved for ever.
const (
	CodeBadMessage   = "bad_message"    // not a message of this kind
	CodeUnknownBox   = "unknown_box"    // no box with this device key has joined
	CodeRevokedBox   = "revoked_box"    // the box was taken out of service
	CodeJoinRefused  = "join_refused"   // code unknown, used, expired, or not proved
	CodeInternal     = "internal"       // central's fault; try again
	CodeUnavailable  = "unavailable"    // central is starting, stopping or full; try again
	CodeUnknownRoute = "unknown_method" // no such method here
	CodeUnknownBlob  = "unknown_blob"   // no such file here, or no longer
	CodeReplacedBox  = "replaced_box"   // another box took this one's place: it is offered no files
	CodeBadRange     = "bad_range"      // the file has no such octet
)
