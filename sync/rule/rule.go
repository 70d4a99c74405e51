// Package rule is what each service of each verifier demands of a tap: signed by central, versioned, loaded whole or not
// at all.
//
// A rule that contradicts its legal basis does not load, nor does a set of another site. Values and pure functions; the box's
// store keeps the signed set.
package rule

import (
	"cmp"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// Version orders everything that central sends down: first by central's epoch, which a restored central raises, then by n.
type Version struct {
	CentralEpoch uint64 `cbor:"1,keyasint"`
	N            uint64 `cbor:"2,keyasint"`
}

// Compare is -1, 0 or +1 as v is older than, the same as or newer than w.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.CentralEpoch, w.CentralEpoch), cmp.Compare(v.N, w.N))
}

// TooOld says what to do when the list is older than Rule.ListFull and ListProvisional allow.
type TooOld uint8

// What to do with a tap when the list is too old. Numbers are reserved for ever.
const (
	TooOldRefuse TooOld = 1
	TooOldRecord TooOld = 2 // write down only, say nothing about the card; at a shelter or in practice
)

// SecondUse says what to do when the same person uses the service again within Rule.SecondWithin.
type SecondUse uint8

// What to do with a second use. Numbers are reserved for ever.
const (
	SecondUseCounts SecondUse = 0 // each use counts as the first does
	SecondUseTell   SecondUse = 1 // serve, and tell the counter
	SecondUseRefuse SecondUse = 2
)

// Attributes is a set of the four items that the input-assist application of the card gives out for its PIN (基本4情報).
type Attributes uint8

// Attributes. Numbers are reserved for ever.
const (
	AttributeName      Attributes = 1
	AttributeAddress   Attributes = 2
	AttributeBirthDate Attributes = 4
	AttributeSex       Attributes = 8

	allAttributes = AttributeName | AttributeAddress | AttributeBirthDate | AttributeSex
)

// Valid reports whether this build knows every attribute of the set.
func (a Attributes) Valid() bool { return a&^allAttributes == 0 }

// Has reports whether all of b are in the set.
func (a Attributes) Has(b Attributes) bool { return a&b == b }

// Consent is what a person agrees to before attributes are read: each language at most MaxConsent octets.
type Consent struct {
	JA string `cbor:"1,keyasint"`
	EN string `cbor:"2,keyasint"`
}

// MaxConsent caps a consent text in one language, in octets.
const MaxConsent = 2 << 10

// Retention is for how long what a tap leaves is kept, in days.
type Retention struct {
	Record     uint32 `cbor:"1,keyasint,omitempty"` // the record at central; 0: until the contract's end
	Book       uint32 `cbor:"2,keyasint,omitempty"` // entries of the box's site book; 0: until the site is closed
	Attributes uint32 `cbor:"3,keyasint,omitempty"` // attributes at central; 0: as long as the record
}

// MaxDays caps each number of a Retention: a hundred years.
const MaxDays = 36525

// Rule is what one service demands.
type Rule struct {
	Service         record.ServiceID   `cbor:"1,keyasint"`
	Verifier        record.VerifierID  `cbor:"2,keyasint"`
	Basis           record.Basis       `cbor:"3,keyasint"`
	Evidence        record.Evidence    `cbor:"4,keyasint"` // the least that serves
	Supervised      bool               `cbor:"5,keyasint"` // a person of the verifier watches the reader
	ListFull        uint32             `cbor:"6,keyasint"` // seconds: a list this old still counts fully
	ListProvisional uint32             `cbor:"7,keyasint"` // seconds: beyond that and up to this, provisionally
	TooOld          TooOld             `cbor:"8,keyasint"`
	Hierarchies     []certid.Hierarchy `cbor:"9,keyasint"` // whose cards are taken
	Practice        bool               `cbor:"10,keyasint,omitempty"`
	SecondUse       SecondUse          `cbor:"11,keyasint,omitempty"`
	SecondWithin    uint32             `cbor:"12,keyasint,omitempty"` // seconds since the last served use; 0 exactly where each counts
	Attributes      Attributes         `cbor:"13,keyasint,omitempty"` // what may be kept of the card on consent, at an enrolment; 0: none
	Consent         *Consent           `cbor:"14,keyasint,omitempty"` // there exactly where Attributes are
	Retention       Retention          `cbor:"15,keyasint,omitzero"`
	SignIn          bool               `cbor:"16,keyasint,omitempty"` // a named member of staff must be signed in at the desk
}

// Within is SecondWithin as a duration.
func (r Rule) Within() time.Duration { return time.Duration(r.SecondWithin) * time.Second }

// NeedsApproval reports whether the rule asks for less than the law's wording does: a tap without PIN by the bound key alone, which
// loads only for a verifier with a legal approval (JPKI Act Art. 38-4 (2), the open point of design §2).
func (r Rule) NeedsApproval() bool {
	return r.Basis == record.BasisArt384 && r.Evidence == record.EvidenceCardBound
}
