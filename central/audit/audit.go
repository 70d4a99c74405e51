// Package audit proves from what central stored that every record which a box is known to have written is applied, waits, or is explained, and
// names the rest.
//
// It believes no column that can be computed: each header is verified with the device key again, each envelope's number, hash and chain value
// are made anew from its octets, ends are taken from the signed headers of later epochs, and, where keys are at hand, each envelope is opened
// and compared with the content of its record. What two tables say of one thing is compared. Nothing is written. An audit reads one unchanging
// state, keeps a few hundred octets for each epoch of the box and for each gap that it names, and none for a record; each call is its own and may run
// beside others. It does not decide a tap again, and knows nothing of what a box wrote after its last word here.
package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// Caps of what a report lists; it counts the rest.
const (
	MaxGaps   = 1000
	MaxFaults = 1000
)

// ErrUnknown says that no box has this id.
var ErrUnknown = errors.New("no such box; `kazashi-central box list` shows their ids")

// Viewer is what is audited; store.Store is one.
type Viewer interface {
	View(ctx context.Context, f func(store.Tx) error) error
}

// SealKeys finds C-seal by its id.
type SealKeys interface {
	SealKey(id sign.KeyID) (seal.PrivateKey, error)
}

// Options are what an audit may have beside the database.
type Options struct {
	Seal SealKeys    // nil: envelopes are not opened
	Rows opener.Rows // nil: contents of records are not compared
}

// Report is what an audit found.
type Report struct {
	Box          record.BoxID  `json:"box"`
	Site         record.SiteID `json:"site"`
	Name         string        `json:"name"`
	State        string        `json:"state"`
	CentralEpoch uint64        `json:"central_epoch"`
	Whole        bool          `json:"whole"`  // nothing is missing, unproved or at fault
	Opened       bool          `json:"opened"` // envelopes were opened, and contents compared

	Epochs    int64 `json:"epochs"`
	Known     int64 `json:"known"`    // numbers that the box is known to have given to records
	Applied   int64 `json:"applied"`  // each has one record with a verdict
	Erased    int64 `json:"erased"`   // of the applied: their octets were erased when their days were over
	Waiting   int64 `json:"waiting"`  // stored, and to be settled
	Held      int64 `json:"held"`     // of those: not to be opened, as the box is out of service or its header never came
	Awaiting  int64 `json:"awaiting"` // of those: for an enrolment or a renewal
	Unproved  int64 `json:"unproved"` // of those: not opened here, and in no chain that leads to what is proved: anybody's, for all that can be said
	Explained int64 `json:"explained"`
	Missing   int64 `json:"missing"`
	Headers   int64 `json:"missing_headers"` // epochs that are known, and whose beginning never came; not those that are explained
	Signed    int64 `json:"signed"`          // of the known: inside a chain whose end a later header of the box signs
	Aside     int64 `json:"aside"`           // envelopes that nobody wrote
	Rivals    int64 `json:"rivals"`          // envelopes under a number that another record has: a fork
	Headless  int64 `json:"headless"`        // envelopes of any box whose headers never came
	Locked    int64 `json:"locked"`          // epochs that could not be opened, for want of their key

	Gaps       []Gap   `json:"gaps"`
	MoreGaps   int64   `json:"more_gaps,omitempty"` // beyond those listed
	Faults     []Fault `json:"faults"`
	MoreFaults int64   `json:"more_faults,omitempty"`
	Told       []Told  `json:"told"`
	Open       []Tail  `json:"open"` // epochs of which nothing says how far they went
}

// Gap is a run of numbers without a record, or an epoch without its beginning.
type Gap struct {
	Epoch         string     `json:"epoch"`
	First         record.Seq `json:"first,omitempty"` // 0 where the beginning of the epoch is what is missing
	Last          record.Seq `json:"last,omitempty"`
	HeaderMissing bool       `json:"header_missing,omitempty"`
	Explained     string     `json:"explained,omitempty"` // what the box itself said of it; empty: nothing
}

// Fault is something in the tables that contradicts the octets, or another table.
type Fault struct {
	Epoch string     `json:"epoch,omitempty"`
	Seq   record.Seq `json:"seq,omitempty"`
	What  string     `json:"what"`
}

// Told is a fork or a damage that was reported and is seen in the headers.
type Told struct {
	Kind   string    `json:"kind"`
	Reason string    `json:"reason"`
	Epoch  string    `json:"epoch"`
	At     time.Time `json:"at"`
}

// Tail is the end of what is known of an epoch.
type Tail struct {
	Epoch string     `json:"epoch"`
	Last  record.Seq `json:"last"`
}

