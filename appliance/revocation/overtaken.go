package revocation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"kazashi.example/appliance/fetch"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// complete fetches the rest of an older set than the one that is offered, if that is less than the shortest way to the one offered: a box
// whose line needs longer for a set than central for the next has one at last, and comes on by deltas. done: it came into use.
// Parts that nothing will complete are removed.
func (j job) complete(ctx context.Context, o wire.SetOffer) (done bool, err error) {
	if j.ext != extPart {
		return false, nil // a folder stays as it is
	}
	n, left := j.furthest(o)
	ways := j.ways(o)
	if n != (name{}) && len(ways) > 0 && left >= ways[0].octets {
		n = name{}
	}
	if err := j.weed(o, n); err != nil || n == (name{}) {
		return false, err
	}
	m, head, err := j.begun(n)
	if err == nil {
		err = j.body(ctx, head, m)
	}
	switch {
	case err == nil:
		j.Log.InfoContext(ctx, "a revocation set that was overtaken came", slog.String("set", n.String()), slog.Uint64("octets", left))
		return true, nil
	case ctx.Err() != nil, errors.Is(err, fetch.ErrLine) && !unserved(err):
		return false, err
	default:
		j.Log.InfoContext(ctx, "a revocation set that was overtaken is given up", slog.String("set", n.String()), slog.Any("error", err))
		return false, j.weed(o, name{})
	}
}

// unserved reports whether the remote has a file no more.
func unserved(err error) bool {
	var r *uplink.Refusal
	return errors.As(err, &r) && r.Code == wire.CodeUnknownBlob || errors.Is(err, fs.ErrNotExist)
}

// begun is the manifest of a set whose download began, judged.
func (j job) begun(n name) (m manifest.Manifest, head manifest.Head, err error) {
	b, err := readFile(j.part(n, extManifest), manifest.MaxManifest)
	if err != nil {
		return m, head, err
	}
	if m, head, err = manifest.Decode(j.Keys(), b); err != nil {
		return m, head, err
	}
	return m, head, errors.Join(named(n, head), j.onward(head, m.Table), j.sound(head.Root))
}

// furthest is the older set of which the least is lacking, and how much that is; none if none has begun.
func (j job) furthest(o wire.SetOffer) (best name, left uint64) {
	files, err := list(j.Dir)
	if err != nil {
		return best, 0
	}
	for _, file := range files {
		n, ext, ok := parseName(file)
		if !ok || ext != extSet+extPart || n.scope != offered(o).scope || n.number.Compare(o.Number) >= 0 {
			continue
		}
		_, head, err := j.begun(n)
		if err != nil {
			continue
		}
		lacking := j.left(n, extSet, wire.Blob{Size: head.Size})
		if lacking < head.Size && (best == name{} || lacking <= left) {
			best, left = n, lacking
		}
	}
	return best, left
}

// weed removes the parts of older sets of a scope that are neither on the way to what is offered nor of one that is completed first.
func (j job) weed(o wire.SetOffer, first name) error {
	keep := map[name]bool{offered(o): true, first: true}
	for _, d := range o.Deltas {
		keep[name{offered(o).scope, d.Next}] = true
	}
	j.changing.Lock()
	defer j.changing.Unlock()
	files, err := list(j.Dir)
	if err != nil {
		return fmt.Errorf("looking for parts of revocation sets: %w", err)
	}
	for _, file := range files {
		n, ext, ok := parseName(file)
		if ok && n.scope == offered(o).scope && n.number.Compare(o.Number) < 0 && !keep[n] && strings.Contains(ext, extPart) {
			err = errors.Join(err, removeAll(filepath.Join(j.Dir, file)))
		}
	}
	return err
}
