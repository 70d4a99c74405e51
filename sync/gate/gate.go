// Package gate decides a tap: a pure function that the box calls at the counter and central calls again as of the tap.
//
// It reads no clock, no disk and no network; everything it may know is in its Input. The same input gives the same decision
// at both ends, so a difference between first and final verdict comes from what was known, never from who decided.
package gate

import (
	"slices"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Chain says how far the certificate's issuer could be followed.
type Chain uint8

// Chain outcomes.
const (
	ChainVerified      Chain = 1 // signed by a known issuer key
	ChainIssuerUnknown Chain = 2 // names an issuer key that is not known here
	ChainBroken        Chain = 3 // names a known issuer key that did not sign it
)

// Shown is what the card showed.
type Shown struct {
	Evidence  record.Evidence
	Chain     Chain
	ProfileOK bool // an authentication certificate of the national profile
	Hierarchy certid.Hierarchy
	NotBefore time.Time
	NotAfter  time.Time
	Phone     bool // of a phone's authority, by its own word
	// Hindrance says why no more was proved than Evidence; 0 if nothing stood in the way. A false proof speaks against the card
	// even where none was asked for; what is merely missing counts only below the rule's evidence.
	Hindrance record.Reason
}

// Status is what is known of the certificate's revocation.
type Status struct {
	Answer   record.Answer
	ThisTime time.Time // thisUpdate of the list, or of the responder's answer; zero if there was none
}

// Clock is the time of the tap and how far it can be trusted.
type Clock struct {
	Now        time.Time
	Confidence record.Confidence
}

// Input is everything that a decision rests on.
type Input struct {
	Rule   rule.Rule
	Ruled  bool // a rule for the service was found
	Shown  Shown
	Status Status
	Clock  Clock
	Final  bool // central decides, as of the tap; a provisional decision then means: not yet, ask again
}

// Decision is a verdict with its reason.
type Decision struct {
	Verdict record.Verdict
	Reason  record.Reason
}

func refuse(r record.Reason) Decision      { return Decision{record.VerdictRefused, r} }
func provisional(r record.Reason) Decision { return Decision{record.VerdictProvisional, r} }

// Decide gives the verdict. What speaks against the card comes first, in the order in which staff could do something about
// it; then what the box does not know.
func Decide(in Input) Decision {
	if !in.Ruled {
		return refuse(record.ReasonNoRule)
	}
	if d, done := card(in); done {
		return d
	}
	if d, done := revocation(in); done {
		return d
	}
	if in.Shown.Chain == ChainIssuerUnknown {
		if in.Final {
			return refuse(record.ReasonUnknownIssuer)
		}
		return provisional(record.ReasonIssuerNotVerified)
	}
	return age(in)
}

// card refuses for what the card itself shows.
func card(in Input) (Decision, bool) {
	s, now := in.Shown, in.Clock.Now
	switch {
	case s.Chain != ChainVerified && s.Chain != ChainIssuerUnknown:
		return refuse(record.ReasonChainBroken), true
	case s.Phone && s.Chain == ChainIssuerUnknown:
		return refuse(record.ReasonPhone), true
	case !s.ProfileOK:
		return refuse(record.ReasonProfile), true
	case s.Chain == ChainVerified && !takes(in.Rule, s.Hierarchy):
		return refuse(record.ReasonHierarchy), true
	case now.After(s.NotAfter):
		return refuse(record.ReasonExpired), true
	case now.Before(s.NotBefore) && in.Clock.Confidence == record.ConfidenceChecked:
		return refuse(record.ReasonNotYetValid), true
	case now.Before(s.NotBefore) && in.Final:
		return refuse(record.ReasonNotYetValid), true
	case s.Hindrance.FalseProof(), s.Evidence < in.Rule.Evidence && s.Hindrance != 0:
		return refuse(s.Hindrance), true
	case s.Evidence < in.Rule.Evidence:
		return refuse(record.ReasonEvidenceTooWeak), true
	default:
		return Decision{}, false
	}
}

func takes(r rule.Rule, h certid.Hierarchy) bool {
	return slices.Contains(r.Hierarchies, h)
}

// revocation refuses for what a list or responder says, whatever its age: an old "revoked" is still bad news.
func revocation(in Input) (Decision, bool) {
	switch in.Status.Answer {
	case record.AnswerRevoked:
		return refuse(record.ReasonRevoked), true
	case record.AnswerOnHold:
		return refuse(record.ReasonOnHold), true
	case record.AnswerExpired:
		return refuse(record.ReasonExpired), true
	default:
		return Decision{}, false
	}
}

// age weighs how much "not on the list" is worth now.
func age(in Input) Decision {
	covered := in.Status.Answer == record.AnswerNotRevoked
	if in.Final {
		if !covered {
			return provisional(record.ReasonStatusUnknown)
		}
		return serve()
	}
	if !covered {
		return provisional(record.ReasonListMissing)
	}
	old := in.Clock.Now.Sub(in.Status.ThisTime)
	switch {
	case old > seconds(in.Rule.ListProvisional) && in.Rule.TooOld == rule.TooOldRecord:
		return Decision{record.VerdictRecorded, record.ReasonListTooOld}
	case old > seconds(in.Rule.ListProvisional):
		return refuse(record.ReasonListTooOld)
	case old > seconds(in.Rule.ListFull):
		return provisional(record.ReasonListOld)
	case in.Clock.Confidence == record.ConfidenceNone:
		return provisional(record.ReasonClockPoor)
	case in.Clock.Now.Before(in.Shown.NotBefore):
		return provisional(record.ReasonClockPoor)
	default:
		return serve()
	}
}

func serve() Decision {
	return Decision{record.VerdictAccepted, record.ReasonInOrder}
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
