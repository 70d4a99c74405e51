package store

import (
	"time"

	"kazashi.example/sync/record"
)

// Retained are records whose contents are kept for as long as rules say. What is erased is what names a person; what numbers, proves and
// acknowledges a record is never erased, nor who a pseudonym belongs to.
type Retained interface {
	// Overdue lists records with something to erase, those longest over first. What was erased is listed no more.
	Overdue(o Overdue, limit int) ([]Record, error)
	// EraseRecord erases what a record holds of a person: its content, keyed serial and pseudonym, and the genuine envelopes of its id.
	EraseRecord(id record.ID, at time.Time) error
	// EraseEnvelopes erases the genuine envelopes of a record's id. Of an envelope the hash stays, by which it is known again.
	EraseEnvelopes(id record.ID) error
	// EraseAttributes puts a content without attributes in the place of a record's, and erases the genuine envelopes of its id.
	EraseAttributes(id record.ID, content []byte) error
	// SetKept replaces what an enrolment keeps.
	SetKept(tap record.TapID, kept []byte) error
	// Holdings counts what is held and was erased of each service, by its id; records that nobody could read have none.
	Holdings() ([]Holding, error)
	// RetentionRound is the last round; zero before the first.
	RetentionRound() (RetentionRound, error)
	// SetRetentionRound notes a round.
	SetRetentionRound(r RetentionRound) error
}

// Overdue says what is to be erased.
type Overdue struct {
	Attributes bool      // attributes alone; else whole contents
	Applied    time.Time // records that were applied later are left
	// At is up to when days count as over, by the rule that was in force at the tap. It counts where Service is empty.
	At time.Time
	// Service and Since: instead, those of a service whose taps were then or before.
	Service record.ServiceID
	Since   time.Time
}

// Holding is what is held of one service.
type Holding struct {
	Service    record.ServiceID
	Records    int64     // with their contents
	Attributes int64     // of those, with attributes
	Erased     int64     // records without contents
	Oldest     time.Time // since when the oldest with contents is kept; zero: none
}

// RetentionRound is one round of erasing.
type RetentionRound struct {
	At    time.Time // by central's clock
	AsOf  time.Time // up to when days counted as over; zero: nothing was looked at, for want of a signed time
	Last  time.Time // of the newest round that erased anything, by central's clock; zero: none
	Count int64     // records of which that one erased something
}
