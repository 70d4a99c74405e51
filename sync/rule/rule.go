// Package rule is what each service of each verifier demands of a tap: signed by central, versioned, loaded whole or not
// at all.
//
// A rule that contradicts its legal basis does not load. Values and pure functions; the box's store keeps the signed set.
package rule

import (
	"cmp"
	"crypto"
	"errors"
	"fmt"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// MaxSet caps a signed rule set, in octets.
const MaxSet = 256 << 10

// Errors of this package.
var (
	// ErrRule says that a rule contradicts itself or its legal basis.
	ErrRule = errors.New("rule contradicts its basis")
	// ErrSet says that a set is empty, repeats a service, or has no version.
	ErrSet = errors.New("rule set contradicts itself")
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
	TooOldRecord TooOld = 2 // write down only, say nothing about the card
)

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
}

// Art384ListLimit is the oldest list on which a tap without PIN may be accepted fully: the law asks for the check on every
// tap (JPKI Act Art. 38-4) and the national list is made daily; three days cover a long weekend's lost line.
const Art384ListLimit = 72 * time.Hour

// Check returns ErrRule, with the fault, unless the rule may load.
func (r Rule) Check() error {
	fail := func(what string) error { return fmt.Errorf("%w: service %s: %s", ErrRule, r.Service, what) }
	if err := errors.Join(record.CheckName(r.Service), record.CheckName(r.Verifier)); err != nil {
		return fmt.Errorf("%w: %w", ErrRule, err)
	}
	switch {
	case !r.Basis.Valid():
		return fail("unknown basis")
	case !r.Evidence.Valid() || r.Evidence == record.EvidenceNone:
		return fail("unknown evidence")
	case r.TooOld != TooOldRefuse && r.TooOld != TooOldRecord:
		return fail("nothing said about a list that is too old")
	case r.ListProvisional < r.ListFull:
		return fail("a list counts fully for longer than provisionally")
	case len(r.Hierarchies) == 0:
		return fail("no card hierarchy is taken")
	case r.Basis == record.BasisPIN && r.Evidence != record.EvidencePIN:
		return fail("basis pin asks for evidence pin")
	case r.Practice != (r.Basis == record.BasisDrill):
		return fail("practice services have basis drill, and only they")
	}
	for _, h := range r.Hierarchies {
		if !h.Valid() {
			return fail("unknown hierarchy")
		}
		if h != certid.HierarchyProduction && !r.Practice {
			return fail("practice and test cards are taken by practice services only")
		}
	}
	return r.checkArt384(fail)
}

// checkArt384 holds the law's conditions for a tap without PIN. A rule for card-bound evidence needs a signed legal
// approval, which this version of the format cannot carry, so it does not load.
func (r Rule) checkArt384(fail func(string) error) error {
	switch {
	case r.Basis != record.BasisArt384:
		return nil
	case r.Evidence < record.EvidenceCard:
		return fail("art38-4 asks for evidence card at least")
	case !r.Supervised:
		return fail("art38-4 asks for a supervised place")
	case time.Duration(r.ListFull)*time.Second > Art384ListLimit:
		return fail("art38-4 does not allow a list that old")
	default:
		return nil
	}
}

// Set is all rules of a box.
type Set struct {
	Version Version `cbor:"1,keyasint"`
	Issued  int64   `cbor:"2,keyasint"` // Unix seconds
	Rules   []Rule  `cbor:"3,keyasint"`
}

// Check returns ErrSet or ErrRule unless every rule may load.
func (s Set) Check() error {
	if s.Version.CentralEpoch == 0 || s.Version.N == 0 || len(s.Rules) == 0 {
		return fmt.Errorf("%w: no version or no rules", ErrSet)
	}
	seen := map[record.ServiceID]bool{}
	for _, r := range s.Rules {
		if seen[r.Service] {
			return fmt.Errorf("%w: service %s twice", ErrSet, r.Service)
		}
		seen[r.Service] = true
		if err := r.Check(); err != nil {
			return err
		}
	}
	return nil
}

// For finds a service's rule.
func (s Set) For(id record.ServiceID) (Rule, bool) {
	for _, r := range s.Rules {
		if r.Service == id {
			return r, true
		}
	}
	return Rule{}, false
}

// Sign closes a set with C-sign.
func (s Set) Sign(key crypto.Signer) ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(s)
	if err != nil {
		return nil, err
	}
	return sign.Sign(key, sign.PurposeRules, b)
}

// Open verifies and checks a signed set.
func Open(keys sign.Keys, msg []byte) (Set, error) {
	payload, _, err := sign.Open(keys, sign.PurposeRules, msg)
	if err != nil {
		return Set{}, err
	}
	var s Set
	if err := canon.Decode(payload, &s, MaxSet); err != nil {
		return Set{}, err
	}
	return s, s.Check()
}
