package crl

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"kazashi.example/central/crl/index"
	"kazashi.example/central/crl/scan"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/durable"
)

// clockSkew is how far another clock may be ahead of central's.
const clockSkew = 5 * time.Minute

// IngestOptions say how a list is taken.
type IngestOptions struct {
	// Scope is the one that the list must be of.
	Scope certid.Scope
	// From says where the list came from, as Expect.Sources names it. Empty: nobody knows.
	From string
	// Progress is called now and then with the octets read and those that the list has in all; nil: nobody looks.
	Progress func(octets, of int64)

	tag, modified string // of the server's file
	most          int64  // octets that the list may have; 0: Config.MaxList
}

// Result is what became of a list.
type Result struct {
	// Fresh says that the list was taken; false: it was held already, and nothing changed.
	Fresh   bool
	Row     manifest.Row
	Entries uint64 // serials on the list
	Octets  int64  // of the list, DER
	Size    uint64 // octets of its index
	// Override is the one that let the list in; nil: none was needed.
	Override *Override
}

// batch takes several lists of a scope and makes them durable together. Nothing of a scope can be taken or built until commit or drop.
type batch struct {
	s    *Store
	sc   *scope
	next state
	old  []string // indexes that the next state does not name any more
	used []string // overrides that let a list in

	dirty bool // the next state says more than the one kept
}

// begin waits for its turn.
func (s *Store) begin(ctx context.Context, of certid.Scope) (*batch, error) {
	if !of.Valid() {
		return nil, fmt.Errorf("%w: %s", certid.ErrScope, of)
	}
	sc, err := s.scope(ctx, of)
	if err != nil {
		return nil, err
	}
	sc.work.Lock()
	return &batch{s: s, sc: sc, next: sc.state.clone()}, nil
}

// drop forgets what was taken and not committed. After commit it does nothing.
func (b *batch) drop() {
	if b.sc == nil {
		return
	}
	for _, p := range b.next.Parts {
		if held := b.sc.state.part(p.Row.Point); held == nil || held.File != p.File {
			_ = remove(filepath.Join(b.sc.dir, dirLists, p.File)) // swept at the next start
		}
	}
	b.sc.work.Unlock()
	b.sc = nil
}

// commit makes what was taken durable.
func (b *batch) commit() error {
	defer b.drop()
	if !b.dirty {
		return nil
	}
	if err := durable.SyncDir(filepath.Join(b.sc.dir, dirLists)); err != nil {
		return fmt.Errorf("keeping lists: %w", err)
	}
	if err := b.sc.save(b.next); err != nil {
		return fmt.Errorf("keeping lists: %w", err)
	}
	b.sc.state = b.next
	b.spend()
	return remove(b.old...)
}

// Ingest reads one list to its end, verifies it and keeps its index, durably. Errors: of packages scan and index; ErrScope,
// ErrPartition, ErrOlder, ErrSameNumber. A list that is held already is no error.
func (s *Store) Ingest(ctx context.Context, r io.Reader, o IngestOptions) (Result, error) {
	x, err := s.read(ctx, r, o) // reading can take an hour, and keeps nobody waiting
	if err != nil {
		return Result{}, err
	}
	s.keepAll(ctx, o.Scope, []*indexed{x})
	return x.res, x.err
}

// indexed is a list that was read and verified, and then what became of it.
type indexed struct {
	o    IngestOptions
	path string // of its index, on the disk already
	list scan.List
	sum  crlset.Summary

	res Result
	err error
}

// read makes the index of a list.
func (s *Store) read(ctx context.Context, r io.Reader, o IngestOptions) (*indexed, error) {
	if s.ReadOnly {
		return nil, ErrReadOnly
	}
	sc, err := s.scope(ctx, o.Scope)
	if err != nil {
		return nil, err
	}
	f, err := sc.temporary(dirLists)
	if err != nil {
		return nil, err
	}
	list, sum, err := s.index(ctx, sc, r, f, o)
	if err != nil {
		discard(f)
		return nil, err
	}
	x := &indexed{o: o, path: f.Name(), list: list, sum: sum}
	if err := f.Close(); err != nil { // index.Build synced it
		return nil, errors.Join(fmt.Errorf("keeping an index: %w", err), x.discard())
	}
	return x, nil
}

// discard removes an index that was not kept.
func (x *indexed) discard() error { return remove(x.path) }

// keepAll takes lists of a scope and makes those that are newer durable together.
func (s *Store) keepAll(ctx context.Context, of certid.Scope, all []*indexed) {
	b, err := s.begin(ctx, of)
	for _, x := range all {
		if x.err = err; err == nil {
			x.res, x.err = b.take(ctx, x)
		}
	}
	if err == nil {
		err = b.commit()
	}
	for _, x := range all {
		if x.err == nil && err != nil {
			x.res, x.err = Result{}, err
		}
		if !x.res.Fresh {
			_ = x.discard() // a leftover is swept at the next start
		}
	}
}

