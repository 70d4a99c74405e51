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

// Ahead is how far a list's thisUpdate may lie ahead of the time of the tap, as two clocks that agree may stand apart. What lies further ahead
// was signed by, or is seen by, a clock that is wrong: its age is unknown, and it counts as no list.
const Ahead = 2 * time.Minute

// Clock is the time of the tap and how far it can be trusted.
type Clock struct {
	Now        time.Time
	Confidence record.Confidence
}

// Enrolment says what is known of an enrolment of this person with the rule's verifier.
type Enrolment uint8

// Enrolments. The zero value is none.
const (
	EnrolmentNone    Enrolment = 0 // looked up, and not found; or nobody had to look
	EnrolmentCentral Enrolment = 1 // confirmed by central
	EnrolmentLocal   Enrolment = 2 // made at this box or site, and not confirmed yet
	EnrolmentLocked  Enrolment = 3 // the site key is locked: nobody can be looked up, nor when they used a service last
	// EnrolmentUnreadable is the same where no code opens anything: roster or site book cannot be read.
	EnrolmentUnreadable Enrolment = 4
)

// Input is everything that a decision rests on.
type Input struct {
	Rule      rule.Rule
	Ruled     bool // a rule for the service was found
	Shown     Shown
	Enrolment Enrolment
	Used      time.Time // last served use of the service by this person before this one; zero: none, or nobody knows
	Staffed   bool      // a named member of staff is signed in at the desk
	Cardless  bool      // staff write something down for which no card is there
	Status    Status
	Clock     Clock
	Final     bool // central decides, as of the tap; a provisional decision then means: not yet, ask again
	// Said is, where Final, the reason that the box gave. It alone knew who was at the desk and who had used the service before.
	Said record.Reason
}

// Decision is a verdict with its reason.
type Decision struct {
	Verdict record.Verdict
	Reason  record.Reason
}

func refuse(r record.Reason) Decision      { return Decision{record.VerdictRefused, r} }
func provisional(r record.Reason) Decision { return Decision{record.VerdictProvisional, r} }

// Decide gives the verdict. First what the desk lacks; then what speaks against the card, in the order in which staff could do
// something about it; then what speaks against the use; then what the box does not know.
func Decide(in Input) Decision {
	if d, done := desk(in); done {
		return d
	}
	if d, done := card(in); done {
		return d
	}
	if d, done := revocation(in); done {
		return d
	}
	again := second(in)
	if again == rule.SecondUseRefuse {
		return refuse(record.ReasonUsedAlready)
	}
	d := served(in)
	if again == rule.SecondUseTell && d.Verdict.Served() {
		d.Reason = record.ReasonAgain // staff are to hear it; that central looks again is said by the verdict itself
	}
	return d
}

// desk decides where no card is looked at.
func desk(in Input) (Decision, bool) {
	switch {
	case !in.Ruled:
		return refuse(record.ReasonNoRule), true
	case in.Final && in.Said == record.ReasonNobodySignedIn:
		return refuse(record.ReasonNobodySignedIn), true
	case !in.Final && (in.Rule.SignIn || in.Cardless) && !in.Staffed:
		return refuse(record.ReasonNobodySignedIn), true
	case in.Cardless:
		return Decision{record.VerdictRecorded, record.ReasonRecordOnly}, true
	default:
		return Decision{}, false
	}
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
	default:
		return proof(in)
	}
}

// proof refuses for what the card proved, or for what it was to be held against.
func proof(in Input) (Decision, bool) {
	s, less := in.Shown, in.Shown.Evidence < in.Rule.Evidence
	switch {
	case s.Hindrance.FalseProof():
		return refuse(s.Hindrance), true
	case byEnrolment(in) && in.Enrolment.closed() != 0:
		return refuse(in.Enrolment.closed()), true
	case less && s.Hindrance != 0:
		return refuse(s.Hindrance), true
	case less:
		return refuse(record.ReasonEvidenceTooWeak), true
	case byEnrolment(in) && in.Enrolment == EnrolmentNone:
		return refuse(record.ReasonNotEnrolled), true
	default:
		return Decision{}, false
	}
}

// closed is why nobody can be looked up; 0 if they can.
func (e Enrolment) closed() record.Reason {
	switch e {
	case EnrolmentLocked:
		return record.ReasonRosterLocked
	case EnrolmentUnreadable:
		return record.ReasonRosterUnreadable
	case EnrolmentNone, EnrolmentCentral, EnrolmentLocal:
		return 0
	default:
		return 0
	}
}

