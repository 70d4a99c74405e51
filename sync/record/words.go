package record

import "fmt"

// words maps an enumeration to its stable strings.
type words[T ~uint8] map[T]string

func (w words[T]) name(v T) string {
	if s, ok := w[v]; ok {
		return s
	}
	return "unknown"
}

func (w words[T]) parse(s string) (T, error) {
	for v, n := range w {
		if n == s {
			return v, nil
		}
	}
	return 0, fmt.Errorf("%w: %q", ErrWord, s)
}

// Evidence is what the card proved, in order of strength: a greater number is stronger.
type Evidence uint8

// Evidence levels.
const (
	EvidenceNone        Evidence = 0
	EvidenceCertificate Evidence = 1 // the authentication certificate was read and checked
	EvidenceCardBound   Evidence = 2 // plus internal authentication against the key bound at enrolment
	EvidenceCard        Evidence = 3 // plus internal authentication with the card's own record and chain
	EvidencePIN         Evidence = 4 // plus a signature by the authentication key after the PIN
)

var evidences = words[Evidence]{
	EvidenceNone: "none", EvidenceCertificate: "certificate", EvidenceCardBound: "card-bound", EvidenceCard: "card", EvidencePIN: "pin",
}

func (e Evidence) String() string { return evidences.name(e) }

// Valid reports whether this build knows e.
func (e Evidence) Valid() bool { _, ok := evidences[e]; return ok }

// MarshalText is String.
func (e Evidence) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText is the inverse of MarshalText; ErrWord otherwise.
func (e *Evidence) UnmarshalText(b []byte) (err error) {
	*e, err = evidences.parse(string(b))
	return err
}

// Basis is the ground on which a card may be asked for at all.
type Basis uint8

// Bases.
const (
	BasisArt384         Basis = 1 // JPKI Act Art. 38-4: tap without PIN, かざし利用
	BasisPIN            Basis = 2 // user proof with the PIN
	BasisDisasterIntake Basis = 3 // reception at a shelter
	BasisDrill          Basis = 4 // practice; creates no right and no duty
)

var bases = words[Basis]{
	BasisArt384: "art38-4", BasisPIN: "pin", BasisDisasterIntake: "disaster_intake", BasisDrill: "drill",
}

func (b Basis) String() string { return bases.name(b) }

// Valid reports whether this build knows b.
func (b Basis) Valid() bool { _, ok := bases[b]; return ok }

// MarshalText is String.
func (b Basis) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText is the inverse of MarshalText; ErrWord otherwise.
func (b *Basis) UnmarshalText(t []byte) (err error) { *b, err = bases.parse(string(t)); return err }

// Verdict is what is said to the person at the counter.
type Verdict uint8

// Verdicts.
const (
	VerdictAccepted    Verdict = 1
	VerdictProvisional Verdict = 2 // served now, settled by central later
	VerdictRefused     Verdict = 3
	VerdictRecorded    Verdict = 4 // written down, nothing said about the card
)

var verdicts = words[Verdict]{
	VerdictAccepted: "accepted", VerdictProvisional: "provisional", VerdictRefused: "refused", VerdictRecorded: "recorded",
}

func (v Verdict) String() string { return verdicts.name(v) }

// Valid reports whether this build knows v.
func (v Verdict) Valid() bool { _, ok := verdicts[v]; return ok }

// MarshalText is String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText is the inverse of MarshalText; ErrWord otherwise.
func (v *Verdict) UnmarshalText(t []byte) (err error) {
	*v, err = verdicts.parse(string(t))
	return err
}

// Served reports whether the person was served: accepted, provisional or recorded.
func (v Verdict) Served() bool { return v.Valid() && v != VerdictRefused }

// Reason says why a verdict is what it is. Each has its sentence in the counter's catalog.
type Reason uint8

