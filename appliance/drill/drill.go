// Package drill answers what a thief gets from this box, item by item, from what really lies on its disk.
//
// [Look] goes through every file of a data directory, and through the places around it that a box's memory could reach, and says of each
// what class of data it holds, how much of it, and under what it lies. From that, and from how the keys lie, it computes what a thief reads
// who has the whole box: switched off or running, without or with the operator's code. What it does not know it never passes over: an
// unknown file, table or column, and a value that has not the form of its place, is a problem of the report, and the report is then not
// complete.
//
// It opens no key, needs no code, prints no value, and writes nothing into the data directory; a database that was left by a crash is copied
// to read it. It works beside a running box and on a copy of its disk. It knows one disk, and not what somebody copied from it earlier.
// Look may be called from any goroutine.
package drill

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/appliance/vault"
	"kazashi.example/sync/record"
)

// FormatVersion is that of the report as JSON: keys and words are added, and none changes its meaning.
const FormatVersion = 1

// Situation is what the thief has.
type Situation string

// Situations. In each he has the whole box, its TPM included, and all the time that he needs; nobody else helps him.
const (
	Off     Situation = "off"      // switched off
	OffCode Situation = "off_code" // switched off, and the operator's code
	On      Situation = "on"       // running, as it stands at the counter
	OnCode  Situation = "on_code"  // running, and the operator's code
)

// Situations are all, in the order of the report.
var Situations = [4]Situation{Off, OffCode, On, OnCode}

// Reach is how far he gets at a class.
type Reach string

// Reaches, from the least to the most.
const (
	No    Reach = "no"    // it is not here for him
	Tries Reach = "tries" // he may try codes at this box's TPM, which counts them
	Guess Reach = "guess" // he may try codes on machines of his own, as many as they manage
	Use   Reach = "use"   // he can use it while he has the box, and cannot copy it
	Maybe Reach = "maybe" // it may be there, and nobody can tell by looking
	Yes   Reach = "yes"   // he reads it
)

// rank orders reaches.
var rank = map[Reach]int{No: 0, Tries: 1, Guess: 2, Use: 3, Maybe: 4, Yes: 5}

