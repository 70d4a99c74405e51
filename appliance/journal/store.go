package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"kazashi.example/sync/epoch"
)

// Marks of our database file (SQLite, PRAGMA application_id and user_version).
const (
	applicationID = 0x4b5a4a31 // "KZJ1"
	schemaVersion = 3
)

// checkpointEvery is the number of commits between two checkpoints: about 2 MiB of write-ahead log. A transaction of housekeeping writes as much as
// so many appends.
const (
	checkpointEvery    = 256
	maintenanceCommits = 32
)

// Pages of a write-ahead log: longLog are too many for one that does not begin anew (8 MiB), shortRest few enough to be moved while taps wait, after
// so many tries to come that far.
const (
	longLog         = 2048
	shortRest       = 256
	checkpointTries = 4
)

// pageSize is SQLite's own, in octets.
const pageSize = 4096

// schema: one row a record, in the order of writing, no second index, so that an append touches one leaf. held has what central
// acknowledged and what was deleted, as runs: no row is written again because of an acknowledgement. A header stands on two pages, in epoch and in
// header, because all records of its epoch are worth nothing without it. Package mine knows the columns of record, epoch, header and correction.
const schema = `
CREATE TABLE meta (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	box BLOB NOT NULL,
	lineage INTEGER NOT NULL,
	cause INTEGER NOT NULL,
	central_epoch INTEGER NOT NULL DEFAULT 0,
	ack INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE epoch (
	n INTEGER PRIMARY KEY,
	id BLOB NOT NULL UNIQUE,
	header BLOB NOT NULL,
	known INTEGER NOT NULL DEFAULT 0,
	stretch TEXT NOT NULL,
	correction INTEGER
) STRICT;
CREATE TABLE header (
	n INTEGER PRIMARY KEY,
	id BLOB NOT NULL,
	header BLOB NOT NULL,
	stretch TEXT NOT NULL
) STRICT;
CREATE TABLE correction (
	n INTEGER PRIMARY KEY,
	message BLOB NOT NULL,
	sent INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE record (
	id INTEGER PRIMARY KEY,
	chain BLOB NOT NULL,
	envelope BLOB,
	tap BLOB NOT NULL,
	time INTEGER NOT NULL,
	desk TEXT NOT NULL,
	service TEXT NOT NULL,
	verdict INTEGER NOT NULL,
	reason INTEGER NOT NULL,
	code TEXT NOT NULL
) STRICT;
CREATE TABLE held (
	epoch INTEGER NOT NULL,
	level INTEGER NOT NULL,
	first INTEGER NOT NULL,
	last INTEGER NOT NULL,
	PRIMARY KEY (epoch, level, first)
) STRICT, WITHOUT ROWID;`

const (
	recordColumns = 10
	recordValues  = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertRecord  = `INSERT INTO record (id, chain, envelope, tap, time, desk, service, verdict, reason, code) VALUES ` + recordValues
	insertEpoch   = `INSERT INTO epoch (n, id, header, stretch) VALUES (?, ?, ?, ?)`
	insertHeader  = `INSERT INTO header (n, id, header, stretch) VALUES (?, ?, ?, ?)`
)

// errDamaged says that the database is not what we wrote.
var errDamaged = errors.New("journal is damaged")

// damaged reports whether an error means that the file's content is wrong, rather than that the disk is full, read-only or away.
func damaged(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff { // primary result code, https://www.sqlite.org/rescode.html
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_SCHEMA:
		return true
	default:
		return false
	}
}

// store is the database: one connection that writes, others that read and checkpoint.
type store struct {
	w, r    *sql.DB
	inserts [maxGroup + 1]*sql.Stmt // by how many records; guarded by Journal.write

	commits       int // since the last checkpoint; guarded by Journal.write
	checkpointing atomic.Bool
	spare         atomic.Int64 // octets of the file that hold nothing, for the next records
	ending        idRange      // its last records when it was opened, whose verdict perhaps nobody saw if a crash came before
}

// dsn names a database file with the settings of every connection. A commit returns after the write-ahead log is flushed
// (synchronous FULL); checkpoints are ours to start, so that none falls into a tap.
func dsn(path string, more ...string) (string, error) {
	q := url.Values{"_pragma": append([]string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(0)", "journal_size_limit(16777216)",
		"cell_size_check(ON)", "trusted_schema(OFF)", "temp_store(MEMORY)",
	}, more...)}
	return uriOf(path, q)
}

// uriOf names a database file with options of SQLite's own.
func uriOf(path string, q url.Values) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", path, err)
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: abs, RawQuery: q.Encode()}).String(), nil
}

