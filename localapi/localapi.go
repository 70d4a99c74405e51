// Package localapi holds the types of the box's local API, which the people and systems at a counter see of a box, and the Go
// client for it. The HTTP side is localapi/server, the words are in localapi/catalog, the counter page is localapi/page.
//
// Everything here is a value and safe to copy; a Client may be used by several goroutines at once. Nothing here is durable:
// what Taps lists comes from the box's own store, which keeps only the clear fields of a tap.
//
// It cannot say a serial, a certificate, a name or a birth date: there is no field for one, and the package does not import the
// type. A PPID, and a service's own number of somebody, have one way out, MarshalLive, for the live stream.
package localapi

import (
	"time"

	"kazashi.example/sync/record"
)

// Mode says in one word how the box works now.
type Mode string

// Modes.
const (
	ModeOnline  Mode = "online"  // central answers
	ModeOffline Mode = "offline" // central does not answer; taps go on
	ModeStopped Mode = "stopped" // no tap can be taken; Status.Problem says why
)

// Status is the answer of GET /v1/status.
type Status struct {
	Software string        `json:"software"` // version of the program, as `kazashi version` prints it
	Box      record.BoxID  `json:"box"`
	Site     record.SiteID `json:"site"`
	Desk     record.DeskID `json:"desk"`
	Service  Service       `json:"service"`
	Mode     Mode          `json:"mode"`
	Problem  ReadFailure   `json:"problem,omitempty"` // a standing fault; empty when there is none
	Line     Line          `json:"line"`
	List     List          `json:"list,omitzero"` // zero when the box holds no revocation list
	Clock    Clock         `json:"clock"`
	Waiting  Waiting       `json:"waiting"`
	Readers  []Reader      `json:"readers"`
	Roster   Roster        `json:"roster,omitzero"` // zero when the box knows nobody
	Next     *NextCard     `json:"next,omitempty"`  // what the next card is laid for, if not for an ordinary tap
	Keys     Keys          `json:"keys,omitzero"`   // whether roster and site book can be read
	Staff    *Staff        `json:"staff,omitempty"` // who is signed in at this desk
	Work     int           `json:"work,omitempty"`  // corrected verdicts that nobody has looked at
	Able     []Ability     `json:"able,omitempty"`  // what goes now and what does not
	Journal  Journal       `json:"journal,omitzero"`
	Unseen   int           `json:"unseen,omitempty"` // verdicts from before a restart that perhaps nobody saw
}

// DiskState says in one word whether there is room for records.
type DiskState string

// States of the disk.
const (
	DiskOK   DiskState = "ok"
	DiskLow  DiskState = "low"  // a person should make room; taps go on
	DiskFull DiskState = "full" // no tap is taken until there is room: Status.Problem is FailureDiskFull
)

// Journal is how the records stand on this box's own disk.
type Journal struct {
	Disk DiskState `json:"disk"`
	// Checked of ToCheck records were looked through since the start; taps do not wait for it. Equal once all were.
	Checked  uint64  `json:"checked"`
	ToCheck  uint64  `json:"to_check"`
	SetAside []Aside `json:"set_aside,omitempty"` // oldest first
}

// Aside is a journal that was found damaged and is kept beside the one in use. Whole records are read out of it and sent to central.
type Aside struct {
	File    string `json:"file"`    // its name in the data directory
	Reading bool   `json:"reading"` // it is still being read
	Records uint64 `json:"records"` // records found whole so far: they are in the journal in use now, or safe at central
	Damaged uint64 `json:"damaged"` // records that were in it for all that is known, and were not found whole
	// Unreadable is how many pages of it the disk did not give: the disk fails, and should be replaced.
	Unreadable uint64 `json:"unreadable,omitempty"`
}

// KeyState says whether the site's keys are open.
type KeyState string

