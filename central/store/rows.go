package store

import (
	"time"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

// Marks are the newest rows of the three kinds whose safety is told to boxes, and of what else a backup must not miss. Row numbers rise
// and are never reused.
type Marks struct {
	Epoch    int64 `json:"epoch"`
	Envelope int64 `json:"envelope"`
	Subject  int64 `json:"subject"`
	SiteKey  int64 `json:"site_key"`
	Order    int64 `json:"order"`
}

// Beyond reports whether m has anything that o lacks.
func (m Marks) Beyond(o Marks) bool {
	return m.Epoch > o.Epoch || m.Envelope > o.Envelope || m.Subject > o.Subject || m.SiteKey > o.SiteKey || m.Order > o.Order
}

// BoxState says what central makes of a box. Numbers stand in databases and are never reused.
type BoxState uint8

// Box states.
const (
	BoxActive      BoxState = 1
	BoxQuarantined BoxState = 2 // a fork was seen: served, its records applied, flagged for the operator
	BoxRevoked     BoxState = 3 // out of service: its records are held, it is told nothing
	// BoxReplaced: another box took its place. Its records are applied whoever brings them, it hears of acknowledgements and
	// orders alone, and gets no keys.
	BoxReplaced BoxState = 4
)

// String names the state.
func (s BoxState) String() string {
	switch s {
	case BoxActive:
		return "active"
	case BoxQuarantined:
		return "quarantined"
	case BoxRevoked:
		return "revoked"
	case BoxReplaced:
		return "replaced"
	default:
		return "unknown"
	}
}

// Box is a box that joined.
type Box struct {
	ID      record.BoxID
	Device  []byte // D, SubjectPublicKeyInfo (DER)
	Sealing []byte // S, suite 1 public key
	Site    record.SiteID
	Name    string
	State   BoxState
	Joined  time.Time
	Release string
	Holds   uint64 // number of the newest verdict that the box holds durably
	// HoldsEpoch is the central epoch in which it said so last; 0: never.
	HoldsEpoch uint64
	// Withheld says that the box gets no site keys, because it was ordered to wipe or lock itself.
	Withheld bool
	// Replaces is the box whose place it took when it joined; zero: none's.
	Replaces record.BoxID
}

// SiteKey is one generation of a site's key.
type SiteKey struct {
	Site       record.SiteID
	Generation sitekey.Generation
	Key        []byte       // sealed
	Maker      record.BoxID // zero: central
	Made       time.Time    // or taken from its maker
}

// Order is what a box is told to do.
type Order struct {
	ID      order.ID
	Box     record.BoxID
	Kind    order.Kind
	Time    time.Time // order.KindClock: the floor; zero otherwise
	Given   time.Time
	Outcome order.Outcome // empty while it is open
	Erasure []byte        // certificate of erasure, as the box signed it; nil if there is none
	Closed  time.Time     // zero while it is open
}

// Correction is how wrong a box's clock was in an epoch.
type Correction struct {
	Box      record.BoxID
	Epoch    record.EpochID
	Offset   time.Duration // to be added to what the box's clock said
	Measured time.Time
}

// Code is a one-time join code; its secret is sealed.
type Code struct {
	ID      wire.CodeID
	Secret  []byte // sealed
	Site    record.SiteID
	Name    string
	Created time.Time
	Expires time.Time
	// Replaces is the box whose place is taken by who uses the code; zero: none's.
	Replaces record.BoxID
	Use      CodeUse // zero: not used
}

// CodeUse says who used a code.
type CodeUse struct {
	Box     record.BoxID
	Device  []byte
	Sealing []byte
	At      time.Time
}

// Epoch is a verified header.
type Epoch struct {
	Row      int64 // set by the store
	ID       record.EpochID
	Box      record.BoxID
	Signed   epoch.Signed
	Received time.Time
}

// Gap is something of a box that must exist and is not here: a run of numbers of one epoch, or the epoch's header.
type Gap struct {
	Epoch         record.EpochID
	First, Last   record.Seq // both inside; 0 when the header is what is missing
	HeaderMissing bool       // a successor names the epoch, and its header never came
}

// HeldHeader is a header of a box that is not registered, so that nobody can say yet whether it is genuine.
type HeldHeader struct {
	Box      record.BoxID
	Epoch    record.EpochID
	Message  []byte
	Carrier  sign.KeyID
	Received time.Time
}

// EnvelopeState says what is to be done with an envelope. Numbers stand in databases and are never reused.
type EnvelopeState uint8

// Envelope states.
const (
	EnvelopeHeld    EnvelopeState = 1 // its header is not here, or its box is revoked
	EnvelopeReady   EnvelopeState = 2 // to be opened
	EnvelopeApplied EnvelopeState = 3 // opened and decided
	EnvelopeAside   EnvelopeState = 4 // its tag failed: nobody's record, kept as evidence
	EnvelopeRival   EnvelopeState = 5 // its tag verified, but its record id was applied with other bytes: evidence of a fork
)

// Envelope is a sealed record as it came.
type Envelope struct {
	Row      int64 // set by the store
	ID       record.ID
	Previous epoch.Hash
	Chain    epoch.Hash // by its own previous
	Sum      epoch.Hash // SHA-256 of Bytes
	Bytes    []byte
	Carrier  sign.KeyID // device key of the box that brought it
	Received time.Time
	State    EnvelopeState
	Tries    int
}

// Link is one envelope of a chain.
type Link struct {
	Seq      record.Seq
	Previous epoch.Hash
	Chain    epoch.Hash
	Safe     bool // it and its header are inside a named backup
}

// Record is an applied record. What names a person is in Index, keyed, and in Content, sealed.
type Record struct {
	ID       record.ID
	Box      record.BoxID
	Envelope int64
	Tap      record.TapID
	Service  record.ServiceID // empty when unreadable
	Desk     record.DeskID
	Tapped   time.Time // by the box's clock
	Arrived  time.Time
	Applied  time.Time
	First    Said
	Final    Said
	Proved   record.Evidence // by signatures that central verified; none where nothing was looked at
	Source   wire.Source
	Answered time.Time // thisUpdate of the answer that settled it; zero if nobody was asked
	Index    []byte    // keyed serial; nil when unreadable or erased
	Content  []byte    // sealed content.Record, whole but for attributes that were not to be kept; empty: erased
	Subject  int64     // 0: none issued, or erased
	Verdict  uint64    // number of its last verdict

	// What package retention goes by.
	Since         time.Time       // since when its days count: the latest moment at which the tap can have been
	Due           time.Time       // when they are over by the rule of the tap; zero: that sets no end
	Attributes    rule.Attributes // those in the content
	AttributesDue time.Time       // when theirs are over by the rule of the tap; zero: with the record's
	Erased        time.Time       // of the content, the keyed serial and the pseudonym; zero: they are here
}

// Said is a verdict with its ground.
type Said struct {
	Verdict record.Verdict
	Reason  record.Reason
	Answer  record.Answer
}

// Amendment is what was found out of a record that is decided anew.
type Amendment struct {
	Proved   record.Evidence
	Subject  int64 // 0: none issued
	Answer   record.Answer
	Source   wire.Source
	Answered time.Time
}

// Person is one person towards one verifier.
type Person struct {
	Row      int64
	Verifier record.VerifierID
	Index    []byte // keyed handle
	Handle   []byte // sealed
	Made     time.Time
	Merged   int64 // the person who this one turned out to be; 0: nobody else
}

// Subject is one person's pseudonym in one sector.
type Subject struct {
	Row      int64
	Person   int64
	Sector   string
	KeyEpoch uint32
	PPID     []byte // sealed
	Made     time.Time
}

// Enrolment is what one tap left for later ones.
type Enrolment struct {
	Tap      record.TapID // of the enrolment
	Verifier record.VerifierID
	Person   int64
	Box      record.BoxID
	Site     record.SiteID
	At       time.Time // of the tap by a checked clock, else of its arrival; never later than that
	Current  bool
	Bound    bool   // a card key is kept
	PINDay   uint32 // days since 1970-01-01 in Japan of the latest use with a verified PIN; 0: not known
	Kept     []byte // sealed: certificate, birth date, card key, attributes
}

// RosterState is how far a site's roster was made.
type RosterState struct {
	Site   record.SiteID
	Number uint64 // counts changes; 0 if nobody ever enrolled there
	Made   uint64 // up to where it was made
	Whole  uint64 // all changed at this number; 0: never
	Safe   int64  // newest pseudonym that it was made with
	People bool   // of somebody it says something else since it was made
}

// ServiceNumber is a person's number at a service, or that there is none any more.
type ServiceNumber struct {
	Person  int64
	Service record.ServiceID
	Index   []byte // keyed number
	Number  []byte // sealed; nil: taken back
	Barred  bool   // it was linked to another before: nobody is told of it while that stands
	Tap     record.TapID
	At      time.Time
}

// WaitingLink is a word about the number of somebody whom the verifier has not met.
type WaitingLink struct {
	Serial  []byte // keyed
	Service record.ServiceID
	Number  []byte // sealed; nil: none
	Unlink  bool
	Tap     record.TapID
	At      time.Time
}

// Taken is a number that was taken back without a card.
type Taken struct {
	Service record.ServiceID
	Index   []byte // keyed number
	Tap     record.TapID
	At      time.Time
}

// Renewal is one certificate that took another's place.
type Renewal struct {
	Old, New []byte // keyed serials
	Pair     []byte // sealed: both serials
	Learned  time.Time
}

// Asked is how far the source of renewals was read.
type Asked struct {
	Through time.Time // of the newest renewal that was read; zero: none yet
	At      time.Time // when the source answered last; zero: never
	Whole   time.Time // when it had told all that it had to tell; zero: never
}

// Way is how a serial came to lead to a person. Numbers stand in databases.
type Way uint8

// Ways.
const (
	WayShown    Way = 0 // its PIN was proved, and the person began with it or was merged
	WayRenewal  Way = 1 // over a renewal; nobody has enrolled with it since
	WayEnrolled Way = 2 // over a renewal, and whoever enrolled with it since has the person's birth date, as far as there is one
)

// SerialLink is where a serial leads.
type SerialLink struct {
	Person int64
	Way    Way
}

// ConflictKind says what is wrong with two persons. Strings stand in databases.
type ConflictKind string

// Kinds of conflicts.
const (
	ConflictTwo   ConflictKind = "two"   // a PIN with the new certificate made a person before the renewal was known
	ConflictBirth ConflictKind = "birth" // who enrolled with the new certificate has another birth date: the renewal may be false
	// ConflictNumber says that one number of a service was linked to both; the desk of the later link was told that it does not count.
	ConflictNumber ConflictKind = "number"
)

// Conflict says that certificates which renewals join lead to two persons, or that two have one number. Neither is changed; an operator decides.
type Conflict struct {
	Row           int64 // set by the store
	Kind          ConflictKind
	Verifier      record.VerifierID
	Person, Other int64 // the one met with the older certificate, or who had the number first; and the other
	At            time.Time
}

// Act is what an operator did to people or renewals: numbers of rows, and nothing that names anybody.
type Act struct {
	What   string
	Detail string
	At     time.Time
}

// ReportKind groups reports. Strings stand in databases.
type ReportKind string

// Report kinds.
const (
	ReportFork   ReportKind = "fork"   // one device key wrote two histories: the box is quarantined
	ReportDamage ReportKind = "damage" // a journal was lost or set aside
)

// Report is something for the operator.
type Report struct {
	Kind   ReportKind
	Reason string
	Box    record.BoxID
	Epoch  record.EpochID
	Other  record.EpochID // zero if only one epoch is concerned
	Seq    record.Seq
	At     time.Time
}

// Counts are figures for the operator.
type Counts struct {
	Boxes, Quarantined, Revoked          int64
	Epochs, HeldHeaders                  int64
	Held, Ready, Applied, Aside, Rivals  int64 // envelopes by state
	Awaiting                             int64 // of Ready: wait for an enrolment or a renewal, and for nobody's work
	Records, Settled, Corrected, Persons int64 // settled: the box holds the record's last verdict; corrected: it differs from the first
	Reports                              int64
	Gaps                                 int64 // epochs of which something is missing
	Enrolments, Renewals, Conflicts      int64 // current enrolments; renewals that are known; conflicts that are not settled
	Erased, Attested                     int64 // records whose contents were erased; whose attributes are here
	// Records by what central found proved.
	ProvedPIN, ProvedCard, ProvedCardBound, ProvedCertificate int64
}
