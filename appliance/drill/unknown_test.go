package drill_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kazashi.example/appliance/drill"
	"kazashi.example/appliance/vault"
	"kazashi.example/central/lab/proof/leak"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/rule"
)

// Somebody who is made up, and stands in the clear where nothing of the kind belongs.
const (
	madeUp    = "練習　花子山田"
	madeUpNum = "990000123456"
)

// planting puts something where it does not belong.
type planting struct {
	name string
	put  func(t *testing.T, b *box)
	path string // of the item that must be red
	id   drill.ProblemID
	// quiet: what was put there is no planted person, and a search finds nothing of it.
	quiet bool
}

func write(path, text string) func(*testing.T, *box) {
	return func(t *testing.T, b *box) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(b.dir, path)), 0o700))
		must(t, os.WriteFile(filepath.Join(b.dir, path), []byte(text), 0o600))
	}
}

func extend(path, text string) func(*testing.T, *box) {
	return func(t *testing.T, b *box) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(b.dir, path), os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString(text)
		must(t, err, f.Close())
	}
}

// changes runs statements on a database, without a log, so that the file alone holds what they did.
func changes(path string, statements ...string) func(*testing.T, *box) {
	return func(t *testing.T, b *box) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(b.dir, path)+"?_pragma=journal_mode(DELETE)")
		must(t, err)
		for _, s := range statements {
			_, err := db.ExecContext(t.Context(), s)
			must(t, err)
		}
		must(t, db.Close())
	}
}

// again writes a file that is CBOR with one key more.
func again(path string) func(*testing.T, *box) {
	return func(t *testing.T, b *box) {
		t.Helper()
		full := filepath.Join(b.dir, path)
		var m map[uint64]any
		must(t, canon.Decode(read(t, full), &m, 1<<20))
		m[1000] = madeUp
		out, err := canon.Encode(m)
		must(t, err, os.WriteFile(full, out, 0o600))
	}
}

