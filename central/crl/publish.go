package crl

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// What stays on the disk beside the newest set.
const (
	keepSteps = wire.MaxDeltas + 1 // deltas, one more than any box is offered: one may be in the middle of it
	keepSets  = 2                  // a box may be in the middle of the set before
)

// published is what is in force of a scope, and what is kept of before.
type published struct {
	set      *crlset.Set // nil: none, or it cannot be read
	head     manifest.Head
	manifest manifest.Manifest
	blob     wire.Blob // the manifest's file
	believed bool      // every key that signed a list of it is an anchor still
	steps    []step    // rising by Next
	files    map[wire.BlobID]string
	highest  uint64 // number that any file ever had here
}

func (p *published) close() error {
	if p.set == nil {
		return nil
	}
	set := p.set
	p.set = nil
	return set.Close()
}

// exists reports whether anything was published.
func (p *published) exists() bool { return p.head.Version != 0 }

// loadPublished finds the newest set in force, and clears away what a crash left of a newer one and what is outdated.
func (s *Store) loadPublished(ctx context.Context, sc *scope) error {
	names, highest, err := sc.numbers()
	if err != nil {
		return err
	}
	pub, err := s.newest(ctx, sc, names)
	if err != nil {
		return err
	}
	pub.highest = highest
	if pub.exists() {
		s.openSet(ctx, sc, &pub)
	}
	if err := s.loadSteps(ctx, sc, &pub); err != nil {
		return err
	}
	if err := s.prune(ctx, sc, &pub); err != nil {
		return err
	}
	sc.pub = pub
	return nil
}

