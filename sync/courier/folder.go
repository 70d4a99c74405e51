package courier

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// nonBlock keeps the open of a named pipe from waiting for its other end.
const nonBlock = syscall.O_NONBLOCK

// at is how a path of ours is written on the stick. Every step is a folder, and the last one a folder or plain file, and no link. An error
// that is fs.ErrNotExist, ErrIrregular, ErrCrowded, ErrGone.
func (s *Stick) at(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := ""
	steps := strings.Split(name, "/")
	for i, step := range steps {
		next, info, err := s.step(there, step, strings.Join(steps[:i+1], "/"))
		if err != nil {
			return "", err
		}
		if last := i == len(steps)-1; !info.IsDir() && (!last || !info.Mode().IsRegular()) {
			return "", fmt.Errorf("%s: %w", next, ErrIrregular)
		}
		there = next
	}
	return there, nil
}

// step finds one entry: by its own name, then by how it was once found, then by looking through the folder.
func (s *Stick) step(folder, name, here string) (string, fs.FileInfo, error) {
	for _, try := range []string{path.Join(folder, name), s.odd[here]} {
		if try == "" {
			continue
		}
		info, err := s.root.Lstat(try)
		if err == nil {
			return try, info, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", nil, unread(err, s.alive)
		}
	}
	names, err := s.entries(folder)
	if err != nil {
		return "", nil, err
	}
	for _, n := range names {
		if n != name && strings.EqualFold(n, name) {
			info, err := s.root.Lstat(path.Join(folder, n))
			s.odd[here] = path.Join(folder, n)
			return s.odd[here], info, unread(err, s.alive)
		}
	}
	return "", nil, fmt.Errorf("%s: %w", here, fs.ErrNotExist)
}

// entries lists a folder as it is. ErrCrowded.
func (s *Stick) entries(folder string) ([]string, error) {
	d, err := s.root.Open(path.Join(".", folder))
	if err != nil {
		return nil, s.unlisted(err)
	}
	defer d.Close()
	names, err := d.Readdirnames(MaxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unread(err, s.alive)
	}
	if len(names) > MaxEntries {
		return nil, fmt.Errorf("%s: %w", path.Join(".", folder), ErrCrowded)
	}
	return names, nil
}

// list is entries of a folder of ours; none if it is not there.
func (s *Stick) list(name string) ([]string, error) {
	there, err := s.at(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.alive()
	}
	if err != nil {
		return nil, err
	}
	return s.entries(there)
}

// alive is ErrGone if not even the root answers, or it is the folder of nothing any more, or of a device that is not there.
func (s *Stick) alive() error {
	info, err := s.root.Stat(".")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink == 0 {
		return fmt.Errorf("%w: its folder was removed", ErrGone)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && pulled(st.Dev) {
		return fmt.Errorf("%w: its device is not there", ErrGone)
	}
	return nil
}

// unlisted is unread where what is asked for was there a moment ago.
func (s *Stick) unlisted(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return gone(err)
	}
	return unread(err, s.alive)
}

// careful reads a file of a stick; what its errors mean depends on the rest of the stick.
type careful struct {
	*os.File
	stick *Stick
}

func (c careful) Read(b []byte) (int, error) {
	n, err := c.File.Read(b)
	return n, unread(err, c.stick.alive)
}

func (c careful) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.File.ReadAt(b, at)
	return n, unread(err, c.stick.alive)
}

// numbered reads the names of parcels.
func numbered(k Kind, box record.BoxID, names []string) []Name {
	ext := path.Ext(Name{k, box, 1}.String())
	var all []Name
	for _, n := range names {
		digits, ok := strings.CutSuffix(strings.ToLower(n), ext)
		v, err := strconv.ParseUint(digits, 10, 64)
		if ok && err == nil && v > 0 && len(digits) == 10 {
			all = append(all, Name{k, box, v})
		}
	}
	slices.SortFunc(all, func(a, b Name) int { return int(int64(a.N) - int64(b.N)) }) //nolint:gosec // ten digits each
	return slices.Compact(all)
}

func blobID(name string) (id wire.BlobID, ok bool) {
	name = strings.ToLower(name)
	n, err := hex.Decode(id[:], []byte(name)[:min(len(name), 2*len(id))])
	return id, err == nil && n == len(id) && len(name) == 2*n
}

// read opens a plain file of ours. It is the one that was looked at, not one put in its place.
func (s *Stick) read(name string) (*os.File, error) {
	there, err := s.at(name)
	if err != nil {
		return nil, err
	}
	before, err := s.root.Lstat(there)
	if err != nil {
		return nil, s.unlisted(err)
	}
	f, err := s.root.OpenFile(there, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, s.unlisted(err)
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || !os.SameFile(before, info)) {
		err = fmt.Errorf("%s: %w", there, ErrIrregular)
	}
	if err != nil {
		return nil, errors.Join(unread(err, s.alive), f.Close())
	}
	return f, nil
}