// Reasons. 1-19 serve, 20-59 refuse or hold because of the card, 60-79 because of what the box knows, 80-99 central's.
const (
	ReasonInOrder           Reason = 1  // everything that the rule asks for was shown
	ReasonListOld           Reason = 2  // the list is older than the rule accepts fully
	ReasonListMissing       Reason = 3  // written down, and no list that can be used covers this certificate here
	ReasonIssuerNotVerified Reason = 4  // issuer not known here; central settles it
	ReasonClockPoor         Reason = 5  // the clock cannot vouch for dates
	ReasonRecordOnly        Reason = 6  // the rule only writes down
	ReasonEnrolmentPending  Reason = 7  // enrolled at this box, and central has not confirmed it yet
	ReasonAgain             Reason = 8  // served, and the same person used this service within the rule's time
	ReasonExpired           Reason = 20 // notAfter has passed
	ReasonNotYetValid       Reason = 21 // notBefore has not come
	ReasonRevoked           Reason = 22 // on the list
	ReasonOnHold            Reason = 23 // suspended (certificateHold)
	ReasonChainBroken       Reason = 24 // names an issuer that did not sign it
	ReasonProfile           Reason = 25 // not an authentication certificate of the expected profile
	ReasonHierarchy         Reason = 26 // of a hierarchy this service does not take (practice, test)
	ReasonEvidenceTooWeak   Reason = 27 // the rule asks for more than was shown
	ReasonUnknownIssuer     Reason = 28 // no known authority issued it
	ReasonNotEnrolled       Reason = 29 // nobody has enrolled here with this certificate
	ReasonCardDiffers       Reason = 30 // genuine, and not the card that was bound at enrolment
	ReasonCardNotGenuine    Reason = 31 // the card's key, record or signature is false, or of no known card authority
	ReasonPINNotProved      Reason = 32 // the signature that proves the PIN does not verify
	ReasonBirthKeyLocked    Reason = 33 // too few tries are left for the card's birth date key, or none
	ReasonPhone             Reason = 34 // a phone's certificate, whose authority is not known here
	ReasonCardRenewed       Reason = 35 // another card than the bound one, after the certificate was renewed: to be enrolled again
	ReasonBirthDiffers      Reason = 36 // the card does not take the birth date of the enrolled person
	ReasonCardRefuses       Reason = 37 // the card has no card-face application, or does not answer it
	ReasonListTooOld        Reason = 60 // older than the rule accepts at all
	ReasonNoRule            Reason = 61 // no rule for this service
	ReasonUsedAlready       Reason = 62 // the same person used this service within the rule's time, and once is all it allows
	ReasonRosterLocked      Reason = 63 // the box's site key is locked, so nobody can be looked up
	ReasonNobodySignedIn    Reason = 64 // the rule wants a named member of staff at the desk
	ReasonListAbsent        Reason = 65 // no list that can be used covers this certificate here, and the rule asks for one
	ReasonRosterUnreadable  Reason = 66 // roster or site book cannot be read, so nobody can be looked up; no code opens them
	ReasonTapReplayed       Reason = 80 // this tap id was applied before
	ReasonStatusUnknown     Reason = 81 // neither OCSP nor a list answers
	ReasonUnreadable        Reason = 82 // the sealed record opened to something that is no record
	ReasonNumberTaken       Reason = 83 // the number that it links was linked to somebody else before
	ReasonHoldLifted        Reason = 84 // refused for a hold at the tap, and the hold was lifted since: the person may tap again
	ReasonLater             Reason = 99 // a reason of a later release, for which this one has no word; shown, never sent
)

var reasons = words[Reason]{
	ReasonInOrder: "in_order", ReasonListOld: "list_old", ReasonListMissing: "list_missing",
	ReasonIssuerNotVerified: "issuer_not_verified", ReasonClockPoor: "clock_poor", ReasonRecordOnly: "record_only",
	ReasonEnrolmentPending: "enrolment_pending", ReasonAgain: "again",
	ReasonExpired: "expired", ReasonNotYetValid: "not_yet_valid", ReasonRevoked: "revoked", ReasonOnHold: "on_hold",
	ReasonChainBroken: "chain_broken", ReasonProfile: "profile", ReasonHierarchy: "hierarchy",
	ReasonEvidenceTooWeak: "evidence_too_weak", ReasonUnknownIssuer: "unknown_issuer", ReasonNotEnrolled: "not_enrolled",
	ReasonCardDiffers: "card_differs", ReasonCardNotGenuine: "card_not_genuine", ReasonPINNotProved: "pin_not_proved",
	ReasonBirthKeyLocked: "birth_key_locked", ReasonPhone: "phone", ReasonCardRenewed: "card_renewed",
	ReasonBirthDiffers: "birth_differs", ReasonCardRefuses: "card_refuses", ReasonListTooOld: "list_too_old",
	ReasonNoRule: "no_rule", ReasonUsedAlready: "used_already", ReasonRosterLocked: "roster_locked",
	ReasonNobodySignedIn: "nobody_signed_in", ReasonListAbsent: "list_absent",
	ReasonRosterUnreadable: "roster_unreadable", ReasonTapReplayed: "tap_replayed", ReasonStatusUnknown: "status_unknown",
	ReasonUnreadable: "unreadable", ReasonNumberTaken: "number_taken", ReasonHoldLifted: "hold_lifted",
	ReasonLater: "later_release",
}

