package crl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"kazashi.example/sync/durable"
	"kazashi.example/sync/rule"
)

// Names inside the store's folder, and inside that of a scope.
const (
	fileLock     = "lock"
	fileState    = "state.cbor"
	dirLists     = "lists"     // an index for each partition
	dirSets      = "sets"      // what is published
	dirHistory   = "history"   // what each step changed
	dirOverrides = "overrides" // signed exceptions, beside the scopes
)

// Endings of published files and of those of the history.
const (
	endIndex    = ".idx"
	endSet      = ".set"
	endManifest = ".manifest"
	endDelta    = ".delta"
	endHead     = ".head"
	endBefore   = ".before"
	endAfter    = ".after"
	endStep     = ".step"
	endDamaged  = ".damaged"
)

// tempPrefix begins the name of a file that is not finished; durable uses it, too.
const tempPrefix = ".new-"

// hold locks the store for this process.
func hold(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's path
	if err != nil {
		return nil, fmt.Errorf("locking the store of revocation lists: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a descriptor fits an int
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrHeld, filepath.Dir(path)), f.Close())
	}
	return f, nil
}

func (sc *scope) makeFolders() error {
	for _, name := range []string{dirLists, dirSets, dirHistory} {
		if err := os.MkdirAll(filepath.Join(sc.dir, name), 0o700); err != nil {
			return fmt.Errorf("making the folders of %s: %w", sc.of, err)
		}
	}
	return errors.Join(durable.SyncDir(sc.dir), durable.SyncDir(filepath.Dir(sc.dir)))
}

// temporary makes a file in a folder of the scope that counts for nothing until it is renamed.
func (sc *scope) temporary(in string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Join(sc.dir, in), tempPrefix+"*")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	return f, nil
}

// seal makes the octets of a temporary file durable and closes it.
func seal(f *os.File) error { return errors.Join(f.Sync(), f.Close()) }

// discard removes a temporary file, whatever became of it.
func discard(f *os.File) {
	_ = f.Close()           // closed before, on the good way
	_ = os.Remove(f.Name()) // renamed before, on the good way
}

// remove removes files; those that are not there are no error.
func remove(paths ...string) error {
	var errs []error
	for _, p := range paths {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// numbered is the name of a file of a set: "<central epoch>-<n>" and an ending.
func numbered(v rule.Version, end string) string {
	return strconv.FormatUint(v.CentralEpoch, 10) + "-" + strconv.FormatUint(v.N, 10) + end
}

// numberOf is the inverse of numbered.
func numberOf(name string) (v rule.Version, end string, ok bool) {
	dot := strings.IndexByte(name, '.')
	if dot < 0 {
		return v, "", false
	}
	e, n, ok := strings.Cut(name[:dot], "-")
	if !ok {
		return v, "", false
	}
	var errs [2]error
	v.CentralEpoch, errs[0] = strconv.ParseUint(e, 10, 64)
	v.N, errs[1] = strconv.ParseUint(n, 10, 64)
	return v, name[dot:], errors.Join(errs[:]...) == nil && numbered(v, name[dot:]) == name
}

// set is the path of a published file.
func (sc *scope) set(v rule.Version, end string) string {
	return filepath.Join(sc.dir, dirSets, numbered(v, end))
}

// past is the path of a file of the history.
func (sc *scope) past(v rule.Version, end string) string {
	return filepath.Join(sc.dir, dirHistory, numbered(v, end))
}
