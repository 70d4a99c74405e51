package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/sync/durable"
)

func TestWriteReplacesAndCreateDoesNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := durable.CreateFile(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.CreateFile(path, []byte("two"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("CreateFile(taken) = %v, want fs.ErrExist", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "one" {
		t.Errorf("after the refusal: %q, want %q", b, "one")
	}
	if err := durable.WriteFile(path, []byte("three"), 0o640); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	info, serr := os.Stat(path)
	if err != nil || serr != nil || string(b) != "three" || info.Mode().Perm() != 0o640 {
		t.Errorf("after WriteFile: %q, mode %v, %v", b, info.Mode(), errors.Join(err, serr))
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestRefusesAMissingFolder(t *testing.T) {
	if err := durable.WriteFile(filepath.Join(t.TempDir(), "no", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("WriteFile(no folder) = %v, want fs.ErrNotExist", err)
	}
}

// What a crash left of one file goes; what belongs to another stays.
func TestRemoveLeft(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "with [brackets]")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "keys.cbor")
	for _, name := range []string{".new-keys.cbor-12", ".new-keys.cbor-9", ".new-other.cbor-12", "keys.cbor"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("made up"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := durable.RemoveLeft(path); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 || entries[0].Name() != ".new-other.cbor-12" || entries[1].Name() != "keys.cbor" {
		t.Errorf("left: %v, want the file itself and another's", entries)
	}
	if err := durable.RemoveLeft(filepath.Join(dir, "no", "file")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("RemoveLeft(no folder) = %v, want fs.ErrNotExist", err)
	}
}
