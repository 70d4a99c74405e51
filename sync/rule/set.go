package rule

import (
	"crypto"
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// MaxSet caps a signed rule set, in octets.
const MaxSet = 256 << 10

// Errors of sets.
var (
	// ErrSet says that a set is empty, repeats a service, has no version, or names no site.
	ErrSet = errors.New("rule set contradicts itself")
	// ErrSite says that a set is for another site.
	ErrSite = errors.New("rule set is another site's")
	// ErrApproval says that a rule asks for less than the law's wording does, and its verifier has no legal approval. It is an ErrRule.
	ErrApproval = errors.New("rule needs a legal approval that its verifier does not have")
)

// Unlock says by what a box of the site may open its site keys after a restart, besides an unlocked peer and central, who always may.
type Unlock uint8

// Ways to unlock. Numbers are reserved for ever.
const (
	UnlockCode Unlock = 1 // the operator's code
	UnlockTPM  Unlock = 2 // the TPM alone: who steals the whole box has what it holds
	UnlockFile Unlock = 3 // a file alone: who copies the disk has what it holds
)

// Set is all rules of the boxes of a site.
type Set struct {
	Version Version       `cbor:"1,keyasint"`
	Issued  int64         `cbor:"2,keyasint"` // Unix seconds
	Rules   []Rule        `cbor:"3,keyasint"`
	Site    record.SiteID `cbor:"4,keyasint"`
	Unlock  Unlock        `cbor:"5,keyasint,omitempty"` // 0 is UnlockCode: see UnlockBy
}

// Terms is what the reader of a set knows.
type Terms struct {
	// Site is the reader's own.
	Site record.SiteID
	// Approved says that a verifier may ask for card-bound evidence under Art. 38-4; the approvals stand in the trust bundle. Nil: none.
	Approved func(record.VerifierID) bool
}

// UnlockBy is what the set chose, or the operator's code.
func (s Set) UnlockBy() Unlock { return max(s.Unlock, UnlockCode) }

// Check returns ErrSet or ErrRule unless every rule may load.
func (s Set) Check() error {
	if s.Version.CentralEpoch == 0 || s.Version.N == 0 || len(s.Rules) == 0 {
		return fmt.Errorf("%w: no version or no rules", ErrSet)
	}
	if err := record.CheckName(s.Site); err != nil {
		return fmt.Errorf("%w: site: %w", ErrSet, err)
	}
	if s.Unlock > UnlockFile {
		return fmt.Errorf("%w: unknown way to unlock", ErrSet)
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

// Under returns ErrSite or ErrApproval unless the set may be in force under the terms. They change while it is: a trust bundle may take
// an approval back.
func (s Set) Under(t Terms) error {
	if s.Site != t.Site {
		return fmt.Errorf("%w: %q, not %q", ErrSite, s.Site, t.Site)
	}
	for _, r := range s.Rules {
		if r.NeedsApproval() && (t.Approved == nil || !t.Approved(r.Verifier)) {
			return fmt.Errorf("%w: %w: service %s, verifier %s", ErrRule, ErrApproval, r.Service, r.Verifier)
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

// Open verifies and checks a signed set under the reader's terms: ErrSet, ErrRule, ErrSite or ErrApproval, or an error of packages
// sign or canon. After an error the set is empty.
func Open(keys sign.Keys, msg []byte, t Terms) (Set, error) {
	s, err := Inspect(keys, msg)
	if err == nil {
		err = s.Under(t)
	}
	if err != nil {
		return Set{}, err
	}
	return s, nil
}

// Inspect is Open for showing a set to people, whose site it is and whoever approved it.
func Inspect(keys sign.Keys, msg []byte) (Set, error) {
	payload, _, err := sign.Open(keys, sign.PurposeRules, msg)
	if err != nil {
		return Set{}, err
	}
	var s Set
	if err := canon.Decode(payload, &s, MaxSet); err != nil {
		return Set{}, err
	}
	if err := s.Check(); err != nil {
		return Set{}, err
	}
	return s, nil
}
