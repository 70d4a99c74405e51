package journal

import (
	"fmt"
	"path/filepath"
	"syscall"
)

// ErrNoRoom says that the disk is so full that no record is taken any more. Nothing was sealed and no number is spent.
var ErrNoRoom = fmt.Errorf("%w: the disk is full", ErrNotDurable)

// Room says how much free space the journal wants on its disk, in octets. Zero values stand for the defaults.
type Room struct {
	Low     int64 // below it the journal says so; default 256 MiB, or 5 % of a disk smaller than 5 GiB
	Stop    int64 // below it nothing is appended; default 32 MiB, or half of Low if that is less
	Reserve int64 // size of the file kept back for acknowledgements and deletions on a full disk; default 8 MiB, or a quarter of Stop
}

// Space is how much room there is.
type Space uint8

// Spaces.
const (
	SpaceOK   Space = 0
	SpaceLow  Space = 1 // a person should know
	SpaceFull Space = 2 // Append refuses with ErrNoRoom
)

var spaceNames = [...]string{"ok", "low", "full"}

// String is ok, low or full.
func (s Space) String() string {
	if int(s) >= len(spaceNames) {
		return "unknown"
	}
	return spaceNames[s]
}

// Defaults of Room.
const (
	defaultLow     = 256 << 20
	defaultStop    = 32 << 20
	defaultReserve = 8 << 20
	lowShare       = 20 // of the disk
	logShare       = 8  // of Stop: what the write-ahead log may need, however much of the database is free inside
)

// on fills in the defaults for a disk of this size.
func (r Room) on(disk int64) Room {
	if r.Low <= 0 {
		r.Low = min(defaultLow, disk/lowShare)
	}
	if r.Stop <= 0 {
		r.Stop = min(defaultStop, r.Low/2)
	}
	if r.Reserve <= 0 {
		r.Reserve = min(defaultReserve, r.Stop/4)
	}
	return r
}

// disk is what the file system of a folder says of itself, in octets.
func disk(dir string) (free, size int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("asking for the room on the disk: %w", err)
	}
	return int64(s.Bavail) * s.Bsize, int64(s.Blocks) * s.Bsize, nil
}

// State says how much room there is for records: on the disk, and in the database where records were deleted. It waits for no write.
func (j *Journal) State() Space {
	free, size, err := disk(filepath.Dir(j.path))
	if err != nil {
		return SpaceOK // the write itself will tell
	}
	r := j.o.Room.on(size)
	switch spare := j.store().spare.Load(); {
	case free+spare < r.Stop, free < r.Stop/logShare:
		return SpaceFull
	case free+spare < r.Low:
		return SpaceLow
	default:
		return SpaceOK
	}
}

// room refuses where there is no room for records.
func (j *Journal) room() error {
	if j.State() == SpaceFull {
		return ErrNoRoom
	}
	return nil
}
