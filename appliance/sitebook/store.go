package sitebook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"kazashi.example/sync/record"
)

// Marks of our database file (SQLite, PRAGMA application_id and user_version).
const (
	applicationID = 0x4b5a5331 // "KZS1"
	schemaVersion = 2
)

// checkpointEvery is the number of commits between two checkpoints, as in the journal: none falls into a tap.
const checkpointEvery = 256

// schema: an entry is found by its references, which lie in a table without rows of its own; entry.refs repeats them, so that an entry can
// be removed while nobody can compute them. work holds words of verdicts only, and no person.
const schema = `
CREATE TABLE meta (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	site TEXT NOT NULL,
	confirmed INTEGER NOT NULL DEFAULT 0,
	mark INTEGER NOT NULL DEFAULT 0,
	wrong INTEGER NOT NULL DEFAULT 0,
	verdicts_epoch INTEGER NOT NULL DEFAULT 0,
	verdicts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE entry (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	kind INTEGER NOT NULL,
	generation BLOB NOT NULL,
	tap BLOB NOT NULL,
	at INTEGER NOT NULL,
	service TEXT NOT NULL,
	refs BLOB NOT NULL,
	sealed BLOB NOT NULL
) STRICT;
CREATE INDEX entry_tap ON entry (tap);
CREATE INDEX entry_age ON entry (kind, service, at);
CREATE INDEX entry_generation ON entry (generation);
CREATE TABLE ref (
	ref BLOB NOT NULL,
	entry INTEGER NOT NULL,
	PRIMARY KEY (ref, entry)
) STRICT, WITHOUT ROWID;
CREATE TABLE work (
	tap BLOB PRIMARY KEY,
	at INTEGER NOT NULL,
	desk TEXT NOT NULL,
	service TEXT NOT NULL,
	first_verdict INTEGER NOT NULL,
	first_reason INTEGER NOT NULL,
	final_verdict INTEGER NOT NULL,
	final_reason INTEGER NOT NULL,
	settled INTEGER NOT NULL,
	done INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE import (
	tap BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;`

// tables are those of schema, in the order of their names.
const tables = "entry import meta ref work"

// errDamaged says that the database is not what we wrote.
var errDamaged = errors.New("site book is damaged")

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
	w, r *sql.DB
	// Prepared, because each tap asks for them several times: to find the latest entries of a reference, to add an entry, and a reference.
	find, addEntry, addRef *sql.Stmt

	commits       int // since the last checkpoint; guarded by Book.write
	checkpointing atomic.Bool
}

// dsn names a database file with the settings of every connection. A commit returns after the write-ahead log is flushed (synchronous
// FULL). What is deleted is overwritten, as far as a disk does that.
func dsn(path string, more ...string) string {
	q := url.Values{"_pragma": append([]string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(0)", "journal_size_limit(16777216)",
		"cell_size_check(ON)", "trusted_schema(OFF)", "temp_store(MEMORY)", "secure_delete(ON)",
	}, more...)}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

func openDB(path string, conns int, more ...string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", path, err)
	}
	db, err := sql.Open("sqlite", dsn(abs, more...))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// openStore opens the database, makes it if there is none, and sets it aside for a new one if it is damaged.
func openStore(ctx context.Context, path string, o Options) (*store, error) {
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Size() > 0:
		st, err := connect(ctx, path, o)
		if !damaged(err) {
			return st, err
		}
		if err := setAside(ctx, path, o, err); err != nil {
			return nil, err
		}
	case err == nil: // SQLite would take it for a new one
		if err := setAside(ctx, path, o, errDamaged); err != nil {
			return nil, err
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("looking for the file: %w", err)
	}
	if err := create(ctx, path, o.Site); err != nil {
		return nil, err
	}
	return connect(ctx, path, o)
}

// asideMark stands between a book's name and the time at which it was set aside.
const asideMark = ".set-aside-"

// setAside renames the database's files, the main one first.
func setAside(ctx context.Context, path string, o Options, why error) error {
	name := path + asideMark + time.Now().UTC().Format("20060102T150405.000000000Z")
	for _, tail := range tails() {
		if err := os.Rename(path+tail, name+tail); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("setting the damaged file aside: %w", err)
		}
	}
	if err := syncFile(filepath.Dir(path)); err != nil {
		return err
	}
	o.Log.ErrorContext(ctx, "site book was damaged and is set aside; a new one begins: people who enrolled here, presence and corrections may be missing",
		slog.String("path", name), slog.Any("error", why))
	return nil
}

// tails are the names of SQLite's files after the database's own.
func tails() []string { return []string{"", "-wal", "-shm"} }

