package crash

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// inode is a file or folder of the traced one, with what was durable at the start and what is so as the trace stands.
type inode struct {
	folder bool
	mode   fs.FileMode
	path   string // its last name, relative
	base   []byte // of a file at the start
	size   int64  // of a file now
	was    map[string]*inode
	now    map[string]*inode
}

func newFolder(path string, mode fs.FileMode) *inode {
	return &inode{folder: true, mode: mode, path: path, was: map[string]*inode{}, now: map[string]*inode{}}
}

// ignored are patterns of base names.
type ignored []string

func (g ignored) match(base string) bool {
	return slices.ContainsFunc(g, func(pattern string) bool {
		ok, err := path.Match(pattern, base)
		return ok && err == nil
	})
}

// snapshot reads a folder, all of which is taken for durable.
func snapshot(dir, rel string, ignore ignored) (*inode, error) {
	info, err := os.Stat(filepath.Join(dir, rel))
	if err != nil {
		return nil, err
	}
	n := newFolder(rel, info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Join(dir, rel))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if ignore.match(e.Name()) {
			continue
		}
		child, err := snapshotEntry(dir, filepath.Join(rel, e.Name()), e, ignore)
		if err != nil {
			return nil, err
		}
		n.was[e.Name()], n.now[e.Name()] = child, child
	}
	return n, nil
}

func snapshotEntry(dir, rel string, e fs.DirEntry, ignore ignored) (*inode, error) {
	if e.IsDir() {
		return snapshot(dir, rel, ignore)
	}
	info, err := e.Info()
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, rel))
	return &inode{mode: info.Mode().Perm(), path: rel, base: b, size: int64(len(b))}, err
}

// tree is a folder's content by relative path; folders have no content.
type tree map[string]node

type node struct {
	ino  *inode
	data []byte
	sum  [sha256.Size]byte
}

func (t tree) paths() []string { return slices.Sorted(maps.Keys(t)) }

// digest tells trees apart.
func (t tree) digest() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, p := range t.paths() {
		_, _ = fmt.Fprintf(h, "%q %v %x\n", p, t[p].ino.folder, t[p].sum)
	}
	h.Sum(sum[:0])
	return sum
}

// write makes the tree in an empty or missing folder.
func (t tree) write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, p := range t.paths() {
		n, at := t[p], filepath.Join(dir, p)
		if n.ino.folder {
			if err := os.Mkdir(at, n.ino.mode|0o700); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(at, n.data, n.ino.mode); err != nil {
			return err
		}
	}
	return nil
}
