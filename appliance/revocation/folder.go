package revocation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// Load takes into use what a folder holds that is newer: whole sets, or chains of deltas from what is in use. The folder's files are
// named as `kazashi-central crl export` names them, and are only read. It returns the heads that came into use. ErrNothing if
// there is nothing to load, ErrOlder if nothing is newer, or why each set or delta was refused.
func (c *Cache) Load(ctx context.Context, folder string) ([]manifest.Head, error) {
	c.loading.Lock()
	defer c.loading.Unlock()
	before := c.Held()
	faults, err := c.load(ctx, folder)
	if err != nil {
		return nil, err
	}
	var fresh []manifest.Head
	for _, s := range c.Held() {
		if !slices.Contains(before, s) {
			h, _ := c.Newest(certid.Scope{Hierarchy: s.Hierarchy, Purpose: s.Purpose})
			fresh = append(fresh, h)
		}
	}
	if err := joined(faults); err != nil || len(fresh) > 0 {
		return fresh, err
	}
	return nil, ErrOlder
}

// load takes one set or chain after the other until nothing more leads on. The faults are those of what stands in the folder; the error is
// another's.
func (c *Cache) load(ctx context.Context, folder string) (faults map[name]error, err error) {
	defer func() { err = errors.Join(err, c.unload()) }()
	return c.exhaust(ctx, folder, func(s survey, o wire.SetOffer) error { return job{c, s, extLoad}.pursue(ctx, o) })
}

// exhaust surveys a folder and takes what it offers, again and again until there is nothing more that leads on and was not tried: what
// is at fault keeps nothing else out. ErrNothing if there is nothing at all.
func (c *Cache) exhaust(ctx context.Context, folder string, take func(survey, wire.SetOffer) error) (map[name]error, error) {
	faults, tried := map[name]error{}, map[name]bool{}
	for {
		s, err := c.survey(folder, tried)
		if err != nil {
			return nil, err
		}
		if s.sets == 0 {
			return nil, ErrNothing
		}
		maps.Copy(faults, s.faults)
		if len(s.offers) == 0 {
			return faults, nil
		}
		for _, o := range s.offers {
			tried[offered(o)] = true
			err := take(s, o)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err != nil:
				faults[offered(o)] = err
			}
		}
	}
}

// unload removes what was copied and did not come into use: the folder has it still.
func (c *Cache) unload() error {
	entries, err := os.ReadDir(c.Dir)
	for _, e := range entries {
		if _, ext, ok := parseName(e.Name()); ok && strings.Contains(ext, extLoad) {
			err = errors.Join(err, removeAll(filepath.Join(c.Dir, e.Name())))
		}
	}
	return err
}

// survey is what a folder offers.
type survey struct {
	sets   int // sets and deltas that are there with their heads
	offers []wire.SetOffer
	faults map[name]error
	paths  map[wire.BlobID]string
	deltas map[certid.Scope][]wire.DeltaOffer
	wholes map[certid.Scope]wire.SetOffer // the newest
}

var _ Remote = survey{}

