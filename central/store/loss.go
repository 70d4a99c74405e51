package store

import (
	"time"

	"kazashi.example/sync/record"
	"kazashi.example/sync/sitekey"
)

// Losses are the boxes that were lost or replaced, and whom that concerns.
type Losses interface {
	// Untold lists a box's records that were settled otherwise than it said at the counter, and of which it does not know, by time of tap.
	Untold(box record.BoxID, limit int) ([]Untold, error)
	// Loss finds when a box was said to be lost; ErrNone.
	Loss(box record.BoxID) (Loss, error)
	// AddLoss keeps that a box was lost; ErrTaken if that is known.
	AddLoss(l Loss) error
	// DropLoss forgets it: the box was found.
	DropLoss(box record.BoxID) error
	// EnrolledAt lists the persons who ever enrolled at a site: whoever is on its roster no more may be on an older one.
	EnrolledAt(site record.SiteID) ([]int64, error)
	// TappedAt lists the persons whom a box's records since a time name.
	TappedAt(box record.BoxID, since time.Time) ([]int64, error)
	// HeldOf counts what is here of a box.
	HeldOf(box record.BoxID) (HeldOf, error)
}

// Loss is that a box was lost.
type Loss struct {
	Box        record.BoxID
	At         time.Time
	Was        BoxState           // before
	Generation sitekey.Generation // that its site seals under since; zero: the site had no key
	Seen       time.Time          // when it was heard of last; zero: not known
	Waiting    uint64             // records that it said then it had not delivered
}

// HeldOf counts a box's records.
type HeldOf struct {
	Records int64     `json:"records"`         // applied
	Unnamed int64     `json:"unnamed"`         // of those: name nobody
	Held    int64     `json:"held"`            // stored and not opened, as the box is out of service or a header is missing
	Ready   int64     `json:"ready"`           // stored and to be settled
	Unsafe  int64     `json:"unsafe"`          // envelopes in no backup
	Newest  time.Time `json:"newest,omitzero"` // when the newest came; zero: none did
	Tapped  time.Time `json:"tapped,omitzero"` // of the newest tap among the applied, by the box's clock; zero: none
}

// Untold is a record that was settled otherwise than was said, and nobody knows.
type Untold struct {
	ID      record.ID
	Tapped  time.Time // by the box's clock
	Desk    record.DeskID
	Service record.ServiceID
	Said    record.Verdict
	Final   record.Verdict
	Reason  record.Reason // of the final one
}
