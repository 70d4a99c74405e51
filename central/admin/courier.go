package admin

import (
	"context"
	"io"
	"time"

	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Parcel is what became of a parcel that was handed in.
type Parcel struct {
	Kind string       `json:"kind"` // "up", "recovered" or "joining"
	Box  record.BoxID `json:"box"`
	N    uint64       `json:"number,omitempty"`
	Made time.Time    `json:"made"` // by the clock of who made it

	// The box as it is registered; absent if it has not joined.
	Site  record.SiteID `json:"site,omitempty"`
	Name  string        `json:"name,omitempty"`
	State string        `json:"state,omitempty"`

	Records     int `json:"records"` // in the parcel, as far as they could be read
	New         int `json:"new"`
	Held        int `json:"held"` // of the new ones, those that nobody may open yet
	Known       int `json:"known"`
	Epochs      int `json:"epochs"`
	Corrections int `json:"corrections"`

	Said    string `json:"said,omitempty"` // what the box says of itself was "taken", or is "older" than what is here; absent: it says nothing
	Waiting uint64 `json:"waiting"`        // records that the box says it has not delivered

	Refused []string `json:"refused,omitempty"` // what of it was not taken, and why; the rest was
	More    int      `json:"more,omitempty"`    // such things that are not listed

	Answer []byte `json:"answer,omitempty"` // to a request to join: the parcel that goes back
}

// ParcelPlan is what a row of parcels to a box will be.
type ParcelPlan struct {
	Box    record.BoxID  `json:"box"`
	Site   record.SiteID `json:"site"`
	Name   string        `json:"name"`
	State  string        `json:"state"`
	Said   uint64        `json:"said,omitempty"` // number of the parcel in which the box said what it has; absent: it never did
	Made   time.Time     `json:"made,omitzero"`  // when, by the box's clock
	Blobs  []ParcelBlob  `json:"blobs"`          // files that must lie beside the parcels
	Octets uint64        `json:"octets"`         // of the parcels, about
}

// ParcelBlob is a file that lies beside parcels.
type ParcelBlob struct {
	ID   string `json:"id"` // 64 hexadecimal digits
	Size uint64 `json:"size"`
}

// ParcelsGiven is what a row of parcels to a box was.
type ParcelsGiven struct {
	Parcels  int    `json:"parcels"`
	Verdicts uint64 `json:"verdicts"`
	Acks     int    `json:"acks"` // acknowledgements, each of many epochs
	Orders   int    `json:"orders"`
	Sets     int    `json:"sets"` // revocation sets
	Roster   bool   `json:"roster"`
	Rules    bool   `json:"rules"`
	Bundle   bool   `json:"bundle"` // trust bundle
	Grant    bool   `json:"grant"`  // site keys
}

// ParcelTakers get a row of parcels as it comes: the plan first, then each parcel. An error of either ends it.
type ParcelTakers struct {
	Plan   func(ParcelPlan) error
	Parcel func(number uint64, octets io.Reader, size int64) error
}

// CourierStatus is what the ways by stick have brought so far.
type CourierStatus struct {
	Boxes []CourierWord `json:"boxes"`
	Held  []CourierHeld `json:"held"`     // of boxes that have not joined
	All   int64         `json:"held_all"` // records that are held of those, and of epochs of which nobody knows the box
}

// CourierWord is what a box said last by courier.
type CourierWord struct {
	Box      record.BoxID  `json:"box"`
	Site     record.SiteID `json:"site"`
	Name     string        `json:"name"`
	State    string        `json:"state"`
	N        uint64        `json:"number"`
	Made     time.Time     `json:"made"` // by the box's clock
	Received time.Time     `json:"received"`
	Waiting  uint64        `json:"waiting"`           // records that it had not delivered
	Open     int           `json:"open"`              // epochs that were not wholly safe
	Verdicts uint64        `json:"verdicts"`          // that it had not got
	Due      uint64        `json:"due"`               // records that came and are being opened
	Damaged  bool          `json:"damaged,omitempty"` // what it said is kept damaged: take its newest stick again
}

// CourierHeld is what is held of a box that has not joined.
type CourierHeld struct {
	Box     record.BoxID `json:"box"`
	Epochs  int64        `json:"epochs"`
	Records int64        `json:"records"`
}

// Carrier is an operator with a stick.
type Carrier interface {
	// TakeParcel takes a parcel of size octets, as far as nothing in it is at fault. A parcel that is refused whole is *Refused.
	TakeParcel(ctx context.Context, octets io.Reader, size int64) (Parcel, error)
	// GiveParcels makes all parcels that a box is to have now.
	GiveParcels(ctx context.Context, box record.BoxID, to ParcelTakers) (ParcelsGiven, error)
	// Blob opens a file that parcels name, and says how long it is. *Refused if there is none.
	Blob(ctx context.Context, id wire.BlobID) (io.ReadCloser, int64, error)
	// Courier says what sticks have brought so far.
	Courier(ctx context.Context) (CourierStatus, error)
	// Due counts the records of a box that came and are being opened.
	Due(ctx context.Context, box record.BoxID) (CourierDue, error)
}

// CourierDue is what of a box came and is not settled.
type CourierDue struct {
	Due uint64 `json:"due"` // records that are being opened
}