// create makes an empty database beside path and moves it there whole. Files that a removed database left behind are not its own.
func create(ctx context.Context, path string, site record.SiteID) error {
	tmp := path + ".new"
	for _, p := range []string{tmp, tmp + "-wal", tmp + "-shm", path + "-wal", path + "-shm"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("clearing the way for a new site book: %w", err)
		}
	}
	if err := os.WriteFile(tmp, nil, 0o600); err != nil { // SQLite gives its other files the mode of this one
		return fmt.Errorf("making a new site book: %w", err)
	}
	db, err := openDB(tmp, 1)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, schema+fmt.Sprintf("; PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion))
	if err == nil {
		_, err = db.ExecContext(ctx, `INSERT INTO meta (one, site) VALUES (1, ?)`, string(site))
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("making a new site book: %w", err)
	}
	if err := syncFile(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("making a new site book: %w", err)
	}
	return syncFile(filepath.Dir(path))
}

// connect opens an existing database and checks that it is ours and sound.
func connect(ctx context.Context, path string, o Options) (*store, error) {
	w, err := openDB(path, 1)
	if err != nil {
		return nil, err
	}
	r, err := openDB(path, 2, "query_only(ON)")
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	st := &store{w: w, r: r}
	err = st.check(ctx, o)
	if err == nil {
		err = st.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

func (s *store) prepare(ctx context.Context) (err error) {
	if s.find, err = s.r.PrepareContext(ctx, selectEntry+`JOIN ref r ON r.entry = e.id WHERE r.ref = ? ORDER BY r.entry DESC LIMIT ?`); err != nil {
		return err
	}
	if s.addEntry, err = s.w.PrepareContext(ctx, insertEntry); err != nil {
		return err
	}
	s.addRef, err = s.w.PrepareContext(ctx, insertRef)
	return err
}

// check reads the database as a stranger's: marks, structure, whose it is.
func (s *store) check(ctx context.Context, o Options) error {
	var app, version int64
	var have string
	if err := s.w.QueryRowContext(ctx, `SELECT a.application_id, v.user_version, (SELECT coalesce(group_concat(name, ' '), '') FROM
		(SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name))
		FROM pragma_application_id a, pragma_user_version v`).Scan(&app, &version, &have); err != nil {
		return fmt.Errorf("reading the database's marks: %w", err)
	}
	switch {
	case app == applicationID && version > schemaVersion:
		return ErrNewer
	case app != applicationID || version != schemaVersion || have != tables:
		return fmt.Errorf("%w: marked %x, version %d, tables %q", errDamaged, app, version, have)
	}
	var sound string
	if err := s.w.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&sound); err != nil {
		return fmt.Errorf("checking the database: %w", err)
	}
	if sound != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, sound)
	}
	var site string
	err := s.w.QueryRowContext(ctx, `SELECT site FROM meta`).Scan(&site)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: no site named", errDamaged)
	case err != nil:
		return fmt.Errorf("reading whose book it is: %w", err)
	case site != string(o.Site):
		return fmt.Errorf("%w (%s)", ErrElsewhere, site)
	}
	return nil
}

