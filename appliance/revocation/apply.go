package revocation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"kazashi.example/appliance/fetch"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/wire"
)

// way is one of the two by which a newer set can be had.
type way struct {
	what   string
	octets uint64 // still to be fetched, as far as the offer can be believed
	take   func(context.Context, wire.SetOffer) error
}

// errLater says that an older set than the one offered came into use: central knows a shorter way on from it.
var errLater = errors.New("an older revocation set was completed first")

// pursue brings what is offered into use, by the way on which fewer octets are still to be fetched; where that fails, by the other. An
// older set of which so much is here that its rest is less is completed first, and errLater returned.
// A line that is cut, a full disk and a set that is not newer end it at once.
func (j job) pursue(ctx context.Context, o wire.SetOffer) error {
	switch done, err := j.complete(ctx, o); {
	case err != nil:
		return err
	case done:
		return errLater
	}
	var faults []error
	for _, w := range j.ways(o) {
		err := w.take(ctx, o)
		if err == nil {
			j.Log.InfoContext(ctx, "a revocation set came", slog.String("set", offered(o).String()), slog.String("by", w.what),
				slog.Uint64("octets", w.octets))
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, fetch.ErrLine) || errors.Is(err, ErrFull) || errors.Is(err, ErrOlder) {
			return err
		}
		err = fmt.Errorf("taking a revocation set by %s: %w", w.what, err)
		j.Log.WarnContext(ctx, "a revocation set was refused", slog.String("set", offered(o).String()), slog.Any("error", err))
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func offered(o wire.SetOffer) name {
	return name{certid.Scope{Hierarchy: o.Hierarchy, Purpose: o.Purpose}, o.Number}
}

// ways are those that the offer has, the shorter first.
func (j job) ways(o wire.SetOffer) (ways []way) {
	n := offered(o)
	if o.Manifest.Size > 0 && o.Set.Size > 0 {
		ways = append(ways, way{"the whole set", j.left(n, extManifest, o.Manifest) + j.left(n, extSet, o.Set), j.snapshot})
	}
	if steps := j.steps(o); len(steps) > 0 {
		w := way{what: "deltas", take: j.chain}
		for _, d := range steps {
			n.number = d.Next
			w.octets += j.left(n, extHead, d.Head) + j.left(n, extDelta, d.Delta)
		}
		ways = append(ways, w)
	}
	slices.SortStableFunc(ways, func(a, b way) int { return cmp.Compare(a.octets, b.octets) })
	return ways
}

// left is how much of a file is still to come.
func (j job) left(n name, ext string, b wire.Blob) uint64 {
	if info, err := os.Stat(j.part(n, ext)); err == nil {
		return b.Size - min(b.Size, uint64(info.Size())) //nolint:gosec // a size is not negative
	}
	return b.Size
}

// steps are those of the offer that lead on from the set in use; none if none does.
func (j job) steps(o wire.SetOffer) []wire.DeltaOffer {
	h, ok := j.Newest(offered(o).scope)
	at := slices.IndexFunc(o.Deltas, func(d wire.DeltaOffer) bool { return d.Base == h.Number })
	if !ok || at < 0 {
		return nil
	}
	return o.Deltas[at:]
}

// snapshot fetches a whole set.
func (j job) snapshot(ctx context.Context, o wire.SetOffer) error {
	b, err := j.whole(ctx, o.Manifest, j.part(offered(o), extManifest))
	if err != nil {
		return err
	}
	m, head, err := manifest.Decode(j.Keys(), b)
	if err == nil {
		err = errors.Join(head.Is(offered(o).scope), j.onward(head, m.Table), j.sound(head.Root))
	}
	if err != nil {
		return errors.Join(err, removeAll(j.part(offered(o), extManifest)))
	}
	return j.body(ctx, head, m)
}

// body fetches the set of a manifest that was judged.
func (j job) body(ctx context.Context, head manifest.Head, m manifest.Manifest) error {
	path := j.part(nameOf(head), extSet)
	w := j.wanted(head, wire.BlobID(head.Root), head.Size, m.Digests)
	w.Flush = true
	if err := j.chunks(ctx, w, path); err != nil {
		return err
	}
	return j.commit(ctx, path, head, m)
}

// wanted is a file that serves to get the set of this head.
func (j job) wanted(head manifest.Head, id wire.BlobID, size uint64, digests []byte) fetch.Wanted {
	return fetch.Wanted{ID: id, Size: size, Digests: digests, Still: func() error { return j.newer(head.Scope(), head.Number) }}
}

// chain fetches deltas and applies them to the set in use. manifest.ErrBase if they are for another.
func (j job) chain(ctx context.Context, o wire.SetOffer) error {
	base := j.borrow(offered(o).scope)
	if base == nil {
		return manifest.ErrBase
	}
	defer base.release()
	on := look(j.Dir, nameOf(base.head), j.Keys())
	if on.Err != nil {
		return fmt.Errorf("reading the base's manifest: %w", on.Err)
	}
	next := after{head: base.head, m: on.Manifest}
	for _, d := range j.steps(o) {
		if err := j.step(ctx, &next, d); err != nil {
			return err
		}
	}
	if len(next.deltas) == 0 {
		return manifest.ErrBase
	}
	if err := j.onward(next.head, next.m.Table); err != nil { // only where it ends counts
		return err
	}
	path := j.part(nameOf(next.head), extSet) + extNew
	digests, err := j.apply(ctx, base, next, path)
	if err != nil {
		return err
	}
	next.m.Digests = digests
	return j.commit(ctx, path, next.head, next.m)
}

// after is where a chain of deltas leads.
type after struct {
	head   manifest.Head
	m      manifest.Manifest // its digests come with the applying
	deltas []*delta.Delta
}

// step fetches one delta, and verifies that it leads on from where the chain is.
func (j job) step(ctx context.Context, a *after, d wire.DeltaOffer) error {
	n := name{a.head.Scope(), d.Next}
	b, err := j.whole(ctx, d.Head, j.part(n, extHead))
	if err != nil {
		return err
	}
	told, next, err := manifest.OpenDelta(j.Keys(), b)
	if err != nil {
		return errors.Join(err, removeAll(j.part(n, extHead)))
	}
	if err := errors.Join(told.Fits(a.head, next), j.newer(next.Scope(), next.Number), j.sound(next.Root)); err != nil {
		return errors.Join(err, removeAll(j.part(n, extHead)))
	}
	if a.m.Table, err = told.Table(a.m.Table); err != nil {
		return err
	}
	path := j.part(n, extDelta)
	if err := j.chunks(ctx, j.wanted(next, wire.BlobID(told.BlobID()), told.Size, told.Digests), path); err != nil {
		return err
	}
	b, err = readFile(path, manifest.MaxSize)
	if err != nil {
		return err
	}
	opened, err := delta.Open(b)
	if err != nil {
		return err
	}
	a.head, a.m.Signed, a.deltas = next, told.Next, append(a.deltas, opened)
	return nil
}

// apply writes the set that base and deltas make, and flushes it. Lookups go on meanwhile. ErrRoot if it is not the one that was
// signed.
func (j job) apply(ctx context.Context, base *held, a after, path string) (digests []byte, err error) {
	if err := room(j.Dir, a.head.Size); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, full(err)
	}
	made, err := delta.Apply(until{ctx, f}, base.set, a.deltas...)
	if err == nil && (made.Root != a.head.Root || made.Size != a.head.Size) {
		err = ErrRoot
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		return made.Digests, nil
	}
	if errors.Is(err, crlset.ErrDigest) || errors.Is(err, crlset.ErrUnreadable) {
		j.damage(base, err) // the deltas' octets were compared before
	}
	return nil, errors.Join(full(err), removeAll(path))
}

// until writes until a context ends.
type until struct {
	ctx context.Context
	w   io.Writer
}

func (u until) Write(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.w.Write(b)
}

// sound refuses a set that was found to contradict itself though its digests are right: fetching it again gives the same.
func (c *Cache) sound(root manifest.Digest) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.broken[root] {
		return fmt.Errorf("%w: found so when it was in use", crlset.ErrFormat)
	}
	return nil
}