// enrolled says that the rule's evidence is held against an enrolment: the law's earlier use with a proof of the person (JPKI Act Art.
// 38-4 (1)).
func enrolled(r rule.Rule) bool {
	return r.Evidence == record.EvidenceCard || r.Evidence == record.EvidenceCardBound
}

// byEnrolment says that this card's proof is worth what its enrolment is. After the PIN it needs none.
func byEnrolment(in Input) bool { return enrolled(in.Rule) && in.Shown.Evidence < record.EvidencePIN }

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

// second is what the rule makes of this use, if it is one more of the same person within the rule's time. A use that lies further
// ahead than that was written by a wrong clock, and speaks against nobody. A clock that was not checked shows the least that can have
// passed: it tells, and turns nobody away.
func second(in Input) rule.SecondUse {
	if in.Final {
		return secondSaid(in.Said)
	}
	switch {
	case in.Used.IsZero(), in.Clock.Now.Sub(in.Used).Abs() > in.Rule.Within():
		return rule.SecondUseCounts
	case in.Rule.SecondUse == rule.SecondUseRefuse && in.Clock.Confidence != record.ConfidenceChecked:
		return rule.SecondUseTell
	default:
		return in.Rule.SecondUse
	}
}

func secondSaid(r record.Reason) rule.SecondUse {
	if r == record.ReasonUsedAlready {
		return rule.SecondUseRefuse
	}
	if r == record.ReasonAgain {
		return rule.SecondUseTell
	}
	return rule.SecondUseCounts
}

// served weighs what is not known of a card against which nothing is known.
func served(in Input) Decision {
	switch unknown := in.Shown.Chain == ChainIssuerUnknown; {
	case unknown && in.Final:
		return refuse(record.ReasonUnknownIssuer)
	case unknown:
		return provisional(record.ReasonIssuerNotVerified)
	case in.Final && in.Status.Answer != record.AnswerNotRevoked:
		return provisional(record.ReasonStatusUnknown)
	case in.Final:
		return accept()
	default:
		return age(in)
	}
}

// age weighs how much "not on the list" is worth now. Where the clock may be late the age is the least that it can be. No list is worth less
// than the oldest.
func age(in Input) Decision {
	old, absent := in.Clock.Now.Sub(in.Status.ThisTime), in.Status.Answer != record.AnswerNotRevoked
	absent = absent || old < -Ahead
	switch {
	case absent && in.Rule.TooOld == rule.TooOldRecord:
		return Decision{record.VerdictRecorded, record.ReasonListMissing}
	case absent:
		return refuse(record.ReasonListAbsent)
	case old > seconds(in.Rule.ListProvisional) && in.Rule.TooOld == rule.TooOldRecord:
		return Decision{record.VerdictRecorded, record.ReasonListTooOld}
	case old > seconds(in.Rule.ListProvisional):
		return refuse(record.ReasonListTooOld)
	case old > seconds(in.Rule.ListFull):
		return provisional(record.ReasonListOld)
	case vague(in), in.Clock.Now.Before(in.Shown.NotBefore):
		return provisional(record.ReasonClockPoor)
	default:
		return roster(in)
	}
}

// vague says that the clock cannot vouch for the age of the list. Nothing signed says how late it is at most, so that a list is only known to
// be fresh by a clock that was checked, and JPKI Act Art. 38-4 asks for a fresh one on every tap; elsewhere a time that has certainly passed,
// followed by the machine's, is enough.
func vague(in Input) bool {
	least := record.ConfidenceFloor
	if in.Rule.Basis == record.BasisArt384 {
		least = record.ConfidenceChecked
	}
	return in.Clock.Confidence < least
}

// roster weighs what is known of the person.
func roster(in Input) Decision {
	switch {
	case byEnrolment(in) && in.Enrolment == EnrolmentLocal:
		return provisional(record.ReasonEnrolmentPending)
	case in.Enrolment.closed() != 0 && in.Rule.SecondUse != rule.SecondUseCounts:
		return provisional(in.Enrolment.closed()) // nobody can say whether this is a second use
	default:
		return accept()
	}
}

func accept() Decision { return Decision{record.VerdictAccepted, record.ReasonInOrder} }

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
