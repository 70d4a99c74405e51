// Package invariant holds what boxes and central left on their disks against every sentence of design §5: epochs and their headers,
// numbers and chains, one seal for a number, forks and damage that were reported, each record applied once, acknowledgements that are true,
// nothing deleted that is not in a backup, and nothing missing that nobody explains.
//
// It shares no code with what it judges. It reads the databases as tables, decodes headers and envelopes, and verifies signatures and chains
// by its own few lines; what the tray's ledger says of taps it leaves to package count, which does the same. It opens no record and needs no
// key but the public ones that lie there. The rest of the truth, that a record's tag verifies, only central can find out; a record which
// central applied counts as proved.
//
// [CheckAll] works on copies in a temporary folder and changes nothing. Programs may not run on the folders meanwhile. It may be called from
// any goroutine.
package invariant

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Rule is the sentence of design §5 that something violates.
type Rule string

// Rules, by the paragraphs of design §5.
const (
	Whole        Rule = "5.0 a database is whole"
	Header       Rule = "5.1 an epoch has one header, signed by its box, durable with its first record"
	Predecessor  Rule = "5.1 a header names the epoch before, with its end"
	Numbered     Rule = "5.2 records are numbered from 1, without a gap"
	Chained      Rule = "5.2 each envelope continues the chain"
	SealedOnce   Rule = "5.3 a number is sealed at most once"
	Reported     Rule = "5.3 a fork and a lost journal are reported"
	AppliedOnce  Rule = "5.4 a record is applied once"
	Kept         Rule = "5.4 what came is kept"
	Acknowledged Rule = "5.5 what a box counts as acknowledged, central holds"
	Deleted      Rule = "5.5 a box deletes only what is safe"
	Safe         Rule = "5.5 what is safe is in a backup"
	Versions     Rule = "5.6 versions and verdicts are central's"
	Explained    Rule = "P2 each number is applied, waiting or explained"
	Counted      Rule = "P2 every tap of the tray's ledger is applied once"
)

// Violation is one thing that is not as it must be.
type Violation struct {
	Rule  Rule
	Where string // the file
	What  string
}

// String is one line.
func (v Violation) String() string { return fmt.Sprintf("%s: %s: %s", v.Where, v.What, v.Rule) }

// Places says what there is to look at; all of it is optional.
type Places struct {
	Boxes   []Box
	Central string   // central's data directory
	Backups string   // where its named backups are; empty: "backups" in it
	Keys    string   // central's key directory, which the ledgers need
	Ledgers []string // of the trays before the first box; they need central, keys and a box
}

// Box is a box's data directory, or an image of it.
type Box struct {
	Dir string
	// Device is D, SubjectPublicKeyInfo (DER). Empty: central's word, else what identity.key holds; a header that cannot be verified is
	// a violation.
	Device []byte
	// Waits is how many records must wait here at least, in the journal in use and with their octets: what a box alone has forgotten can
	// only be told by those who know what it had.
	Waits int
}

// Report is what CheckAll found.
type Report struct {
	Violations []Violation

	Epochs  int // with a header that verifies, in all places together
	Records int // numbers that were ever seen, in all places together
	Applied int // by central
	// Waiting are numbers that are in a box's journal, or unopened at central, and not applied.
	Waiting int
	// Aside are whole records in journals that were set aside and nowhere else: to be mined.
	Aside int
	// Unseen are numbers that exist by a successor's word alone, of boxes that were not shown. With all boxes they are violations.
	Unseen int
	// Lost are numbers that nobody has, of epochs which a journal that was lost or set aside may have taken along: not those that follow
	// each such loss, as far as headers name the ones before them.
	Lost int
	// Taps are those of the ledgers of which a record must be at central; TapsLost those of which none is, TapsDoubled records beyond one.
	Taps, TapsLost, TapsDoubled int
	// Unheard are layings of which the tray could not say whether a verdict was told.
	Unheard int
}

// String is one line.
func (r Report) String() string {
	return fmt.Sprintf("%d epochs, %d records: %d applied, %d waiting, %d to be mined, %d lost with a journal, %d unseen; %d violations",
		r.Epochs, r.Records, r.Applied, r.Waiting, r.Aside, r.Lost, r.Unseen, len(r.Violations))
}

// OK reports whether nothing is violated.
func (r Report) OK() bool { return len(r.Violations) == 0 }

// Err is nil, or an error that names the first violations.
func (r Report) Err() error {
	if r.OK() {
		return nil
	}
	const most = 5
	var text strings.Builder
	for _, v := range r.Violations[:min(most, len(r.Violations))] {
		text.WriteString("\n  " + v.String())
	}
	return fmt.Errorf("%w: %d%s", ErrViolated, len(r.Violations), text.String())
}

// CheckAll looks at everything that is there. The error says that something could not be read at all; what is readable and wrong is a
// violation.
func CheckAll(ctx context.Context, p Places) (Report, error) {
	c, err := newChecker(p)
	if err != nil {
		return Report{}, err
	}
	err = c.all(ctx)
	if cerr := c.close(); err == nil {
		err = cerr
	}
	slices.SortStableFunc(c.report.Violations, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Where, b.Where))
	})
	return c.report, err
}
