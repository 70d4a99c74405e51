package revocation

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// Ends of file names. The first four are those of files that travel.
const (
	extSet      = ".set"
	extManifest = ".manifest"
	extHead     = ".head"
	extDelta    = ".delta"
	extPart     = ".part"    // a download under way; after one of the four
	extLoad     = ".load"    // a copy from a folder under way; after one of the four
	extNew      = ".new"     // a set being put together from deltas; after extPart's or extLoad's set
	extRefused  = ".refused" // why what was in the inbox could not be used; it is there no longer
	temporary   = ".new-"    // begins what package durable left in a crash
)

// name is the part of a file's name before its end: which set it belongs to.
type name struct {
	scope  certid.Scope
	number rule.Version
}

func nameOf(h manifest.Head) name { return name{h.Scope(), h.Number} }

// String is "practice-auth-1-42".
func (n name) String() string {
	return fmt.Sprintf("%s-%s-%d-%d", n.scope.Hierarchy, n.scope.Purpose, n.number.CentralEpoch, n.number.N)
}

// parseName takes a file's name apart, and only in the form in which it is written.
func parseName(file string) (n name, ext string, ok bool) {
	base, ext, _ := strings.Cut(file, ".")
	words := strings.Split(base, "-")
	if len(words) != 4 {
		return n, "", false
	}
	var errs [4]error
	n.scope.Hierarchy, errs[0] = certid.ParseHierarchy(words[0])
	n.scope.Purpose, errs[1] = certid.ParsePurpose(words[1])
	n.number.CentralEpoch, errs[2] = strconv.ParseUint(words[2], 10, 64)
	n.number.N, errs[3] = strconv.ParseUint(words[3], 10, 64)
	return n, "." + ext, errors.Join(errs[:]...) == nil && n.String() == base
}

// File is a set as it lies in a folder.
type File struct {
	Head     manifest.Head
	Manifest manifest.Manifest
	Path     string // of the set
	Size     int64  // octets on the disk
	Err      error  // why it cannot be used; nil if it can as far as that is known without reading all of it
	name     name
}

// Open maps the set for lookups; each chunk is compared with its digest when it is first touched.
func (f File) Open() (*crlset.Set, error) {
	if f.Err != nil {
		return nil, f.Err
	}
	return crlset.OpenFile(f.Path, f.Manifest.Digests)
}

// Peek lists the sets in a folder, for a tool beside the running box: by scope, the newest first. It writes, locks and removes
// nothing. An error is that of reading the folder.
func Peek(dir string, keys sign.Keys) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder of revocation sets: %w", err)
	}
	var files []File
	for _, e := range entries {
		if n, ext, ok := parseName(e.Name()); ok && ext == extManifest {
			files = append(files, look(dir, n, keys))
		}
	}
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Or(cmp.Compare(a.name.scope.Hierarchy, b.name.scope.Hierarchy), cmp.Compare(a.name.scope.Purpose, b.name.scope.Purpose),
			b.name.number.Compare(a.name.number))
	})
	return files, nil
}

// look reads a manifest and judges it and what lies beside it.
func look(dir string, n name, keys sign.Keys) File {
	f := File{Path: filepath.Join(dir, n.String()+extSet), name: n}
	f.Head.Hierarchy, f.Head.Purpose, f.Head.Number = n.scope.Hierarchy, n.scope.Purpose, n.number
	b, err := readFile(filepath.Join(dir, n.String()+extManifest), manifest.MaxManifest)
	if err != nil {
		f.Err = fmt.Errorf("reading the manifest: %w", err)
		return f
	}
	m, head, err := manifest.Decode(keys, b)
	if err != nil {
		f.Err = err
		return f
	}
	f.Head, f.Manifest = head, m
	if nameOf(head) != n {
		f.Err = ErrName
		return f
	}
	info, err := os.Stat(f.Path)
	switch {
	case err != nil:
		f.Err = fmt.Errorf("looking for the set: %w", err)
	case uint64(info.Size()) != head.Size: //nolint:gosec // a size is not negative
		f.Err = fmt.Errorf("%w: %d octets, signed %d", crlset.ErrDigest, info.Size(), head.Size)
	default:
		f.Size = info.Size()
	}
	return f
}

// strange reports whether a set may be in order, and only the keys in force do not vouch for it.
func (f File) strange() bool { return errors.Is(f.Err, sign.ErrUnknownKey) }

// readFile reads a file of at most limit octets.
func readFile(path string, limit int64) ([]byte, error) {
	f, info, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	if info.Size() > limit {
		return nil, fmt.Errorf("%w: %d octets, at most %d", manifest.ErrManifest, info.Size(), limit)
	}
	b := make([]byte, info.Size())
	_, err = io.ReadFull(f, b)
	return b, err
}

// removeAll removes files; those that are not there do not matter.
func removeAll(paths ...string) error {
	var errs []error
	for _, p := range paths {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// rename is os.Rename for which a source that is not there is no error.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
