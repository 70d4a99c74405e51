package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kazashi-count": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: map[string]func(*testscript.TestScript, bool, []string){"tables": tables}})
}

// tables makes the empty databases of a central and a box that have seen no tap.
func tables(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: tables")
	}
	for name, schema := range map[string]string{
		"central/central.db": `CREATE TABLE records (epoch BLOB, seq INTEGER, tap BLOB, tapped INTEGER, first_verdict INTEGER,
			final_verdict INTEGER, verdict INTEGER, content_sealed BLOB, box BLOB, applied INTEGER, subject INTEGER);
			CREATE TABLE subjects (row INTEGER, person INTEGER, sector TEXT, key_epoch INTEGER, ppid_sealed BLOB);
			CREATE TABLE enrolments (tap BLOB, person INTEGER)`,
		"box/desired.db": `CREATE TABLE verdict (epoch BLOB, seq BLOB, tap BLOB, verdict INTEGER)`,
	} {
		path := ts.MkAbs(name)
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
		db, err := sql.Open("sqlite", path)
		ts.Check(err)
		_, err = db.Exec(schema)
		ts.Check(err)
		ts.Check(db.Close())
	}
	ts.Check(os.MkdirAll(ts.MkAbs("keys"), 0o700))
	ts.Check(os.WriteFile(ts.MkAbs("keys/row.key"), make([]byte, 32), 0o600))
}
