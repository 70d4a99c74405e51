package crl

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/durable"
)

// maxState caps a state file, in octets: 4096 partitions, or the digests of one index of 4 GiB.
const maxState = 64 << 20

const stateVersion = 1

// state is what is durable about the lists of a scope, beside their indexes. The file is replaced as a whole: that is the moment
// at which a list is taken.
type state struct {
	Version uint8  `cbor:"1,keyasint"`
	Next    uint64 `cbor:"2,keyasint"` // number of the next index file
	Parts   []part `cbor:"3,keyasint"` // rising by Row.Point
	// Used are the overrides that let a list in: each does so once.
	Used []manifest.Digest `cbor:"4,keyasint,omitempty"`
}

// part is the newest list of one partition.
type part struct {
	Row     manifest.Row    `cbor:"1,keyasint"`
	File    string          `cbor:"2,keyasint"` // its index, in dirLists
	Size    uint64          `cbor:"3,keyasint"` // octets of the index
	Entries uint64          `cbor:"4,keyasint"`
	Root    manifest.Digest `cbor:"5,keyasint"` // of the index: the same list has the same
	Digests []byte          `cbor:"6,keyasint"`
	Marks   []mark          `cbor:"7,keyasint"`
	Taken   int64           `cbor:"8,keyasint"` // Unix seconds
	From    string          `cbor:"9,keyasint,omitempty"`
	// What a server said of its file, to ask for nothing but a newer one (RFC 9110 §8.8).
	Tag      string `cbor:"10,keyasint,omitempty"`
	Modified string `cbor:"11,keyasint,omitempty"`
	Content  []byte `cbor:"12,keyasint"`           // what was signed, see scan.List.Digest
	Damaged  bool   `cbor:"13,keyasint,omitempty"` // the index cannot be read any more: the same list is taken again
}

// mark is the number of the newest list of the partition that a key signed.
type mark struct {
	Key    []byte `cbor:"1,keyasint"` // certid.KeyID
	Number uint64 `cbor:"2,keyasint"`
}

// find is the part with a point.
func (s *state) find(point []byte) (int, bool) {
	return slices.BinarySearchFunc(s.Parts, point, func(p part, point []byte) int { return bytes.Compare(p.Row.Point, point) })
}

// part is a copy of the part with a point; nil if there is none.
func (s *state) part(point []byte) *part {
	i, ok := s.find(point)
	if !ok {
		return nil
	}
	p := s.Parts[i]
	return &p
}

// put adds or replaces a part.
func (s *state) put(p part) {
	i, ok := s.find(p.Row.Point)
	if ok {
		s.Parts[i] = p
	} else {
		s.Parts = slices.Insert(s.Parts, i, p)
	}
}

// clone is a state that can be changed and thrown away.
func (s *state) clone() state {
	c := *s
	c.Parts, c.Used = slices.Clone(s.Parts), slices.Clone(s.Used)
	return c
}

// number is the newest number under a key.
func (p *part) number(key []byte) (uint64, bool) {
	for _, m := range p.Marks {
		if bytes.Equal(m.Key, key) {
			return m.Number, true
		}
	}
	return 0, false
}

// marked is the marks with one changed.
func (p *part) marked(key []byte, number uint64) []mark {
	var marks []mark
	if p != nil {
		marks = slices.DeleteFunc(slices.Clone(p.Marks), func(m mark) bool { return bytes.Equal(m.Key, key) })
	}
	return append(marks, mark{key, number})
}

// loadState reads the state and clears away indexes that it does not name. A damaged file is set aside: every list is then fetched again.
func (s *Store) loadState(ctx context.Context, sc *scope) (state, error) {
	empty := state{Version: stateVersion}
	path := filepath.Join(sc.dir, fileState)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, s.sweepLists(ctx, sc, empty)
	}
	if err != nil {
		return empty, fmt.Errorf("reading the state of %s: %w", sc.of, err)
	}
	var st state
	if err := errors.Join(unseal(b, &st, maxState), st.check()); err != nil {
		return empty, s.setAside(ctx, path, err)
	}
	return st, s.sweepLists(ctx, sc, st)
}

// check holds a state that was read to what everything else relies on.
func (s *state) check() error {
	if s.Version != stateVersion {
		return fmt.Errorf("%w: state of version %d", ErrDamaged, s.Version)
	}
	for i, p := range s.Parts {
		if i > 0 && bytes.Compare(s.Parts[i-1].Row.Point, p.Row.Point) >= 0 || filepath.Base(p.File) != p.File || !strings.HasSuffix(p.File, endIndex) {
			return fmt.Errorf("%w: state names its partitions wrongly", ErrDamaged)
		}
	}
	return nil
}

// save makes a state durable.
func (sc *scope) save(st state) error {
	return keep(filepath.Join(sc.dir, fileState), st)
}

// keep writes a value with its SHA-256 before it, durably: a disk that lies must not change a number.
func keep(path string, v any) error {
	b, err := canon.Encode(v)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	return durable.WriteFile(path, append(sum[:], b...), 0o600)
}

// unseal is the inverse of keep for octets that were read; ErrDamaged.
func unseal(b []byte, v any, limit int) error {
	if len(b) < sha256.Size || sha256.Sum256(b[sha256.Size:]) != [sha256.Size]byte(b) {
		return fmt.Errorf("%w: not what was written", ErrDamaged)
	}
	if err := canon.Decode(b[sha256.Size:], v, limit); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// sweepLists removes what no state names: a crash left it.
func (s *Store) sweepLists(ctx context.Context, sc *scope, st state) error {
	if s.ReadOnly {
		return nil
	}
	named := make(map[string]bool, len(st.Parts))
	for _, p := range st.Parts {
		named[p.File] = true
	}
	return s.sweep(ctx, filepath.Join(sc.dir, dirLists), func(name string) bool { return named[name] })
}

// sweep removes the files of a folder that are not to be kept; folders and what was set aside stay.
func (s *Store) sweep(ctx context.Context, dir string, keep func(name string) bool) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking for leftovers: %w", err)
	}
	for _, f := range files {
		if f.IsDir() || strings.HasSuffix(f.Name(), endDamaged) || keep(f.Name()) {
			continue
		}
		if err := remove(filepath.Join(dir, f.Name())); err != nil {
			s.Log.WarnContext(ctx, "a leftover could not be removed", slog.String("file", f.Name()), slog.Any("error", err))
		}
	}
	return nil
}

// setAside renames a file that cannot be believed, and tells.
func (s *Store) setAside(ctx context.Context, path string, why error) error {
	s.Log.ErrorContext(ctx, "a file of the store of revocation lists cannot be used and is set aside",
		slog.String("file", filepath.Base(path)), slog.Any("error", why))
	if s.ReadOnly {
		return nil
	}
	if err := os.Rename(path, path+endDamaged); err != nil {
		return fmt.Errorf("setting %s aside: %w", filepath.Base(path), err)
	}
	return nil
}
