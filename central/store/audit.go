package store

import (
	"time"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// Audited is what the tables say of a box, row by row and as it stands there, for whoever believes none of it. What yield is given is its own
// for the call alone; its error ends the walk and is returned.
type Audited interface {
	// FiledEpochs are the headers filed under a box, as they came.
	FiledEpochs(box record.BoxID, yield func(FiledEpoch) error) error
	// FiledEpoch finds a header by the epoch that it is filed under; ErrNone.
	FiledEpoch(id record.EpochID) (FiledEpoch, error)
	// FiledEnvelopes are those filed under an epoch, by number. contents is whether to read the contents of their records.
	FiledEnvelopes(id record.EpochID, contents bool, yield func(FiledEnvelope) error) error
	// FiledRecords counts the records and verdicts filed under a box.
	FiledRecords(box record.BoxID) (FiledCounts, error)
	// StrayRecords lists a box's records whose envelope is not filed under the same number and one of the box's own epochs.
	StrayRecords(box record.BoxID, limit int) ([]record.ID, error)
	// StrayVerdicts lists the records that a box's verdicts name and that are not here.
	StrayVerdicts(box record.BoxID, limit int) ([]record.ID, error)
	// Headless counts envelopes of which no header says whose they are.
	Headless() (int64, error)
	// CodeUsed finds the code with which a box joined; ErrNone for a box of which no code is left.
	CodeUsed(box record.BoxID) (Code, error)
}

// FiledEpoch is a row of headers.
type FiledEpoch struct {
	Row             int64
	ID              record.EpochID
	Box             record.BoxID
	Message         []byte
	Lineage         epoch.Lineage
	Predecessor     record.EpochID // zero: none
	PredecessorLast record.Seq
	Tapped          time.Time // the first tap of its records, by the box's clock; zero: none is applied
}

// FiledEnvelope is a row of envelopes, with the record of its number, if there is one.
type FiledEnvelope struct {
	Row                  int64
	Seq                  record.Seq
	Previous, Chain, Sum epoch.Hash
	Bytes                []byte // empty: erased
	State                EnvelopeState
	Awaits               bool

	Envelope int64 // row of the envelope that the record came in; 0: there is no record of this number, and nothing below is of any
	Box      record.BoxID
	Tap      record.TapID
	Service  record.ServiceID
	Desk     record.DeskID
	Tapped   time.Time
	First    Said
	Final    Said
	Applied  time.Time
	Since    time.Time
	Due      time.Time
	Erased   time.Time // the record's content was; zero: it was not
	Content  []byte    // sealed
	Verdict  FiledVerdict
	Used     FiledTap
}

// FiledVerdict is how the verdict that a record names is filed.
type FiledVerdict uint8

// How a verdict is filed.
const (
	VerdictGone  FiledVerdict = iota // it is not there, or another record's
	VerdictOther                     // it says something else than the record, or is of another tap
	VerdictSame
)

// FiledTap is how a record's tap id is filed.
type FiledTap uint8

// How a tap id is filed.
const (
	TapFree    FiledTap = iota // it is not, so that it could be used again; or where it is filed is no record that brought it
	TapAnother                 // another record used it first
	TapOwn                     // this one did
)

// FiledCounts are how many rows there are of a box. Verdicts are numbered from 1; the box says that it holds those up to Held.
type FiledCounts struct {
	Records, Verdicts, LastVerdict int64
	Held                           int64
	Removed                        int64 // rows of headers and envelopes of any box that were here once
}
