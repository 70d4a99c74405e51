package revocation

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
)

// What sets leave free of the file system that they lie in, because the records of taps go before them (P1): a tenth, but no more
// than floorMost, so that a box with a small disk has sets, too.
const (
	floorPart = 10
	floorMost = 512 << 20 // octets
)

// room is ErrFull if n more octets in a folder's file system would leave less than the floor. None is always granted.
func room(dir string, n uint64) error {
	if n == 0 {
		return nil
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return fmt.Errorf("asking for the room on the disk: %w", err)
	}
	unit := uint64(s.Frsize) //nolint:gosec // a size is not negative
	free, floor := s.Bavail*unit, min(s.Blocks*unit/floorPart, floorMost)
	if free < n || free-n < floor {
		return fmt.Errorf("%w: %d octets are needed and %d free, of which %d stay free for records", ErrFull, n, free, floor)
	}
	return nil
}

// openRegular opens a file that somebody else may have put there, and waits for nobody: ErrIrregular for a link, pipe, device or folder.
func openRegular(path string) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV) {
			err = fmt.Errorf("%w: %w", ErrIrregular, err)
		}
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrIrregular
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// maxFiles bounds what is looked at in a folder.
const maxFiles = 4096

// list is the names in a folder, in order. ErrCrowded if there are more than anybody exports.
func list(dir string) ([]string, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	names, err := f.Readdirnames(maxFiles + 1)
	if len(names) > maxFiles {
		return nil, fmt.Errorf("%w: more than %d files", ErrCrowded, maxFiles)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}
