package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// P3: a transcript is its owner's alone, whatever stood in its place, and whatever the file mode mask is.
func TestP3OutputIsItsOwnersAlone(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := t.TempDir()
	readable, linked, link := filepath.Join(dir, "readable.trace"), filepath.Join(dir, "linked.trace"), filepath.Join(dir, "link.trace")
	for _, p := range []string{readable, linked} {
		if err := os.WriteFile(p, []byte("old"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(linked, link); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(readable) // somebody who had it open does not see what is written
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for _, p := range []string{filepath.Join(dir, "new.trace"), readable, link} {
		if err := write(nil, p, []byte("transcript")); err != nil {
			t.Fatalf("write(%s) = %v", filepath.Base(p), err)
		}
		info, err := os.Lstat(p)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v, want 0600", filepath.Base(p), info.Mode(), err)
		}
		if got, err := os.ReadFile(p); err != nil || string(got) != "transcript" {
			t.Errorf("%s holds %q, %v", filepath.Base(p), got, err)
		}
	}
	b := make([]byte, 10)
	if n, _ := open.Read(b); string(b[:n]) != "old" {
		t.Errorf("the old file holds %q now, want old", b[:n])
	}
	if got, err := os.ReadFile(linked); err != nil || string(got) != "old" {
		t.Errorf("what the link led to holds %q, %v, want old", got, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 4 {
		t.Errorf("%d files, %v, want 4: no temporary one is left", len(list), err)
	}
}

func TestWriteElsewhere(t *testing.T) {
	var out bytes.Buffer
	if err := write(&out, "", []byte("transcript")); err != nil || out.String() != "transcript" {
		t.Errorf("write to standard output = %v, %q", err, out.String())
	}
	if err := write(nil, os.DevNull, []byte("transcript")); err != nil {
		t.Errorf("write(%s) = %v", os.DevNull, err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s is %v now, %v", os.DevNull, info.Mode(), err)
	}
	dir := t.TempDir()
	if err := write(nil, filepath.Join(dir, "none", "a.trace"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("write into a folder that is not there = %v, want fs.ErrNotExist", err)
	}
	if err := write(nil, dir, nil); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("write over a folder = %v, want EISDIR", err)
	}
}