func openDB(path string, conns int, more ...string) (*sql.DB, error) {
	uri, err := dsn(path, more...)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", uri)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// newTail ends the name of what is not yet a journal. It never holds a record.
const newTail = ".new"

// create makes an empty database beside path and moves it there whole.
func create(ctx context.Context, path string, o Options, b birth) error {
	tmp := path + newTail
	for _, p := range []string{tmp, tmp + "-wal", tmp + "-shm"} { // never held a record
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("clearing the way for a new journal: %w", err)
		}
	}
	// SQLite gives its other files the mode of this one.
	if err := os.WriteFile(tmp, nil, 0o600); err != nil {
		return fmt.Errorf("making a new journal: %w", err)
	}
	db, err := openDB(tmp, 1)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, schema+fmt.Sprintf("; PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion))
	if err == nil {
		_, err = db.ExecContext(ctx, `INSERT INTO meta (one, box, lineage, cause) VALUES (1, ?, ?, ?)`, o.Box.ID128[:], b.lineage, b.cause)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("making a new journal: %w", err)
	}
	if err := syncFile(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("making a new journal: %w", err)
	}
	return syncFile(filepath.Dir(path))
}

// connect opens an existing database and checks that it is ours and sound, as far as its end and its structure go.
func connect(ctx context.Context, path string, o Options) (*store, book, error) {
	w, err := openDB(path, 1)
	if err != nil {
		return nil, book{}, err
	}
	r, err := openDB(path, 3, "query_only(ON)")
	if err != nil {
		return nil, book{}, errors.Join(err, w.Close())
	}
	st := &store{w: w, r: r}
	b, err := st.check(ctx, o)
	if err == nil {
		err = st.prepare(ctx, 1)
	}
	if err == nil {
		err = st.count(ctx)
	}
	if err == nil {
		st.ending, err = st.unseen(ctx, pack(1, 1), math.MaxInt64)
	}
	if err != nil {
		return nil, book{}, errors.Join(err, st.close())
	}
	return st, b, nil
}

func (s *store) close() error {
	return errors.Join(s.forgetInserts(), s.r.Close(), s.w.Close()) // the writer last: it empties the write-ahead log
}

func (s *store) forgetInserts() error {
	var errs []error
	for i, stmt := range s.inserts {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
		s.inserts[i] = nil
	}
	return errors.Join(errs...)
}

// opening is the header of an epoch with its first record, and the stretch of time in which it was opened; no header with the others.
type opening struct {
	head    *epoch.Signed
	stretch string
}

// putEpoch keeps an epoch's header.
func putEpoch(ctx context.Context, tx *sql.Tx, n int64, s epoch.Signed, stretch string) error {
	for _, insert := range []string{insertEpoch, insertHeader} {
		if _, err := tx.ExecContext(ctx, insert, n, s.Header.Epoch.ID128[:], s.Message, stretch); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) transact(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	if err := do(tx); err != nil {
		if back := tx.Rollback(); back != nil && !errors.Is(back, sql.ErrTxDone) {
			return errors.Join(err, back)
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// chain reads a record's chain value.
func (s *store) chain(ctx context.Context, id int64) (epoch.Hash, error) {
	var b []byte
	if err := s.w.QueryRowContext(ctx, `SELECT chain FROM record WHERE id = ?`, id).Scan(&b); err != nil {
		return epoch.Hash{}, err
	}
	return hashOf(b)
}

func hashOf(b []byte) (h epoch.Hash, err error) {
	if len(b) != len(h) {
		return h, fmt.Errorf("%w: chain value of %d octets", errDamaged, len(b))
	}
	copy(h[:], b)
	return h, nil
}

// checkpoint moves what it can of the log without waiting for anybody, and returns how many pages the log had when it began.
func (s *store) checkpoint(ctx context.Context) (log int, err error) {
	var busy, moved int64
	if err := s.r.QueryRowContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &log, &moved); err != nil {
		return 0, fmt.Errorf("checkpointing: %w", err)
	}
	return log, s.count(ctx)
}

// count looks how much of the database is free.
func (s *store) count(ctx context.Context) error {
	var free int64
	if err := s.r.QueryRowContext(ctx, `PRAGMA freelist_count`).Scan(&free); err != nil {
		return fmt.Errorf("counting free pages: %w", err)
	}
	s.spare.Store(free * pageSize)
	return nil
}

// unseenWithin is how long before the last record of a run that ended by a crash others may stand whose verdict was under way.
const unseenWithin = 10 * time.Second

// unseen finds the records at the end of some whose verdict perhaps nobody saw.
func (s *store) unseen(ctx context.Context, first, last int64) (idRange, error) {
	var u idRange
	err := s.r.QueryRowContext(ctx, `WITH tail AS (SELECT id, time FROM record WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 16)
		SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM tail WHERE time >= (SELECT max(time) FROM tail) - ?`,
		first, last, unseenWithin.Milliseconds()).Scan(&u.first, &u.last)
	if err != nil {
		return idRange{}, fmt.Errorf("finding the last records: %w", err)
	}
	return u, nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("flushing: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("flushing %s: %w", path, err)
	}
	return nil
}
