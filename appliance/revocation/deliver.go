package revocation

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/durable"
)

// Delivery is what was put into the inbox of a running box.
type Delivery struct {
	inbox string
	names []name
}

// Deliver copies a folder's sets and deltas into the inbox of the box whose folder is dir, durably, what a set or delta is judged by
// last, so that the box never sees half of one. Only what is newer than the sets in use is copied. ErrNothing, or ErrOlder if nothing
// is newer.
func Deliver(dir, folder string, inUse []File) (Delivery, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return Delivery{}, fmt.Errorf("reading the folder: %w", err)
	}
	d := Delivery{inbox: filepath.Join(dir, Inbox)}
	if err := os.MkdirAll(d.inbox, 0o700); err != nil {
		return d, fmt.Errorf("making the inbox: %w", err)
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = true
	}
	older := false
	for file := range there {
		n, ok := whole(file, there)
		switch {
		case !ok:
		case slices.ContainsFunc(inUse, n.reached):
			older = true
		default:
			d.names = append(d.names, n)
		}
	}
	slices.SortFunc(d.names, func(a, b name) int {
		return cmp.Or(cmp.Compare(a.scope.Hierarchy, b.scope.Hierarchy), cmp.Compare(a.scope.Purpose, b.scope.Purpose), a.number.Compare(b.number))
	})
	d.names = slices.Compact(d.names)
	switch {
	case len(d.names) == 0 && older:
		return d, ErrOlder
	case len(d.names) == 0:
		return d, ErrNothing
	}
	return d, d.copy(folder, there)
}

// whole is what a head or manifest belongs to, if the file that it speaks of is there as well.
func whole(file string, there map[string]bool) (name, bool) {
	n, ext, ok := parseName(file)
	body := map[string]string{extManifest: extSet, extHead: extDelta}[ext]
	return n, ok && body != "" && there[n.String()+body]
}

// reached reports whether a set that can be used is of this scope and as new.
func (n name) reached(f File) bool {
	return f.Err == nil && f.name.scope == n.scope && f.name.number.Compare(n.number) >= 0
}

// copy goes by number, so that a chain of deltas is there from its beginning.
func (d Delivery) copy(folder string, there map[string]bool) error {
	for _, n := range d.names {
		if err := removeAll(filepath.Join(d.inbox, n.String()+extRefused)); err != nil {
			return err
		}
		for _, ext := range []string{extDelta, extHead, extSet, extManifest} {
			if !there[n.String()+ext] {
				continue
			}
			if err := copyFile(filepath.Join(folder, n.String()+ext), filepath.Join(d.inbox, n.String()+ext)); err != nil {
				return fmt.Errorf("copying %s into the inbox: %w", n.String()+ext, full(err))
			}
		}
	}
	return durable.SyncDir(d.inbox)
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
