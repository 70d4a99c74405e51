// Package sqlite keeps central's store in one SQLite file: WAL, synchronous=FULL, one writer.
//
// [Open] takes a lock file beside the database, so that one process at a time has it, and refuses a damaged or foreign file.
// A [DB] may be used from any goroutine: updates queue for the single writing connection, views read beside it. An Update that
// returned nil was synced to the disk. A crash leaves the last committed state; nothing has to be repaired. Columns are stored
// as they come; keeping people unreadable is the caller's work.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"modernc.org/sqlite" // its init registers the driver

	"kazashi.example/central/store"
	"kazashi.example/sync/durable"
)

// Names inside the data directory.
const (
	FileDatabase  = "central.db"
	FileLock      = "central.lock"
	FileRestoring = "central.restoring" // there while a restore is under way
)

// Extended result codes (https://sqlite.org/rescode.html).
const (
	codePrimaryKey = 1555 // SQLITE_CONSTRAINT_PRIMARYKEY
	codeUnique     = 2067 // SQLITE_CONSTRAINT_UNIQUE
	codeCorrupt    = 11   // SQLITE_CORRUPT
	codeNotADB     = 26   // SQLITE_NOTADB
)

const readers = 4

// DB is an open database.
type DB struct {
	path        string
	write, read *sql.DB
	lock        *Lock
}

var _ store.Store = (*DB)(nil)

// Lock is the data directory's lock file, held.
type Lock struct{ file *os.File }

// TakeLock makes the directory if need be and takes its lock; ErrBusy if another process has it. The kernel frees it when the
// process ends, however it ends.
func TakeLock(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, FileLock), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator's path
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", store.ErrBusy, dir), f.Close())
	}
	return &Lock{f}, nil
}

// Free gives the lock back.
func (l *Lock) Free() error { return l.file.Close() }

// Open opens the database in dir, or makes it with a first central epoch of now in Unix seconds. ErrBusy, ErrDamaged,
// ErrRestoring.
func Open(ctx context.Context, dir string, now time.Time) (_ *DB, err error) {
	lock, err := TakeLock(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Free())
		}
	}()
	if _, err := os.Lstat(filepath.Join(dir, FileRestoring)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", store.ErrRestoring, dir)
	}
	path := filepath.Join(dir, FileDatabase)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(ctx, path, now); err != nil {
			return nil, fmt.Errorf("making the database: %w", err)
		}
	}
	if err := check(ctx, path, "quick_check"); err != nil {
		return nil, err
	}
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	// The writer turns WAL on before the first reader opens the file.
	if err := db.write.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", explain(err)), db.Close())
	}
	db.lock = lock
	return db, nil
}

// create makes a complete database under another name first, so that a crash leaves either none or a whole one.
func create(ctx context.Context, path string, now time.Time) error {
	fresh := path + ".new"
	for _, end := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(fresh + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := touch(fresh); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(fresh, "immediate", "journal_mode(DELETE)", "synchronous(FULL)"))
	if err != nil {
		return err
	}
	err = fill(ctx, db, now)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// fill makes the tables in one transaction: one flush and not one for each.
func fill(ctx context.Context, db *sql.DB, now time.Time) (err error) {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = t.Rollback() // the file is made anew
		}
	}()
	steps := []string{
		schema + schemaRulings + schemaRetention + schemaCourier + schemaLosses,
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", schemaVersion),
		fmt.Sprintf("INSERT INTO meta (one, central_epoch, created) VALUES (1, %d, %d)", max(now.Unix(), 1), now.UnixMilli()),
	}
	for _, s := range steps {
		if _, err := t.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return t.Commit()
}

// touch makes an empty file that only its owner reads; the files SQLite puts beside it take its mode.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator's path
	if err != nil {
		return err
	}
	return f.Close()
}

func open(path string) (*DB, error) {
	write, err := sql.Open("sqlite", dsn(path, "immediate", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(1)"))
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", dsn(path, "deferred", "query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", err), write.Close())
	}
	read.SetMaxOpenConns(readers)
	return &DB{path: path, write: write, read: read}, nil
}

func dsn(path, lock string, pragmas ...string) string {
	q := url.Values{"_txlock": {lock}, "_pragma": append([]string{
		"busy_timeout(10000)", "foreign_keys(1)", "trusted_schema(0)", "cell_size_check(1)",
	}, pragmas...)}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// Close ends reading and writing and frees the lock.
func (d *DB) Close() error {
	err := errors.Join(d.read.Close(), d.write.Close())
	if d.lock != nil {
		err = errors.Join(err, d.lock.Free())
	}
	return err
}

// Flush moves what is committed into the database file and empties the log beside it, so that what was erased stands in neither. While
// somebody reads an older state it moves what it can, and the next call or commit the rest.
func (d *DB) Flush(ctx context.Context) error {
	if _, err := d.write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return fmt.Errorf("emptying the write-ahead log: %w", explain(err))
	}
	return nil
}

// View runs f on one unchanging state.
func (d *DB) View(ctx context.Context, f func(store.Tx) error) error {
	return run(ctx, d.read, f)
}

// Update runs f as one transaction on the single writing connection.
func (d *DB) Update(ctx context.Context, f func(store.Tx) error) error {
	return run(ctx, d.write, f)
}

func run(ctx context.Context, db *sql.DB, f func(store.Tx) error) error {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", explain(err))
	}
	if err := f(&tx{ctx: ctx, sql: t}); err != nil {
		if back := t.Rollback(); back != nil && !errors.Is(back, sql.ErrTxDone) {
			err = errors.Join(err, fmt.Errorf("rolling back: %w", back))
		}
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("committing: %w", explain(err))
	}
	return nil
}

// explain turns the driver's errors into the store's.
func explain(err error) error {
	var e *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return store.ErrNone
	case !errors.As(err, &e):
		return err
	case e.Code() == codePrimaryKey || e.Code() == codeUnique:
		return store.ErrTaken
	case e.Code()&0xff == codeCorrupt || e.Code()&0xff == codeNotADB:
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	default:
		return err
	}
}
