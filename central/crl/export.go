package crl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// Exported is one file of an export.
type Exported struct {
	Name   string
	Octets uint64
}

// Export writes what a box needs of a scope into a folder, as a stick carries it: the newest manifest and set, and the deltas that lead there
// from sets up to a month old. A file is named <hierarchy>-<purpose>-<central epoch>-<n> and an ending; a delta and its head are named
// by the set that they lead to. The manifest comes last: a folder with one is whole. ErrNone if nothing is published.
func (s *Store) Export(ctx context.Context, of certid.Scope, dir string) ([]Exported, error) {
	if _, err := s.Head(of); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // what is signed for every box is no secret
		return nil, fmt.Errorf("making the folder: %w", err)
	}
	var all []Exported
	for _, f := range s.exports(of) {
		if err := ctx.Err(); err != nil {
			return all, err
		}
		if err := s.export(f.id, filepath.Join(dir, f.name)); err != nil {
			return all, fmt.Errorf("writing %s: %w", f.name, err)
		}
		all = append(all, Exported{f.name, f.size})
	}
	return all, durable.SyncDir(dir)
}

// exported is a file that is to be copied.
type exported struct {
	name string
	id   wire.BlobID
	size uint64
}

func (s *Store) exports(of certid.Scope) (all []exported) {
	sc, err := s.known(of)
	if err != nil {
		return nil
	}
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	p := &sc.pub
	add := func(v rule.Version, end string, b wire.Blob) {
		all = append(all, exported{folder(of) + "-" + numbered(v, end), b.ID, b.Size})
	}
	for _, st := range p.chainSteps(wire.MaxDeltas) {
		add(st.Next, endDelta, st.Delta)
		add(st.Next, endHead, st.Head)
	}
	add(p.head.Number, endSet, wire.Blob{ID: wire.BlobID(p.head.Root), Size: p.head.Size})
	add(p.head.Number, endManifest, p.blob)
	return all
}

// chainSteps are the newest steps that follow each other and whose deltas are kept, newest first.
func (p *published) chainSteps(most int) (chain []step) {
	want := p.head.Number
	for i := len(p.steps) - 1; i >= 0 && len(chain) < most; i-- {
		st := p.steps[i]
		if st.Next.Compare(want) > 0 { // one that was begun and never told of
			continue
		}
		if _, kept := p.files[st.Delta.ID]; st.Next != want || !st.hasDelta() || !kept {
			break
		}
		chain, want = append(chain, st), st.Base
	}
	return chain
}

// export copies one file.
func (s *Store) export(id wire.BlobID, path string) error {
	from, err := s.OpenBlob(id)
	if err != nil {
		return err
	}
	defer from.Close() // was read only
	to, err := os.CreateTemp(filepath.Dir(path), tempPrefix+"*")
	if err != nil {
		return err
	}
	defer discard(to)
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Chmod(0o644), seal(to)); err != nil {
		return err
	}
	return os.Rename(to.Name(), path)
}
