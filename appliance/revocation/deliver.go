package revocation

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kazashi.example/sync/certid"
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
// what a set or delta is judged by after its octets, so that the box never sees half of one. ErrNothing, ErrOlder, or why the
// folder's heads and manifests are refused; chunks are left to the box.
func Deliver(dir, folder string, keys sign.Keys, inUse []File) (Delivery, error) {
	d := Delivery{inbox: filepath.Join(dir, Inbox)}
	box := &Cache{Config: Config{Dir: dir, Keys: func() sign.Keys { return keys }}, shelves: map[certid.Scope]shelf{}}
	for _, f := range inUse { // newest first
		if _, ok := box.shelves[f.name.scope]; !ok && f.Err == nil {
			box.shelves[f.name.scope] = shelf{newest: &held{head: f.Head}}
		}
	}
	s, err := box.survey(folder)
	switch {
	case err != nil:
		return d, err
	case s.sets == 0:
		return d, ErrNothing
	case len(s.faults) > 0:
		return d, joined(s.faults)
	case len(s.offers) == 0:
		return d, ErrOlder
	}
	if err := os.MkdirAll(d.inbox, 0o700); err != nil {
		return d, fmt.Errorf("making the inbox: %w", err)
	}
	for _, o := range s.offers {
		if err := d.take(s, o); err != nil {
			return d, err
		}
	}
	return d, durable.SyncDir(d.inbox)
}

// joined is the faults of a folder as one error.
func joined(faults map[name]error) error {
	var all []error
	for n, err := range faults {
		all = append(all, fmt.Errorf("%s: %w", n, err))
	}
	return errors.Join(all...)
}

// take copies a chain of deltas from its beginning, or, where there is none, a whole set.
func (d *Delivery) take(s survey, o wire.SetOffer) error {
	n := offered(o)
	for _, step := range o.Deltas {
		if err := d.copy(name{n.scope, step.Next}, s.paths[step.Delta.ID], s.paths[step.Head.ID]); err != nil {
			return err
		}
	}
	if len(o.Deltas) > 0 {
		return nil
	}
	return d.copy(n, s.paths[o.Set.ID], s.paths[o.Manifest.ID])
}

func (d *Delivery) copy(n name, paths ...string) error {
	d.names = append(d.names, n)
	if err := removeAll(filepath.Join(d.inbox, n.String()+extRefused)); err != nil {
		return err
	}
	for _, from := range paths {
		if err := copyFile(from, filepath.Join(d.inbox, filepath.Base(from))); err != nil {
			return fmt.Errorf("copying %s into the inbox: %w", filepath.Base(from), full(err))
		}
	}
	return nil
}

// copyFile copies a file durably: whole, or not at all.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	out, err := os.CreateTemp(filepath.Dir(to), temporary+"*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeAll(out.Name())) }() // after the rename there is nothing left to remove
	n, err := io.Copy(out, io.LimitReader(in, manifest.MaxSize+1))
	if err == nil && n > manifest.MaxSize {
		err = manifest.ErrManifest
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), to)
}

// Refused is what became of something that was delivered.
type Refused struct{ Name, Why string }

// Pending says what the box has not looked at yet, and what it refused.
func (d Delivery) Pending() (waiting int, refused []Refused, err error) {
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
		case !strings.HasSuffix(ext, extRefused):
			waiting++
		}
	}
	return waiting, refused, nil
}
