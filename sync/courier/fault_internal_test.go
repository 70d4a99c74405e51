package courier

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// What the file system of a stick says gets its name, and keeps its own.
func TestFault(t *testing.T) {
	for errno, want := range map[syscall.Errno]error{
		syscall.EIO: ErrGone, syscall.ENODEV: ErrGone, syscall.ENXIO: ErrGone, syscall.ESTALE: ErrGone, syscall.ENOMEDIUM: ErrGone,
		syscall.EROFS: ErrReadOnly, syscall.EACCES: ErrReadOnly, syscall.ENOSPC: ErrFull, syscall.EDQUOT: ErrFull, syscall.EFBIG: ErrFull,
		syscall.ELOOP: ErrIrregular,
	} {
		err := fault(&os.PathError{Op: "write", Path: "x", Err: errno})
		if !errors.Is(err, want) || !errors.Is(err, errno) {
			t.Errorf("fault(%v) = %v, want %v beside it", errno, err, want)
		}
		if again := fault(err); !errors.Is(again, want) || again.Error() != err.Error() {
			t.Errorf("fault(fault(%v)) = %v, want it once", errno, again)
		}
	}
	if err := fault(nil); err != nil {
		t.Errorf("fault(nil) = %v", err)
	}
	missing := &os.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}
	if err := fault(missing); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrGone) {
		t.Errorf("fault(ENOENT) = %v, want no other name", err)
	}
	if err := gone(missing); !errors.Is(err, ErrGone) {
		t.Errorf("gone(ENOENT) = %v, want ErrGone", err)
	}
}

// Octets that do not come are damage of one file as long as the rest of the stick answers, and the end of the stick otherwise.
func TestUnread(t *testing.T) {
	dead := func() error { return ErrGone }
	bad := &os.PathError{Op: "read", Path: "x", Err: syscall.EIO}
	for _, try := range []struct {
		err   error
		alive func() error
		want  error
	}{
		{bad, nowhere, ErrDamaged},
		{bad, dead, ErrGone},
		{unread(bad, nowhere), dead, ErrDamaged},
		{unread(bad, dead), nowhere, ErrGone},
		{&os.PathError{Op: "read", Path: "x", Err: syscall.ENODEV}, nowhere, ErrGone},
		{&os.PathError{Op: "read", Path: "x", Err: syscall.EACCES}, nowhere, ErrReadOnly},
	} {
		got := unread(try.err, try.alive)
		if !errors.Is(got, try.want) || errors.Is(got, ErrDamaged) && errors.Is(got, ErrGone) {
			t.Errorf("unread(%v) = %v, want %v alone", try.err, got, try.want)
		}
	}
	if err := unread(nil, dead); err != nil {
		t.Errorf("unread(nil) = %v", err)
	}
}

// The device of a stick that was pulled is not there, and that of a file system without one is no matter.
func TestPulled(t *testing.T) {
	for dev, want := range map[uint64]bool{0: false, 42: false, 0xffe<<8 | 0xfe: true} {
		if got := pulled(dev); got != want {
			t.Errorf("pulled(%#x) = %t, want %t", dev, got, want)
		}
	}
	info, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || pulled(st.Dev) {
		t.Error("the device of this folder is said to be pulled")
	}
}

// A file of a stick that cannot be read, as that of a process's memory at its beginning, is damaged, and its stick is there.
func TestP10AFileThatCannotBeRead(t *testing.T) {
	s, err := open("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := s.root.Open("mem")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := careful{f, s}
	_, read := c.Read(make([]byte, 8))
	_, at := c.ReadAt(make([]byte, 8), 0)
	for _, err := range []error{read, at} {
		if !errors.Is(err, ErrDamaged) || !errors.Is(err, syscall.EIO) || errors.Is(err, ErrGone) {
			t.Errorf("read = %v, want ErrDamaged", err)
		}
	}
}
