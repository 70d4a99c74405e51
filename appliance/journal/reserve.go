package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// reserveName is the file that keeps room back. Its content means nothing.
const reserveName = "journal.reserve"

// transact does one transaction that is no append. Where the disk is full, what was kept back is given up for it, so that what frees room
// never fails for lack of room. The caller holds the write lock.
func (j *Journal) transact(ctx context.Context, do func(*sql.Tx) error) error {
	st := j.store()
	err := sayRoom(j.path, st.transact(ctx, do))
	if full(err) && j.giveReserve() {
		err = sayRoom(j.path, st.transact(ctx, do))
	}
	if err == nil {
		j.checkpoint(st, maintenanceCommits)
	} else if ctx.Err() == nil {
		j.failed(err)
	}
	return err
}

// full reports whether an error says that there was no room. sayRoom comes first.
func full(err error) bool {
	var e *sqlite.Error
	return errors.Is(err, syscall.ENOSPC) || errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL
}

// indexStep is by how many octets the index of a log grows (https://www.sqlite.org/walformat.html, §2.2).
const indexStep = 32 << 10

// sayRoom adds to an error what SQLite leaves open where the index of its log cannot grow: a full disk and one that fails are the same to it. So the disk is asked
// for as much room beside: ENOSPC if there is none, else EIO. Whoever calls it holds the write lock, or is opening the journal.
func sayRoom(path string, err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) || e.Code() != sqlite3.SQLITE_IOERR_SHMSIZE {
		return err
	}
	why := errors.Join(allocate(path+newTail, indexStep), os.Remove(path+newTail))
	if !errors.Is(why, syscall.ENOSPC) {
		why = syscall.EIO
	}
	return fmt.Errorf("%w: %w", err, why)
}

func (j *Journal) reserve() string { return filepath.Join(filepath.Dir(j.path), reserveName) }

// giveReserve gives up what is kept back; false if there was nothing.
func (j *Journal) giveReserve() bool {
	err := os.Remove(j.reserve())
	if err == nil {
		j.o.Log.Warn("the disk is full; what was kept back for acknowledgements is given up")
	}
	return err == nil
}

// keepReserve keeps room back, if there is enough of it beside.
func (j *Journal) keepReserve(ctx context.Context) {
	free, size, err := disk(filepath.Dir(j.path))
	r := j.o.Room.on(size)
	info, statErr := os.Lstat(j.reserve())
	if err != nil || statErr == nil && info.Size() == r.Reserve || free < r.Stop+r.Reserve {
		return
	}
	if err := allocate(j.reserve(), r.Reserve); err != nil {
		j.o.Log.WarnContext(ctx, "keeping room back on the disk failed", slog.Any("error", errors.Join(err, os.Remove(j.reserve()))))
	}
}

// allocate makes a file whose blocks are taken.
func allocate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("making the reserve: %w", err)
	}
	err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		err = fillWith(f, size)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("making the reserve: %w", err)
	}
	return nil
}

// fillWith writes so many noughts, for file systems that allocate no other way.
func fillWith(f *os.File, size int64) error {
	b := make([]byte, 1<<20)
	for ; size > 0; size -= int64(len(b)) {
		if _, err := f.Write(b[:min(size, int64(len(b)))]); err != nil {
			return err
		}
	}
	return f.Sync()
}
