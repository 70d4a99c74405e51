// Package durable writes small files so that after a power cut each is whole: the old one, the new one, or none.
//
// The happy path is: create a temporary file beside the target, write, fsync, close, rename (or link) over the name, fsync
// the directory. It serves keys, trust bundles, lists and courier files on both ends. Two writers of one name do not mix
// their bytes; the last one to rename wins. A temporary file left by a crash begins with ".new-" and the target's name.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// WriteFile makes or replaces path with mode perm. When it returns nil the bytes survive a power cut.
func WriteFile(path string, b []byte, perm fs.FileMode) error {
	return write(path, b, perm, os.Rename)
}

// CreateFile makes path with mode perm; an error that is fs.ErrExist says that the name was taken, and nothing was changed.
func CreateFile(path string, b []byte, perm fs.FileMode) error {
	return write(path, b, perm, os.Link)
}

func write(path string, b []byte, perm fs.FileMode, publish func(from, to string) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", filepath.Base(path), err)
		}
	}()
	f, err := os.CreateTemp(filepath.Dir(path), temporary+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after a rename there is nothing left to remove
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := publish(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// temporary begins the name of a file that is not whole yet.
const temporary = ".new-"

// RemoveLeft removes what a crash left of writing path, durably. Nobody may be writing path meanwhile.
func RemoveLeft(path string) error {
	dir, begins := filepath.Dir(path), temporary+filepath.Base(path)+"-"
	all, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	removed := false
	for _, e := range all {
		if !strings.HasPrefix(e.Name(), begins) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return SyncDir(dir)
}

// SyncDir makes the names in a directory durable.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
