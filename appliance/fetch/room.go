package fetch

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
)

// FloorMost is the most that is left free of the file system, in octets. What is fetched leaves a tenth of it free, because the records
// of taps go before it (P1), but no more than this, so that a large disk is of use.
const FloorMost = 512 << 20

// floorPart is the part of the file system that is left free.
const floorPart = 10

// Room is the fault for a full disk if n more octets in a folder's file system would leave less than the floor. None is always granted.
func (f Fetcher) Room(dir string, n uint64) error {
	if n == 0 {
		return nil
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return fmt.Errorf("asking for the room on the disk: %w", err)
	}
	unit := uint64(s.Frsize) //nolint:gosec // a size is not negative
	free, floor := s.Bavail*unit, min(s.Blocks*unit/floorPart, FloorMost)
	if free < n || free-n < floor {
		return fmt.Errorf("%w: %d octets are needed and %d free, of which %d stay free for records", f.Faults.Full, n, free, floor)
	}
	return nil
}

// spoilt gives up a part that could not be written: on a full disk others need its room more (P1).
func (f Fetcher) spoilt(path string, err error) error {
	return errors.Join(f.full(fmt.Errorf("writing %s: %w", filepath.Base(path), err)), removed(path))
}

// full names the reason if it is that the disk has no room.
func (f Fetcher) full(err error) error { return Full(err, f.Faults.Full) }

// Full adds the fault to an error that says that the disk has no room.
func Full(err, fault error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", fault, err)
	}
	return err
}
