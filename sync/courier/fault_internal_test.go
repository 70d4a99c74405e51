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
