package gate_test

import (
	"time"

	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// facts of an input, named as the sentences name them.
type facts struct {
	gate.Input
	known, unknown, taken bool          // the issuer is known here, or not; the service takes its cards
	early, late           bool          // by the certificate's own dates
	age                   time.Duration // of the list
	sure                  bool          // the clock knows a date
	checked               bool          // and central has said so
	vouches               bool          // the clock says more of a list's age than the law needs, or as much
	pin                   bool          // the person proved the PIN
	held                  bool          // what the card is to prove is held against an earlier use with the PIN
	weak                  bool          // less was proved than the rule asks for
	again                 bool          // the same person, within the rule's time
	cleared               bool          // the certificate is said not to be revoked
	listed                bool          // and by a list that is not from the future
}

func factsOf(in gate.Input) facts {
	s, apart := in.Shown, in.Clock.Now.Sub(in.Used)
	f := facts{
		Input: in, known: s.Chain == gate.ChainVerified, unknown: s.Chain == gate.ChainIssuerUnknown,
		early: in.Clock.Now.Before(s.NotBefore), late: in.Clock.Now.After(s.NotAfter),
		age: in.Clock.Now.Sub(in.Status.ThisTime), sure: in.Clock.Confidence != record.ConfidenceNone,
		checked: in.Clock.Confidence == record.ConfidenceChecked,
		pin:     s.Evidence == record.EvidencePIN,
		held:    in.Rule.Evidence == record.EvidenceCardBound || in.Rule.Evidence == record.EvidenceCard,
		weak:    s.Evidence < in.Rule.Evidence,
		again:   !in.Used.IsZero() && apart <= in.Rule.Within() && apart >= -in.Rule.Within(),
		cleared: in.Status.Answer == record.AnswerNotRevoked,
	}
	f.vouches = f.checked || f.sure && in.Rule.Basis != record.BasisArt384
	f.listed = f.cleared && f.age >= -2*time.Minute
	for _, h := range in.Rule.Hierarchies {
		f.taken = f.taken || h == s.Hierarchy
	}
	return f
}

// sentence is one line of the law, or of what the project promises beside it: where it holds, and none before it does, this is said.
type sentence struct {
	words   string
	holds   func(*facts) bool
	verdict record.Verdict
	reason  record.Reason
}

const (
	accepted    = record.VerdictAccepted
	provisional = record.VerdictProvisional
	refused     = record.VerdictRefused
	recorded    = record.VerdictRecorded
)

// sentences in the order in which they are asked. JPKI Act Art. 38-4 (1): whoever takes a card's certificate without the PIN must have
// confirmed a proof of that very person before, and must confirm now that the certificate is not void; (2): it must confirm that the
// certificate is one on a card.
var sentences = []sentence{
	{"what no rule asks for is asked of nobody", func(f *facts) bool { return !f.Ruled }, refused, record.ReasonNoRule},
	{"where the rule wants a name at the desk, nobody is served without one", func(f *facts) bool {
		return !f.Final && f.Rule.SignIn && !f.Staffed
	}, refused, record.ReasonNobodySignedIn},
	{"and what is written down without a card is written down by somebody", func(f *facts) bool {
		return !f.Final && f.Cardless && !f.Staffed
	}, refused, record.ReasonNobodySignedIn},
	{"central was not at the desk, and leaves it at that", func(f *facts) bool {
		return f.Final && f.Said == record.ReasonNobodySignedIn
	}, refused, record.ReasonNobodySignedIn},
	{"without a card nothing is said of one", func(f *facts) bool { return f.Cardless }, recorded, record.ReasonRecordOnly},

	{"(2) a certificate that its issuer did not sign is none", func(f *facts) bool {
		return !f.known && !f.unknown
	}, refused, record.ReasonChainBroken},
	{"(2) a phone is no card", func(f *facts) bool { return f.unknown && f.Shown.Phone }, refused, record.ReasonPhone},
	{"(2) it is one for user authentication", func(f *facts) bool { return !f.Shown.ProfileOK }, refused, record.ReasonProfile},
	{"it is of a hierarchy that the service takes", func(f *facts) bool { return f.known && !f.taken }, refused, record.ReasonHierarchy},
	{"(1) it has not run out", func(f *facts) bool { return f.late }, refused, record.ReasonExpired},
	{"(1) it has begun, by a clock that was checked or by central", func(f *facts) bool {
		return f.early && (f.Final || f.Clock.Confidence == record.ConfidenceChecked)
	}, refused, record.ReasonNotYetValid},

	{"(2) another card than the registered one is not that person's", func(f *facts) bool {
		return f.Shown.Hindrance == record.ReasonCardDiffers
	}, refused, record.ReasonCardDiffers},
	{"(2) what is not genuine is no card", func(f *facts) bool {
		return f.Shown.Hindrance == record.ReasonCardNotGenuine
	}, refused, record.ReasonCardNotGenuine},
	{"a false signature is no proof of the PIN", func(f *facts) bool {
		return f.Shown.Hindrance == record.ReasonPINNotProved
	}, refused, record.ReasonPINNotProved},
	{"(1) an earlier proof that nobody can look up is none", func(f *facts) bool {
		return f.held && !f.pin && f.Enrolment == gate.EnrolmentLocked
	}, refused, record.ReasonRosterLocked},
	{"(1) nor is one that cannot be read", func(f *facts) bool {
		return f.held && !f.pin && f.Enrolment == gate.EnrolmentUnreadable
	}, refused, record.ReasonRosterUnreadable},
	{"what kept the card from proving more is said: nobody registered", func(f *facts) bool {
		return f.weak && f.Shown.Hindrance == record.ReasonNotEnrolled
	}, refused, record.ReasonNotEnrolled},
	{"or the card cannot", func(f *facts) bool {
		return f.weak && f.Shown.Hindrance == record.ReasonCardRefuses
	}, refused, record.ReasonCardRefuses},
	{"the card proved what the rule asks for", func(f *facts) bool { return f.weak }, refused, record.ReasonEvidenceTooWeak},
	{"(1) without the PIN somebody proved the person before", func(f *facts) bool {
		return f.held && !f.pin && f.Enrolment == gate.EnrolmentNone
	}, refused, record.ReasonNotEnrolled},

	{"(1) a void certificate serves nobody, however old the news", func(f *facts) bool {
		return f.Status.Answer == record.AnswerRevoked
	}, refused, record.ReasonRevoked},
	{"(1) nor does a suspended one", func(f *facts) bool { return f.Status.Answer == record.AnswerOnHold }, refused, record.ReasonOnHold},
	{"(1) nor one that the list calls expired", func(f *facts) bool {
		return f.Status.Answer == record.AnswerExpired
	}, refused, record.ReasonExpired},
	{"once is what the rule allows, by a clock that knows how long ago that was", func(f *facts) bool {
		return !f.Final && f.again && f.checked && f.Rule.SecondUse == rule.SecondUseRefuse
	}, refused, record.ReasonUsedAlready},
	{"central leaves it at what the box knew of that", func(f *facts) bool {
		return f.Final && f.Said == record.ReasonUsedAlready
	}, refused, record.ReasonUsedAlready},

	{"(2) central knows every issuer there is", func(f *facts) bool { return f.unknown && f.Final }, refused, record.ReasonUnknownIssuer},
	{"the box leaves an issuer that it does not know to central", func(f *facts) bool {
		return f.unknown
	}, provisional, record.ReasonIssuerNotVerified},
	{"(1) central asks until somebody answers", func(f *facts) bool {
		return f.Final && !f.cleared
	}, provisional, record.ReasonStatusUnknown},
	{"as of the tap an answer has no age", func(f *facts) bool { return f.Final }, accepted, record.ReasonInOrder},
	{"without a list, or with one from the future, a shelter writes down", func(f *facts) bool {
		return !f.listed && f.Rule.TooOld == rule.TooOldRecord
	}, recorded, record.ReasonListMissing},
	{"(1) and where nothing speaks for the certificate at all, that is no confirmation either", func(f *facts) bool {
		return !f.listed
	}, refused, record.ReasonListAbsent},
	{"beyond the last limit a shelter writes down", func(f *facts) bool {
		return f.age > most && f.Rule.TooOld == rule.TooOldRecord
	}, recorded, record.ReasonListTooOld},
	{"(1) and everybody else refuses: that is no confirmation", func(f *facts) bool {
		return f.age > most
	}, refused, record.ReasonListTooOld},
	{"(1) an old list is confirmed by central later", func(f *facts) bool { return f.age > full }, provisional, record.ReasonListOld},
	{"(1) so is one whose age nobody knows, by a clock that was not checked", func(f *facts) bool {
		return !f.checked && f.Rule.Basis == record.BasisArt384
	}, provisional, record.ReasonClockPoor},
	{"elsewhere, by a clock that knows nothing", func(f *facts) bool {
		return !f.sure
	}, provisional, record.ReasonClockPoor},
	{"(1) and a certificate that begins after what the clock says", func(f *facts) bool {
		return f.early
	}, provisional, record.ReasonClockPoor},
	{"(1) a proof that central has not seen is confirmed by it later", func(f *facts) bool {
		return f.held && !f.pin && f.Enrolment == gate.EnrolmentLocal
	}, provisional, record.ReasonEnrolmentPending},
	{"whether somebody was here before is not known under lock", func(f *facts) bool {
		return f.Enrolment == gate.EnrolmentLocked && f.Rule.SecondUse != rule.SecondUseCounts
	}, provisional, record.ReasonRosterLocked},
	{"nor where it cannot be read", func(f *facts) bool {
		return f.Enrolment == gate.EnrolmentUnreadable && f.Rule.SecondUse != rule.SecondUseCounts
	}, provisional, record.ReasonRosterUnreadable},
	{"all is in order", func(*facts) bool { return true }, accepted, record.ReasonInOrder},
}

// told says that whoever is served is served once more, and that the counter is to hear it, whatever else is to be said.
func (f *facts) told() bool {
	if f.Final {
		return f.Said == record.ReasonAgain
	}
	return f.again && (f.Rule.SecondUse == rule.SecondUseTell || f.Rule.SecondUse == rule.SecondUseRefuse && !f.checked)
}

// lawful is everything that a plain acceptance takes, in no order: whoever lacks one thing is not accepted, and nobody else is.
func (f *facts) lawful() bool {
	desk := f.Ruled && !f.Cardless
	card := f.known && f.taken && f.Shown.ProfileOK && !f.early && !f.late
	falsehood := f.Shown.Hindrance == record.ReasonCardDiffers || f.Shown.Hindrance == record.ReasonCardNotGenuine ||
		f.Shown.Hindrance == record.ReasonPINNotProved
	person := f.pin || !f.held || f.Enrolment == gate.EnrolmentCentral || f.Final && f.Enrolment == gate.EnrolmentLocal
	if !desk || !card || falsehood || f.weak || !person || !f.cleared {
		return false
	}
	if f.Final {
		return f.Said != record.ReasonNobodySignedIn && f.Said != record.ReasonUsedAlready
	}
	once := f.Rule.SecondUse != rule.SecondUseRefuse || !f.again || !f.checked
	looked := f.Rule.SecondUse == rule.SecondUseCounts || f.Enrolment < gate.EnrolmentLocked
	return (f.Staffed || !f.Rule.SignIn) && once && looked && f.listed && f.age <= full && f.vouches
}