// numbers are those of the manifests of a scope, rising, and the highest n of any file.
func (sc *scope) numbers() (names []rule.Version, highest uint64, err error) {
	for _, dir := range []string{dirSets, dirHistory} {
		files, err := os.ReadDir(filepath.Join(sc.dir, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, fmt.Errorf("looking for sets of %s: %w", sc.of, err)
		}
		for _, f := range files {
			v, end, ok := numberOf(f.Name())
			if !ok {
				continue
			}
			highest = max(highest, v.N)
			if end == endManifest {
				names = append(names, v)
			}
		}
	}
	slices.SortFunc(names, rule.Version.Compare)
	return names, highest, nil
}

// newest reads manifests from the newest to the first that can be believed, and sets those before it aside. ErrOtherKey, and all stays as it
// is, where there is none and another key signed one.
func (s *Store) newest(ctx context.Context, sc *scope, names []rule.Version) (published, error) {
	var damaged []rule.Version
	var faults []error
	for _, v := range slices.Backward(names) {
		b, err := os.ReadFile(sc.set(v, endManifest))
		if err != nil { // which says nothing about the manifest
			return published{}, fmt.Errorf("reading the manifest of set %s: %w", Number(v), err)
		}
		p, err := s.readManifest(sc, v, b)
		if err == nil {
			return p, s.setAllAside(ctx, sc, damaged, faults)
		}
		damaged, faults = append(damaged, v), append(faults, err)
	}
	for i, err := range faults {
		if errors.Is(err, sign.ErrUnknownKey) {
			return published{}, fmt.Errorf("%w: set %s of %s", ErrOtherKey, Number(damaged[i]), sc.of)
		}
	}
	return published{}, s.setAllAside(ctx, sc, damaged, faults)
}

func (s *Store) setAllAside(ctx context.Context, sc *scope, damaged []rule.Version, faults []error) error {
	for i, v := range damaged {
		if err := s.setAside(ctx, sc.set(v, endManifest), faults[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) readManifest(sc *scope, v rule.Version, b []byte) (p published, err error) {
	if p.manifest, p.head, err = manifest.Decode(s.keys, b); err != nil {
		return published{}, err
	}
	if p.head.Number != v || p.head.Is(sc.of) != nil {
		return published{}, fmt.Errorf("%w: manifest is of another set than its name says", ErrDamaged)
	}
	p.blob = wire.Blob{ID: sha256.Sum256(b), Size: uint64(len(b))}
	p.believed = !slices.ContainsFunc(p.manifest.Table, func(r manifest.Row) bool { return !s.believed(sc.of, r) })
	return p, nil
}

// openSet maps the set in force; without it the next one is made from the lists alone.
func (s *Store) openSet(ctx context.Context, sc *scope, p *published) {
	path := sc.set(p.head.Number, endSet)
	set, err := openSet(path, p.head.Size, p.manifest.Digests)
	if err != nil {
		s.Log.ErrorContext(ctx, "the revocation set in force cannot be read; it will be made anew from the lists",
			slog.String("scope", sc.of.String()), slog.Any("error", err))
		return
	}
	p.set = set
}

// openSet opens a set's file of a known size.
func openSet(path string, size uint64, digests []byte) (*crlset.Set, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if uint64(info.Size()) != size { //nolint:gosec // not negative
		return nil, fmt.Errorf("%w: %s has %d octets instead of %d", ErrDamaged, filepath.Base(path), info.Size(), size)
	}
	return crlset.OpenFile(path, digests)
}

// draft is the next set with its files under temporary names.
type draft struct {
	head  manifest.Head
	man   manifest.Manifest
	step  step
	blob  []byte              // the manifest as it travels
	delta []byte              // the delta's head, signed; nil: there is no delta
	files map[string]*os.File // by the path that each is to have
}

// place makes a temporary file that will have a name.
func (d *draft) place(sc *scope, in, end string) (*os.File, error) {
	f, err := sc.temporary(in)
	if err != nil {
		return nil, err
	}
	if d.files == nil {
		d.files = map[string]*os.File{}
	}
	d.files[filepath.Join(sc.dir, in, numbered(d.head.Number, end))] = f
	return f, nil
}

func (d *draft) discard() {
	for _, f := range d.files {
		discard(f)
	}
	clear(d.files)
}

// publish makes a draft durable and then the set in force. The manifest comes last: until it is there, nothing of the draft counts,
// and the next start removes it.
func (s *Store) publish(ctx context.Context, sc *scope, d *draft) error {
	for path, f := range d.files {
		if err := seal(f); err != nil {
			return fmt.Errorf("keeping %s: %w", filepath.Base(path), err)
		}
		if err := os.Rename(f.Name(), path); err != nil {
			return fmt.Errorf("keeping %s: %w", filepath.Base(path), err)
		}
	}
	if err := sc.keepHead(d); err != nil {
		return err
	}
	if err := sc.keepStep(d.step); err != nil {
		return err
	}
	sc.pub.highest = d.head.Number.N // whatever becomes of it: no other set gets this number
	if err := durable.WriteFile(sc.set(d.head.Number, endManifest), d.blob, 0o600); err != nil {
		return err
	}
	return s.install(ctx, sc, d)
}

// keepHead makes the delta's head durable, if there is one, and with it the names of all that lies beside it.
func (sc *scope) keepHead(d *draft) error {
	if d.delta == nil {
		return durable.SyncDir(filepath.Join(sc.dir, dirSets))
	}
	return durable.WriteFile(sc.set(d.head.Number, endHead), d.delta, 0o600)
}

// install puts what was published in force in memory.
func (s *Store) install(ctx context.Context, sc *scope, d *draft) error {
	set, err := openSet(sc.set(d.head.Number, endSet), d.head.Size, d.man.Digests)
	if err != nil {
		return fmt.Errorf("opening what was published: %w", err)
	}
	next := published{
		set: set, head: d.head, manifest: d.man, believed: true, highest: d.head.Number.N,
		blob: wire.Blob{ID: sha256.Sum256(d.blob), Size: uint64(len(d.blob))}, steps: append(slices.Clone(sc.pub.steps), d.step),
	}
	if err := s.prune(ctx, sc, &next); err != nil {
		return err
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.damaged.Store(false)
	old := sc.pub
	sc.pub = next
	return old.close()
}

// prune removes what no box needs any more, and lists what is left for boxes.
func (s *Store) prune(ctx context.Context, sc *scope, p *published) error {
	keep := map[string]bool{}
	p.files = map[wire.BlobID]string{}
	if p.exists() {
		offer := func(id wire.BlobID, v rule.Version, end string) {
			keep[numbered(v, end)] = true
			p.files[id] = sc.set(v, end)
		}
		for i, st := range p.steps {
			left := len(p.steps) - i
			if left > keepSteps {
				continue
			}
			keep[numbered(st.Next, endManifest)] = true
			if left <= keepSets {
				offer(wire.BlobID(st.Root), st.Next, endSet)
			}
			if st.hasDelta() {
				offer(st.Head.ID, st.Next, endHead)
				offer(st.Delta.ID, st.Next, endDelta)
			}
		}
		offer(p.blob.ID, p.head.Number, endManifest)
		offer(wire.BlobID(p.head.Root), p.head.Number, endSet)
	}
	if s.ReadOnly {
		return nil
	}
	return s.sweep(ctx, filepath.Join(sc.dir, dirSets), func(name string) bool { return keep[name] })
}

// Offers are the newest sets of every scope in which a box holds an older one or none, each with the deltas that lead there from
// what it holds, if they are kept.
func (s *Store) Offers(held []wire.HeldSet) []wire.SetOffer {
	var offers []wire.SetOffer
	for _, of := range s.Scopes() {
		sc, err := s.known(of)
		if err != nil {
			continue
		}
		var has wire.HeldSet
		for _, h := range held {
			if h.Hierarchy == of.Hierarchy && h.Purpose == of.Purpose {
				has = h
			}
		}
		if o, ok := sc.offer(has); ok {
			offers = append(offers, o)
		}
	}
	return offers
}

func (sc *scope) offer(held wire.HeldSet) (o wire.SetOffer, ok bool) {
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	p := &sc.pub
	if p.set == nil || !p.believed || p.head.Number.Compare(held.Number) <= 0 {
		return o, false
	}
	return wire.SetOffer{
		Hierarchy: sc.of.Hierarchy, Purpose: sc.of.Purpose, Number: p.head.Number, Manifest: p.blob,
		Set: wire.Blob{ID: wire.BlobID(p.head.Root), Size: p.head.Size}, Deltas: p.chain(held),
	}, true
}

// chain are the deltas from a set to the newest, oldest first; none if one of them is not kept or there are too many.
func (p *published) chain(held wire.HeldSet) []wire.DeltaOffer {
	var chain []wire.DeltaOffer
	want := p.head.Number
	for _, st := range slices.Backward(p.steps) {
		if st.Next.Compare(want) > 0 { // one that was begun and never told of
			continue
		}
		if _, kept := p.files[st.Delta.ID]; st.Next != want || !st.hasDelta() || !kept || len(chain) == wire.MaxDeltas {
			return nil
		}
		chain = append(chain, wire.DeltaOffer{Base: st.Base, Next: st.Next, Head: st.Head, Delta: st.Delta})
		if st.Base == held.Number {
			if wire.BlobID(st.BaseRoot) != held.Root {
				return nil
			}
			slices.Reverse(chain)
			return chain
		}
		want = st.Base
	}
	return nil
}

// OpenBlob opens a file that was offered. ErrNone, which is fs.ErrNotExist too, if it is not there, or no longer.
func (s *Store) OpenBlob(id wire.BlobID) (*os.File, error) {
	s.mu.Lock()
	scopes := slices.Collect(maps.Values(s.scopes))
	s.mu.Unlock()
	for _, sc := range scopes {
		sc.mu.RLock()
		path, ok := sc.pub.files[id]
		sc.mu.RUnlock()
		if ok {
			return open(path)
		}
	}
	return nil, fmt.Errorf("%w: blob %s: %w", ErrNone, id, fs.ErrNotExist)
}

func open(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	return f, err
}

// Head is the head of the newest set; ErrNone if there is none that can be used.
func (s *Store) Head(of certid.Scope) (manifest.Head, error) {
	sc, err := s.known(of)
	if err != nil {
		return manifest.Head{}, err
	}
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	if !sc.pub.exists() || !sc.pub.believed {
		return manifest.Head{}, fmt.Errorf("%w: no set of %s", ErrNone, of)
	}
	return sc.pub.head, nil
}

// Delta is the step that led to the newest set, and its file. ErrNone if boxes can only take the whole set.
func (s *Store) Delta(of certid.Scope) (base rule.Version, file wire.Blob, err error) {
	sc, err := s.known(of)
	if err != nil {
		return base, file, err
	}
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	if n := len(sc.pub.steps); n > 0 && sc.pub.steps[n-1].Next == sc.pub.head.Number && sc.pub.steps[n-1].hasDelta() {
		return sc.pub.steps[n-1].Base, sc.pub.steps[n-1].Delta, nil
	}
	return base, file, fmt.Errorf("%w: no delta leads to the newest set of %s", ErrNone, of)
}

// Number writes a set's number as it stands in file names: "<central epoch>-<n>".
func Number(v rule.Version) string { return numbered(v, "") }