// index makes a list's index and holds the list to its scope.
func (s *Store) index(ctx context.Context, sc *scope, r io.Reader, f *os.File, o IngestOptions) (scan.List, crlset.Summary, error) {
	most := cmp.Or(o.most, s.MaxList)
	list, sum, err := index.Build(ctx, r, f, index.Options{Anchors: s.Anchors, Now: s.Now(), MaxOctets: most, Progress: o.Progress})
	if err != nil {
		return list, sum, err
	}
	if list.Scope != sc.of {
		return list, sum, fmt.Errorf("%w: %s instead of %s", ErrScope, list.Scope, sc.of)
	}
	return list, sum, s.fits(sc.of, list.Point)
}

// take decides by number and time, and puts the index in its place.
func (b *batch) take(ctx context.Context, x *indexed) (Result, error) {
	list, sum, o := x.list, x.sum, x.o
	res := Result{Row: rowOf(list), Entries: sum.Entries, Octets: list.Octets, Size: sum.Size}
	held, floor := b.next.part(list.Point), b.floor(list.Point)
	fresh, over, err := b.admit(ctx, floor, list)
	if err != nil {
		return res, err
	}
	if !fresh {
		if held.noteSource(o) {
			b.next.put(*held)
			b.dirty = true
		}
		return res, nil
	}
	p := part{
		Row: res.Row, Size: sum.Size, Entries: sum.Entries, Root: sum.Root, Digests: sum.Digests, Content: list.Digest,
		Taken: b.s.Now().Unix(), Marks: floor.marked(res.Row.Key, res.Row.Number),
		File: strconv.FormatUint(b.next.Next, 10) + endIndex,
	}
	p.noteSource(o)
	if err := os.Rename(x.path, filepath.Join(b.sc.dir, dirLists, p.File)); err != nil {
		return res, fmt.Errorf("keeping an index: %w", err)
	}
	if held != nil {
		b.old = append(b.old, filepath.Join(b.sc.dir, dirLists, held.File))
	}
	b.dirty = true
	b.next.Next++
	b.next.put(p)
	if over != nil {
		b.next.Used, b.used = append(b.next.Used, over.id), append(b.used, over.path)
		res.Override = &over.Override
	}
	res.Fresh = true
	return res, nil
}

// found is an override with its digest.
type found struct {
	Override

	id   manifest.Digest
	path string
}

// floor is what a list is measured by: the one held or, where the state was lost, what is known of it from the newest set. nil: nothing was
// ever held.
func (b *batch) floor(point []byte) *part {
	if held := b.next.part(point); held != nil {
		return held
	}
	for _, r := range b.sc.pub.manifest.Table {
		if bytes.Equal(r.Point, point) {
			return &part{Row: r, Marks: []mark{{r.Key, r.Number}}, Damaged: true}
		}
	}
	return nil
}

// admit holds a list to the numbers and times of those before. fresh is false for a list that is held already.
func (b *batch) admit(ctx context.Context, held *part, list scan.List) (fresh bool, _ *found, _ error) {
	row := rowOf(list)
	if held == nil || held.Content == nil && sameRow(held.Row, row) {
		return true, nil, nil
	}
	if bytes.Equal(held.Content, list.Digest) && bytes.Equal(held.Row.Key, row.Key) && held.Row.Number == row.Number {
		return held.Damaged, nil, nil
	}
	if row.ThisUpdate < held.Row.ThisUpdate {
		return false, nil, fmt.Errorf("%w: made %s, the one held %s", ErrOlder, stamp(row.ThisUpdate), stamp(held.Row.ThisUpdate))
	}
	mark, marked := held.number(row.Key)
	if !marked || row.Number > mark {
		return true, nil, nil
	}
	if over, ok := b.s.override(ctx, b.sc.of, row, b.next.Used); ok {
		b.s.Log.WarnContext(ctx, "a signed override lets in a list whose number does not rise", slog.String("scope", b.sc.of.String()),
			slog.Uint64("number", row.Number), slog.Uint64("held", mark), slog.String("reason", over.Reason), slog.String("by", over.By))
		return true, &over, nil
	}
	if row.Number == mark {
		return false, nil, fmt.Errorf("%w: number %d", ErrSameNumber, mark)
	}
	return false, nil, fmt.Errorf("%w: %d, the one held has %d", ErrLowNumber, row.Number, mark)
}

// noteSource remembers where the list came from and by what the server knows it, and reports whether that is news.
func (p *part) noteSource(o IngestOptions) bool {
	if o.From == "" || p.From == o.From && p.Tag == o.tag && p.Modified == o.modified {
		return false
	}
	p.From, p.Tag, p.Modified = o.From, o.tag, o.modified
	return true
}

func rowOf(l scan.List) manifest.Row {
	return manifest.Row{Point: l.Point, Key: l.Key[:], Number: l.Number, ThisUpdate: l.ThisUpdate.Unix(), NextUpdate: l.NextUpdate.Unix()}
}

func stamp(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) }
