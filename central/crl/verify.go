package crl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"kazashi.example/central/crl/index"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// Verified counts what was found in order.
type Verified struct {
	Number  rule.Version
	Entries uint64 // of the set in force, compared one by one
	Chunks  int    // of set, indexes, deltas and history, compared with their digests
	Deltas  int
	Steps   int // of the history
	Lists   int // lists whose indexes were read
}

// Verify reads everything that is kept of a scope: signatures, digests, order and number of entries, deltas with their heads, and history; and it
// wants the set to say what the indexes say. The first fault is returned. The store must not be ingesting meanwhile.
func (s *Store) Verify(ctx context.Context, of certid.Scope) (v Verified, err error) {
	sc, err := s.known(of)
	if err != nil {
		return v, err
	}
	sc.work.Lock()
	defer sc.work.Unlock()
	p := &sc.pub
	switch {
	case !p.exists():
		return v, fmt.Errorf("%w: no set of %s", ErrNone, of)
	case p.set == nil:
		return v, fmt.Errorf("%w: the set of %s cannot be opened", ErrDamaged, of)
	}
	v.Number = p.head.Number
	if err := v.set(ctx, p); err != nil {
		return v, fmt.Errorf("reading set %s: %w", Number(v.Number), err)
	}
	if err := s.verifyLists(ctx, sc, &v); err != nil {
		return v, err
	}
	for _, st := range p.steps {
		if err := s.verifyStep(ctx, sc, st, &v); err != nil {
			return v, fmt.Errorf("reading the step to %s: %w", Number(st.Next), err)
		}
	}
	return v, nil
}

// set reads the set in force.
func (v *Verified) set(ctx context.Context, p *published) error {
	if err := p.set.Scrub(ctx); err != nil {
		return err
	}
	v.Chunks += crlset.Chunks(p.head.Size)
	var last crlset.Key
	err := each(ctx, p.set.Source(), func(e *crlset.Entry) error {
		if v.Entries > 0 && e.Key.Compare(last) <= 0 {
			return crlset.ErrOrder
		}
		last = e.Key
		v.Entries++
		return nil
	})
	if err == nil && v.Entries != p.head.Entries {
		err = fmt.Errorf("%w: %d entries, the head says %d", ErrDamaged, v.Entries, p.head.Entries)
	}
	return err
}

// verifyLists reads the indexes and, if the set in force was made from them, wants it to say the same.
func (s *Store) verifyLists(ctx context.Context, sc *scope, v *Verified) error {
	lists, err := sc.openLists(sc.state.Parts)
	defer closeAll(lists)
	if err != nil {
		return err
	}
	for i, l := range lists {
		if err := l.Scrub(ctx); err != nil {
			return fmt.Errorf("reading the index of list %d: %w", sc.state.Parts[i].Row.Number, err)
		}
		v.Chunks += crlset.Chunks(l.Size())
		v.Lists++
	}
	parts, err := s.complete(sc)
	if err != nil || !sc.unchanged(rowsOf(parts), sc.pub.head.Issuers) {
		return nil // newer lists wait to be made a set of, which is no fault
	}
	made, err := sc.openLists(parts)
	defer closeAll(made)
	if err != nil {
		return err
	}
	m := making{s: s, sc: sc, lists: made}
	return same(ctx, m.entries(), sc.pub.set.Source())
}

// verifyStep reads what a step changed and, if boxes can have it, its delta.
func (s *Store) verifyStep(ctx context.Context, sc *scope, st step, v *Verified) error {
	v.Steps++
	for end, c := range map[string]changes{endBefore: st.Before, endAfter: st.After} {
		if c.Entries == 0 {
			continue
		}
		set, err := openSet(sc.past(st.Next, end), c.Size, c.Digests)
		if err != nil {
			return err
		}
		err = set.Scrub(ctx)
		if err = errors.Join(err, set.Close()); err != nil {
			return err
		}
		v.Chunks += crlset.Chunks(c.Size)
	}
	if _, kept := sc.pub.files[st.Delta.ID]; !kept || !st.hasDelta() {
		return nil
	}
	v.Deltas++
	v.Chunks += crlset.Chunks(st.Delta.Size)
	return s.verifyDelta(sc, st)
}

func (s *Store) verifyDelta(sc *scope, st step) error {
	head, err := os.ReadFile(sc.set(st.Next, endHead))
	if err != nil {
		return err
	}
	d, next, err := manifest.OpenDelta(s.keys, head)
	if err != nil {
		return err
	}
	if d.Base != st.Base || next.Number != st.Next || d.Root != st.BaseRoot || next.Root != st.Root || wire.BlobID(d.BlobID()) != st.Delta.ID {
		return fmt.Errorf("%w: the delta is of another step", ErrDamaged)
	}
	octets, err := os.ReadFile(sc.set(st.Next, endDelta))
	if err != nil {
		return err
	}
	digests, err := digestsOf(octets)
	if err != nil || !slices.Equal(digests, d.Digests) {
		return errors.Join(fmt.Errorf("%w: the delta is not the one that its head names", ErrDamaged), err)
	}
	_, err = delta.Open(octets)
	return err
}

func digestsOf(b []byte) ([]byte, error) {
	c := crlset.NewChunker(io.Discard)
	if _, err := c.Write(b); err != nil {
		return nil, err
	}
	return c.Close()
}

// Compare wants the set in force to say, entry by entry, what these lists say: all that it was made from. ErrDiffers if it does not;
// errors of package scan. It writes temporary files into a folder.
func (s *Store) Compare(ctx context.Context, of certid.Scope, dir string, lists ...io.Reader) error {
	sc, err := s.known(of)
	if err != nil {
		return err
	}
	var sets []*crlset.Set
	defer func() { closeAll(sets) }()
	for i, l := range lists {
		set, err := s.temporaryIndex(ctx, sc, dir, l)
		if err != nil {
			return fmt.Errorf("reading list %d: %w", i+1, err)
		}
		sets = append(sets, set)
	}
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	if sc.pub.set == nil {
		return fmt.Errorf("%w: no set of %s", ErrNone, of)
	}
	m := making{s: s, sc: sc, lists: sets}
	err = same(ctx, m.entries(), sc.pub.set.Source())
	if at, ok := errors.AsType[difference](err); ok {
		return fmt.Errorf("%w: %w", ErrDiffers, at)
	}
	return err
}

// temporaryIndex makes an index that lasts as long as it is open.
func (s *Store) temporaryIndex(ctx context.Context, sc *scope, dir string, r io.Reader) (*crlset.Set, error) {
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return nil, err
	}
	defer discard(f)
	list, sum, err := index.Build(ctx, r, f, index.Options{Anchors: s.Anchors, Now: s.Now(), MaxOctets: s.MaxList})
	if err != nil {
		return nil, err
	}
	if list.Scope != sc.of {
		return nil, fmt.Errorf("%w: %s instead of %s", ErrScope, list.Scope, sc.of)
	}
	return openSet(f.Name(), sum.Size, sum.Digests)
}
