// Package house holds the rules of the house as data and pure functions: which folder may import which, where cgo may be,
// what the top level may hold, and words that no file may hold. Its tests ask the go command about the whole module and
// apply them; .golangci.yml says the import rules a second time, and a test holds the two to the same answers.
//
// All functions are safe for concurrent use. Nothing is written. It is used by tests alone.
package house

import (
	"fmt"
	"slices"
	"strings"
)

// Module is this module's path.
const Module = "kazashi.example"

// Edge is one import: a package and what it names in an import declaration.
type Edge struct {
	Importer string // import path
	Imported string // import path, "C" for cgo
	Test     bool   // the declaration stands in a _test.go file
}

// String is "importer -> imported", with a mark for test files.
func (e Edge) String() string {
	from := e.Importer
	if e.Test {
		from += " (test)"
	}
	return fmt.Sprintf("%s -> %s", from, e.Imported)
}

// row says what one folder may import: of this module whole folders and single packages, and packages of other modules.
type row struct {
	folder   string
	folders  []string
	packages []string
	tests    []string // packages that its tests may import too
	foreign  []string // import paths outside the module that shipped code is held to; nil leaves it free
	why      string
}

// rows is the table of imports; the first row whose folder holds the importer counts.
var rows = []row{
	{
		folder: "sync/certid",
		why:    "everyone may import the words, so they hang on nothing but the standard library",
	},
	{
		folder: "sync/record",
		why:    "localapi imports it, so it hangs on nothing but the standard library, and holds no serial (P3)",
	},
	{
		folder:   "reader",
		folders:  []string{"reader"},
		packages: []string{"sync/certid", "sync/record"},
		why:      "the card side knows the words of a tap and no box, no network and no central",
	},
	{
		folder:  "sync",
		folders: []string{"sync"},
		why:     "what both ends agree on depends on neither end",
	},
	{
		folder:  "appliance",
		folders: []string{"appliance", "reader", "sync", "localapi", "firmware"},
		why:     "the box meets central only through what sync defines",
	},
	{
		folder:   "localapi",
		folders:  []string{"localapi"},
		packages: []string{"sync/record"},
		why:      "a serial must not even be expressible at the counter (P3)",
	},
	{
		folder:  "central/lab",
		folders: []string{"appliance", "central", "firmware", "localapi", "reader", "sync"},
		why:     "the practice world may look at everything here",
	},
	{
		folder:   "central",
		folders:  []string{"central", "sync"},
		packages: []string{"reader/jpki", "firmware/command", "firmware/manifest"},
		tests:    []string{"firmware/command/commandtest"},
		why:      "central meets the box only through what sync defines; of the card it knows certificates alone",
	},
	{
		folder:  "firmware/command/commandtest",
		folders: []string{"firmware"},
		why:     "what every program's tests share hangs on no program",
	},
	{
		folder:  "firmware/command",
		folders: []string{"firmware"},
		foreign: []string{"github.com/spf13/cobra", "golang.org/x/term"},
		why:     "every program holds it: beside cobra and the terminal it brings no module along, and of this one firmware alone",
	},
	{
		folder:  "firmware",
		folders: []string{"firmware"},
		why:     "an image must stay installable when everything in it is broken",
	},
}

// ban forbids what a row allows, or what no row speaks of.
type ban struct {
	from     string // folder; "" is the whole module
	except   string // folder inside from that may
	to       string // folder, or import path outside the module
	testsMay bool
	why      string
}

var bans = []ban{
	{
		except: "central/lab", to: Module + "/central/lab", testsMay: true,
		why: "the practice world drives the real programs from outside: nothing shipped knows it",
	},
	{
		from: "central/lab", to: Module + "/appliance/internal",
		why: "the lab drives the box as a process and has no door into it",
	},
	{
		from: "central/lab", to: Module + "/reader/pcsc", testsMay: true,
		why: "the lab builds without cgo; it reaches PC/SC by running programs",
	},
	{
		from: "appliance", to: Module + "/reader/vcard", testsMay: true,
		why: "no shipped program of the box holds a virtual card: a practice card comes through PC/SC like any other",
	},
	{
		to: Module + "/firmware/command/commandtest", testsMay: true,
		why: "helpers of tests: no shipped program holds package testing",
	},
	{except: "reader/pcsc", to: "C", why: "reader/pcsc is the only cgo package"},
	{except: "reader/pcsc", to: "github.com/ebfe/scard", why: "reader/pcsc is the only package with cgo below it"},
}

