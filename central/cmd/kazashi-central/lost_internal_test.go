package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/audit"
	"kazashi.example/central/loss"
	"kazashi.example/sync/record"
)

// P3: the report names nobody; the list beside it does, and both are their owner's alone.
func TestP3TheReportOfALossAndItsListArePrivate(t *testing.T) {
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	l := admin.Lost{
		Facts: loss.Facts{
			Box: record.BoxID{ID128: record.ID128{1}}, Name: "Counter 1", Site: "branch-1", Lost: at, Was: "active", AsOf: at, Unlock: "code",
			People: loss.People{All: 2, Enrolled: 1, Tapped: 2}, Services: []loss.OfService{{Service: "library", People: 2}},
		},
		People: []loss.Concerned{{Service: "library", PPID: "MADEUPA", Enrolled: true, Tapped: true}, {Service: "library", PPID: "MADEUPB", Tapped: true}},
	}
	dir := t.TempDir()
	report := filepath.Join(dir, "loss.md")
	for range 2 { // said again, the files are written anew
		if err := writeLoss(report, l); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"loss.md": "Concerned: 2 (ever enrolled at the site 1, tapped at this box 2", "loss.people.csv": "library,MADEUPA,yes,yes\nlibrary,MADEUPB,no,yes\n"} {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s = %s, %v, want it to say %q", name, b, err, want)
		}
		if named := strings.Contains(string(b), "MADEUP"); named != (name == "loss.people.csv") {
			t.Errorf("%s names somebody: %v", name, named)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v, want 0600", name, info.Mode(), err)
		}
	}
	var b strings.Builder
	printConcerned(&b, l.Facts)
	if want := "not known: nothing was heard of it since central was started"; !strings.Contains(b.String(), want) {
		t.Errorf("said %q, want %q", b.String(), want)
	}
	if err := writeLoss(filepath.Join(dir, "no", "loss.md"), l); err == nil {
		t.Error("writeLoss(no such folder) = nil, want an error")
	}
}

func TestAnAuditInWords(t *testing.T) {
	whole := audit.Report{
		Name: "Counter\x1b 1", Site: "branch-1", State: "replaced", Whole: true, Opened: true, Known: 9, Applied: 8, Erased: 1, Waiting: 1, Epochs: 2, Signed: 5,
		Open: []audit.Tail{{Epoch: "e2", Last: 4}},
	}
	for name, c := range map[string]struct {
		change func(*audit.Report)
		want   []string
	}{
		"whole": {func(*audit.Report) {}, []string{
			"every record that this box is known to have written, up to the numbers below, is applied, waiting or explained\n",
			"known      9 records in 2 epochs, 5 of them", "cannot be known here: what the box wrote after record 4 of epoch e2",
		}},
		"gaps": {func(r *audit.Report) {
			r.Whole, r.Missing, r.Headers, r.MoreGaps = false, 3, 1, 7
			r.Gaps = []audit.Gap{{Epoch: "e1", First: 5, Last: 5}, {Epoch: "e1", First: 7, Last: 8}, {Epoch: "e0", HeaderMissing: true}, {Epoch: "e1", First: 9, Last: 9, Explained: "why"}}
		}, []string{
			"NOT every record", "missing: record 5 of epoch e1; the box or its disk", "missing: records 7-8 of epoch e1", "missing: the beginning of epoch e0",
			"explained: record 9 of epoch e1; why", "and 7 more gaps",
		}},
		"contradictions": {func(r *audit.Report) {
			r.Whole, r.MoreFaults = false, 2
			r.Faults = []audit.Fault{{What: "all"}, {Epoch: "e1", What: "header"}, {Epoch: "e1", Seq: 3, What: "octets"}}
		}, []string{"contradiction: all\n", "contradiction: epoch e1: header", "contradiction: record 3 of epoch e1: octets", "and 2 more contradictions"}},
		"without keys": {func(r *audit.Report) { r.Opened, r.Headless = false, 2 }, []string{"no record was opened", "whose 2 stored envelopes are"}},
		"nothing came": {func(r *audit.Report) { *r = audit.Report{Whole: true} }, []string{"whether the box wrote anything"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := whole
			c.change(&r)
			var b strings.Builder
			if err := printAudit(&b, r); err != nil {
				t.Fatal(err)
			}
			for _, w := range c.want {
				if !strings.Contains(b.String(), w) {
					t.Errorf("said\n%s\nwant %q", b.String(), w)
				}
			}
			if strings.Contains(b.String(), "\x1b") {
				t.Error("a name reaches the terminal as it is")
			}
		})
	}
}