var plantings = []planting{
	{name: "a file", put: write("notes.txt", madeUp), path: "notes.txt", id: drill.UnknownFile},
	{name: "a backup of a database", put: write("sitebook.db.bak", madeUp), path: "sitebook.db.bak", id: drill.UnknownFile},
	{name: "a file in a folder of ours", put: write("rosters/people.csv", madeUpNum), path: "rosters/people.csv", id: drill.UnknownFile},
	{name: "an unknown folder", put: write("backup/a", madeUp), path: "backup/", id: drill.UnknownFile},
	{name: "a log", put: write("kazashi.log", madeUp), path: "kazashi.log", id: drill.UnknownFile},
	{name: "an empty file", put: write("x", ""), path: "x", id: drill.UnknownFile, quiet: true},
	{name: "a lock that holds something", put: write("kazashi.lock", madeUpNum), path: "kazashi.lock", id: drill.UnknownContent},
	{name: "the note of the first epoch", put: extend("epochs-began", madeUpNum), path: "epochs-began", id: drill.UnknownContent},
	{name: "behind the counts of a journal", put: write("journal.aside", asideJournal+" whole 1 damaged 0 unreadable 0 safe true\n"+madeUpNum), path: "journal.aside", id: drill.UnknownContent},
	{name: "behind an identity", put: extend("identity.key", madeUp), path: "identity.key", id: drill.UnknownContent},
	{name: "inside an identity", put: again("identity.key"), path: "identity.key", id: drill.UnknownContent},
	{name: "inside a place", put: again("place.cbor"), path: "place.cbor", id: drill.UnknownContent},
	{name: "inside orders", put: again("orders.cbor"), path: "orders.cbor", id: drill.UnknownContent},
	{name: "inside a count of tries", put: again("code-tries.cbor"), path: "code-tries.cbor", id: drill.UnknownContent},
	{name: "behind the site keys", put: extend("site-ring.cbor", madeUpNum), path: "site-ring.cbor", id: drill.UnknownContent},
	{name: "behind rules", put: extend("rules.cbor", madeUp), path: "rules.cbor", id: drill.UnknownContent},
	{name: "behind a kept time", put: extend("clock.floor", madeUpNum), path: "clock.floor", id: drill.UnknownContent},
	{name: "behind a roster's head", put: extend("rosters/head", madeUpNum), path: "rosters/head", id: drill.UnknownContent},
	{name: "in the reserve", put: write("journal.reserve", "\x00\x00"+madeUpNum), path: "journal.reserve", id: drill.UnknownContent},
	{
		name: "a table", put: changes("journal.db", "CREATE TABLE people (name TEXT)", "INSERT INTO people VALUES ('"+madeUpNum+"')"),
		path: "journal.db", id: drill.UnknownTable,
	},
	{
		name: "a view", put: changes("desired.db", "CREATE VIEW v AS SELECT '"+madeUpNum+"' FROM held"),
		path: "desired.db", id: drill.UnknownTable,
	},
	{
		name: "a column", put: changes("sitebook.db", "ALTER TABLE work ADD COLUMN who TEXT", "UPDATE work SET who = '"+madeUpNum+"'"),
		path: "sitebook.db", id: drill.UnknownColumn,
	},
	{
		name: "a name for a desk", put: changes("journal.db", "UPDATE record SET desk = '"+madeUp+"'"),
		path: "journal.db", id: drill.UnknownContent,
	},
	{
		name: "a number for a spoken code", put: changes("journal.db", "UPDATE record SET code = '9900'"),
		path: "journal.db", id: drill.UnknownContent, quiet: true,
	},
	{
		name: "a number in an entry that is to be sealed", put: changes("sitebook.db", "UPDATE entry SET sealed = CAST('number of somebody "+madeUpNum+" in the clear' AS BLOB)"),
		path: "sitebook.db", id: drill.UnknownContent,
	},
	{
		name: "a record that is no envelope", put: changes("journal.db", "UPDATE record SET envelope = CAST('"+madeUpNum+"' AS BLOB)"),
		path: "journal.db", id: drill.UnknownContent,
	},
	{
		name: "an entry of a later kind", put: changes("sitebook.db", "UPDATE entry SET kind = 99 WHERE kind = 2"),
		path: "sitebook.db", id: drill.UnknownContent, quiet: true,
	},
	{
		name: "in freed pages",
		put:  changes("journal.db", "CREATE TABLE gone (name TEXT)", "INSERT INTO gone VALUES ('"+strings.Repeat(madeUp, 400)+"')", "DROP TABLE gone"),
		path: "journal.db", id: drill.ClearText,
	},
	{name: "in what lies beside a database", put: write("desired.db-shm", madeUp), path: "desired.db-shm", id: drill.ClearText},
	{
		name: "a link", put: func(t *testing.T, b *box) {
			must(t, os.Symlink("/etc/hostname", filepath.Join(b.dir, "journal.db.lock.old")))
		},
		path: "journal.db.lock.old", id: drill.UnknownFile, quiet: true,
	},
	{
		name: "no file where one is", put: func(t *testing.T, b *box) {
			must(t, os.Remove(filepath.Join(b.dir, "journal.db.lock")), os.Mkdir(filepath.Join(b.dir, "journal.db.lock"), 0o700))
		},
		path: "journal.db.lock/", id: drill.UnknownFile, quiet: true,
	},
	{
		name: "a database that is none", put: func(t *testing.T, b *box) {
			write("desired.db", strings.Repeat("no database "+madeUpNum, 1000))(t, b)
		},
		path: "desired.db", id: drill.Damaged,
	},
}

// P3: whatever is put in the clear on a box's disk is named by the drill as unknown, in red, at its place; and a drill that did not would be
// found out by the search.
func TestP3WhatIsNotKnownIsNamed(t *testing.T) {
	b := plant(t, "", rule.UnlockCode)
	var s leak.Search
	must(t, s.Text("somebody's name", madeUp), s.Digits("somebody's number", madeUpNum))
	for _, p := range plantings {
		t.Run(p.name, func(t *testing.T) {
			c := *b
			c.t, c.dir = t, copyOf(t, b.dir)
			p.put(t, &c)
			r := look(t, c.dir)
			i := slices.IndexFunc(r.Items, func(i drill.Item) bool { return i.Path == p.path })
			if i < 0 || !slices.ContainsFunc(r.Items[i].Problems, func(q drill.Problem) bool { return q.ID == p.id }) {
				t.Fatalf("%s is not named: %s", p.path, problems(r))
			}
			if r.Complete || r.Answer == drill.NamesNobody {
				t.Errorf("Answer = %s, complete %v, want it left open", r.Answer, r.Complete)
			}
			if p.quiet {
				return
			}
			found, _, err := s.Under(c.dir, func(string) bool { return false })
			must(t, err)
			if len(found) == 0 {
				t.Fatal("the search finds nothing of what was planted")
			}
			for _, f := range found {
				if !named(r, f.Place) {
					t.Errorf("%v, and the drill does not name the place", f)
				}
				r.Items = slices.Delete(slices.Clone(r.Items), i, i+1)
				if named(r, f.Place) && !strings.HasSuffix(p.path, "/") {
					t.Errorf("%s is named twice", f.Place)
				}
			}
		})
	}
}

