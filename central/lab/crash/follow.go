package crash

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// file is an open file description; descriptors made by dup share it.
type file struct {
	ino              *inode
	pos              int64
	appends, durable bool // O_APPEND; O_SYNC or O_DSYNC
	writable         bool
}

// follower turns calls into operations on one folder.
type follower struct {
	lines   lines
	root    string // absolute, without symbolic links
	top     *inode
	ignore  ignored
	open    map[int]*file
	shared  map[int64]int64 // begin and end of shared maps that mprotect could make writable
	ops     []Op
	child   int // process id, 0 before the first line
	reached func(ops int)
}

func newFollower(root string, top *inode, ignore ignored) *follower {
	return &follower{root: root, top: top, ignore: ignore, open: map[int]*file{}, shared: map[int64]int64{}, reached: func(int) {}}
}

// line takes a line of the trace.
func (f *follower) line(l string) error {
	if f.child == 0 {
		n, err := number(l)
		if err != nil {
			return err
		}
		f.child = int(n)
	}
	c, entered, whole, err := f.lines.next(l, len(f.ops))
	if err != nil {
		return err
	}
	if entered && c.name == "close" { // once it has begun, the number may be given to another file
		delete(f.open, descriptor(c.arg(0)))
	}
	if !whole || c.failed() {
		return nil
	}
	handle, ok := handlers[c.name]
	if !ok {
		return nil
	}
	if err := handle(f, c); err != nil {
		return fmt.Errorf("following %s: %w", c.name, err)
	}
	return nil
}

// inFlight are the operations that had begun and not returned when the trace ended, each as if it had.
func (f *follower) inFlight() (ops []Op) {
	for _, b := range f.lines.begun {
		g := *f
		g.ops, g.open = nil, f.open
		c, err := parse(b.text)
		if err != nil || handlers[c.name] == nil {
			continue
		}
		if c.ret = "0"; strings.Contains(c.name, "write") {
			c.ret = c.arg(2)
		}
		if handlers[c.name](&g, c) == nil {
			ops = append(ops, g.ops...)
		}
	}
	return ops
}

func (f *follower) add(o Op, began int) {
	o.began = began
	o.name = o.title()
	f.ops = append(f.ops, o)
	f.reached(len(f.ops))
}

// refuse is a handler for what cannot be followed on the folder.
func refuse(f *follower, c call) error {
	for _, a := range c.args {
		if f.open[descriptor(a)] != nil {
			return fmt.Errorf("%w: %s on %s", ErrTrace, c.name, f.open[descriptor(a)].ino.path)
		}
		if b, err := text(a); err == nil && inside(f.root, string(b)) {
			return fmt.Errorf("%w: %s on %s", ErrTrace, c.name, b)
		}
	}
	return nil
}

func inside(root, path string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// place is a name in a folder.
type place struct {
	dir  *inode
	base string
	rel  string
}

func (p place) ino() *inode {
	if p.base == "" {
		return p.dir // the traced folder itself
	}
	return p.dir.now[p.base]
}

// at resolves the path in argument i, relative to the folder in argument dir (none: -1). ok is false outside of the root.
func (f *follower) at(c call, dir, i int) (p place, ok bool, err error) {
	b, err := text(c.arg(i))
	if err != nil {
		return p, false, err
	}
	path := string(b)
	if !filepath.IsAbs(path) && dir >= 0 {
		folder, err := annotation(c.arg(dir))
		if err != nil {
			return p, false, err
		}
		path = filepath.Join(folder, path)
	}
	path = filepath.Clean(path)
	if !inside(f.root, path) || f.ignore.match(filepath.Base(path)) {
		return p, false, nil
	}
	return f.resolve(strings.TrimPrefix(strings.TrimPrefix(path, f.root), "/"))
}

func (f *follower) resolve(rel string) (p place, ok bool, err error) {
	if rel == "" {
		return place{dir: f.top, rel: "."}, true, nil
	}
	p = place{dir: f.top, rel: rel, base: filepath.Base(rel)}
	parts := strings.Split(rel, "/")
	for _, part := range parts[:len(parts)-1] {
		next := p.dir.now[part]
		if next == nil || !next.folder {
			return p, false, fmt.Errorf("%w: %s is in no known folder", ErrTrace, rel)
		}
		p.dir = next
	}
	return p, true, nil
}

// known is the file or folder at a path that a successful call needed to be there.
func (f *follower) known(c call, dir, i int) (p place, ok bool, err error) {
	p, ok, err = f.at(c, dir, i)
	if err == nil && ok && p.ino() == nil {
		err = fmt.Errorf("%w: %s was made unseen", ErrTrace, p.rel)
	}
	return p, ok, err
}

func permissions(s string) fs.FileMode {
	n, err := number(s)
	if err != nil {
		return 0o600
	}
	return fs.FileMode(n) & 0o777 //nolint:gosec // nine bits
}
