package crl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"

	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

const (
	stepVersion = 1
	maxStep     = 16 << 20
)

// step is what is durable about how one set became the next. It is kept for ever.
type step struct {
	Version    uint8           `cbor:"1,keyasint"`
	Base       rule.Version    `cbor:"2,keyasint,omitzero"` // zero: nothing was in force before, or it could not be read
	BaseRoot   manifest.Digest `cbor:"3,keyasint"`
	Next       rule.Version    `cbor:"4,keyasint"`
	Root       manifest.Digest `cbor:"5,keyasint"` // of the set that it led to
	ThisUpdate int64           `cbor:"6,keyasint"` // of that set's oldest list, Unix seconds
	NextUpdate int64           `cbor:"7,keyasint"`
	Issuers    [][]byte        `cbor:"8,keyasint"`
	Made       int64           `cbor:"9,keyasint"`           // Unix seconds
	Before     changes         `cbor:"10,keyasint,omitzero"` // entries that were removed or changed, as they were
	After      changes         `cbor:"11,keyasint,omitzero"` // entries that were added or changed, as they are since
	Head       wire.Blob       `cbor:"12,keyasint,omitzero"` // the delta's head; zero: there is no delta
	Delta      wire.Blob       `cbor:"13,keyasint,omitzero"`
	Entries    uint64          `cbor:"14,keyasint"` // of the set that it led to
	// Newest is the latest thisUpdate of any list in that set, or in one before it, Unix seconds: from then on the set was in force.
	Newest int64 `cbor:"15,keyasint"`
}

// changes is a small set file. Zero entries have no file.
type changes struct {
	Entries uint64 `cbor:"1,keyasint"`
	Size    uint64 `cbor:"2,keyasint"`
	Digests []byte `cbor:"3,keyasint"`
}

func (s step) hasDelta() bool { return s.Delta.Size > 0 }

// newest is what Newest of the step to a set of these lists is to be.
func (p *published) newest(rows []manifest.Row) int64 {
	newest := int64(math.MinInt64)
	if n := len(p.steps); n > 0 {
		newest = p.steps[n-1].Newest
	}
	for _, r := range rows {
		newest = max(newest, r.ThisUpdate)
	}
	return newest
}

// begins reports whether nothing is known of before.
func (s step) begins() bool { return s.Base == rule.Version{} }

// keepStep makes a step durable; its files of entries are in place.
func (sc *scope) keepStep(st step) error {
	return keep(sc.past(st.Next, endStep), st)
}

// loadSteps reads the history up to the set in force and clears away what was begun of a later one. Where no set is in force any more, what
// is there is no leftover.
func (s *Store) loadSteps(ctx context.Context, sc *scope, p *published) error {
	dir := filepath.Join(sc.dir, dirHistory)
	files, err := os.ReadDir(dir)
	if err != nil && (!s.ReadOnly || !errors.Is(err, os.ErrNotExist)) {
		return fmt.Errorf("reading the history of %s: %w", sc.of, err)
	}
	for _, f := range files {
		v, end, ok := numberOf(f.Name())
		if !ok || end != endStep || p.exists() && v.Compare(p.head.Number) > 0 {
			continue
		}
		st, err := readStep(filepath.Join(dir, f.Name()), v)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return fmt.Errorf("reading the step to set %s: %w", Number(v), err)
		}
		if err != nil {
			if err := s.setAside(ctx, filepath.Join(dir, f.Name()), err); err != nil {
				return err
			}
			continue
		}
		p.steps = append(p.steps, st)
	}
	slices.SortFunc(p.steps, func(a, b step) int { return a.Next.Compare(b.Next) })
	if s.ReadOnly {
		return nil
	}
	lost := !p.exists() && len(p.steps) > 1 // the sets are gone, and what they said can be told still. One step alone is a first set half made
	if lost {
		s.Log.ErrorContext(ctx, "no published set can be found; the history of those that were is kept", slog.String("scope", sc.of.String()))
	}
	return s.sweep(ctx, dir, func(name string) bool {
		v, _, ok := numberOf(name)
		return ok && (lost || v.Compare(p.head.Number) <= 0)
	})
}

func readStep(path string, v rule.Version) (st step, err error) {
	b, err := os.ReadFile(path) //nolint:gosec // named by the folder
	if err != nil {
		return st, err
	}
	if err := unseal(b, &st, maxStep); err != nil {
		return st, err
	}
	if st.Version != stepVersion || st.Next != v {
		return st, fmt.Errorf("%w: step of another version or set", ErrDamaged)
	}
	return st, nil
}
