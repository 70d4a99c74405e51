package keys_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	if fmt.Sprint(a) != "REDACTED" || fmt.Sprintf("%#v", a) != "REDACTED" { // P3
		t.Error("keys print")
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
