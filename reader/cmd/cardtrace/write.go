package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// write writes a file that its owner alone may read, also where there was another with other rights, or to w without a path.
func write(w io.Writer, path string, b []byte) error {
	var err error
	if path == "" {
		_, err = w.Write(b)
	} else {
		err = writeFile(path, b)
	}
	if err != nil {
		return fmt.Errorf("writing the transcript: %w", err)
	}
	return nil
}

// writeFile puts a new file in path's place, whole or not at all: a temporary one beside it, fsync, rename, fsync of the folder. What is no
// regular file, as a terminal or a pipe, is written to as it is.
func writeFile(path string, b []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeInto(path, b)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".cardtrace-*") // mode 0600
	if err != nil {
		return err //nolint:wrapcheck // write wraps
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(dir)
}

func writeInto(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err //nolint:wrapcheck // write wraps
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err //nolint:wrapcheck // write wraps
	}
	return errors.Join(d.Sync(), d.Close())
}
