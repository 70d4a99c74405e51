package roster

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kazashi.example/appliance/fetch"
	"kazashi.example/sync/chunk"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/wire"
)

// Names of files. A segment's begins with its root.
const (
	fileHead     = "head"          // of the newest roster, signed
	filePrevious = "head.previous" // of the one before it
	extSegment   = ".segment"
	extPart      = ".part"    // a download under way, of the head or a segment
	extDigests   = ".digests" // of a segment that is under way, verified
	temporary    = ".new-"    // begins what package durable left in a crash
)

// Remote is where rosters come from.
type Remote = fetch.Remote

// faults are the words for what is the matter with a file.
var faults = fetch.Faults{Full: ErrNoRoom, Digest: ErrDigest, Size: ErrSize}

// path is that of a segment.
func (s *Store) path(p roster.Part) string {
	return filepath.Join(s.Dir, hex.EncodeToString(p.Root[:])+extSegment)
}

// part is the path of a file while it comes.
func part(path string) string { return strings.TrimSuffix(path, extSegment) + extPart }

// named are the segments that the heads here name, believed or not: the keys may change.
func (s *Store) named() (map[string]bool, error) {
	named := map[string]bool{}
	for _, name := range []string{fileHead, filePrevious} {
		b, err := os.ReadFile(filepath.Join(s.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		head, err := roster.PeekHead(b)
		if err != nil {
			s.Log.Warn("a roster's head in the folder cannot be read", slog.String("file", name), slog.Any("error", err))
		}
		for _, p := range head.Parts {
			named[filepath.Base(s.path(p))] = true
		}
	}
	return named, nil
}

// tidy clears up what a crash left. A segment that no head names became whole before its head did: it is a part of a download again, and
// nothing that was fetched is fetched again.
func (s *Store) tidy() error {
	named, err := s.named()
	if err != nil {
		return err
	}
	files, err := os.ReadDir(s.Dir)
	errs := []error{err}
	for _, f := range files {
		path := filepath.Join(s.Dir, f.Name())
		switch {
		case strings.HasPrefix(f.Name(), temporary):
			errs = append(errs, os.Remove(path))
		case strings.HasSuffix(f.Name(), extSegment) && !named[f.Name()]:
			errs = append(errs, os.Rename(path, part(path)))
		}
	}
	return errors.Join(errs...)
}

// take brings an offered roster into use. The caller holds changing.
func (s *Store) take(ctx context.Context, from Remote, o wire.RosterOffer) error {
	if o.Version.N == 0 {
		return ErrOffer
	}
	if err := s.newer(o.Version); err != nil {
		return err
	}
	f := fetch.Fetcher{Remote: from, Faults: faults}
	path := filepath.Join(s.Dir, fileHead+extPart)
	signed, err := f.Whole(ctx, o.Head, path, roster.MaxHead)
	if err != nil {
		return fmt.Errorf("fetching a roster's head: %w", err)
	}
	head, err := s.judge(signed)
	if err == nil && head.Version != o.Version {
		err = ErrOffer
	}
	if err != nil {
		return errors.Join(fmt.Errorf("taking a roster: %w", err), os.Remove(path))
	}
	if err := s.weed(head.Parts, false); err != nil {
		return fmt.Errorf("removing what nobody fetches any more: %w", err)
	}
	for _, p := range head.Parts {
		if err := s.bring(ctx, f, p); err != nil {
			return fmt.Errorf("fetching a segment of a roster: %w", err)
		}
	}
	return s.commit(ctx, head, signed)
}

// bring fetches a segment that is not here, and gives it its name, which counts for nothing until a head names it.
func (s *Store) bring(ctx context.Context, f fetch.Fetcher, p roster.Part) error {
	path := s.path(p)
	if s.mapped(p) {
		return nil
	}
	if h, err := openHeld(path, p); err == nil {
		h.release()
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(path, part(path)); err != nil {
			return err
		}
	}
	if err := s.fill(ctx, f, p); err != nil {
		return err
	}
	return errors.Join(os.Rename(part(path), path), durable.SyncDir(s.Dir))
}

// mapped reports whether a segment is one of those in use, and not found damaged.
func (s *Store) mapped(p roster.Part) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	bad := slices.ContainsFunc(s.damaged, func(q roster.Part) bool { return q.Root == p.Root })
	return !bad && (s.current.has(p) || s.previous.has(p))
}

// fill makes the part of a segment whole and durable: first its digests, by which its chunks are judged then.
func (s *Store) fill(ctx context.Context, f fetch.Fetcher, p roster.Part) error {
	path := part(s.path(p))
	digests, err := s.digests(ctx, f, p)
	if err != nil {
		return err
	}
	f.Faults.Digest = segment.ErrDigest
	if err := f.Chunks(ctx, fetch.Wanted{ID: wire.BlobID(p.Root), Size: p.Size, Digests: digests}, path); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(digests, int64(p.Size)) //nolint:gosec // at most MaxSegment
	if err == nil {
		err = file.Sync()
	}
	return fetch.Full(errors.Join(err, file.Close()), ErrNoRoom)
}

// digests are those of a segment's chunks: kept beside its part, or fetched from behind the last chunk, and held against the root.
func (s *Store) digests(ctx context.Context, f fetch.Fetcher, p roster.Part) ([]byte, error) {
	path := strings.TrimSuffix(s.path(p), extSegment) + extDigests
	if b, err := os.ReadFile(path); err == nil && len(b) == 32*chunk.Count(p.Size) && roster.RootOf(p.Size, b) == p.Root {
		return b, nil
	}
	for range 2 {
		b, err := f.Range(ctx, wire.BlobID(p.Root), p.Size, 32*chunk.Count(p.Size))
		if err != nil {
			return nil, err
		}
		if roster.RootOf(p.Size, b) == p.Root {
			return b, fetch.Full(os.WriteFile(path, b, 0o600), ErrNoRoom)
		}
	}
	return nil, fmt.Errorf("%w: its digests", segment.ErrDigest)
}

// commit gives a roster whose segments are durable its name. What a crash leaves: before the head's rename, which makes it count, the one
// in use, once more as the one before it; after it, files that nobody needs, which the next change removes. The caller holds changing.
func (s *Store) commit(ctx context.Context, head roster.Head, signed []byte) error {
	if _, err := s.judge(signed); err != nil { // the keys may have changed meanwhile
		return err
	}
	next, err := s.assemble(head, signed)
	if err != nil {
		return err
	}
	s.mu.RLock()
	before := s.current.borrow()
	s.mu.RUnlock()
	if before != nil {
		if err := durable.WriteFile(filepath.Join(s.Dir, filePrevious), before.signed, 0o600); err != nil {
			next.release()
			before.release()
			return fetch.Full(fmt.Errorf("keeping the roster before: %w", err), ErrNoRoom)
		}
	}
	if err := durable.WriteFile(filepath.Join(s.Dir, fileHead), signed, 0o600); err != nil {
		next.release()
		before.release()
		return fetch.Full(fmt.Errorf("keeping a roster: %w", err), ErrNoRoom)
	}
	s.mu.Lock()
	s.newest = head.Version
	s.damaged = slices.DeleteFunc(s.damaged, func(p roster.Part) bool { return !next.has(p) && !before.has(p) })
	s.mu.Unlock()
	s.use(next, before)
	s.Log.InfoContext(ctx, "a newer roster is in use", slog.Uint64("number", head.Version.N), slog.Uint64("people", uint64(head.People)),
		slog.Int("segments", len(head.Parts)))
	s.Changed()
	return s.weed(nil, true)
}

// weed removes segments that neither a head here nor what is wanted names; and parts of downloads that are not wanted, the head's where
// all is done. The caller holds changing.
func (s *Store) weed(wanted []roster.Part, done bool) error {
	keep, err := s.named()
	if err != nil {
		return err
	}
	keep[fileHead+extPart] = !done
	s.mu.RLock()
	wanted = append(slices.Clone(wanted), s.damaged...)
	s.mu.RUnlock()
	for _, p := range wanted {
		base := filepath.Base(s.path(p))
		for _, ext := range []string{extSegment, extPart, extDigests} {
			keep[strings.TrimSuffix(base, extSegment)+ext] = true
		}
	}
	files, err := os.ReadDir(s.Dir)
	errs := []error{err}
	for _, f := range files {
		ext := filepath.Ext(f.Name())
		if slices.Contains([]string{extSegment, extPart, extDigests}, ext) && !keep[f.Name()] {
			errs = append(errs, os.Remove(filepath.Join(s.Dir, f.Name())))
		}
	}
	return errors.Join(errs...)
}

// mend fetches again what is wrong in damaged segments, chunk by chunk, and takes the newest roster into use again. A segment is mended in
// its own file, from which lookups still read what is right in it. The caller holds changing.
func (s *Store) mend(ctx context.Context, from Remote) error {
	damaged, err := s.worthMending()
	if err != nil || len(damaged) == 0 {
		return err
	}
	f := fetch.Fetcher{Remote: from, Faults: faults}
	for _, p := range damaged {
		if err := os.Rename(s.path(p), part(s.path(p))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := s.fill(ctx, f, p); err != nil {
			return fmt.Errorf("mending a segment of the roster: %w", err)
		}
		if err := errors.Join(os.Rename(part(s.path(p)), s.path(p)), durable.SyncDir(s.Dir)); err != nil {
			return err
		}
		s.forgive(p)
	}
	before := s.Version()
	s.recall()
	s.Log.InfoContext(ctx, "the roster on the disk was mended", slog.Uint64("number", s.Version().N), slog.Uint64("number_before", before.N))
	s.Changed()
	return s.weed(nil, true)
}

// worthMending are the damaged segments of the newest roster; one before it that is damaged goes out of use.
func (s *Store) worthMending() (damaged []roster.Part, err error) {
	s.mu.RLock()
	all, previous := slices.Clone(s.damaged), s.previous
	s.mu.RUnlock()
	if len(all) == 0 {
		return nil, nil
	}
	signed, err := os.ReadFile(filepath.Join(s.Dir, fileHead))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	head, _ := s.judge(signed) // one that is not believed names nothing
	for _, p := range all {
		if slices.ContainsFunc(head.Parts, func(q roster.Part) bool { return q.Root == p.Root }) {
			damaged = append(damaged, p)
			continue
		}
		s.forgive(p)
		if previous.has(p) {
			s.drop(previous)
		}
	}
	return damaged, nil
}

// forgive forgets that a segment is damaged.
func (s *Store) forgive(p roster.Part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged = slices.DeleteFunc(s.damaged, func(q roster.Part) bool { return q.Root == p.Root })
}
