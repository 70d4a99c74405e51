package crash

import (
	"crypto/sha256"
	"maps"
	"path"
	"slices"
)

// sector is how much a disk writes whole or not at all, in octets.
const sector = 512

// choice is what becomes of the pending writes of a file when the power goes.
type choice uint8

const (
	everything choice = iota
	nothing
	sizeOnly  // the file is as long as it was to be, with zeros
	beginning // the first half is there and the file ends
	ending    // the second half is there, the first is zeros
	choices
)

var choiceNames = [...]string{"all", "none", "zeros", "first half", "second half"}

// contents is what a file holds after ops; pending holds the indices of writes that may have been lost, rising.
func contents(ino *inode, ops []Op, pending []int, ch choice) []byte {
	total := int64(0)
	for _, i := range pending {
		total += ops[i].Size
	}
	half := min(total, (total/2+sector-1)/sector*sector)
	from, to := int64(0), total
	switch ch {
	case nothing, sizeOnly:
		to = 0
	case beginning:
		to = half
	case ending:
		from = half
	default:
	}
	b := slices.Clone(ino.base)
	for i, o := range ops {
		if o.ino != ino || o.Kind != Write && o.Kind != Truncate {
			continue
		}
		if _, lost := slices.BinarySearch(pending, i); !lost {
			b = apply(b, o, 0, o.Size)
			continue
		}
		if ch == sizeOnly || ch == ending {
			b = stretch(b, o)
		}
		b = apply(b, o, max(from, 0), min(to, o.Size))
		from, to = from-o.Size, to-o.Size
	}
	return b
}

// apply does the octets [from, to) of a write, or a truncation if there is room for it (to is not negative).
func apply(b []byte, o Op, from, to int64) []byte {
	switch {
	case o.Kind == Truncate && to >= 0 && from == 0:
		return resize(b, o.off)
	case o.Kind == Write && from < to:
		b = resize(b, max(int64(len(b)), o.off+to))
		copy(b[o.off+from:], o.data[from:to])
	}
	return b
}

// stretch does an operation to the size alone.
func stretch(b []byte, o Op) []byte {
	if o.Kind == Truncate {
		return resize(b, o.off)
	}
	return resize(b, max(int64(len(b)), o.off+o.Size))
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size] // what lay behind must read as zeros when it grows again
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// point is the disk after some operations, one fsync of them perhaps left out.
type point struct {
	top     *inode
	ops     []Op
	without int // index of the operation left out, or -1
	memory  map[*inode]*[choices]octets
	pending map[*inode][]int // writes not yet durable
	order   []*inode         // of pending
	names   []int            // changes of folders not yet durable
}

// octets is a file's content with its digest.
type octets struct {
	known bool
	data  []byte
	sum   [32]byte
}

func newPoint(top *inode, ops []Op, without int) *point {
	p := &point{top: top, ops: ops, without: without, memory: map[*inode]*[choices]octets{}, pending: map[*inode][]int{}}
	for i, o := range ops {
		switch {
		case p.durable(i):
		case o.Kind.names():
			p.names = append(p.names, i)
		case o.Kind == Write, o.Kind == Truncate:
			if p.pending[o.ino] == nil {
				p.order = append(p.order, o.ino)
			}
			p.pending[o.ino] = append(p.pending[o.ino], i)
		}
	}
	return p
}

// durable reports whether a later fsync covers operation i.
func (p *point) durable(i int) bool {
	o := p.ops[i]
	for j := i + 1; j < len(p.ops); j++ {
		s := p.ops[j]
		if j == p.without || !s.Kind.syncs() || s.began <= i {
			continue
		}
		if s.Kind == SyncAll || s.Kind == Sync && s.ino == o.ino && !o.Kind.names() ||
			s.Kind == SyncDir && o.Kind.names() && (s.ino == o.dir || s.ino == o.from) {
			return true
		}
	}
	return false
}

func (p *point) file(ino *inode, ch choice) octets {
	if p.memory[ino] == nil {
		p.memory[ino] = new([choices]octets)
	}
	m := &p.memory[ino][ch]
	if !m.known {
		m.data = contents(ino, p.ops, p.pending[ino], ch)
		m.sum, m.known = sha256.Sum256(m.data), true
	}
	return *m
}

// folders is what each folder holds if the pending changes of names for which keep is false were lost.
func (p *point) folders(keep map[int]bool) map[*inode]map[string]*inode {
	all := map[*inode]map[string]*inode{}
	in := func(dir *inode) map[string]*inode {
		if all[dir] == nil {
			all[dir] = map[string]*inode{}
			maps.Copy(all[dir], dir.was)
		}
		return all[dir]
	}
	in(p.top)
	for i, o := range p.ops {
		if !o.Kind.names() || slices.Contains(p.names, i) && !keep[i] {
			continue
		}
		if o.Kind == Rename && in(o.from)[o.old] == o.ino {
			delete(in(o.from), o.old)
		}
		if o.Kind != Unlink {
			in(o.dir)[o.base] = o.ino
		} else if in(o.dir)[o.base] == o.ino {
			delete(in(o.dir), o.base)
		}
	}
	return all
}

// tree is the state in which keep says which names came through and pick what became of each file.
func (p *point) tree(keep map[int]bool, pick func(*inode) choice) (t tree, digest [sha256.Size]byte) {
	t = tree{}
	folders := p.folders(keep)
	var walk func(dir *inode, rel string)
	walk = func(dir *inode, rel string) {
		entries := folders[dir]
		if entries == nil {
			entries = dir.was
		}
		for base, ino := range entries {
			at := path.Join(rel, base)
			if ino.folder {
				t[at] = node{ino: ino}
				walk(ino, at)
				continue
			}
			f := p.file(ino, pick(ino))
			t[at] = node{ino: ino, data: f.data, sum: f.sum}
		}
	}
	walk(p.top, "")
	return t, t.digest()
}
