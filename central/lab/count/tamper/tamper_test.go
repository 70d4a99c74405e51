package tamper_test

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kazashi.example/central/keys"
	"kazashi.example/central/lab/count/tamper"
)

var (
	epoch = bytes.Repeat([]byte{0xe1}, 16)
	key   = bytes.Repeat([]byte{0x5a}, 32)
)

// schema has the columns of central's table.
const schema = `CREATE TABLE records (epoch BLOB, seq INTEGER, box BLOB, envelope INTEGER, tap BLOB, service TEXT, desk TEXT, tapped INTEGER,
	arrived INTEGER, applied INTEGER, first_verdict INTEGER, first_reason INTEGER, first_answer INTEGER, final_verdict INTEGER,
	final_reason INTEGER, final_answer INTEGER, proved INTEGER, source INTEGER, answered INTEGER, serial_index BLOB, content_sealed BLOB,
	subject INTEGER, verdict INTEGER, since INTEGER, due INTEGER, attributes INTEGER, attributes_due INTEGER, erased INTEGER, PRIMARY KEY (epoch, seq));
	CREATE TABLE persons (row INTEGER PRIMARY KEY, verifier TEXT, handle_index BLOB UNIQUE, handle_sealed BLOB, made INTEGER);
	CREATE TABLE subjects (row INTEGER PRIMARY KEY, person INTEGER, sector TEXT, key_epoch INTEGER, ppid_sealed BLOB, made INTEGER)`

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func rows(t *testing.T) *keys.Rows {
	t.Helper()
	r, err := keys.NewRows(key, key)
	must(t, err)
	return r
}

func place(seq int64) []byte {
	return binary.BigEndian.AppendUint64(slices.Clone(epoch), uint64(seq)) //nolint:gosec // as stored
}

// database makes n records of different cards; the content of each is "content of tN".
func database(t *testing.T, n int) (path, keysDir string) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "row.key"), key, 0o600))
	path = filepath.Join(dir, "central.db")
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), schema)
	must(t, err)
	for seq := int64(1); seq <= int64(n); seq++ {
		tap := fmt.Sprintf("t%d", seq)
		_, err := db.ExecContext(t.Context(), `INSERT INTO records (epoch, seq, tap, tapped, serial_index, content_sealed) VALUES (?, ?, ?, ?, ?, ?)`,
			epoch, seq, []byte(tap), seq, []byte(tap), rows(t).Seal("records.content", place(seq), []byte("content of "+tap)))
		must(t, err)
	}
	return path, dir
}

// contents lists "seq tap content" of every row; a content that does not open in its place is "closed".
func contents(t *testing.T, path string) []string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	found, err := db.QueryContext(t.Context(), `SELECT seq, tap, content_sealed FROM records ORDER BY seq`)
	must(t, err)
	defer found.Close()
	var all []string
	for found.Next() {
		var seq int64
		var tap, sealed []byte
		must(t, found.Scan(&seq, &tap, &sealed))
		plain, err := rows(t).Open("records.content", place(seq), sealed)
		if err != nil {
			plain = []byte("closed")
		}
		all = append(all, fmt.Sprintf("%d %s %s", seq, tap, plain))
	}
	must(t, found.Err())
	return all
}

func TestDeeds(t *testing.T) {
	const third = "3 t3 content of t3"
	want := map[string][]string{
		"one record removed":                                  {"2 t2 content of t2", third},
		"one record doubled, sealed anew":                     {"1 t1 content of t1", "2 t2 content of t2", third, "1099511627776 t1 content of t1"},
		"two contents swapped as they are":                    {"1 t1 closed", "2 t2 closed", third},
		"two contents swapped, sealed anew":                   {"1 t1 content of t2", "2 t2 content of t1", third},
		"two records with their numbers swapped, sealed anew": {"1 t2 content of t2", "2 t1 content of t1", third},
	}
	for _, d := range tamper.Deeds() {
		if want[d.Name] == nil {
			continue // see TestDeedsToPeople
		}
		path, keysDir := database(t, 3)
		must(t, d.Do(t.Context(), path, keysDir))
		if got := contents(t, path); !slices.Equal(got, want[d.Name]) {
			t.Errorf("after %s: %q, want %q", d.Name, got, want[d.Name])
		}
	}
	if n := len(tamper.Deeds()); n != len(want)+len(toPeople) {
		t.Errorf("%d deeds, want %d", n, len(want)+len(toPeople))
	}
}

func TestRefusals(t *testing.T) {
	for _, d := range tamper.Deeds() {
		path, keysDir := database(t, 1)
		if err := d.Do(t.Context(), path, keysDir); !errors.Is(err, tamper.ErrFew) {
			t.Errorf("%s with one record = %v, want ErrFew", d.Name, err)
		}
		if err := d.Do(t.Context(), path, t.TempDir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s without a key = %v, want os.ErrNotExist", d.Name, err)
		}
		if err := d.Do(t.Context(), filepath.Join(keysDir, "none.db"), keysDir); err == nil {
			t.Errorf("%s without a database = nil, want an error", d.Name)
		}
	}
}