func (r Reason) String() string { return reasons.name(r) }

// Valid reports whether this build knows r.
func (r Reason) Valid() bool { _, ok := reasons[r]; return ok }

// OrLater is r if this build knows it, and ReasonLater if not: for people, who are to read that a reason came with a later
// release rather than nothing.
func (r Reason) OrLater() Reason {
	if !r.Valid() {
		return ReasonLater
	}
	return r
}

// FalseProof says that something was proved false: a signature or record that does not verify, or another card than the bound
// one. Less than was asked for is no false proof.
func (r Reason) FalseProof() bool {
	return r == ReasonCardDiffers || r == ReasonCardNotGenuine || r == ReasonPINNotProved
}

// OfCard reports whether r lies in the range of what the card is at fault for, known or not.
func (r Reason) OfCard() bool { return r >= ReasonExpired && r < ReasonListTooOld }

// OfBox reports whether r lies in the range of what the box, its rule or its desk is at fault for, known or not.
func (r Reason) OfBox() bool { return r >= ReasonListTooOld && r < ReasonTapReplayed }

// MarshalText is String.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is the inverse of MarshalText; ErrWord otherwise.
func (r *Reason) UnmarshalText(t []byte) (err error) { *r, err = reasons.parse(string(t)); return err }

// Answer is what a list or a responder says about a serial. There is no "valid": absence from a list is not_revoked.
type Answer uint8

// Answers.
const (
	AnswerUnknown    Answer = 0 // nobody could be asked
	AnswerNotRevoked Answer = 1
	AnswerRevoked    Answer = 2
	AnswerOnHold     Answer = 3
	AnswerNotCovered Answer = 4 // outside the scope of what is held
	AnswerExpired    Answer = 5
)

var answers = words[Answer]{
	AnswerUnknown: "unknown", AnswerNotRevoked: "not_revoked", AnswerRevoked: "revoked", AnswerOnHold: "on_hold",
	AnswerNotCovered: "not_covered", AnswerExpired: "expired",
}

func (a Answer) String() string { return answers.name(a) }

// Valid reports whether this build knows a.
func (a Answer) Valid() bool { _, ok := answers[a]; return ok }

// MarshalText is String.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is the inverse of MarshalText; ErrWord otherwise.
func (a *Answer) UnmarshalText(t []byte) (err error) { *a, err = answers.parse(string(t)); return err }

// Confidence says how far the box's clock can be trusted.
type Confidence uint8

// Confidence levels, rising.
const (
	ConfidenceNone    Confidence = 0 // no better than the build date, or the machine is behind the floor
	ConfidenceFloor   Confidence = 1 // not before a signed time seen earlier
	ConfidenceChecked Confidence = 2 // agreed with central since this boot
)

var confidences = words[Confidence]{ConfidenceNone: "none", ConfidenceFloor: "floor", ConfidenceChecked: "checked"}

func (c Confidence) String() string { return confidences.name(c) }

// Valid reports whether this build knows c.
func (c Confidence) Valid() bool { _, ok := confidences[c]; return ok }

// MarshalText is String.
func (c Confidence) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is the inverse of MarshalText; ErrWord otherwise.
func (c *Confidence) UnmarshalText(t []byte) (err error) {
	*c, err = confidences.parse(string(t))
	return err
}
