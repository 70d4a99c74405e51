package box

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	carrier "kazashi.example/appliance/courier"
	"kazashi.example/localapi"
	"kazashi.example/sync/courier"
)

// maxSticks is how many folders are taken for sticks; the rest are left out.
const maxSticks = 16

// look lists the sticks, waiting for them no longer than lookPatience; then they are those seen before, and now is false. No two looks go on at
// once, and none during a job, which has the stick to itself.
func (c *couriers) look(ctx context.Context) (sticks []localapi.Stick, now bool) {
	c.mu.Lock()
	l := c.looking
	if c.root == "" || c.busy() {
		defer c.mu.Unlock()
		return c.sticks, false
	}
	if l == nil {
		l = &look{done: make(chan struct{})}
		c.looking = l
		go c.see(l)
	}
	c.mu.Unlock()
	patience := time.NewTimer(lookPatience)
	defer patience.Stop()
	select {
	case <-l.done:
		return l.sticks, true
	case <-patience.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sticks, false
}

func (c *couriers) see(l *look) {
	l.sticks = c.all()
	c.mu.Lock()
	c.sticks, c.looking = l.sticks, nil
	c.mu.Unlock()
	close(l.done)
}

// all looks at the folders of root. A link is none: it may lead anywhere.
func (c *couriers) all() []localapi.Stick {
	sticks := []localapi.Stick{}
	entries, err := os.ReadDir(c.root)
	if err != nil {
		return sticks // no folder: nothing was ever mounted
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if len(sticks) == maxSticks {
			break
		}
		sticks = append(sticks, c.one(e.Name()))
	}
	return sticks
}

// one looks at one stick.
func (c *couriers) one(name string) localapi.Stick {
	path := filepath.Join(c.root, name)
	s := localapi.Stick{Name: printable(name), Path: path}
	problem := func(code localapi.ErrorCode) localapi.Stick {
		s.Problem = &localapi.Error{Code: code}
		return s
	}
	var room syscall.Statfs_t
	switch {
	case s.Name != name:
		return problem(localapi.CodeStickName)
	case !c.mounted(path, c.root):
		return problem(localapi.CodeNotMounted)
	case syscall.Statfs(path, &room) != nil:
		return problem(localapi.CodeStickGone)
	}
	s.Free = room.Bavail * uint64(room.Bsize) //nolint:gosec // a size of blocks is above 0
	s.Writable = room.Flags&stReadOnly == 0 && syscall.Access(path, accessWrite) == nil
	var err error
	if s.Up, s.Down, err = c.parcels(path); err != nil {
		return problem(courierCode(err))
	}
	return s
}

const (
	stReadOnly  = 1 // ST_RDONLY of statfs(2)
	accessWrite = 2 // W_OK of access(2)
)

// parcels counts what is for and of this box.
func (c *couriers) parcels(path string) (up, down int, err error) {
	s, err := courier.Find(path)
	if errors.Is(err, courier.ErrNotStick) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	ups, err := s.Parcels(courier.Up, c.box)
	if err != nil {
		return 0, 0, err
	}
	downs, err := s.Parcels(courier.Down, c.box)
	return len(ups), len(downs), err
}

// printable is a name without what would not show as it is written, or would change what stands beside it.
func printable(name string) string {
	shown := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, name)
	return shown
}

// fileStick, in a folder, says that it stands for a stick though nothing is mounted there, as in a practice world.
const fileStick = ".kazashi-stick"

// mounted reports whether something is mounted at stick: it is on another device than the folder around it. What is not would fill the
// box's own disk, and nobody could carry it anywhere.
func mounted(stick, root string) bool {
	if _, err := os.Lstat(filepath.Join(stick, fileStick)); err == nil {
		return true
	}
	here, err := os.Lstat(stick)
	if err != nil {
		return false
	}
	around, err := os.Stat(root)
	if err != nil {
		return false
	}
	a, ok := here.Sys().(*syscall.Stat_t)
	b, same := around.Sys().(*syscall.Stat_t)
	return ok && same && a.Dev != b.Dev
}

// courierReasons are what sticks and parcels are refused for, the more particular before the general. What a file system says without one of
// these names was not said by a stick: an import writes to the box's disk, too.
var courierReasons = []struct {
	is error
	as localapi.ErrorCode
}{
	{carrier.ErrNothing, localapi.CodeNothing},
	{courier.ErrNotStick, localapi.CodeNotStick},
	{courier.ErrHalf, localapi.CodeHalf},
	{courier.ErrOtherBox, localapi.CodeOtherBox},
	{courier.ErrSigner, localapi.CodeParcelSigner},
	{courier.ErrNewer, localapi.CodeNewerRelease},
	{courier.ErrCrowded, localapi.CodeCrowded},
	{courier.ErrReadOnly, localapi.CodeStickReadOnly},
	{courier.ErrFull, localapi.CodeStickFull},
	{courier.ErrGone, localapi.CodeStickGone},
	{courier.ErrDamaged, localapi.CodeParcel},
	{courier.ErrIrregular, localapi.CodeParcel},
}

// courierCode is the code by which a refusal travels; a fault of the box for what has none.
func courierCode(err error) localapi.ErrorCode {
	if errors.Is(err, courier.ErrReadOnly) && errors.Is(err, fs.ErrPermission) {
		return localapi.CodeStickDenied
	}
	for _, r := range courierReasons {
		if errors.Is(err, r.is) {
			return r.as
		}
	}
	return localapi.CodeBoxFailed
}