// States of the site's keys.
const (
	KeysNone   KeyState = "none"   // there are none yet
	KeysLocked KeyState = "locked" // roster and site book cannot be read
	KeysOpen   KeyState = "open"
)

// Keys is the state of the site's keys.
type Keys struct {
	State   KeyState `json:"state"`
	By      string   `json:"by,omitempty"`    // what opened them: code, tpm, file, peer, central
	TPM     bool     `json:"tpm"`             // the box's own keys lie in a TPM
	CodeSet bool     `json:"code_set"`        // an operator's code opens them after a restart
	Tries   int      `json:"tries,omitempty"` // wrong codes left before a wait
	Wait    int      `json:"wait,omitempty"`  // seconds until the next code is looked at
	// CodeWanted says that somebody should set a code: after a restart none would open the keys, or they open without one though no rule
	// lets them any more.
	CodeWanted  bool   `json:"code_wanted,omitempty"`
	Generations int    `json:"generations,omitempty"` // keys that are open, or else lie here
	Trouble     string `json:"trouble,omitempty"`     // why it is not known how many tries are left
}

// Capability names something that is done at a counter.
type Capability string

// Capabilities.
const (
	CanRecord  Capability = "record"  // a tap is written down
	CanPIN     Capability = "pin"     // a check with the PIN
	CanTap     Capability = "tap"     // a tap without PIN of somebody enrolled
	CanEnrol   Capability = "enrol"   // a registration
	CanLink    Capability = "link"    // a number of the service's own
	CanAccept  Capability = "accept"  // a verdict without reservation
	CanSettle  Capability = "settle"  // central's final verdict and PPID
	CanCorrect Capability = "correct" // the list of corrections
)

// Capabilities lists them all, in the order above.
func Capabilities() []Capability {
	return []Capability{CanRecord, CanPIN, CanTap, CanEnrol, CanLink, CanAccept, CanSettle, CanCorrect}
}

// Ability says whether something goes now.
type Ability struct {
	What Capability    `json:"what"`
	OK   bool          `json:"ok"`
	Why  record.Reason `json:"why,omitzero"` // why not, where a reason says it
}

// Service is what this desk serves.
type Service struct {
	ID       record.ServiceID `json:"id"`
	Basis    record.Basis     `json:"basis,omitzero"` // zero while the box holds no rule
	Practice bool             `json:"practice"`       // taps create no right and no duty; every page says so
	// SignIn says that the rule wants somebody signed in at the desk: without, a tap is refused.
	SignIn bool `json:"sign_in,omitempty"`
	// Counts says that the rule counts each person's use, so that the box knows who is present.
	Counts bool `json:"counts,omitempty"`
	// Attributes are what the rule lets the service keep of the card at an enrolment, in the order of [Attributes]; none: an enrolment that
	// asks for them is ErrNextNotServed. Consent is what a person agrees to before; there exactly with Attributes.
	Attributes []Attribute `json:"attributes,omitempty"`
	Consent    *Consent    `json:"consent,omitempty"`
}

// Attribute is one of the four that a card says of its holder (基本4情報).
type Attribute string

// Attributes.
const (
	AttributeName      Attribute = "name"
	AttributeAddress   Attribute = "address"
	AttributeBirthDate Attribute = "birth_date"
	AttributeSex       Attribute = "sex"
)

// Attributes lists them all, in the order of the card.
func Attributes() []Attribute {
	return []Attribute{AttributeName, AttributeAddress, AttributeBirthDate, AttributeSex}
}

// Consent is what a person agrees to before attributes are read: plain text of the signed rule, to be shown word for word.
type Consent struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// Line is the way to central.
type Line struct {
	Up      bool        `json:"up"`
	Since   time.Time   `json:"since,omitzero"`    // of the last change; zero when unknown
	Heard   time.Time   `json:"heard,omitzero"`    // when central last answered, be it to refuse; zero when not since the start
	Trouble LineTrouble `json:"trouble,omitempty"` // what stands in the way though somebody answers; empty when nobody does
}