func most(a, b Reach) Reach {
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Class is one kind of data and who gets at it.
type Class struct {
	ID    ClassID             `json:"id"`
	Under Under               `json:"under"`
	Names bool                `json:"names_people"` // whoever reads it learns who somebody is
	Count *int64              `json:"count"`        // how many; null: it cannot be counted
	Reach map[Situation]Reach `json:"reach"`
	Red   bool                `json:"red"` // a thief of the switched-off box gets at it without the code, and must not
}

// Holding is how much of a class lies in one place.
type Holding struct {
	Class   ClassID  `json:"class"`
	Table   string   `json:"table,omitempty"`
	Columns []string `json:"columns,omitempty"`
	Count   int64    `json:"count"`
}

// Problem is something that could not be looked at, or is not what it should be.
type Problem struct {
	ID    ProblemID `json:"id"`
	Where string    `json:"where,omitempty"` // table, or table and column
	Count int64     `json:"count,omitempty"`
}

// ProblemID says what is the matter.
type ProblemID string

// Problems.
const (
	UnknownFile    ProblemID = "unknown_file"    // no release of this program writes it
	UnknownTable   ProblemID = "unknown_table"   // or a view, or a trigger
	UnknownColumn  ProblemID = "unknown_column"  //
	UnknownContent ProblemID = "unknown_content" // not of the form that belongs there
	ClearText      ProblemID = "clear_text"      // text or a certificate in the clear, where nothing of the kind belongs
	Damaged        ProblemID = "damaged"         // a database that cannot be read to its end
	Unreadable     ProblemID = "unreadable"      // this user, or the disk, does not give it
)

// Item is a file, or a place of the machine.
type Item struct {
	Path     string    `json:"path"` // below the data directory, or absolute
	Kind     Kind      `json:"kind"`
	Octets   int64     `json:"octets"`
	Holds    []Holding `json:"holds"`
	Problems []Problem `json:"problems"`
}

// Level says how a finding is meant.
type Level string

// Levels.
const (
	Red  Level = "red"
	Warn Level = "warn"
	Info Level = "info"
)

// Finding is something that the table does not say.
type Finding struct {
	ID    FindingID        `json:"id"`
	Level Level            `json:"level"`
	Facts map[string]int64 `json:"facts,omitempty"` // numbers in its text
}

// Keys is how the keys lie here.
type Keys struct {
	Identity  string     `json:"identity"`       // "tpm", "file", "none", or "unknown"
	Counts    bool       `json:"tpm_counts"`     // the TPM counts wrong codes, and nobody resets it
	Lie       string     `json:"site_keys"`      // "code_tpm", "code_file", "tpm", "file", "none", or "unknown": the weakest of all that lie here
	Rule      string     `json:"rule"`           // what the signed rule in force lets them open by: "code", "tpm", "file", or "unknown"
	Held      vault.Hold `json:"held,omitempty"` // locked on purpose
	Open      string     `json:"open"`           // in the running box: "open", "locked", or "assumed" where nobody was asked
	Cost      vault.Cost `json:"cost_of_a_try,omitzero"`
	TryMillis int64      `json:"try_ms,omitempty"` // what such a try takes on this machine, if it was measured
}

// Answer is what the data-protection officer asks: does a thief of the switched-off box learn who anybody is?
type Answer string

// Answers.
const (
	NamesNobody Answer = "names_nobody"
	NamesPeople Answer = "names_people"
	NotKnown    Answer = "not_known" // not everything could be looked at
)

// Report is what was found.
type Report struct {
	Version  int           `json:"version"`
	Made     time.Time     `json:"made"`
	Dir      string        `json:"data_dir"`
	Box      record.BoxID  `json:"box"`  // zero where nothing says so
	Site     record.SiteID `json:"site"` // "" likewise
	Copy     bool          `json:"copy"` // the machine around the data directory was not looked at
	Running  bool          `json:"running"`
	Keys     Keys          `json:"keys"`
	Classes  []Class       `json:"classes"`
	Items    []Item        `json:"items"`
	Findings []Finding     `json:"findings"`
	Complete bool          `json:"complete"`
	Answer   Answer        `json:"answer"`
	Sentence Sentence      `json:"sentence"`
}

// Sentence is the answer in words.
type Sentence struct {
	Japanese string `json:"ja"`
	English  string `json:"en"`
}

// Options say where to look.
type Options struct {
	Dir    string // the data directory
	Config string // the configuration file; "" where there is none to look at
	Sticks string // the folder whose folders are sticks; "" for none
	// Copy says that Dir is not where a box of this machine works: swap and core files of this machine are none of its.
	Copy bool
	// Swap is what vault.Swaps says of this machine; nil where there is none that is not encrypted. AllowSwap is the configuration's.
	Swap      error
	AllowSwap bool
	// Cores are folders in which memory of programs that crashed may lie: see CoreFolders.
	Cores []string
	// Open is what the running box said of its keys: "open" or "locked"; "" where none was asked.
	Open string
	// Measure has one try of a code timed on this machine, which takes as long as one.
	Measure bool
	Now     time.Time
}

// Look makes the report. An error is that of reading the data directory itself; whatever else cannot be read is a problem in the report.
func Look(ctx context.Context, o Options) (Report, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return Report{}, fmt.Errorf("finding the data directory: %w", err)
	}
	if info, err := os.Stat(dir); err != nil {
		return Report{}, fmt.Errorf("looking for the data directory: %w", err)
	} else if !info.IsDir() {
		return Report{}, fmt.Errorf("looking for the data directory: %w: %s", errNoFolder, dir)
	}
	l := &looker{ctx: ctx, o: o, dir: dir, running: held(filepath.Join(dir, fileLock))}
	if err := l.walk(); err != nil {
		return Report{}, fmt.Errorf("reading the data directory: %w", err)
	}
	l.machine()
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	return l.report(), nil
}
