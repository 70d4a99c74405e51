package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/durable"
)

// tidy clears up what a crash left. A set whose manifest did not get its name yet becomes a part of a download: what was fetched
// is not fetched again.
func (c *Cache) tidy() error {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = true
	}
	var errs []error
	for file := range there {
		n, ext, ok := parseName(file)
		path := filepath.Join(c.Dir, file)
		switch {
		case strings.HasPrefix(file, temporary), ok && strings.HasSuffix(ext, extNew):
			errs = append(errs, removeAll(path))
		case ok && ext == extSet && !there[n.String()+extManifest]:
			errs = append(errs, rename(path, path+extPart))
		}
	}
	return errors.Join(append(errs, c.tidyInbox(), c.unload())...)
}

// tidyInbox removes what a delivery that did not end left: halves of pairs, and what has no name yet; and refused bodies of before.
func (c *Cache) tidyInbox() error {
	entries, err := os.ReadDir(filepath.Join(c.Dir, Inbox))
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = true
	}
	errs := []error{err}
	other := map[string]string{extSet: extManifest, extManifest: extSet, extDelta: extHead, extHead: extDelta}
	for file := range there {
		n, ext, ok := parseName(file)
		half := ok && other[ext] != "" && !there[n.String()+other[ext]]
		if half || strings.HasPrefix(file, temporary) || ok && ext != extRefused && strings.HasSuffix(ext, extRefused) {
			errs = append(errs, removeAll(filepath.Join(c.Dir, Inbox, file)))
		}
	}
	return errors.Join(errs...)
}

// recall takes into use what lies in the folder and can be used.
func (c *Cache) recall(ctx context.Context) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.setAside(ctx)
	turn := c.turnNow()
	files, err := Peek(c.Dir, c.Keys())
	if err != nil {
		return err
	}
	for len(files) > 0 {
		n := 1
		for n < len(files) && files[n].name.scope == files[0].name.scope {
			n++
		}
		c.arrange(ctx, files[:n], turn)
		files = files[n:]
	}
	c.Changed()
	return nil
}

func (c *Cache) turnNow() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.turn
}

// kept is how many sets of a scope stay on the disk.
const kept = 2

// arrange fills the shelf of one scope from its files, newest first. Those that only the keys in force do not vouch for stay; what
// is damaged becomes a part of a download.
func (c *Cache) arrange(ctx context.Context, files []File, turn uint64) {
	var use []*held
	strangers := 0
	for _, f := range files {
		if f.strange() {
			if strangers++; strangers > kept {
				c.report(ctx, f.name, "removing", remove(c.Dir, f.name))
			} else {
				c.report(ctx, f.name, "believing", f.Err)
			}
			continue
		}
		if f.Err == nil && len(use) == kept {
			break // sweep takes the rest
		}
		h, err := c.opened(f)
		if err != nil {
			c.report(ctx, f.name, "reading", err)
			c.report(ctx, f.name, "setting aside", demote(c.Dir, f.name))
			continue
		}
		use = append(use, h)
	}
	c.shelve(files[0].name.scope, use, turn)
	c.report(ctx, files[0].name, "sweeping", c.sweep(files[0].name.scope))
}

// opened is the set if it is on the shelf already, with one user more, or else mapped; not under the lock that taps take, for the disk
// may be slow (P1). Only what changes the folder puts sets on a shelf, and that is the caller.
func (c *Cache) opened(f File) (*held, error) {
	if f.Err != nil {
		return nil, f.Err
	}
	c.mu.RLock()
	h := c.shelves[f.name.scope].find(f.Head).borrow()
	c.mu.RUnlock()
	if h != nil {
		return h, nil
	}
	return f.open()
}

// shelve replaces what is in use. If trust changed since turn was read, whoever changed it arranges everything anew.
func (c *Cache) shelve(scope certid.Scope, use []*held, turn uint64) {
	fresh := shelf{}
	for i, h := range use {
		*[]**held{&fresh.newest, &fresh.previous}[i] = h
		c.Learn(h.head.At())
	}
	c.mu.Lock()
	if c.turn == turn {
		fresh, c.shelves[scope] = c.shelves[scope], fresh
	}
	c.mu.Unlock()
	fresh.newest.release()
	fresh.previous.release()
}