// folder makes a folder of ours, step by step, and returns how it is written there.
func (s *Stick) folder(name string) (string, error) {
	made := ""
	steps := strings.Split(name, "/")
	for i := range steps {
		here := strings.Join(steps[:i+1], "/")
		there, err := s.at(here)
		if errors.Is(err, fs.ErrNotExist) || i == 0 && errors.Is(err, ErrCrowded) {
			there = path.Join(made, steps[i])
			if err = gone(s.root.Mkdir(there, 0o755)); err == nil {
				err = s.syncAt(path.Join(".", made))
			}
		}
		if err != nil {
			return "", err
		}
		made = there
	}
	return made, nil
}

// partial ends the name of a file that is not whole yet.
const partial = ".part"

// tidy removes what a writer left half written for a box and kind.
func (s *Stick) tidy(k Kind, box record.BoxID) error {
	begins := ""
	if k == Joining || k == Joined {
		begins = box.String()
	}
	return s.tidyAt(path.Dir(Name{k, box, 0}.String()), begins)
}

// tidyAt removes the half written files of a folder whose names begin so.
func (s *Stick) tidyAt(dir, begins string) error {
	names, err := s.list(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if lower := strings.ToLower(n); strings.HasSuffix(lower, partial) && strings.HasPrefix(lower, begins) {
			if err := s.drop(dir + "/" + n); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop removes a plain file of ours; one that is not there is no error.
func (s *Stick) drop(name string) error {
	there, err := s.at(name)
	if err == nil {
		err = fault(s.root.Remove(there))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return s.alive()
	}
	return err
}

func (s *Stick) sync(name string) error {
	there, err := s.at(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s.alive()
	}
	if err != nil {
		return err
	}
	return s.syncAt(there)
}

// syncAt makes the names in a folder durable.
func (s *Stick) syncAt(there string) error {
	d, err := s.root.Open(there)
	if err != nil {
		return gone(err)
	}
	err = d.Sync()
	if is(err, syscall.EINVAL, syscall.ENOTSUP) {
		err = nil // a file system that has no such thing for folders
	}
	return fault(errors.Join(err, d.Close()))
}

// file is a file that is being written beside its name.
type file struct {
	*os.File
	stick      *Stick
	part, name string
}

func (s *Stick) create(n Name) (*file, error) { return s.createAt(n.String()) }

func (s *Stick) createAt(name string) (*file, error) {
	dir, err := s.folder(path.Dir(name))
	if err != nil {
		return nil, err
	}
	to := path.Join(dir, path.Base(name))
	if there, err := s.at(name); err == nil {
		to = there
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	part := strings.TrimSuffix(to, path.Ext(to)) + partial
	if err := s.root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault(err)
	}
	f, err := s.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, gone(err)
	}
	return &file{f, s, part, to}, nil
}

// Write says by name what is the matter with the stick.
func (f *file) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	return n, fault(err)
}

// ReadFrom keeps io.Copy with Write, whose errors have names.
func (f *file) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, make([]byte, 256<<10))
}

// fill copies size octets and publishes them.
func (f *file) fill(ctx context.Context, from io.Reader, size int64) error {
	n, err := io.Copy(f, reading{ctx, from})
	if err == nil && n != size {
		err = fmt.Errorf("%w: %d octets where %d belong", io.ErrUnexpectedEOF, n, size)
	}
	if err != nil {
		f.abort()
		return fmt.Errorf("copying to %s: %w", path.Base(f.name), err)
	}
	return f.publish()
}

// publish makes the file whole and durable under its name.
func (f *file) publish() error {
	if err := fault(errors.Join(f.Sync(), f.Close())); err != nil {
		_ = f.stick.root.Remove(f.part) // the next writer does
		return fmt.Errorf("flushing %s: %w", path.Base(f.name), err)
	}
	if err := f.stick.root.Rename(f.part, f.name); err != nil {
		return fmt.Errorf("naming %s: %w", path.Base(f.name), gone(err))
	}
	return f.stick.syncAt(path.Dir(f.name))
}

// abort gives the file up.
func (f *file) abort() {
	_ = f.Close()
	_ = f.stick.root.Remove(f.part) // the next writer does
}

// same reports whether a file beside the parcels has the very octets of source.
func (s *Stick) same(ctx context.Context, b wire.Blob, source func() (io.ReadCloser, error)) (_ bool, err error) {
	f, err := s.read(blobPath(b.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || uint64(info.Size()) != b.Size { //nolint:gosec // a size
		return false, fault(err)
	}
	from, err := source()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return equal(reading{ctx, f}, reading{ctx, from})
}

// equal compares to the end. What cannot be read here is not the same.
func equal(here, source io.Reader) (bool, error) {
	a, b := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		n, errA := io.ReadFull(here, a)
		m, errB := io.ReadFull(source, b)
		ended := func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
		if errB != nil && !ended(errB) {
			return false, errB
		}
		if !bytes.Equal(a[:n], b[:m]) || errA != nil && !ended(errA) {
			return false, nil
		}
		if errA != nil || errB != nil {
			return errA != nil && errB != nil, nil
		}
	}
}

// reading ends with its context.
type reading struct {
	ctx context.Context //nolint:containedctx // of one copy
	io.Reader
}

func (r reading) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}
