package revocation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kazashi.example/appliance/fetch"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Delivery is what was put into the inbox of a running box.
type Delivery struct {
	inbox string
	names []name
}

// Deliver copies what a folder holds that leads on from the sets in use into the inbox of the box whose folder is dir, durably, and
// what a set or delta is judged by after its octets, so that the box never sees half of one. Everything is verified before it gets its
// name there, and no more is copied than was signed. What is at fault keeps nothing else out: an error that is neither ErrNothing nor
// ErrOlder is of what was refused, and Pending of the rest.
func Deliver(ctx context.Context, dir, folder string, keys sign.Keys, inUse []File) (Delivery, error) {
	d := Delivery{inbox: filepath.Join(dir, Inbox)}
	box := &Cache{Config: Config{Dir: dir, Keys: func() sign.Keys { return keys }}, shelves: map[certid.Scope]shelf{}}
	for _, f := range inUse { // newest first
		if _, ok := box.shelves[f.name.scope]; !ok && f.Err == nil {
			box.shelves[f.name.scope] = shelf{newest: &held{head: f.Head, table: f.Manifest.Table}}
		}
	}
	faults, err := box.exhaust(ctx, folder, func(s survey, o wire.SetOffer) error { return d.take(ctx, box, s, o) })
	if err == nil && len(faults) == 0 && len(d.names) == 0 {
		err = ErrOlder
	}
	return d, errors.Join(err, joined(faults))
}

// joined is the faults of a folder as one error, in order of names.
func joined(faults map[name]error) error {
	names := slices.SortedFunc(maps.Keys(faults), func(a, b name) int { return strings.Compare(a.String(), b.String()) })
	var all []error
	for _, n := range names {
		all = append(all, fmt.Errorf("%s: %w", n, faults[n]))
	}
	return errors.Join(all...)
}

// take copies a chain of deltas, or, where there is none or it is at fault, a whole set. What was copied counts from then on as in use,
// as it will for the box.
func (d *Delivery) take(ctx context.Context, box *Cache, s survey, o wire.SetOffer) error {
	if err := os.MkdirAll(d.inbox, 0o700); err != nil {
		return fmt.Errorf("making the inbox: %w", err)
	}
	err := manifest.ErrBase
	if len(o.Deltas) > 0 {
		err = d.chain(ctx, box, s, o)
	}
	if err != nil && o.Set.Size > 0 && !errors.Is(err, ErrFull) {
		err = d.set(ctx, box, s, o)
	}
	return err
}

// set copies a whole set.
func (d *Delivery) set(ctx context.Context, box *Cache, s survey, o wire.SetOffer) error {
	b, err := s.octets(o.Manifest)
	if err != nil {
		return err
	}
	m, head, err := manifest.Decode(box.Keys(), b)
	if err != nil {
		return err
	}
	j := job{box, s, extLoad}
	w := j.wanted(head, o.Set.ID, head.Size, m.Digests)
	if err := d.copy(ctx, j, w, nameOf(head), extSet, extManifest, b); err != nil {
		return err
	}
	box.shelves[head.Scope()] = shelf{newest: &held{head: head, table: m.Table}}
	return nil
}

// chain copies deltas from the first. Those before one that is at fault are of use without it.
func (d *Delivery) chain(ctx context.Context, box *Cache, s survey, o wire.SetOffer) error {
	j, at := job{box, s, extLoad}, box.shelves[offered(o).scope].newest
	for _, step := range o.Deltas {
		b, err := s.octets(step.Head)
		if err != nil {
			return err
		}
		told, next, err := manifest.OpenDelta(box.Keys(), b)
		if err != nil {
			return err
		}
		table, err := told.Table(at.table)
		if err := errors.Join(err, told.Fits(at.head, next)); err != nil {
			return err
		}
		w := j.wanted(next, step.Delta.ID, told.Size, told.Digests)
		if err := d.copy(ctx, j, w, nameOf(next), extDelta, extHead, b); err != nil {
			return err
		}
		at = &held{head: next, table: table}
	}
	box.shelves[offered(o).scope] = shelf{newest: at}
	return nil
}

// octets is a file of the folder that is judged as a whole, and still what it was when it was surveyed.
func (s survey) octets(b wire.Blob) ([]byte, error) {
	octets, err := readFile(s.paths[b.ID], manifest.MaxManifest)
	if err == nil && sha256.Sum256(octets) != b.ID {
		err = crlset.ErrDigest
	}
	return octets, err
}

// copy gives a body its name in the inbox, and then what it is judged by; the folder's fsync for the second makes both names durable.
func (d *Delivery) copy(ctx context.Context, j job, w fetch.Wanted, n name, body, judge string, judged []byte) (err error) {
	base := filepath.Join(d.inbox, n.String())
	out, err := os.CreateTemp(d.inbox, temporary+n.String()+body+"-*")
	if err != nil {
		return full(err)
	}
	defer func() { err = errors.Join(err, removeAll(out.Name())) }() // after the rename there is nothing left to remove
	if err := out.Close(); err != nil {
		return err
	}
	w.Flush = true
	if err := j.chunks(ctx, w, out.Name()); err != nil {
		return err
	}
	if err := errors.Join(removeAll(base+extRefused), os.Rename(out.Name(), base+body)); err != nil {
		return err
	}
	if err := durable.WriteFile(base+judge, judged, 0o600); err != nil {
		return full(err)
	}
	d.names = append(d.names, n)
	return nil
}

// Refused is what became of something that was delivered.
type Refused struct{ Name, Why string }

// Pending says what of the delivery the box has not looked at yet, and what it refused.
func (d Delivery) Pending() (waiting int, refused []Refused, err error) {
	if len(d.names) == 0 {
		return 0, nil, nil
	}
	entries, err := os.ReadDir(d.inbox)
	if err != nil {
		return 0, nil, fmt.Errorf("looking into the inbox: %w", err)
	}
	for _, e := range entries {
		n, ext, ok := parseName(e.Name())
		switch {
		case !ok || !slices.Contains(d.names, n):
		case ext == extRefused:
			b, err := os.ReadFile(filepath.Join(d.inbox, e.Name()))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return 0, nil, err
			}
			refused = append(refused, Refused{n.String(), strings.TrimSpace(string(b))})
		default:
			waiting++
		}
	}
	return waiting, refused, nil
}
