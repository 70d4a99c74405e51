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
