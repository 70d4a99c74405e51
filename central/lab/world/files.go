package world

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// writeTemp writes and syncs a file of its own name in dir, readable by the owner alone, and returns its path.
func writeTemp(dir string, b []byte) (string, error) {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return "", fmt.Errorf("making a temporary file: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	return f.Name(), nil
}

// writeFile puts b at path whole or not at all; the folder is made and synced.
func writeFile(path string, b []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making folder: %w", err)
	}
	tmp, err := writeTemp(dir, b)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("putting file in place: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing folder: %w", err)
	}
	return nil
}

// lock takes the folder's lock among processes and goroutines; the returned function gives it back. The kernel drops it with the process.
func lock(dir string) (func(), error) {
	f, err := os.OpenFile(filepath.Join(dir, "world.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking practice world: %w", err)
	}
	return func() { f.Close() }, nil
}

// WriteFile keeps a file of the practice services in the world's folder, whole or not at all; name is relative.
func (w *World) WriteFile(name string, b []byte) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%w: file name leaves the folder", ErrState)
	}
	return writeFile(filepath.Join(w.dir, name), b)
}