// named reports whether a file is red.
func named(r drill.Report, path string) bool {
	return slices.ContainsFunc(r.Items, func(i drill.Item) bool { return i.Path == path && len(i.Problems) > 0 })
}

// A disk without an identity is no box's, and the answer is left open: it might be the wrong folder.
func TestP3AnotherFolderIsNoAnswer(t *testing.T) {
	for name, dir := range map[string]string{"an empty folder": t.TempDir()} {
		if r := look(t, dir); r.Complete || r.Answer != drill.NotKnown {
			t.Errorf("%s: Answer = %s, want it left open", name, r.Answer)
		}
	}
	if _, err := drill.Look(t.Context(), drill.Options{Dir: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("Look of a folder that is not there = nil, want an error")
	}
}

// P3: a running box is read beside, and so is what a power cut left: what lies in the write-ahead log is counted.
func TestP3ReadsWhatLiesInTheLog(t *testing.T) {
	b := plant(t, "", rule.UnlockFile)
	before := count(look(t, b.dir), drill.Corrections)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.dir, "sitebook.db")+"?_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(0)")
	must(t, err)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(t.Context(), `INSERT INTO work SELECT randomblob(16), at, desk, service, first_verdict, first_reason, final_verdict, final_reason,
		settled, done FROM work`)
	must(t, err)
	cut := copyOf(t, b.dir)
	for name, r := range map[string]drill.Report{"beside": look(t, b.dir), "after a power cut": look(t, cut)} {
		if n := count(r, drill.Corrections); n != before+1 || !r.Complete {
			t.Errorf("%s: %d corrections, complete %v (%s), want %d", name, n, r.Complete, problems(r), before+1)
		}
	}
	must(t, db.Close())
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "kazashi-drill-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func count(r drill.Report, id drill.ClassID) int64 {
	for _, c := range r.Classes {
		if c.ID == id && c.Count != nil {
			return *c.Count
		}
	}
	return -1
}

// Who uses a service twice leaves entries that anybody can tell to be of one person: the drill says of how many, and of nobody who came once.
func TestP3SaysWhoseVisitsCanBeLinked(t *testing.T) {
	b := plant(t, "", rule.UnlockFile)
	linked := func(r drill.Report) int64 {
		for _, f := range r.Findings {
			if f.ID == drill.VisitsLink {
				return f.Facts["groups"]
			}
		}
		return 0
	}
	if n := linked(look(t, b.dir)); n != 0 {
		t.Fatalf("%d groups before anybody came twice", n)
	}
	changes("sitebook.db", "INSERT INTO ref SELECT ref, entry + 1000 FROM ref LIMIT 1")(t, b)
	if n := linked(look(t, b.dir)); n != 1 {
		t.Errorf("%d groups, want the one of who came twice", n)
	}
}

// What a lock on purpose and a running box with locked keys change, and what not.
func TestHeldKeys(t *testing.T) {
	b := plant(t, "", rule.UnlockCode)
	id, err := vault.Open(b.dir, vault.Options{})
	must(t, err)
	must(t, b.vault(id, rule.UnlockCode).LockBy(t.Context(), vault.HeldByOrder), id.Close())
	r := look(t, b.dir, func(o *drill.Options) { o.Open = "locked" })
	for _, c := range r.Classes {
		if c.ID == drill.Roster && (c.Reach[drill.On] != drill.Guess || c.Reach[drill.OffCode] != drill.Yes) {
			t.Errorf("with keys locked by order the roster's reach is %v, want a guess while it runs, and all with the code", c.Reach)
		}
	}
	if !slices.ContainsFunc(r.Findings, func(f drill.Finding) bool { return f.ID == drill.HeldBySoftware }) {
		t.Error("nothing says that a lock on purpose binds this program alone")
	}
}
