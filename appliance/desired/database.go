package desired

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"

	"modernc.org/sqlite" // the database driver
	sqlite3 "modernc.org/sqlite/lib"
)

// Marks of our database file (SQLite, PRAGMA application_id and user_version).
const (
	applicationID = 0x4b5a4431 // "KZD1"
	schemaVersion = 2
)

// schema: numbers of 64 bits without sign are octets, most significant first.
const schema = `
CREATE TABLE verdict (
	epoch BLOB NOT NULL,
	seq BLOB NOT NULL,
	tap BLOB NOT NULL,
	verdict INTEGER NOT NULL,
	reason INTEGER NOT NULL,
	answer INTEGER NOT NULL,
	source INTEGER NOT NULL,
	settled INTEGER NOT NULL,
	central_epoch BLOB NOT NULL CHECK (length(central_epoch) = 8),
	n BLOB NOT NULL CHECK (length(n) = 8),
	PRIMARY KEY (epoch, seq)
) WITHOUT ROWID, STRICT;
CREATE INDEX verdict_version ON verdict (central_epoch, n);
CREATE INDEX verdict_tap ON verdict (tap);
CREATE TABLE held (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	central_epoch BLOB NOT NULL CHECK (length(central_epoch) = 8),
	n BLOB NOT NULL CHECK (length(n) = 8)
) STRICT;`

// errDamaged says that the database is not what we wrote.
var errDamaged = errors.New("final verdicts are damaged")

// damaged reports whether an error means that the file's content is wrong, rather than that the disk is full, read-only or away.
func damaged(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff // primary result code, https://www.sqlite.org/rescode.html
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB || code == sqlite3.SQLITE_FORMAT
}

// verdicts is the table of final verdicts and the version up to which it is complete.
type verdicts struct{ db *sql.DB }

// openVerdicts opens the database, or makes it. One that is damaged, or of another release, is set aside: central holds every
// verdict and sends all of them again to a box that has none.
func openVerdicts(ctx context.Context, path string, log *slog.Logger) (*verdicts, error) {
	v, err := connect(ctx, path)
	if damaged(err) {
		log.ErrorContext(ctx, "the final verdicts are damaged and set aside; central is asked for them again", slog.Any("error", err))
		if err := setAside(path); err != nil {
			return nil, err
		}
		v, err = connect(ctx, path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the final verdicts: %w", err)
	}
	return v, nil
}

// dsn names the file with full durability and no surprises from a damaged or hostile one.
func dsn(path string) string {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "cell_size_check(ON)", "trusted_schema(OFF)",
	}}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

func connect(ctx context.Context, path string) (*verdicts, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite gives its other files the mode of this one
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	v := &verdicts{db}
	if err := v.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return v, nil
}

// prepare makes the tables of a new file, and looks through one that is there as through a stranger's.
func (v *verdicts) prepare(ctx context.Context) error {
	var app, version int64
	var tables string
	err := v.db.QueryRowContext(ctx, `SELECT a.application_id, u.user_version,
		(SELECT coalesce(group_concat(name, ' '), '') FROM (SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name))
		FROM pragma_application_id a, pragma_user_version u`).Scan(&app, &version, &tables)
	if err != nil {
		return err
	}
	if app == 0 && version == 0 && tables == "" {
		return v.create(ctx)
	}
	if app != applicationID || version != schemaVersion || tables != "held verdict" {
		return fmt.Errorf("%w: marked %x, version %d, tables %q", errDamaged, app, version, tables)
	}
	var sound string
	if err := v.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&sound); err != nil {
		return err
	}
	if sound != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, sound)
	}
	_, err = held(ctx, v.db)
	return err
}

func (v *verdicts) create(ctx context.Context) error {
	return v.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, schema+fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion))
		return err
	})
}

// transact commits what do did, or nothing.
func (v *verdicts) transact(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := v.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to undo, before one the first error is told
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (v *verdicts) close() error { return v.db.Close() }