// commit gives a set that is whole and flushed its place. What a crash leaves: before the manifest's rename, which makes the set
// count, a part or a set that tidy turns back into one; after it, a third set, which recall removes.
func (c *Cache) commit(ctx context.Context, from string, head manifest.Head, m manifest.Manifest) error {
	b, err := m.Encode()
	if err != nil {
		return err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	turn := c.turnNow()
	if _, err := manifest.OpenHead(c.Keys(), m.Signed); err != nil {
		return err
	}
	if err := c.onward(head, m.Table); err != nil {
		return err
	}
	n := nameOf(head)
	f := File{Head: head, Manifest: m, Path: filepath.Join(c.Dir, n.String()+extSet), name: n}
	if err := publish(from, f.Path, b); err != nil {
		return errors.Join(full(fmt.Errorf("keeping a revocation set: %w", err)), removeAll(f.Path))
	}
	h, err := f.open()
	if err != nil {
		c.condemn(head, err)
		return errors.Join(err, demote(c.Dir, n))
	}
	done, void := c.use(h, turn)
	if !done {
		h.release() // trust changed meanwhile; whoever changed it is waiting to look at the folder
		return nil
	}
	c.Log.InfoContext(ctx, "a newer revocation set is in use", append(about(head), slog.Uint64("entries", head.Entries))...)
	if void.Size > 0 {
		c.Log.WarnContext(ctx, "a revocation set from the future gave way", about(void)...)
		c.report(ctx, nameOf(void), "removing", remove(c.Dir, nameOf(void)))
	}
	c.Learn(head.At())
	c.Changed()
	return c.sweep(head.Scope())
}

// publish gives set and manifest their names; one fsync of the folder makes both durable. A power cut that leaves the manifest's alone
// leaves a set that does not count, and recall says so.
func publish(from, set string, m []byte) error {
	if err := os.Rename(from, set); err != nil {
		return err
	}
	return durable.WriteFile(strings.TrimSuffix(set, extSet)+extManifest, m, 0o600)
}

// sweep removes sets older than the two in use and parts of downloads that are no longer wanted. Directories are listed in order of
// names, so that a manifest goes before its set.
func (c *Cache) sweep(scope certid.Scope) error {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return err
	}
	c.mu.RLock()
	s := c.shelves[scope]
	c.mu.RUnlock()
	var errs []error
	for _, e := range entries {
		n, ext, ok := parseName(e.Name())
		if !ok || n.scope != scope {
			continue
		}
		old := s.newest != nil && n.number.Compare(s.newest.head.Number) <= 0
		if ext == extSet || ext == extManifest {
			old = s.previous != nil && n.number.Compare(s.previous.head.Number) < 0
		}
		if old {
			errs = append(errs, removeAll(filepath.Join(c.Dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// sweepNow is sweep for whoever does not change the folder already.
func (c *Cache) sweepNow(scope certid.Scope) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	return c.sweep(scope)
}

// setAsideNow is setAside for whoever does not change the folder already.
func (c *Cache) setAsideNow(ctx context.Context) int {
	c.changing.Lock()
	defer c.changing.Unlock()
	return c.setAside(ctx)
}

// setAside turns what was found damaged into parts of downloads: only the chunks that are at fault are fetched again. It returns how many
// sets that were.
func (c *Cache) setAside(ctx context.Context) int {
	c.mu.Lock()
	damaged := c.damaged
	c.damaged = nil
	c.mu.Unlock()
	for _, h := range damaged {
		switch {
		case c.onShelf(h): // replaced already
		case c.newer(h.Scope(), h.Number) == nil:
			c.report(ctx, nameOf(h), "setting aside", demote(c.Dir, nameOf(h)))
		default:
			c.report(ctx, nameOf(h), "removing", remove(c.Dir, nameOf(h)))
		}
	}
	return len(damaged)
}

func (c *Cache) onShelf(h manifest.Head) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.shelves[h.Scope()].find(h) != nil
}

// find is the set of a head, if it is there.
func (s shelf) find(h manifest.Head) *held {
	for _, x := range []*held{s.newest, s.previous} {
		if x != nil && x.head.Number == h.Number && x.head.Root == h.Root {
			return x
		}
	}
	return nil
}

// demote makes a set and its manifest parts of downloads. A crash in between leaves a set without manifest; see tidy.
func demote(dir string, n name) error {
	path := filepath.Join(dir, n.String())
	return errors.Join(rename(path+extManifest, path+extManifest+extPart), rename(path+extSet, path+extSet+extPart))
}

func remove(dir string, n name) error {
	path := filepath.Join(dir, n.String())
	return removeAll(path+extManifest, path+extSet)
}

// report logs a fault that costs no more than one set.
func (c *Cache) report(ctx context.Context, n name, doing string, err error) {
	if err != nil {
		c.Log.WarnContext(ctx, "a revocation set in the folder is at fault", slog.String("set", n.String()), slog.String("doing", doing), slog.Any("error", err))
	}
}