// Blob opens a file of the folder.
func (s survey) Blob(_ context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	f, _, err := openRegular(s.paths[id])
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(int64(from), io.SeekStart); err != nil { //nolint:gosec // below the size of a set
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// survey reads heads and manifests, which it verifies, and finds out what leads on from what is in use and was not tried.
func (c *Cache) survey(folder string, tried map[name]bool) (survey, error) {
	s := survey{
		faults: map[name]error{}, paths: map[wire.BlobID]string{},
		deltas: map[certid.Scope][]wire.DeltaOffer{}, wholes: map[certid.Scope]wire.SetOffer{},
	}
	files, err := list(folder)
	if err != nil {
		return s, fmt.Errorf("reading the folder: %w", err)
	}
	for _, file := range files {
		n, ext, ok := parseName(file)
		if !ok || ext != extManifest && ext != extHead {
			continue
		}
		path := filepath.Join(folder, n.String())
		body := map[string]string{extManifest: extSet, extHead: extDelta}[ext]
		info, err := os.Lstat(path + body)
		if err != nil {
			continue // not all of it is there
		}
		s.sets++
		if c.newer(n.scope, n.number) != nil || ext == extManifest && tried[n] {
			continue
		}
		add := map[string]func(*Cache, name, string, string, os.FileInfo) error{extManifest: s.addSet, extHead: s.addDelta}[ext]
		if err := add(c, n, path+ext, path+body, info); err != nil {
			s.faults[n] = err
		}
	}
	s.choose(c, tried)
	return s, nil
}

// addSet notes a whole set.
func (s survey) addSet(c *Cache, n name, path, body string, info os.FileInfo) error {
	b, err := readFile(path, manifest.MaxManifest)
	if err != nil {
		return err
	}
	m, head, err := manifest.Decode(c.Keys(), b)
	if err != nil {
		return err
	}
	if err := errors.Join(named(n, head), signedSize(info, head.Size)); err != nil {
		return err
	}
	if err := c.onward(head, m.Table); err != nil {
		return err
	}
	if s.wholes[n.scope].Number.Compare(n.number) > 0 {
		return nil
	}
	o := wire.SetOffer{
		Hierarchy: n.scope.Hierarchy, Purpose: n.scope.Purpose, Number: n.number,
		Manifest: s.blob(path, sha256.Sum256(b), uint64(len(b))), Set: s.blob(body, head.Root, head.Size),
	}
	s.wholes[n.scope] = o
	return nil
}

// addDelta notes a delta.
func (s survey) addDelta(c *Cache, n name, path, body string, info os.FileInfo) error {
	b, err := readFile(path, manifest.MaxManifest)
	if err != nil {
		return err
	}
	told, head, err := manifest.OpenDelta(c.Keys(), b)
	if err != nil {
		return err
	}
	if err := errors.Join(named(n, head), signedSize(info, told.Size)); err != nil {
		return err
	}
	s.deltas[n.scope] = append(s.deltas[n.scope], wire.DeltaOffer{
		Base: told.Base, Next: n.number, Head: s.blob(path, sha256.Sum256(b), uint64(len(b))), Delta: s.blob(body, told.BlobID(), told.Size),
	})
	return nil
}

// signedSize wants a regular file of the size that was signed.
func signedSize(info os.FileInfo, size uint64) error {
	switch {
	case !info.Mode().IsRegular():
		return ErrIrregular
	case uint64(info.Size()) != size: //nolint:gosec // a size is not negative
		return fmt.Errorf("%w: %d octets, signed %d", crlset.ErrDigest, info.Size(), size)
	default:
		return nil
	}
}

func (s survey) blob(path string, id [32]byte, size uint64) wire.Blob {
	s.paths[id] = path
	return wire.Blob{ID: id, Size: size}
}

func named(n name, head manifest.Head) error {
	if err := head.Is(n.scope); err != nil {
		return err
	}
	if nameOf(head) != n {
		return ErrName
	}
	return nil
}

// choose makes one offer a scope: the set or the chain that leads farthest, or both where they lead to the same.
func (s *survey) choose(c *Cache, tried map[name]bool) {
	for scope, deltas := range s.deltas {
		deltas = slices.DeleteFunc(deltas, func(d wire.DeltaOffer) bool { return tried[name{scope, d.Next}] })
		chain, end := c.follows(scope, deltas)
		o := s.wholes[scope]
		switch {
		case len(chain) == 0 && o.Set.Size == 0:
			s.stray(scope, deltas)
			continue
		case end.Compare(o.Number) > 0:
			o = wire.SetOffer{Hierarchy: scope.Hierarchy, Purpose: scope.Purpose, Number: end, Deltas: chain}
		case end == o.Number:
			o.Deltas = chain
		}
		s.wholes[scope] = o
	}
	for _, o := range s.wholes {
		s.offers = append(s.offers, o)
	}
}

// stray is what is the matter with deltas that lead on from nothing.
func (s *survey) stray(scope certid.Scope, deltas []wire.DeltaOffer) {
	for _, d := range deltas {
		s.faults[name{scope, d.Next}] = manifest.ErrBase
	}
}

// follows is the chain of the longest steps from the set in use.
func (c *Cache) follows(scope certid.Scope, deltas []wire.DeltaOffer) (chain []wire.DeltaOffer, end rule.Version) {
	h, ok := c.Newest(scope)
	for end = h.Number; ok; end = chain[len(chain)-1].Next {
		best := -1
		for i, d := range deltas {
			if d.Base == end && (best < 0 || d.Next.Compare(deltas[best].Next) > 0) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		chain = append(chain, deltas[best])
	}
	return chain, end
}

// takeIn loads what is in the inbox and removes it, also what was refused: of that nothing but the reason stays.
func (c *Cache) takeIn(ctx context.Context) error {
	dir := filepath.Join(c.Dir, Inbox)
	c.loading.Lock()
	defer c.loading.Unlock()
	faults, err := c.load(ctx, dir)
	if err != nil && !errors.Is(err, ErrNothing) {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		n, ext, ok := parseName(e.Name())
		if !ok {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if c.newer(n.scope, n.number) != nil {
			errs = append(errs, removeAll(path))
		} else if why := faults[n]; why != nil && ext != extRefused {
			errs = append(errs, durable.WriteFile(filepath.Join(dir, n.String()+extRefused), []byte(why.Error()+"\n"), 0o600), removeAll(path))
		}
	}
	return errors.Join(errs...)
}
