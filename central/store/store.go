// Package store says what central keeps and in what steps: the one seam between central's work and its database.
//
// Everything happens inside [Store.View] or [Store.Update]. An Update is one transaction: when it has returned nil, all of it
// is durable; when it has returned an error, none of it need be, except that an error of the commit itself leaves the outcome
// open, which is why every caller's step can be done twice. Updates run one at a time, so what a step reads stays true until
// it commits. Columns that name people arrive here already keyed and sealed; this package never sees a serial or a PPID.
// The package holds no code of a database: package sqlite is the implementation.
package store

import (
	"context"
	"errors"
	"time"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

// Errors of every implementation.
var (
	// ErrNone says that there is no such row.
	ErrNone = errors.New("no such row")
	// ErrTaken says that a row with this identity is there already.
	ErrTaken = errors.New("identity is taken")
	// ErrDamaged says that the database is damaged or not one of ours.
	ErrDamaged = errors.New("database is damaged or not central's; restore the last backup")
	// ErrRelease says that the database was made by another release, whose tables are others.
	ErrRelease = errors.New("database was made by another release of central; use that one, or an empty data directory")
	// ErrBusy says that another process holds the database.
	ErrBusy = errors.New("another process holds the database; stop it first")
	// ErrRestoring says that a restore was interrupted.
	ErrRestoring = errors.New("a restore was interrupted; run it again")
)

// Store is the database.
type Store interface {
	// View runs f on one unchanging state. f must not write.
	View(ctx context.Context, f func(Tx) error) error
	// Update runs f as one transaction, alone; durable when it returned nil.
	Update(ctx context.Context, f func(Tx) error) error
}

// Tx is one step. It must not be used after View or Update returned.
type Tx interface {
	Meta
	Boxes
	Codes
	Epochs
	Envelopes
	Records
	People
	Enrolments
	Rosters
	Numbers
	Renewals
	Reports
	SiteKeys
	Orders
	Corrections
	Rulings
	Retained
	Audited
	Losses
	Couriers
}

// Meta is what is true of the database as a whole.
type Meta interface {
	// CentralEpoch is raised by every restore.
	CentralEpoch() (uint64, error)
	// Marks are the newest rows of the kinds that a backup makes safe.
	Marks() (Marks, error)
	// Safe are the newest rows inside a named backup.
	Safe() (Marks, error)
	// SetSafe raises what is safe; a mark never falls.
	SetSafe(m Marks) error
	// ReserveAcks takes n numbers of acknowledgements that nobody else will get, and returns the first.
	ReserveAcks(n uint64) (uint64, error)
}

// Boxes are the boxes that joined.
type Boxes interface {
	// Box finds a box; ErrNone.
	Box(id record.BoxID) (Box, error)
	// BoxByDevice finds a box by its device key; ErrNone.
	BoxByDevice(id sign.KeyID) (Box, error)
	// AllBoxes lists every box, oldest first.
	AllBoxes() ([]Box, error)
	// BoxesAt names the boxes of a site.
	BoxesAt(site record.SiteID) ([]record.BoxID, error)
	// AddBox registers a box; ErrTaken if its id or device key is registered.
	AddBox(b Box) error
	// SetBoxState changes what central makes of a box.
	SetBoxState(id record.BoxID, s BoxState) error
	// SetBoxWithheld says whether the site's keys are kept from a box.
	SetBoxWithheld(id record.BoxID, withheld bool) error
	// Replacement is the box that took a box's place; ErrNone.
	Replacement(id record.BoxID) (Box, error)
	// SetBoxHolds notes the newest verdict that the box holds durably; it never falls.
	SetBoxHolds(id record.BoxID, n uint64) error
}

// Codes are one-time join codes.
type Codes interface {
	// Code finds a code; ErrNone.
	Code(id wire.CodeID) (Code, error)
	// AddCode keeps a new code.
	AddCode(c Code) error
	// UseCode notes who used a code.
	UseCode(id wire.CodeID, use CodeUse) error
}

// Epochs are verified epoch headers, and those that cannot be verified yet.
type Epochs interface {
	// Epoch finds a verified header; ErrNone.
	Epoch(id record.EpochID) (Epoch, error)
	// AddEpoch keeps a verified header; ErrTaken.
	AddEpoch(e Epoch) error
	// Successors are the epochs that name this one as the one before.
	Successors(id record.EpochID) ([]Epoch, error)
	// FirstEpochs are the epochs of a box that name no predecessor because there was none.
	FirstEpochs(id record.BoxID) ([]Epoch, error)
	// Gaps lists what a box must have written and central lacks, at most limit of them: by epoch as they came, in an epoch by
	// number, a missing header before the numbers. An epoch's numbers run from 1 to the greatest that is held or that a
	// successor of the same box names as its end. An envelope that was set aside is not held; one that nobody opened yet is.
	Gaps(id record.BoxID, limit int) ([]Gap, error)
	// HoldHeader keeps a header of a box that is not registered; again is no error.
	HoldHeader(h HeldHeader) error
	// HeldHeaders are those kept for one box.
	HeldHeaders(id record.BoxID) ([]HeldHeader, error)
	// DropHeldHeaders forgets those kept for one box: they were verified or refused.
	DropHeldHeaders(id record.BoxID) error
	// CountHeldHeaders counts those that one carrier brought.
	CountHeldHeaders(carrier sign.KeyID) (int, error)
	// CountHeadersOf counts those in the name of one box.
	CountHeadersOf(box record.BoxID) (int, error)
}

// Envelopes are sealed records as they came.
type Envelopes interface {
	// FindEnvelope returns the state of exactly this envelope; ErrNone.
	FindEnvelope(id record.ID, sum epoch.Hash) (EnvelopeState, error)
	// Rivals counts other envelopes of the same record id.
	Rivals(id record.ID) (int, error)
	// AddEnvelope keeps an envelope; ErrTaken if exactly this one is there.
	AddEnvelope(e Envelope) error
	// CountHeld counts what one carrier brought that is held or set aside.
	CountHeld(carrier sign.KeyID) (int, error)
	// CountAside counts what one carrier brought that did not open.
	CountAside(carrier sign.KeyID) (int, error)
	// Links are the envelopes of an epoch that count as held by central, in the order of seq.
	Links(id record.EpochID) ([]Link, error)
	// ReleaseEpoch makes the held envelopes of an epoch ready, and returns how many.
	ReleaseEpoch(id record.EpochID) (int64, error)
	// HoldBox makes the ready envelopes of a box held.
	HoldBox(id record.BoxID) error
	// ReleaseBox makes the held envelopes of a box ready.
	ReleaseBox(id record.BoxID) error
	// Ready lists envelopes that are due to be opened, oldest first.
	Ready(now time.Time, limit int) ([]Envelope, error)
	// NextReady is when the next envelope is due; ErrNone if none will be.
	NextReady() (time.Time, error)
	// SetEnvelope changes an envelope's state.
	SetEnvelope(id int64, s EnvelopeState) error
	// Postpone makes an envelope due later.
	Postpone(id int64, until time.Time, tries int) error
	// Await is Postpone for an envelope that waits for something to come: a tap id, or a keyed serial of which a renewal is to be told.
	Await(id int64, what []byte, until time.Time, tries int) error
	// Awaken makes due what waits for that, and returns how many.
	Awaken(what []byte) (int64, error)
	// Authenticate notes that an envelope's tag verified, and reports whether that is news.
	Authenticate(id int64) (bool, error)
	// LastAuthentic is the greatest seq of an epoch whose tag verified; 0 if none.
	LastAuthentic(id record.EpochID) (record.Seq, error)
	// ChainAt is the chain value after an authentic record; ErrNone.
	ChainAt(id record.ID) (epoch.Hash, error)
}

// Records are what became of opened envelopes: one row for each record id.
type Records interface {
	// Record finds an applied record; ErrNone.
	Record(id record.ID) (Record, error)
	// RecordByTap finds the record that used a tap id; ErrNone.
	RecordByTap(tap record.TapID) (Record, error)
	// AddRecord keeps a record; ErrTaken if its id was applied. A tap id belongs to the first record that brings it.
	AddRecord(r Record) error
	// AddVerdict gives a verdict its box's next number, and makes it the record's last word.
	AddVerdict(box record.BoxID, v wire.Verdict) (uint64, error)
	// OnHold lists records whose last word is a refusal for a hold and whose contents are here, by the time since when their days count and by
	// id: those after one.
	OnHold(since time.Time, after record.ID, limit int) ([]Record, error)
	// AmendRecord says anew what was found out of a record that is decided anew, before it gets its word.
	AmendRecord(id record.ID, a Amendment) error
	// VerdictsAfter lists a box's verdicts from number n+1.
	VerdictsAfter(box record.BoxID, n uint64, limit int) ([]wire.Verdict, error)
	// LastVerdict is the number of a box's newest verdict; 0 if none.
	LastVerdict(box record.BoxID) (uint64, error)
	// Counts are figures for the operator.
	Counts() (Counts, error)
}

// People are persons by handle, the serials that lead to them, and their pseudonyms. All of it keyed or sealed.
type People interface {
	// PersonBySerial finds a person by a keyed serial; ErrNone.
	PersonBySerial(index []byte) (Person, error)
	// PersonByHandle finds a person by a keyed handle; ErrNone.
	PersonByHandle(index []byte) (Person, error)
	// Person finds a person by its number; ErrNone.
	Person(row int64) (Person, error)
	// MergePerson lets everything that leads to gone lead to kept from now on, but for enrolments and pseudonyms, and settles their conflict.
	MergePerson(gone, kept int64, at time.Time) error
	// Verifiers are those who have met anybody.
	Verifiers() ([]record.VerifierID, error)
	// AddPerson keeps a person and returns its number.
	AddPerson(p Person) (int64, error)
	// LinkSerial lets a keyed serial lead to a person; ErrTaken.
	LinkSerial(index []byte, l SerialLink) error
	// LinkOf is where a keyed serial leads; ErrNone.
	LinkOf(index []byte) (SerialLink, error)
	// UnlinkSerial lets a keyed serial lead to nobody.
	UnlinkSerial(index []byte) error
	// Subject finds a person's pseudonym in a sector; ErrNone.
	Subject(person int64, sector string) (Subject, error)
	// Subjects are a person's pseudonyms.
	Subjects(person int64) ([]Subject, error)
	// SubjectsOf are those of persons.
	SubjectsOf(persons []int64) ([]Subject, error)
	// SubjectsIn lists those of a sector by their rows, after one.
	SubjectsIn(sector string, after int64, limit int) ([]Subject, error)
	// MoveSubject gives a pseudonym, sealed anew, to another person.
	MoveSubject(row, person int64, sealed []byte) error
	// AddSubject keeps a pseudonym and returns its number.
	AddSubject(s Subject) (int64, error)
	// SubjectOfTap finds the pseudonym issued for one of a box's taps; ErrNone.
	SubjectOfTap(box record.BoxID, tap record.TapID) (Subject, error)
}

// Enrolments are what the taps with PIN at which people enrolled left for later taps. A person has at most one current
// enrolment at a site; a superseded one stays, so that older taps which name it can still be settled.
type Enrolments interface {
	// AddEnrolment keeps an enrolment; ErrTaken if its tap left one, or if it is current and the person's at its site is as well.
	AddEnrolment(e Enrolment) error
	// Enrolment finds what a tap left; ErrNone.
	Enrolment(tap record.TapID) (Enrolment, error)
	// CurrentEnrolments are a person's, one a site.
	CurrentEnrolments(person int64) ([]Enrolment, error)
	// EnrolmentsAt lists the current ones with a card key made at a site, in order of their taps, after one of them.
	EnrolmentsAt(site record.SiteID, after record.TapID, limit int) ([]Enrolment, error)
	// CountEnrolmentsAt counts them.
	CountEnrolmentsAt(site record.SiteID) (int, error)
	// MoveEnrolments gives all of a person's to another, who has no current one at the same sites.
	MoveEnrolments(from, to int64) error
	// Supersede ends an enrolment's being current, and replaces what it keeps.
	Supersede(tap record.TapID, kept []byte) error
}

// Rosters count what changed of the people enrolled at each site, so that what boxes are told can be made anew.
type Rosters interface {
	// RosterStates lists every site that has a box or ever had an enrolment.
	RosterStates() ([]RosterState, error)
	// ChangeRoster counts a change of what a site's roster says of an enrolment.
	ChangeRoster(site record.SiteID, enrolled record.TapID) error
	// MarkRoster counts that a site's roster is to tell of one more verdict, though it says nothing else of anybody.
	MarkRoster(site record.SiteID) error
	// RaiseRosters counts a change of all that every roster says, unless this was said under the same rules before.
	RaiseRosters(rules rule.Version) error
	// RosterChanges lists the enrolments that changed after a number.
	RosterChanges(site record.SiteID, after uint64) ([]record.TapID, error)
	// RosterMade notes that a site's roster was made up to a number, and with pseudonyms up to one that is safe; changes up to there are
	// forgotten.
	RosterMade(site record.SiteID, number uint64, safe int64) error
	// ChangeRosterSafe counts a change for each enrolment at a site whose person has a pseudonym after one number and up to another.
	ChangeRosterSafe(site record.SiteID, after, to int64) error
	// SetPINDay notes the day of a use with a verified PIN on a person's current enrolments, and counts changes where it is later.
	SetPINDay(person int64, day uint32) error
}

// Numbers are those by which services know people; numbers are keyed and sealed.
type Numbers interface {
	// SetNumber keeps the latest word about a person's number at a service; ErrTaken if it is another's, and neither is barred.
	SetNumber(n ServiceNumber) error
	// NumberAt finds it; ErrNone.
	NumberAt(person int64, service record.ServiceID) (ServiceNumber, error)
	// NumbersTo lists to whom a number is linked at a service: one, and those who are barred.
	NumbersTo(service record.ServiceID, index []byte) ([]ServiceNumber, error)
	// NumbersOf are those of persons.
	NumbersOf(persons []int64) ([]ServiceNumber, error)
	// SetWaitingLink keeps the latest word about the number of somebody whom nobody has met, by a keyed serial.
	SetWaitingLink(l WaitingLink) error
	// WaitingLinks are those of a keyed serial, one a service.
	WaitingLinks(serial []byte) ([]WaitingLink, error)
	// DropWaitingLinks forgets them.
	DropWaitingLinks(serial []byte) error
	// SetTaken keeps when a number was taken back last without a card.
	SetTaken(t Taken) error
	// TakenAt finds it; ErrNone.
	TakenAt(service record.ServiceID, index []byte) (Taken, error)
}

// Renewals are certificates that took the place of others. All of it keyed or sealed.
type Renewals interface {
	// AddRenewal keeps a renewal; ErrTaken if the old one was renewed, or the new one took another's place, before.
	AddRenewal(r Renewal) error
	// RenewalOf finds what took the place of a certificate, by its keyed serial; ErrNone.
	RenewalOf(old []byte) (Renewal, error)
	// RenewedAmong picks those keyed serials whose certificates were renewed.
	RenewedAmong(old [][]byte) ([][]byte, error)
	// RenewalTo finds what a certificate took the place of, by its keyed serial; ErrNone.
	RenewalTo(next []byte) (Renewal, error)
	// WithdrawRenewal takes a renewal back, for good: it is remembered as withdrawn.
	WithdrawRenewal(old, next []byte, at time.Time) error
	// Withdrawn reports whether a renewal was taken back.
	Withdrawn(old, next []byte) (bool, error)
	// RenewalsAsked says how far the source was read.
	RenewalsAsked() (Asked, error)
	// SetRenewalsAsked notes how far the source was read.
	SetRenewalsAsked(a Asked) error
	// AddConflict keeps a conflict, and reports whether it is news.
	AddConflict(c Conflict) (bool, error)
	// SettleConflict notes that a conflict is none any more.
	SettleConflict(kind ConflictKind, person, other int64, at time.Time) error
	// Conflicts lists those that are not settled, oldest first.
	Conflicts(limit int) ([]Conflict, error)
	// Parted reports whether two persons are known to be different people, although renewals join their certificates.
	Parted(a, b int64) (bool, error)
}

// Reports are what an operator must know: forks and damage.
type Reports interface {
	// AddReport keeps a report; the same one again is no error.
	AddReport(r Report) error
	// AddAct keeps what an operator did to people or renewals.
	AddAct(a Act) error
	// Acts lists them, newest first.
	Acts(limit int) ([]Act, error)
	// ReportsOf lists a box's reports, oldest first.
	ReportsOf(box record.BoxID) ([]Report, error)
}

// SiteKeys are the generations of the keys of sites, and what numbers their grants. The keys are sealed.
type SiteKeys interface {
	// AddSiteKey keeps a generation; ErrTaken if it is there.
	AddSiteKey(k SiteKey) error
	// SiteKeys lists a site's generations in the order in which they came.
	SiteKeys(site record.SiteID) ([]SiteKey, error)
	// SiteKeySites lists the sites that have keys.
	SiteKeySites() ([]record.SiteID, error)
	// CurrentSiteKey is the generation that a site seals under; ErrNone before there is one.
	CurrentSiteKey(site record.SiteID) (sitekey.Generation, error)
	// SetCurrentSiteKey makes a generation current.
	SetCurrentSiteKey(site record.SiteID, g sitekey.Generation) error
	// GrantNumber counts the changes of a site's keys and of who may hold them; 0 if there was none.
	GrantNumber(site record.SiteID) (uint64, error)
	// RaiseGrant notes that a site's keys changed, or who may hold them.
	RaiseGrant(site record.SiteID) error
}

// Orders are what boxes are told to do.
type Orders interface {
	// AddOrder keeps an order.
	AddOrder(o Order) error
	// OpenOrders lists a box's orders without an outcome, oldest first.
	OpenOrders(box record.BoxID, limit int) ([]Order, error)
	// OrdersOf lists a box's orders, newest first.
	OrdersOf(box record.BoxID, limit int) ([]Order, error)
	// CloseOrder notes what became of a box's order that is open, or failed, since a box tries again, and reports whether that is news.
	CloseOrder(box record.BoxID, id order.ID, outcome order.Outcome, erasure []byte, at time.Time) (bool, error)
}

// Corrections are how wrong boxes' clocks were, by epoch.
type Corrections interface {
	// AddCorrection keeps the first that a box says of an epoch, and reports whether it is that.
	AddCorrection(c Correction) (bool, error)
	// Correction finds what a box says of an epoch; ErrNone.
	Correction(box record.BoxID, id record.EpochID) (Correction, error)
}