// Box audits one box. ErrUnknown, or the error of reading: a report is whole or not there.
func Box(ctx context.Context, s Viewer, id record.BoxID, o Options) (r Report, err error) {
	err = s.View(ctx, func(tx store.Tx) error {
		a := &auditor{Options: o, ctx: ctx, tx: tx, r: Report{Gaps: []Gap{}, Faults: []Fault{}, Told: []Told{}, Open: []Tail{}}}
		err := a.run(id)
		r = a.r
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return Report{}, ErrUnknown
	}
	if err != nil {
		return Report{}, fmt.Errorf("auditing box %s: %w", id, err)
	}
	return r, nil
}

// auditor is one audit on its way.
type auditor struct {
	Options

	ctx context.Context //nolint:containedctx // lives as long as Box
	tx  store.Tx
	box store.Box
	key sign.PublicKey
	r   Report

	chapters []*chapter // in the order in which headers came; those without one last
	byID     map[record.EpochID]*chapter
	lost     []*chapter         // of those, that say in their headers that the journal before was lost or set aside
	strays   map[record.ID]bool // named by a record or verdict, and not here
	reports  []store.Report
	made     map[finding]bool
	days     map[record.ServiceID]uint32 // the fewest for which records of a service were ever to be kept; none: without end
	records  int64                       // record rows that are filed under the box
	applied  int64                       // of those, that an envelope led to
}

func (a *auditor) run(id record.BoxID) (err error) {
	if a.box, err = a.tx.Box(id); err != nil {
		return err
	}
	if a.r.CentralEpoch, err = a.tx.CentralEpoch(); err != nil {
		return err
	}
	a.r.Box, a.r.Site, a.r.Name, a.r.State, a.r.Opened = id, a.box.Site, a.box.Name, a.box.State.String(), a.Seal != nil
	if a.reports, err = a.tx.ReportsOf(id); err != nil {
		return err
	}
	if err := a.retained(); err != nil {
		return err
	}
	if err := a.device(); err != nil {
		return err
	}
	if err := a.headers(); err != nil {
		return err
	}
	if err := a.stray(); err != nil {
		return err
	}
	for _, c := range a.chapters {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		if err := a.read(c); err != nil {
			return fmt.Errorf("reading epoch %s: %w", c.id, err)
		}
	}
	a.lineage()
	if err := a.compare(); err != nil {
		return err
	}
	if a.r.Headless, err = a.tx.Headless(); err != nil {
		return err
	}
	a.r.Epochs = int64(len(a.chapters))
	a.r.Whole = a.r.Missing == 0 && a.r.Headers == 0 && a.r.Unproved == 0 && len(a.r.Faults) == 0
	return nil
}

// device finds the key that everything hangs on, and compares the two places where it is kept.
func (a *auditor) device() (err error) {
	if a.key, err = sign.ParsePublicKey(a.box.Device); err != nil {
		return fmt.Errorf("reading the box's device key: %w", err)
	}
	c, err := a.tx.CodeUsed(a.box.ID)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err == nil && string(c.Use.Device) != string(a.box.Device) {
		a.fault(record.ID{}, "the box joined with another device key than the one that is kept of it")
	}
	return err
}

// fault notes one.
func (a *auditor) fault(id record.ID, format string, args ...any) {
	if len(a.r.Faults) == MaxFaults {
		a.r.MoreFaults++
		return
	}
	f := Fault{Seq: id.Seq, What: fmt.Sprintf(format, args...)}
	if !id.Epoch.IsZero() {
		f.Epoch = id.Epoch.String()
	}
	a.r.Faults = append(a.r.Faults, f)
}

// gap notes a run of numbers that are not here.
func (a *auditor) gap(c *chapter, first, last record.Seq) {
	why := a.explain(c, first, last)
	n := int64(last - first + 1) //nolint:gosec // below 1<<63
	a.r.Known += n
	if why != "" {
		a.r.Explained += n
	} else {
		a.r.Missing += n
	}
	a.list(Gap{Epoch: c.id.String(), First: first, Last: last, Explained: why})
}

func (a *auditor) list(g Gap) {
	if len(a.r.Gaps) == MaxGaps {
		a.r.MoreGaps++
		return
	}
	a.r.Gaps = append(a.r.Gaps, g)
}

// explain is what the box itself said of numbers that are not here: that it lost its journal after it began the epoch. What central's own
// tables name was here, and is explained by nothing that the box says.
func (a *auditor) explain(c *chapter, first, last record.Seq) string {
	for id := range a.strays {
		if id.Epoch == c.id && id.Seq >= first && id.Seq <= last {
			return ""
		}
	}
	if !c.asked {
		c.asked = true
		if i := slices.IndexFunc(a.lost, c.earlier); i >= 0 {
			c.loss = a.lost[i]
		}
	}
	if c.loss == nil {
		return ""
	}
	return "the box reported that its journal was lost or set aside, in epoch " + c.loss.id.String()
}
