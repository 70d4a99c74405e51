package courier

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// fault gives what the file system of a stick said its name. It is nil for nil.
func fault(err error) error {
	name := error(nil)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrGone):
		return err // whoever looked closer said so
	case is(err, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG):
		name = ErrFull
	case is(err, syscall.EROFS, syscall.EACCES, syscall.EPERM):
		name = ErrReadOnly
	case is(err, syscall.EIO, syscall.ENODEV, syscall.ENXIO, syscall.ESTALE, syscall.ESHUTDOWN, syscall.ENOTCONN, syscall.ENOMEDIUM):
		name = ErrGone
	case is(err, syscall.ELOOP, syscall.ENOTDIR):
		name = ErrIrregular
	}
	if name == nil || errors.Is(err, name) {
		return err
	}
	return fmt.Errorf("%w: %w", name, err)
}

// unread is fault of a read: octets that do not come are damage of a file for as long as the rest of the stick answers, which is what alive says.
func unread(err error, alive func() error) error {
	if !is(err, syscall.EIO) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrGone) {
		return fault(err)
	}
	if dead := alive(); dead != nil {
		return fmt.Errorf("%w: %w", dead, err)
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// nowhere is the stick of a parcel that lies on none.
func nowhere() error { return nil }

// gone is fault where what is asked for was there a moment ago.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return fault(err)
}

func is(err error, any ...syscall.Errno) bool {
	for _, e := range any {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// pulled reports whether the device of a file system is not there any more: what was read of it before may still be known.
func pulled(dev uint64) bool {
	const devices = "/sys/dev/block"
	major, minor := (dev>>8)&0xfff|(dev>>32)&^0xfff, dev&0xff|(dev>>12)&^0xff
	if major == 0 {
		return false // of no device
	}
	if _, err := os.Stat(devices); err != nil {
		return false // nobody can say
	}
	_, err := os.Stat(fmt.Sprintf("%s/%d:%d", devices, major, minor))
	return errors.Is(err, fs.ErrNotExist)
}

// free is how many octets a file system has for who is not root.
func free(root *os.Root) (uint64, error) {
	d, err := root.Open(".")
	if err != nil {
		return 0, fault(err)
	}
	defer d.Close()
	var s syscall.Statfs_t
	if err := syscall.Fstatfs(int(d.Fd()), &s); err != nil {
		return 0, fmt.Errorf("asking for the room on the stick: %w", fault(err))
	}
	return s.Bavail * uint64(s.Frsize), nil //nolint:gosec // a size is not negative
}
