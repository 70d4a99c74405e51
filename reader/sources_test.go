// Package reader has no code of its own, only this test over all of the folder: that every constant of the card's has its public source in
// SOURCES.md.
//
// It reads Go code and the tables' text, nothing else; it keeps nothing and shares nothing. It cannot say whether a source is right: lines
// are checked by people.
package reader_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// claim is a fact of the card's that Go code states.
type claim struct {
	kind  string // AID, EF, INS, SW or TAG
	app   string // of an EF: the application in the words of SOURCES.md, empty if the code does not say
	value string // upper-case hex
	where string // file:line
}

// key is the claim without its place.
func (c claim) String() string {
	return strings.Join(strings.Fields(c.kind+" "+c.app+" "+c.value), " ")
}

// Each application identifier, file, instruction, status word and tag in the Go code of this folder has its line in SOURCES.md.
func TestEveryConstantHasASource(t *testing.T) {
	doc := readSources(t)
	count, packages := map[string]int{}, map[string]bool{}
	for _, f := range shippedFiles(t) {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claims(t, doc, filepath.Dir(f), f, src) {
			count[c.kind]++
			packages[filepath.Dir(f)] = true
			if !doc.has(c) {
				t.Errorf("%s: %s has no line in SOURCES.md", c.where, c)
			}
		}
	}
	// A scan that finds less than what is known to be there has gone blind.
	for kind, least := range map[string]int{"AID": 15, "EF": 80, "INS": 12, "SW": 24, "TAG": 25} {
		if count[kind] < least {
			t.Errorf("found %d of %s, want %d at least", count[kind], kind, least)
		}
	}
	for _, dir := range []string{"apdu", "cvc", "internal/files", "mynumber", "token", "trace", "vcard"} {
		if !packages[dir] {
			t.Errorf("found nothing in %s", dir)
		}
	}
}

// A constant without a line is found, in each of the forms in which code writes one; the same with a line is not.
func TestPlantedConstantsAreFound(t *testing.T) {
	const head = "package planted\nvar aids = map[Application][]byte{JPKI: {0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01}}\n" +
		"const aidFace = \"\\xD3\\x92\\x10\\x00\\x31\\x00\\x01\\x01\\x04\\x02\"\nconst efKnown EF = 0x0018\n"
	doc := readSources(t)
	for _, tt := range []struct {
		name, code string
		missing    string // the claim that has no line, or empty
	}{
		{"nothing", "", ""},
		{"AID as octets", "var a = []byte{0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x09}", "AID D3921000310001010409"},
		{"AID as text", `const aid = "\xA0\x00\x00\x01\x51\x00\x01"`, "AID A0000001510001"},
		{"AID in a call", `var x = choose("\xF0\x4B\x41\x5A\x41\x53\x48\x49\x00\x03")`, "AID F04B415A415348490003"},
		{"AID with a line", `const aid = "\xA0\x00\x00\x01\x51\x00\x00"`, ""},
		{"EF", "const efNew EF = 0x001E", "EF 001E"},
		{"EF in lower case", "const efNew EF = 0x001e", "EF 001E"},
		{"EF that another application has", "var p = []Permission{{JPKI, apdu.InsReadBinary, 0x0003}}", "EF JPKI 0003"},
		{"EF by its name", "var p = []Permission{{Face, 1, efKnown}}\nvar more = map[Application][]byte{Face: " +
			"{0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x02}}", "EF card face 0018"},
		{"EF of a known application", "var p = []Permission{{JPKI, apdu.InsReadBinary, efKnown}}", ""},
		{"EF of a place", "var m = map[place]bool{{JPKI, 0x0005}: true}", "EF JPKI 0005"},
		{"EF in an application's function", "func ap() *application { return &application{aid: aidFace, files: []*file{plainFile(0x0007, nil)}} }", "EF card face 0007"},
		{"instruction", "const insErase = 0x0E", "INS 0E"},
		{"instruction with a type", "const InsUpdate byte = 0xD6", "INS D6"},
		{"instruction in a command", "var c = apdu.Command{INS: 0xD0}", "INS D0"},
		{"instruction with a line", "const insRead = 0xB0", ""},
		{"status word", "const SWStrange StatusWord = 0x6FFE", "SW 6FFE"},
		{"status word of another package", "const swTries apdu.StatusWord = 0x6401", "SW 6401"},
		{"status word with a counter", "const swTries apdu.StatusWord = 0x63C2", ""},
		{"tag", "const tagPhoto = tlv.Tag(0xDF27)", "TAG DF27"},
		{"tag by its type", "const photo tlv.Tag = 0xDF27", "TAG DF27"},
		{"tag in a call", "var b = tlv.Append(nil, 0xDF2A, nil)", "TAG DF2A"},
		{"tag in a function", "func f() { const tagX = 0xDF29 }", "TAG DF29"},
		{"tag with a line", "const tagBody = tlv.Tag(0x5F4E)", ""},
	} {
		var missing []string
		for _, c := range claims(t, doc, "planted:"+tt.name, "planted.go", []byte(head+tt.code)) {
			if !doc.has(c) {
				missing = append(missing, c.String())
			}
		}
		if got := strings.Join(slices.Compact(missing), ", "); got != tt.missing {
			t.Errorf("%s: without a line are %q, want %q", tt.name, got, tt.missing)
		}
	}
}

