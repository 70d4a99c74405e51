package crash

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// random is what os.CreateTemp puts into names, and digests; matrices of two runs shall look alike.
var random = regexp.MustCompile(`[0-9a-f]{32,}|[0-9]{6,}`)

// title names an operation.
func (o Op) title() string {
	name := random.ReplaceAllString(o.Path, "*")
	switch o.Kind {
	case Write:
		return fmt.Sprintf("write %s @%d+%d", name, o.off, o.Size)
	case Truncate:
		return fmt.Sprintf("truncate %s to %d", name, o.off)
	case Rename, Link:
		return fmt.Sprintf("%v %s → %s", o.Kind, random.ReplaceAllString(o.old, "*"), name)
	case Say:
		return fmt.Sprintf("say %q", o.data)
	default:
		return o.Kind.String() + " " + name
	}
}

// wrote is a write of what octets reads from argument 1, at the offset in argument at (-1: at the file's position).
func (f *follower) wrote(c call, octets func(string) ([]byte, error), at int) error {
	fd := descriptor(c.arg(0))
	file := f.open[fd]
	if file == nil && fd != 1 {
		return nil
	}
	b, err := octets(c.arg(1))
	if err != nil {
		return err
	}
	n, err := number(c.ret)
	if err != nil || n < 0 || n > int64(len(b)) {
		return fmt.Errorf("%w: %q of %d octets written", ErrTrace, head(c.ret), len(b))
	}
	b = b[:n]
	if file == nil {
		for line := range bytes.Lines(b) {
			f.add(Op{Kind: Say, data: bytes.TrimSpace(line)}, c.began)
		}
		return nil
	}
	off := file.pos
	if at >= 0 {
		if off, err = number(c.arg(at)); err != nil {
			return err
		}
	}
	if file.appends {
		off = file.ino.size
	}
	if at < 0 {
		file.pos = off + n
	}
	f.write(file, off, b, c.began)
	return nil
}

func (f *follower) write(file *file, off int64, b []byte, began int) {
	file.ino.size = max(file.ino.size, off+int64(len(b)))
	f.add(Op{Kind: Write, Path: file.ino.path, Size: int64(len(b)), ino: file.ino, off: off, data: b}, began)
	if file.durable {
		f.add(Op{Kind: Sync, Path: file.ino.path, ino: file.ino}, len(f.ops))
	}
}

// copied takes copies within the folder; what came from elsewhere the trace does not show.
func (f *follower) copied(c call) error {
	from, to := f.open[descriptor(c.arg(0))], f.open[descriptor(c.arg(2))]
	n, err := number(c.ret)
	if to == nil || n <= 0 || err != nil {
		return err
	}
	if from == nil || c.arg(1) != "NULL" || c.arg(3) != "NULL" {
		return fmt.Errorf("%w: %s was copied from elsewhere", ErrTrace, to.ino.path)
	}
	whole := contents(from.ino, f.ops, nil, everything)
	if from.pos < 0 || n > int64(len(whole))-from.pos {
		return fmt.Errorf("%w: copied %d octets past the end of %s", ErrTrace, n, from.ino.path)
	}
	f.write(to, to.pos, whole[from.pos:from.pos+n], c.began)
	from.pos, to.pos = from.pos+n, to.pos+n
	return nil
}

func (f *follower) truncate(ino *inode, size int64, began int) {
	ino.size = size
	f.add(Op{Kind: Truncate, Path: ino.path, ino: ino, off: size}, began)
}

func (f *follower) truncatedFile(c call) error {
	n, err := number(c.arg(1))
	if file := f.open[descriptor(c.arg(0))]; file != nil && err == nil {
		f.truncate(file.ino, n, c.began)
	}
	return err
}

func (f *follower) truncatedPath(c call) error {
	n, err := number(c.arg(1))
	if err != nil {
		return err
	}
	p, ok, err := f.known(c, -1, 0)
	if ok && err == nil {
		f.truncate(p.ino(), n, c.began)
	}
	return err
}

