package leak_test

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the database driver

	"kazashi.example/central/lab/proof/leak"
)

var serial = []byte{0x0b, 0xad, 0xca, 0x7e}

func search(t *testing.T) *leak.Search {
	t.Helper()
	var s leak.Search
	for _, err := range []error{
		s.Number("serial", serial), s.Text("name", "練習　花子"), s.Digits("birth", "19800412"), s.Digits("number", "999900000018"),
		s.Word("pin", "4711"), s.Text("ppid", "ABCDEFGHIJKLMNOP"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return &s
}

func nothing(string) bool { return false }

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (Go 1.24)
	return b
}

// has reports whether a form was found.
func has(found []leak.Found, f leak.Form) bool {
	for _, x := range found {
		if x.Value == f.Value && x.Form.Form == f.Form && bytes.Equal(x.Octets, f.Octets) {
			return true
		}
	}
	return false
}

// plants are the kinds of places: each hides secrets somewhere under a folder.
var plants = map[string]func(t *testing.T, dir string, secrets [][]byte){
	"file": func(t *testing.T, dir string, secrets [][]byte) {
		put(t, filepath.Join(dir, "data.bin"), slices.Concat(noise(5000), bytes.Join(secrets, []byte("\x00 \x00")), []byte(" "), noise(5000)))
	},
	"log": func(t *testing.T, dir string, secrets [][]byte) {
		put(t, filepath.Join(dir, "box.log"), append([]byte(`{"msg":"`), bytes.Join(secrets, []byte("\"}\n{\"msg\":\""))...))
	},
	"environment": func(t *testing.T, dir string, secrets [][]byte) {
		put(t, filepath.Join(dir, "environ"), append([]byte("PATH=/bin\x00A="), bytes.Join(secrets, []byte("\x00A="))...))
	},
	"page": func(t *testing.T, dir string, secrets [][]byte) {
		put(t, filepath.Join(dir, "page.html"), append([]byte("<td>"), bytes.Join(secrets, []byte("</td>\n<td title=\""))...))
	},
	"database": func(t *testing.T, dir string, secrets [][]byte) {
		db := database(t, filepath.Join(dir, "a.db"), secrets)
		do(t, db, "PRAGMA wal_checkpoint(TRUNCATE)")
		shut(t, db)
	},
	"write-ahead log": func(t *testing.T, dir string, secrets [][]byte) {
		db := database(t, filepath.Join(dir, "b.db"), secrets)
		b, err := os.ReadFile(filepath.Join(dir, "b.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		shut(t, db)
		if err := os.Remove(filepath.Join(dir, "b.db")); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "b.db-wal"), b)
	},
	"deleted rows": func(t *testing.T, dir string, secrets [][]byte) {
		db := database(t, filepath.Join(dir, "c.db"), secrets)
		do(t, db, "PRAGMA wal_checkpoint(TRUNCATE)")
		do(t, db, "DELETE FROM t")
		do(t, db, "PRAGMA wal_checkpoint(TRUNCATE)")
		shut(t, db)
	},
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func shut(t *testing.T, db *sql.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// database has each secret in a row of its own, between blanks, so that it is a word.
func database(t *testing.T, path string, secrets [][]byte) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(0)&_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	do(t, db, "CREATE TABLE t (a BLOB)")
	for _, secret := range secrets {
		do(t, db, "INSERT INTO t VALUES (?)", slices.Concat([]byte(" "), secret, []byte(" ")))
	}
	return db
}

// P3: every form of every value is found in every kind of place where it was put on purpose, and none where it was not.
func TestP3FindsWhatIsPlanted(t *testing.T) {
	s := search(t)
	var secrets [][]byte
	for _, f := range s.Forms() {
		secrets = append(secrets, f.Octets)
	}
	for kind, plant := range plants {
		t.Run(kind, func(t *testing.T) {
			innocent, guilty := t.TempDir(), t.TempDir()
			plant(t, innocent, [][]byte{[]byte("nobody")})
			if found, files, err := s.Under(innocent, nothing); err != nil || files == 0 || len(found) != 0 {
				t.Errorf("Under(nothing planted) = %v in %d files, %v, want nothing", found, files, err)
			}
			plant(t, guilty, secrets)
			found, _, err := s.Under(guilty, nothing)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range s.Forms() {
				if !has(found, f) {
					t.Errorf("%s as %s was put there and is not found", f.Value, f.Form)
				}
			}
		})
	}
}

// P3: the forms are those that other software writes, and not only those that this package makes.
func TestP3FindsWhatOthersWrite(t *testing.T) {
	s := search(t)
	asJSON := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", slog.Any("id", serial), slog.String("who", "練習　花子"))
	answer := httptest.NewRecorder()
	http.Error(answer, "no record of 練習　花子", http.StatusNotFound)
	for name, c := range map[string]struct {
		in    []byte
		value string
	}{
		"JSON octets":           {asJSON(map[string]any{"id": serial}), "serial"},
		"JSON octets, shifted":  {asJSON(append([]byte{1}, append(serial, 9, 9)...)), "serial"},
		"JSON octets, shifted2": {asJSON(append([]byte{1, 2}, append(serial, 9)...)), "serial"},
		"JSON number":           {asJSON(195938942), "serial in decimal"},
		"JSON text":             {asJSON("練習　花子"), "name"},
		"log":                   {[]byte(log.String()), "name"},
		"HTTP answer":           {answer.Body.Bytes(), "name"},
		"DER integer":           {append([]byte{0x02, 0x04}, serial...), "serial"},
		"URL":                   {[]byte("/v1/x?q=" + base64.URLEncoding.EncodeToString([]byte("練習　花子"))), "name"},
		"APDU VERIFY":           {[]byte("\x00\x20\x00\x80\x044711"), "pin"},
		"JSON PIN":              {[]byte(`{"pin":"4711"}`), "pin"},
		"packed date":           {[]byte{0xff, 0x19, 0x80, 0x04, 0x12}, "birth"},
	} {
		found := s.In(name, c.in)
		ok := false
		for _, f := range found {
			ok = ok || f.Value == c.value
		}
		if !ok {
			t.Errorf("%s: In(%q) = %v, want %s", name, c.in, found, c.value)
		}
	}
	if found := s.In("numbers", []byte("port 47114, at 12:00:00.347119, id a4711b")); len(found) != 0 {
		t.Errorf("In(longer numbers) = %v, want nothing: no word 4711 is there", found)
	}
}

// File names count, and skipped files are skipped by name only.
func TestUnder(t *testing.T) {
	s, dir := search(t), t.TempDir()
	put(t, filepath.Join(dir, "0badca7e.txt"), nil)
	put(t, filepath.Join(dir, "list.crl"), serial)
	found, files, err := s.Under(dir, func(path string) bool { return path == "list.crl" })
	if err != nil || files != 1 || len(found) != 1 || !strings.Contains(found[0].String(), "serial as hex in the name 0badca7e.txt") {
		t.Errorf("Under = %v, %d files, %v, want the name alone", found, files, err)
	}
	if _, _, err := s.Under(filepath.Join(dir, "nowhere"), nothing); err == nil {
		t.Error("Under(no folder) reads nothing and says nothing")
	}
}

func TestShortValuesAreRefused(t *testing.T) {
	var s leak.Search
	for name, err := range map[string]error{
		"Number": s.Number("n", []byte{1, 2, 3}), "Text": s.Text("t", "abc"), "Digits": s.Digits("d", "123"), "Word": s.Word("w", "12"),
	} {
		if !errors.Is(err, leak.ErrShort) {
			t.Errorf("%s = %v, want %v", name, err, leak.ErrShort)
		}
	}
	if len(s.Forms()) != 0 {
		t.Errorf("Forms = %v, want none", s.Forms())
	}
}