// Broken reports whether an import breaks a rule, and the reason that the rule gives.
func Broken(e Edge) (why string, broken bool) {
	from, ours := strings.CutPrefix(e.Importer, Module+"/")
	if !ours {
		return "", false
	}
	for _, b := range bans {
		if (b.from == "" || under(from, b.from)) && (b.except == "" || !under(from, b.except)) &&
			under(e.Imported, b.to) && (!e.Test || !b.testsMay) {
			return b.why, true
		}
	}
	for _, r := range rows {
		if under(from, r.folder) {
			return r.why, !r.allows(from, e)
		}
	}
	return "no folder of this name is in the table", true
}

func (r row) allows(from string, e Edge) bool {
	to, ours := strings.CutPrefix(e.Imported, Module+"/")
	if !ours {
		// The words refuse other people's modules, and their tests need none of them either.
		return isStandard(e.Imported) ||
			len(r.folders) > 0 && (r.foreign == nil || e.Test || slices.Contains(r.foreign, e.Imported))
	}
	if to == from || e.Test && under(to, "central/lab") {
		return true
	}
	for _, f := range r.folders {
		if under(to, f) {
			return true
		}
	}
	return slices.Contains(r.packages, to) || e.Test && slices.Contains(r.tests, to)
}

// Never is a package that must not be reached from a folder's shipped code, by any number of steps.
type Never struct {
	From   string // folder
	Except string // folder inside From to which this does not apply
	To     string // folder
	Why    string
}

// Nevers are the transitive rules, which no single import shows.
var Nevers = []Never{
	{From: "localapi", To: "sync/certid", Why: "a serial must not even be expressible at the counter (P3)"},
	{From: "localapi", To: "reader", Why: "the counter does not see the card"},
	{From: "appliance", To: "central", Why: "the box meets central only through what sync defines"},
	{From: "appliance", To: "reader/vcard", Why: "no shipped program of the box holds a virtual card"},
	{From: "central", Except: "central/lab", To: "central/lab", Why: "no shipped program knows the practice world"},
	{From: "central", Except: "central/lab", To: "appliance", Why: "central meets the box only through what sync defines"},
	{From: "central", To: "reader/pcsc", Why: "central and the lab build without cgo"},
	{From: "sync", To: "reader", Why: "what both ends agree on depends on neither end"},
	{From: "appliance", To: "firmware/command/commandtest", Why: "no shipped program holds package testing"},
	{From: "central", To: "firmware/command/commandtest", Why: "no shipped program holds package testing"},
	{From: "firmware", To: "appliance", Why: "central reaches no box by way of firmware/command or firmware/manifest"},
	{From: "firmware", To: "reader", Why: "central reaches no card by way of firmware/command or firmware/manifest"},
	{From: "firmware", To: "sync", Why: "an image must stay installable when everything in it is broken"},
}

// Pure are the folders whose shipped code must build with CGO_ENABLED=0.
var Pure = []string{"central", "sync", "firmware", "localapi"}

// Reaches returns the paths that a package's transitive imports name although n forbids them.
func (n Never) Reaches(importPath string, deps []string) (found []string) {
	from := strings.TrimPrefix(importPath, Module+"/")
	if !under(from, n.From) || n.Except != "" && under(from, n.Except) {
		return nil
	}
	for _, d := range deps {
		if under(d, Module+"/"+n.To) {
			found = append(found, d)
		}
	}
	return found
}

// under reports whether path is folder or lies in it.
func under(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// isStandard holds for import paths of the standard library: their first element has no dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