// allocated is fallocate: it may make a file longer, by zeros.
func (f *follower) allocated(c call) error {
	file := f.open[descriptor(c.arg(0))]
	if file == nil || c.arg(1) == "FALLOC_FL_KEEP_SIZE" {
		return nil
	}
	if c.arg(1) != "0" {
		return fmt.Errorf("%w: fallocate %s", ErrTrace, c.arg(1))
	}
	off, err := number(c.arg(2))
	if err != nil {
		return err
	}
	n, err := number(c.arg(3))
	if err == nil && off+n > file.ino.size {
		f.truncate(file.ino, off+n, c.began)
	}
	return err
}

func (f *follower) synced(c call) error {
	file := f.open[descriptor(c.arg(0))]
	if file == nil {
		return nil
	}
	kind := Sync
	if file.ino.folder {
		kind = SyncDir
	}
	f.add(Op{Kind: kind, Path: file.ino.path, ino: file.ino}, c.began)
	return nil
}

func (f *follower) syncedAll(c call) error {
	f.add(Op{Kind: SyncAll, Path: "everything"}, c.began)
	return nil
}

func (f *follower) renamed(c call, fromDir, from, toDir, to int) error {
	if c.name == "renameat2" && strings.Contains(c.arg(4), "EXCHANGE") {
		return fmt.Errorf("%w: exchanging rename", ErrTrace)
	}
	a, b, ok, err := f.two(c, fromDir, from, toDir, to)
	if err != nil || !ok || a.ino() == b.ino() {
		return err
	}
	ino := a.ino()
	delete(a.dir.now, a.base)
	b.dir.now[b.base] = ino
	o := Op{Kind: Rename, Path: b.rel, ino: ino, from: a.dir, old: a.base, dir: b.dir, base: b.base}
	f.rename(ino, b.rel)
	f.add(o, c.began)
	return nil
}

// rename tells a file, or what is in a folder, its new path.
func (f *follower) rename(ino *inode, rel string) {
	ino.path = rel
	for base, child := range ino.now {
		f.rename(child, path.Join(rel, base))
	}
}

// two resolves both names of a rename or link: both in the folder, or neither.
func (f *follower) two(c call, fromDir, from, toDir, to int) (a, b place, ok bool, err error) {
	a, in, err := f.known(c, fromDir, from)
	if err != nil {
		return a, b, false, err
	}
	b, out, err := f.at(c, toDir, to)
	if err == nil && in != out {
		err = fmt.Errorf("%w: %s over the edge of the folder", ErrTrace, c.name)
	}
	return a, b, in && out, err
}

func (f *follower) linked(c call, fromDir, from, toDir, to int) error {
	a, b, ok, err := f.two(c, fromDir, from, toDir, to)
	if err != nil || !ok {
		return err
	}
	b.dir.now[b.base] = a.ino()
	f.add(Op{Kind: Link, Path: b.rel, ino: a.ino(), from: a.dir, old: a.base, dir: b.dir, base: b.base}, c.began)
	return nil
}

func (f *follower) unlinked(c call, dir, i int) error {
	p, ok, err := f.known(c, dir, i)
	if err != nil || !ok {
		return err
	}
	o := Op{Kind: Unlink, Path: p.rel, ino: p.ino(), dir: p.dir, base: p.base}
	delete(p.dir.now, p.base)
	f.add(o, c.began)
	return nil
}

func (f *follower) made(c call, dir, i int) error {
	p, ok, err := f.at(c, dir, i)
	if err != nil || !ok {
		return err
	}
	ino := newFolder(p.rel, permissions(c.arg(i+1)))
	p.dir.now[p.base] = ino
	f.add(Op{Kind: Mkdir, Path: p.rel, ino: ino, dir: p.dir, base: p.base}, c.began)
	return nil
}

func (f *follower) moded(c call, dir, i int) error {
	p, ok, err := f.known(c, dir, i)
	if err == nil && ok {
		p.ino().mode = permissions(c.arg(i + 1))
	}
	return err
}

func (f *follower) modedFile(c call) error {
	if file := f.open[descriptor(c.arg(0))]; file != nil {
		file.ino.mode = permissions(c.arg(1))
	}
	return nil
}
