package crash

import (
	"fmt"
	"slices"
	"strings"
)

// handlers say what each successful call does. Reading is here for the file's position only.
var handlers map[string]func(*follower, call) error

func init() {
	handlers = map[string]func(*follower, call) error{
		"open":      func(f *follower, c call) error { return f.opened(c, -1, 0) },
		"openat":    func(f *follower, c call) error { return f.opened(c, 0, 1) },
		"openat2":   func(f *follower, c call) error { return f.opened(c, 0, 1) },
		"creat":     func(f *follower, c call) error { return f.opened(c, -1, 0) },
		"dup":       (*follower).duplicated,
		"dup2":      (*follower).duplicated,
		"dup3":      (*follower).duplicated,
		"fcntl":     (*follower).controlled,
		"lseek":     (*follower).sought,
		"read":      (*follower).read,
		"readv":     (*follower).read,
		"write":     func(f *follower, c call) error { return f.wrote(c, text, -1) },
		"writev":    func(f *follower, c call) error { return f.wrote(c, vector, -1) },
		"pwrite64":  func(f *follower, c call) error { return f.wrote(c, text, 3) },
		"pwritev":   func(f *follower, c call) error { return f.wrote(c, vector, 3) },
		"pwritev2":  refuse,
		"ftruncate": (*follower).truncatedFile,
		"truncate":  (*follower).truncatedPath,
		"fallocate": (*follower).allocated,
		"fsync":     (*follower).synced,
		"fdatasync": (*follower).synced,
		"sync":      (*follower).syncedAll,
		"syncfs":    (*follower).syncedAll,
		"rename":    func(f *follower, c call) error { return f.renamed(c, -1, 0, -1, 1) },
		"renameat":  func(f *follower, c call) error { return f.renamed(c, 0, 1, 2, 3) },
		"renameat2": func(f *follower, c call) error { return f.renamed(c, 0, 1, 2, 3) },
		"link":      func(f *follower, c call) error { return f.linked(c, -1, 0, -1, 1) },
		"linkat":    func(f *follower, c call) error { return f.linked(c, 0, 1, 2, 3) },
		"unlink":    func(f *follower, c call) error { return f.unlinked(c, -1, 0) },
		"rmdir":     func(f *follower, c call) error { return f.unlinked(c, -1, 0) },
		"unlinkat":  func(f *follower, c call) error { return f.unlinked(c, 0, 1) },
		"mkdir":     func(f *follower, c call) error { return f.made(c, -1, 0) },
		"mkdirat":   func(f *follower, c call) error { return f.made(c, 0, 1) },
		"chmod":     func(f *follower, c call) error { return f.moded(c, -1, 0) },
		"fchmodat":  func(f *follower, c call) error { return f.moded(c, 0, 1) },
		"fchmod":    (*follower).modedFile,
		"mmap":      (*follower).mapped,
		"munmap":    (*follower).unmapped,
		"mprotect":  (*follower).protected,
		"clone":     thread,
		"clone3":    thread,
		"close":     func(*follower, call) error { return nil },

		"copy_file_range": (*follower).copied,
	}
	for _, name := range []string{"sendfile", "splice", "tee", "vmsplice", "symlink", "symlinkat", "mknod", "mknodat", "fchmodat2"} {
		handlers[name] = refuse
	}
	for _, name := range []string{"fork", "vfork", "io_uring_setup", "io_submit"} {
		handlers[name] = func(_ *follower, c call) error { return fmt.Errorf("%w: %s", ErrTrace, c.name) }
	}
}

// filter is strace's list of calls to trace; a question mark allows that an architecture has no such call.
func filter() string {
	var names []string
	for name := range handlers {
		names = append(names, "?"+name)
	}
	slices.Sort(names)
	return "trace=" + strings.Join(names, ",")
}

// thread lets only clones pass that share all, descriptors included.
func thread(_ *follower, c call) error {
	if !strings.Contains(strings.Join(c.args, ","), "CLONE_THREAD") {
		return fmt.Errorf("%w: a second process", ErrTrace)
	}
	return nil
}

func (f *follower) opened(c call, dir, i int) error {
	n, err := number(c.ret)
	if err != nil {
		return err
	}
	delete(f.open, int(n))
	p, ok, err := f.at(c, dir, i)
	if err != nil || !ok {
		return err
	}
	flags := c.arg(i + 1)
	if c.name == "creat" {
		flags = "O_WRONLY|O_CREAT|O_TRUNC"
	}
	if strings.Contains(flags, "O_TMPFILE") {
		return fmt.Errorf("%w: O_TMPFILE", ErrTrace)
	}
	ino := p.ino()
	if ino == nil {
		if !strings.Contains(flags, "O_CREAT") {
			return fmt.Errorf("%w: %s was made unseen", ErrTrace, p.rel)
		}
		ino = &inode{mode: permissions(c.args[len(c.args)-1]), path: p.rel}
		p.dir.now[p.base] = ino
		f.add(Op{Kind: Create, Path: p.rel, ino: ino, dir: p.dir, base: p.base}, c.began)
	}
	file := &file{ino: ino, appends: strings.Contains(flags, "O_APPEND"), durable: strings.Contains(flags, "SYNC")}
	file.writable = strings.Contains(flags, "O_RDWR") || strings.Contains(flags, "O_WRONLY")
	f.open[int(n)] = file
	if strings.Contains(flags, "O_TRUNC") && ino.size > 0 {
		f.truncate(ino, 0, c.began)
	}
	return nil
}

func (f *follower) duplicated(c call) error {
	n, err := number(c.ret)
	if err != nil {
		return err
	}
	delete(f.open, int(n))
	if old := f.open[descriptor(c.arg(0))]; old != nil {
		f.open[int(n)] = old
	}
	return nil
}

func (f *follower) controlled(c call) error {
	if strings.HasPrefix(c.arg(1), "F_DUPFD") {
		return f.duplicated(c)
	}
	return nil
}

func (f *follower) sought(c call) error {
	n, err := number(c.ret)
	if file := f.open[descriptor(c.arg(0))]; file != nil {
		file.pos = n
	}
	return err
}

func (f *follower) read(c call) error {
	n, err := number(c.ret)
	if file := f.open[descriptor(c.arg(0))]; file != nil {
		file.pos += n
	}
	return err
}

// mapped refuses maps through which the folder would be written, and remembers those that could become such.
func (f *follower) mapped(c call) error {
	file := f.open[descriptor(c.arg(4))]
	if file == nil || !strings.Contains(c.arg(3), "MAP_SHARED") {
		return nil
	}
	if strings.Contains(c.arg(2), "PROT_WRITE") {
		return fmt.Errorf("%w: %s is written through a shared map", ErrTrace, file.ino.path)
	}
	if !file.writable {
		return nil
	}
	size, err := number(c.arg(1))
	if err != nil {
		return err
	}
	begin, err := number(c.ret)
	f.shared[begin] = begin + size
	return err
}

func (f *follower) unmapped(c call) error {
	begin, err := number(c.arg(0))
	delete(f.shared, begin)
	return err
}

func (f *follower) protected(c call) error {
	if !strings.Contains(c.arg(2), "PROT_WRITE") {
		return nil
	}
	at, err := number(c.arg(0))
	if err != nil {
		return err
	}
	size, err := number(c.arg(1))
	for begin, end := range f.shared {
		if at < end && begin < at+size {
			return fmt.Errorf("%w: a shared map was made writable", ErrTrace)
		}
	}
	return err
}