// List is the revocation list that the box decides by.
type List struct {
	Number     uint64    `json:"number"` // of the set, in the order in which central made them
	ThisUpdate time.Time `json:"this_update"`
	AgeSeconds int64     `json:"age_seconds"` // of the oldest part, by the box's clock
	// AgeAtLeast says that the list may be older: the clock has not been compared with central's since the start.
	AgeAtLeast bool `json:"age_at_least,omitempty"`
}

// Clock is the box's time and how far it can be trusted.
type Clock struct {
	Now        time.Time         `json:"now"`
	Confidence record.Confidence `json:"confidence"`
}

// Waiting counts the records that central has not acknowledged.
type Waiting struct {
	Records int       `json:"records"`
	Oldest  time.Time `json:"oldest,omitzero"`  // time of the oldest tap among them
	Unsafe  int       `json:"unsafe,omitempty"` // records that central has not signed as safe, those that wait included
}

// Roster is who may tap without the PIN here.
type Roster struct {
	Number uint64 `json:"number"` // of the set that central sent; 0 while it has sent none
	People int    `json:"people"` // enrolled here, those of whom central has not heard yet included
}

// Reader is one card reader as PC/SC names it.
type Reader struct {
	Name string `json:"name"`
	Card bool   `json:"card"` // a card lies on it
}

// RecordID is record.ID with its JSON shape; convert one to the other.
type RecordID struct {
	Epoch record.EpochID `json:"epoch"`
	Seq   record.Seq     `json:"seq"`
}

// Outcome is a verdict and why.
type Outcome struct {
	Verdict record.Verdict `json:"verdict"`
	Reason  record.Reason  `json:"reason"`
}

// Valid reports whether this build knows both words.
func (o Outcome) Valid() bool { return o.Verdict.Valid() && o.Reason.Valid() }

// CorrectedBy reports whether final takes back what the counter did on o: someone served should not have been, or someone
// refused should have been served.
func (o Outcome) CorrectedBy(final Outcome) bool { return o.Verdict.Served() != final.Verdict.Served() }

// LooksAgain reports whether somebody at the counter is to look at a tap again: final takes back what was done, or says that a refusal's
// ground is gone since, so that the person may tap again.
func (o Outcome) LooksAgain(final Outcome) bool {
	return o.CorrectedBy(final) || final.Reason == record.ReasonHoldLifted
}

// State is how far a tap's record has come. Each is the furthest known: settled outranks safe.
type State string

// States of a tap.
const (
	StateWaiting  State = "waiting"  // durable on this box only
	StateReceived State = "received" // central holds it
	StateSafe     State = "safe"     // central has it in a backup or on a standby; the box may delete it
	StateSettled  State = "settled"  // central's final verdict is durable on this box
)

// Tap is one line of GET /v1/taps: the clear fields that a box keeps of a tap, and no more.
type Tap struct {
	Tap       record.TapID     `json:"tap"`
	Record    RecordID         `json:"record"`
	Time      time.Time        `json:"time"`
	Desk      record.DeskID    `json:"desk"`
	Service   record.ServiceID `json:"service"`
	Spoken    string           `json:"spoken"` // SpokenCode(Tap)
	First     Outcome          `json:"first"`
	State     State            `json:"state"`
	Final     *Outcome         `json:"final,omitempty"` // only when settled
	Corrected bool             `json:"corrected"`       // First.CorrectedBy(*Final)
	Restored  bool             `json:"restored"`        // the box restarted before it could be sure that anyone saw the verdict, and nobody said since that they have
}

// Taps is the answer of GET /v1/taps, newest first.
type Taps struct {
	Taps []Tap `json:"taps"`
}

// DefaultTaps and MaxTaps are the number of taps listed when no limit is asked for, and the greatest limit.
const (
	DefaultTaps = 20
	MaxTaps     = 500
)