func (s *store) close() error {
	var err error
	for _, st := range []*sql.Stmt{s.find, s.addEntry, s.addRef} {
		if st != nil {
			err = errors.Join(err, st.Close())
		}
	}
	return errors.Join(err, s.r.Close(), s.w.Close()) // the writer last: it empties the write-ahead log
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

// checkpoint moves the write-ahead log into the database now and then, beside the taps. The caller holds Book.write.
func (b *Book) checkpoint() {
	st := b.st
	st.commits++
	if st.commits < checkpointEvery || !st.checkpointing.CompareAndSwap(false, true) {
		return
	}
	st.commits = 0
	b.bg.Go(func() {
		defer st.checkpointing.Store(false)
		var busy, log, moved int
		if err := st.r.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &log, &moved); err != nil {
			b.o.Log.Warn("moving the site book's log into its database failed", slog.Any("error", err))
		}
	})
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

const (
	insertEntry = `INSERT INTO entry (kind, generation, tap, at, service, refs, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)`
	insertRef   = `INSERT OR IGNORE INTO ref (ref, entry) VALUES (?, ?)`
)

// insert adds sealed entries with their references, and gives them their ids.
func (s *store) insert(ctx context.Context, tx *sql.Tx, entries []*entry) error {
	add := tx.StmtContext(ctx, s.addEntry)
	defer add.Close()
	for _, e := range entries {
		if err := e.insert(ctx, add); err != nil {
			return err
		}
		if err := s.addRefs(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

func (e *entry) insert(ctx context.Context, add *sql.Stmt) error {
	done, err := add.ExecContext(ctx, int64(e.kind), e.generation.ID128[:], e.tap.ID128[:], e.at, string(e.service), joined(e.refs), e.sealed)
	if err != nil {
		return err
	}
	e.id, err = done.LastInsertId()
	return err
}

func (s *store) addRefs(ctx context.Context, tx *sql.Tx, e *entry) error {
	add := tx.StmtContext(ctx, s.addRef)
	defer add.Close()
	for _, f := range e.refs {
		if _, err := add.ExecContext(ctx, f[:], e.id); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes entries with their references.
func remove(ctx context.Context, tx *sql.Tx, entries []*entry) error {
	for _, e := range entries {
		if err := removeRefs(ctx, tx, e); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM entry WHERE id = ?`, e.id); err != nil {
			return err
		}
	}
	return nil
}

func removeRefs(ctx context.Context, tx *sql.Tx, e *entry) error {
	for _, f := range e.refs {
		if _, err := tx.ExecContext(ctx, `DELETE FROM ref WHERE ref = ? AND entry = ?`, f[:], e.id); err != nil {
			return err
		}
	}
	return nil
}

func joined(refs []ref) []byte {
	b := make([]byte, 0, len(refs)*refLen)
	for _, f := range refs {
		b = append(b, f[:]...)
	}
	return b
}

// selectEntry begins every query that scanEntry reads.
const selectEntry = `SELECT e.id, e.kind, e.generation, e.tap, e.at, e.service, e.refs, e.sealed FROM entry e `

// querier is a database or a transaction of one.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls do with every entry that a query finds, until do returns false.
func each(ctx context.Context, q querier, do func(*entry) (bool, error), query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("reading the site book: %w", err)
	}
	return eachRow(rows, do)
}

func eachRow(rows *sql.Rows, do func(*entry) (bool, error)) error {
	defer rows.Close()
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return fmt.Errorf("reading the site book: %w", err)
		}
		if more, err := do(e); err != nil || !more {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the site book: %w", err)
	}
	return nil
}

func scanEntry(rows *sql.Rows) (*entry, error) {
	var e entry
	var number int64
	var service string
	var gen, tap, refs []byte
	if err := rows.Scan(&e.id, &number, &gen, &tap, &e.at, &service, &refs, &e.sealed); err != nil {
		return nil, err
	}
	if len(gen) != 16 || len(tap) != 16 || len(refs)%refLen != 0 || number < 1 || number > 255 {
		return nil, fmt.Errorf("%w: entry %d", errDamaged, e.id)
	}
	e.kind, e.service = kind(number), record.ServiceID(strings.Clone(service))
	e.generation.ID128, e.tap.ID128 = [16]byte(gen), [16]byte(tap)
	for ; len(refs) > 0; refs = refs[refLen:] {
		e.refs = append(e.refs, ref(refs[:refLen]))
	}
	return &e, nil
}

// all collects what a query finds.
func all(ctx context.Context, q querier, query string, args ...any) (list []*entry, err error) {
	err = each(ctx, q, func(e *entry) (bool, error) { list = append(list, e); return true, nil }, query, args...)
	return list, err
}

// ids lists entries, the oldest first.
func ids(ctx context.Context, q querier, where string, args ...any) (list []int64, err error) {
	rows, err := q.QueryContext(ctx, `SELECT id FROM entry WHERE `+where+` ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the site book: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("reading the site book: %w", err)
		}
		list = append(list, id)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the site book: %w", err)
	}
	return list, nil
}

// byID collects those of some entries that are still there, the oldest first.
func byID(ctx context.Context, q querier, list []int64) ([]*entry, error) {
	var in []byte
	for i, id := range list {
		if i > 0 {
			in = append(in, ',')
		}
		in = strconv.AppendInt(in, id, 10)
	}
	return all(ctx, q, selectEntry+`WHERE e.id IN (`+string(in)+`) ORDER BY e.id`)
}

// latest collects the latest entries of a reference, the newest first.
func (s *store) latest(ctx context.Context, f ref) (list []*entry, err error) {
	rows, err := s.find.QueryContext(ctx, f[:], maxFound)
	if err != nil {
		return nil, fmt.Errorf("reading the site book: %w", err)
	}
	err = eachRow(rows, func(e *entry) (bool, error) { list = append(list, e); return true, nil })
	return list, err
}

// confirm notes up to which entry every tap has its record, and behind which mark the records of all later ones lie.
func (s *store) confirm(ctx context.Context, id, mark int64) error {
	_, err := s.w.ExecContext(ctx, confirmed, id, mark)
	return err
}

const confirmed = `UPDATE meta SET confirmed = max(confirmed, ?), mark = ?`
