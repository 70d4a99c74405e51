// Package links takes links between people and a service's numbers over, as the service kept them until now: by pseudonym and number. Rosters
// carry them to every box of the sites where the people are enrolled, as they carry those that were made at a counter.
//
// A list is looked at whole before any of it is taken, and is not taken at all if one line is at fault. It is then taken in short
// transactions, so that records go on being settled; what a stop leaves undone is done by taking the same list again. Safe for concurrent use.
// It tells pseudonyms and numbers to nobody and logs nothing.
package links

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

const (
	page  = 1000 // pseudonyms read at once
	batch = 256  // links that one transaction takes
)

// MaxFaults is how many faults are told of one list.
const MaxFaults = 100

// What is wrong with a line.
const (
	FaultNumber  = "number"         // not a number that a service can have
	FaultTwice   = "duplicate"      // the pseudonym or number stands in the list twice
	FaultUnknown = "unknown_person" // nobody has the pseudonym in the service's sector
	FaultTaken   = "taken"          // the number is somebody else's, or the person has another
)

// Link is one line of a list.
type Link struct {
	Line   int
	PPID   string
	Number string
}

// Fault is what is wrong with a line; it never has the values.
type Fault struct {
	Line int
	What string
}

// Report is what became of a list.
type Report struct {
	Rows, Linked, Present int // present: linked so before
	Faults                []Fault
	Left                  int // faults that are not told
}

// Taker takes lists over.
type Taker struct {
	Store  store.Store
	People *person.People
	PPID   func(store.Subject) (record.Subject, error) // opens a stored pseudonym
	Now    func() time.Time
}

// job is one list.
type job struct {
	Taker

	service record.ServiceID
	report  Report
	byPPID  map[string]Link
	found   []found
	missed  []Link // linked otherwise while the list was taken
}

type found struct {
	Link

	person int64
}

// Take takes a list over for a service whose people are named in a sector; with dry it only looks.
func (t Taker) Take(ctx context.Context, service record.ServiceID, sector string, all []Link, dry bool) (Report, error) {
	j := job{Taker: t, service: service, report: Report{Rows: len(all)}, byPPID: map[string]Link{}}
	numbers := map[string]bool{}
	for _, l := range all {
		switch _, again := j.byPPID[l.PPID]; {
		case record.CheckNumber(l.Number) != nil:
			j.fault(l, FaultNumber)
		case again || numbers[l.Number]:
			j.fault(l, FaultTwice)
		default:
			j.byPPID[l.PPID], numbers[l.Number] = l, true
		}
	}
	if err := t.Store.View(ctx, func(tx store.Tx) error { return j.look(tx, sector) }); err != nil {
		return j.report, fmt.Errorf("looking at a list of links: %w", err)
	}
	if len(j.report.Faults) > 0 {
		j.report.Linked, j.report.Present = 0, 0
		slices.SortFunc(j.report.Faults, func(a, b Fault) int { return a.Line - b.Line })
	}
	if dry || len(j.report.Faults) > 0 {
		return j.report, nil
	}
	for some := range slices.Chunk(j.found, batch) {
		if err := t.Store.Update(ctx, func(tx store.Tx) error { return j.take(tx, some) }); err != nil {
			return j.report, fmt.Errorf("taking links over: %w", err)
		}
	}
	for _, l := range j.missed {
		j.report.Linked--
		j.fault(l, FaultTaken)
	}
	return j.report, nil
}

func (j *job) fault(l Link, what string) {
	if len(j.report.Faults) == MaxFaults {
		j.report.Left++
		return
	}
	j.report.Faults = append(j.report.Faults, Fault{l.Line, what})
}

// look finds the people. Pseudonyms are sealed, so each is opened.
func (j *job) look(tx store.Tx, sector string) error {
	for after := int64(0); ; {
		all, err := tx.SubjectsIn(sector, after, page)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			break
		}
		after = all[len(all)-1].Row
		for _, s := range all {
			p, err := j.PPID(s)
			if err != nil {
				return err
			}
			if l, ok := j.byPPID[p.Reveal()]; ok {
				delete(j.byPPID, p.Reveal())
				if err := j.judge(tx, found{l, s.Person}); err != nil {
					return err
				}
			}
		}
	}
	for _, l := range j.byPPID {
		j.fault(l, FaultUnknown)
	}
	return nil
}

// judge holds a line against what is known of its person and number.
func (j *job) judge(tx store.Tx, f found) error {
	what, present, err := j.stands(tx, f)
	switch {
	case err != nil:
		return err
	case what != "":
		j.fault(f.Link, what)
	case present:
		j.report.Present++
	default:
		j.report.Linked++
		j.found = append(j.found, f)
	}
	return nil
}

// stands says what is wrong with a line now, or that it is linked so already.
func (j *job) stands(tx store.Tx, f found) (what string, present bool, err error) {
	had, err := tx.NumbersOf([]int64{f.person})
	if err != nil {
		return "", false, err
	}
	theirs, err := tx.NumbersTo(j.service, j.People.NumberIndex(j.service, f.Number))
	if err != nil {
		return "", false, err
	}
	other := slices.ContainsFunc(had, func(n store.ServiceNumber) bool { return n.Service == j.service && n.Number != nil })
	switch {
	case len(theirs) == 1 && theirs[0].Person == f.person:
		return "", true, nil
	case len(theirs) > 0 || other:
		return FaultTaken, false, nil
	default:
		return "", false, nil
	}
}

// take links people as of now. What a counter linked since the list was looked at stays, and is told as taken.
func (j *job) take(tx store.Tx, some []found) error {
	for _, f := range some {
		what, present, err := j.stands(tx, f)
		if err != nil {
			return err
		}
		if what != "" || present {
			j.missed = append(j.missed, f.Link)
			continue
		}
		who, err := tx.Person(f.person)
		if err != nil {
			return err
		}
		if _, err := j.People.Link(tx, who, person.Said{Service: j.service, Number: f.Number, Tap: record.NewTapID(), At: j.Now()}, j.Now()); err != nil {
			return err
		}
	}
	return nil
}
