package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// lookAtOnce is how many octets are read at once where a disk is asked whether it gives all of a file.
const lookAtOnce = 1 << 20

// failing reports whether an error is a disk's word that it fails: octets do not come or do not go (EIO), or what its file system noted of a file is
// wrong (EUCLEAN and EBADMSG, which ext4 and XFS give for it). A disk that is full, read-only or not there, and a file that may not be read, say something else.
func failing(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EUCLEAN) || errors.Is(err, syscall.EBADMSG)
}

// vague reports whether an error may stand for a disk that fails, and for other things as well: SQLite has one word for all that can go wrong between
// it and a file (https://www.sqlite.org/rescode.html).
func vague(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return failing(err)
	}
	return e.Code()&0xff == sqlite3.SQLITE_IOERR || e.Code()&0xff == sqlite3.SQLITE_CANTOPEN
}

// wholly asks the disk for every octet of a database's files. errDamaged says that it does not give one of them; any other error, that they cannot be
// asked for: whatever stands in the way of that may pass. They are opened as for writing, without which there is no journal, and are not changed.
func wholly(ctx context.Context, path string) error {
	for _, tail := range []string{"", "-wal", "-shm"} {
		err := whole(ctx, path+tail)
		switch {
		case failing(err):
			return fmt.Errorf("%w: the disk does not give all of it: %w", errDamaged, err)
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return err
		}
	}
	return nil
}

// whole reads one file to its end.
func whole(ctx context.Context, path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for b := make([]byte, lookAtOnce); ; {
		if _, err := f.Read(b); errors.Is(err, io.EOF) {
			return nil
		} else if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
}
