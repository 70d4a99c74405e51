package keys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/central/keys"
)

func TestCreateOnceOpenOften(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := keys.Create(dir); err != nil {
		t.Fatal(err)
	}
	if err := keys.Create(dir); !errors.Is(err, keys.ErrExists) {
		t.Errorf("second Create = %v, want ErrExists", err)
	}
	a, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := a.Seal.Public().ID(), b.Seal.Public().ID(); x != y {
		t.Errorf("sealing key = %s, then %s", x, y)
	}
	if x, y := a.Rows.Index("serial", []byte{1}), b.Rows.Index("serial", []byte{1}); !bytes.Equal(x, y) {
		t.Error("columns are found under another index after a restart")
	}
}

func TestOpenNamesTheFileAtFault(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		want  error
	}{
		{"readable by others", func(d string) error { return os.Chmod(filepath.Join(d, "row.key"), 0o644) }, keys.ErrMode},
		{"short", func(d string) error { return os.WriteFile(filepath.Join(d, "index.key"), []byte("short"), 0o600) }, keys.ErrFile},
		{"no PEM", func(d string) error { return os.WriteFile(filepath.Join(d, "tls.key"), []byte("x"), 0o600) }, keys.ErrFile},
		{"seal damaged", func(d string) error { return os.WriteFile(filepath.Join(d, "seal.key"), []byte("x"), 0o600) }, keys.ErrFile},
		{"root set damaged", func(d string) error { return os.Truncate(filepath.Join(d, "root-sets.cbor"), 50) }, keys.ErrFile},
		{"a key and something after it", func(d string) error { return appendTo(filepath.Join(d, "sign.key"), "x") }, keys.ErrFile},
		{"a link", func(d string) error { return link(filepath.Join(d, "row.key")) }, keys.ErrMode},
		{"no folder", os.RemoveAll, os.ErrNotExist},
		{"missing", func(d string) error { return os.Remove(filepath.Join(d, "sign.key")) }, os.ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			if err := errors.Join(keys.Create(dir), c.spoil(dir)); err != nil {
				t.Fatal(err)
			}
			if _, err := keys.Open(dir); !errors.Is(err, c.want) {
				t.Errorf("Open = %v, want %v", err, c.want)
			}
		})
	}
}

// The root key may be kept elsewhere, from the first day or later: everything else opens without it.
func TestARootKeyKeptElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := keys.Create(dir); err != nil {
		t.Fatal(err)
	}
	whole, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
	without, err := keys.Open(dir)
	if err != nil || without.Root != nil || len(without.Roots) != 1 {
		t.Errorf("Open without root.key = root %v, %d sets, %v, want none and 1", without.Root, len(without.Roots), err)
	}
	under := filepath.Join(t.TempDir(), "keys")
	if err := keys.CreateUnder(under, whole.Roots); err != nil {
		t.Fatal(err)
	}
	k, err := keys.Open(under)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := whole.Fingerprint()
	if got, err := k.Fingerprint(); err != nil || got != want || k.Root != nil {
		t.Errorf("CreateUnder: root set %s, %v, a root key: %v; want %s and none", got, err, k.Root != nil, want)
	}
}

func TestColumnsOpenOnlyInTheirPlace(t *testing.T) { // P3
	r, err := keys.NewRows(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	sealed := r.Seal("applied", []byte("row 1"), []byte("secret"))
	if got, err := r.Open("applied", []byte("row 1"), sealed); err != nil || string(got) != "secret" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	for name, try := range map[string]func() ([]byte, error){
		"other row":   func() ([]byte, error) { return r.Open("applied", []byte("row 2"), sealed) },
		"other table": func() ([]byte, error) { return r.Open("ppid", []byte("row 1"), sealed) },
		"changed": func() ([]byte, error) {
			return r.Open("applied", []byte("row 1"), append(sealed[:len(sealed)-1:len(sealed)-1], 0))
		},
		"short": func() ([]byte, error) { return r.Open("applied", []byte("row 1"), sealed[:10]) },
		"empty": func() ([]byte, error) { return r.Open("applied", []byte("row 1"), nil) },
	} {
		if _, err := try(); !errors.Is(err, keys.ErrRow) {
			t.Errorf("Open(%s) = %v, want ErrRow", name, err)
		}
	}
	if !bytes.Equal(r.Index("serial", []byte{1}), r.Index("serial", []byte{1})) || bytes.Equal(r.Index("serial", []byte{1}), r.Index("tap", []byte{1})) {
		t.Error("an index must be equal for equal values of one label only")
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func link(path string) error {
	return errors.Join(os.Rename(path, path+".moved"), os.Symlink(path+".moved", path))
}

// However keys are printed, logged or written, none is in it: by themselves, behind a pointer, inside something else.
func TestKeysNeverPrint(t *testing.T) { // P3
	dir := filepath.Join(t.TempDir(), "keys")
	if err := keys.Create(dir); err != nil {
		t.Fatal(err)
	}
	k, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := []any{k, *k, k.Rows, *k.Rows}
	b, err := json.Marshal(all)
	if got := string(b); err != nil || got != `["REDACTED","REDACTED","REDACTED","REDACTED"]` {
		t.Errorf("Marshal = %s, %v", got, err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("planted", slog.Any("a", *k), slog.Any("b", *k.Rows))
	if strings.Count(log.String(), "REDACTED") != 2 {
		t.Errorf("log = %s", &log)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, v := range all {
			if got := fmt.Sprintf(verb, v); got != "REDACTED" {
				t.Errorf("Sprintf(%s, %T) = %.40s, want REDACTED", verb, v, got)
			}
		}
	}
}

// TestACreationCutShort: whatever was made is never used, and the next creation makes all of it anew. One that was completed is
// never touched again, not even where a file of it is gone.
func TestACreationCutShort(t *testing.T) { // P9
	whole := filepath.Join(t.TempDir(), "keys")
	if err := keys.Create(whole); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(whole)
	if err != nil {
		t.Fatal(err)
	}
	for made := 0; made <= len(files); made++ {
		dir := t.TempDir()
		for _, f := range files[:made] {
			b, err := os.ReadFile(filepath.Join(whole, f.Name()))
			if err = errors.Join(err, os.WriteFile(filepath.Join(dir, f.Name()), b, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "unfinished"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(dir); !errors.Is(err, keys.ErrUnfinished) {
			t.Fatalf("Open of %d files of a cut creation = %v, want ErrUnfinished", made, err)
		}
		if err := keys.Create(dir); err != nil {
			t.Fatalf("Create after a cut one = %v", err)
		}
		if _, err := keys.Open(dir); err != nil {
			t.Fatalf("Open = %v", err)
		}
	}
	for _, f := range files {
		path := filepath.Join(whole, f.Name())
		if err := os.Rename(path, path+".lost"); err != nil {
			t.Fatal(err)
		}
		if err := keys.Create(whole); !errors.Is(err, keys.ErrExists) {
			t.Errorf("Create where %s is lost = %v, want ErrExists", f.Name(), err)
		}
		if _, err := os.Lstat(filepath.Join(whole, "unfinished")); !errors.Is(err, os.ErrNotExist) {
			t.Error("a refused creation marked used keys as unfinished")
		}
		if err := os.Rename(path+".lost", path); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(whole); err != nil {
			t.Errorf("Open after the refusal = %v", err)
		}
	}
}
