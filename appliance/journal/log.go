package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kazashi.example/appliance/journal/mine"
)

// checkLog looks at a write-ahead log that a crash left behind, before SQLite takes it in or forgets parts of it for good: it reads a log up to the first
// frame whose checksum is wrong, and any log that lies there. The database is damaged if records stand behind such a frame that had been
// committed, or if it holds newer ones than with its log: the newest record is never deleted, so that the log is from another time. Nothing is changed.
func checkLog(ctx context.Context, path string) error {
	log, err := mine.ReadLog(ctx, path)
	if err != nil {
		return err
	}
	with, err := newest(ctx, path, "mode", "ro")
	switch {
	case damaged(err):
		return fmt.Errorf("reading the database with its log: %w", err)
	case err != nil:
		return nil //nolint:nilerr // a newer release's, or the disk's word: whoever opens it hears the same
	}
	without, err := newest(ctx, path, "immutable", "1")
	if err == nil && without > with {
		return fmt.Errorf("%w: its write-ahead log is from another time", errDamaged)
	}
	if log.Lost > with && !log.Torn {
		return fmt.Errorf("%w: its write-ahead log is damaged before its end", errDamaged)
	}
	return nil // what cannot be read without the log may be in it
}

// newest is the number of the newest row of this journal's own, 0 for none, read by a connection that writes nothing, not even at its end (https://www.sqlite.org/uri.html).
func newest(ctx context.Context, path, option, value string) (id int64, err error) {
	uri, err := uriOf(path, map[string][]string{option: {value}})
	if err != nil {
		return 0, err
	}
	db, err := sql.Open("sqlite", uri)
	if err != nil {
		return 0, err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM record WHERE id > 0`).Scan(&id) // below 0 stand records of past epochs
	return id, err
}