// Each table names its sources by names of the table of sources, and no line is without one.
func TestEverySourceIsNamed(t *testing.T) {
	doc := readSources(t)
	if len(doc.names) < 20 || len(doc.rows) < 80 {
		t.Fatalf("%d sources and %d lines, want more than 20 and 80", len(doc.names), len(doc.rows))
	}
	for _, r := range doc.rows {
		if bad := doc.unknownSources(r.source); len(bad) > 0 || strings.TrimSpace(r.source) == "" {
			t.Errorf("SOURCES.md:%d: no such source: %q", r.line, bad)
		}
	}
	for source, want := range map[string]string{
		"OpenSC, libmyna": "", "ISO §11.6.6; OpenSC": "", "labels: libmyna `api.go`, TRET": "", "RFC 5280 §5.3.1, §5.2.5": "", "our own (a, b)": "",
		"OpenSC, hearsay": "hearsay", "ISOnotes": "ISOnotes", "ISO/IEC 9999": "ISO/IEC 9999", "tries: nobody": "tries: nobody",
	} {
		if got := strings.Join(doc.unknownSources(source), ", "); got != want {
			t.Errorf("unknownSources(%q) = %q, want %q", source, got, want)
		}
	}
}

// sources is SOURCES.md.
type sources struct {
	names []string // short names
	rows  []row    // of all other tables
	apps  map[string]string
	facts map[string]bool // claims without their place; an EF with and without its application
	words []*regexp.Regexp

	scopes map[string]*scope // of the packages that were looked at, by folder
}

type row struct {
	section string
	cells   []string
	source  string
	line    int
}

// rule is a table's line under its head.
var rule = regexp.MustCompile(`^\|[-|]+\|$`)

func readSources(t *testing.T) *sources {
	t.Helper()
	b, err := os.ReadFile("SOURCES.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := &sources{apps: map[string]string{}, facts: map[string]bool{}, scopes: map[string]*scope{}}
	section, inHead := "", true
	for i, line := range strings.Split(string(b), "\n") {
		switch {
		case strings.HasPrefix(line, "## "):
			section, _, _ = strings.Cut(line[3:], " ")
		case !strings.HasPrefix(line, "|"):
			inHead = true
		case rule.MatchString(line):
			inHead = false
		case !inHead:
			cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, "¦"), "|"), "|")
			for j := range cells {
				cells[j] = strings.TrimSpace(cells[j])
			}
			doc.take(row{section: section, cells: cells, source: cells[len(cells)-1], line: i + 1})
		}
	}
	return doc
}

// take reads one line of a table by its section's columns.
func (d *sources) take(r row) {
	if r.section == "" {
		d.names = append(d.names, list(r.cells[0])...)
		return
	}
	d.rows = append(d.rows, r)
	switch r.section {
	case "Applications":
		d.apps[r.cells[1]] = r.cells[0]
		d.facts["AID "+r.cells[1]] = true
	case "Files":
		for _, ef := range list(r.cells[1]) {
			d.facts["EF "+ef], d.facts["EF "+r.cells[0]+" "+ef] = true, true
		}
	case "Instructions":
		d.facts["INS "+r.cells[1]] = true
	case "Tags":
		for _, tag := range list(r.cells[0]) {
			d.facts["TAG "+tag] = true
		}
	case "Status":
		for _, word := range list(r.cells[0]) {
			d.words = append(d.words, regexp.MustCompile("^"+strings.ReplaceAll(word, "x", "[0-9A-F]")+"$"))
		}
	}
}

func list(cell string) []string {
	var out []string
	for s := range strings.SplitSeq(cell, ",") {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

func (d *sources) has(c claim) bool {
	if c.kind == "SW" {
		return slices.ContainsFunc(d.words, func(w *regexp.Regexp) bool { return w.MatchString(c.value) })
	}
	return d.facts[c.String()]
}

var (
	aside  = regexp.MustCompile("`[^`]*`|\\([^)]*\\)")
	manual = "SCardGetStatusChange(3)" // the one name with a parenthesis
)

// unknownSources returns the parts of a source cell that begin with no short name. A part may have a word and a colon in front, and one
// that is a section alone belongs to the name before it.
func (d *sources) unknownSources(cell string) (bad []string) {
	cell = strings.ReplaceAll(cell, manual, "SCardGetStatusChange")
	for part := range strings.FieldsFuncSeq(aside.ReplaceAllString(cell, ""), func(r rune) bool { return r == ',' || r == ';' }) {
		part = strings.TrimSpace(part)
		_, behind, _ := strings.Cut(part, ": ")
		if part != "" && !strings.HasPrefix(part, "§") && !d.named(part) && !d.named(behind) {
			bad = append(bad, part)
		}
	}
	return bad
}

func (d *sources) named(part string) bool {
	return slices.ContainsFunc(d.names, func(name string) bool {
		rest, ok := strings.CutPrefix(part, strings.TrimSuffix(name, "(3)"))
		return ok && (rest == "" || rest[0] == ' ' || rest[0] == ':')
	})
}

// shippedFiles are the Go files of this folder without tests. The programs under cmd state no facts of their own.
func shippedFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (path == "cmd" || e.Name() == "testdata"):
			return fs.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			out = append(out, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
