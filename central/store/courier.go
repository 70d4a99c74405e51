package store

import (
	"time"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// Couriers are what boxes said by courier, and the numbers of what they are sent by courier.
type Couriers interface {
	// CourierState finds what a box said last by courier; ErrNone.
	CourierState(box record.BoxID) (CourierState, error)
	// CourierHeard is when a box's word came last by courier; ErrNone.
	CourierHeard(box record.BoxID) (time.Time, error)
	// SetCourierState keeps what a box said unless the same or something newer is here, and reports whether it is news. Of how far its epochs
	// go the greatest that it ever said is kept, whichever word it came with: what a box wrote once is not taken back by a later word.
	SetCourierState(s CourierState, ends []CourierEnd) (bool, error)
	// CourierEnds are how far the epochs of a box go by its own word, the greatest ever said of each.
	CourierEnds(box record.BoxID) ([]CourierEnd, error)
	// NumberParcel takes the next number of a parcel to a box, at least floor, that no other parcel to it has.
	NumberParcel(box record.BoxID, floor uint64) (uint64, error)
	// HeldFor counts what is kept of boxes that never joined, by box, and of epochs of which nobody knows the box.
	HeldFor() (Waiting, error)
	// DueOf counts the envelopes of a box that are to be opened now; not those that wait for something else to come.
	DueOf(box record.BoxID, now time.Time) (uint64, error)
	// EpochStamp is whose an epoch is, and changes with everything that Links and Successors tell of it; ErrNone.
	EpochStamp(id record.EpochID) (EpochStamp, error)
}

// CourierState is what a box said by courier of itself.
type CourierState struct {
	Box      record.BoxID
	N        uint64    // number of the parcel that brought it
	Made     time.Time // by the box's clock
	Received time.Time
	State    []byte // package courier's own form
}

// CourierEnd is how far an epoch goes by its box's word.
type CourierEnd struct {
	Epoch record.EpochID
	Last  record.Seq // kept up to 1<<62
	Head  epoch.Hash // chain value after it; zero: not said
}

// Waiting is what is kept for boxes that never joined.
type Waiting struct {
	Boxes     []WaitingBox
	Envelopes int64 // all of those below, and those of epochs whose headers never came
}

// WaitingBox is one of them.
type WaitingBox struct {
	Box       record.BoxID
	Headers   int64
	Envelopes int64
}

// EpochStamp tells one state of an epoch's envelopes from another.
type EpochStamp struct {
	Box          record.BoxID
	Changes      int64 // rises with envelopes that come or are set aside, and with successors
	SafeEpoch    int64
	SafeEnvelope int64
}
