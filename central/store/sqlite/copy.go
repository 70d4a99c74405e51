package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kazashi.example/central/store"
)

// Copy writes a complete copy of the present state to path, which must not exist. Updates go on meanwhile. The file is
// whole when nil is returned, and not yet synced.
//
// It reads through a connection of its own: those for views may not write anything, not even another file.
func (d *DB) Copy(ctx context.Context, path string) error {
	if err := touch(path); err != nil {
		return fmt.Errorf("making the copy: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(d.path, "deferred"))
	if err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	if err := errors.Join(explain(err), db.Close()); err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	return nil
}

// Inspect checks a copy from end to end and reads what it contains. ErrDamaged.
func Inspect(ctx context.Context, path string) (central uint64, m store.Marks, err error) {
	if err := check(ctx, path, "integrity_check"); err != nil {
		return 0, m, err
	}
	err = at(ctx, path, func(t *tx) error {
		if central, err = t.CentralEpoch(); err != nil {
			return err
		}
		m, err = t.Marks()
		return err
	})
	return central, m, err
}

// Reopen prepares a copy to become the database: its central epoch rises, and what it contains counts as safe, because it
// came out of a named backup.
func Reopen(ctx context.Context, path string, central uint64) error {
	return at(ctx, path, func(t *tx) error {
		was, err := t.CentralEpoch()
		if err != nil {
			return err
		}
		if central <= was {
			return fmt.Errorf("raising the central epoch: %d is not beyond %d", central, was)
		}
		m, err := t.Marks()
		if err != nil {
			return err
		}
		if err := t.SetSafe(m); err != nil {
			return err
		}
		return t.exec("UPDATE meta SET central_epoch = ?", central)
	})
}

func at(ctx context.Context, path string, f func(*tx) error) error {
	db, err := sql.Open("sqlite", dsn(path, "immediate", "journal_mode(DELETE)", "synchronous(FULL)"))
	if err != nil {
		return fmt.Errorf("opening the copy: %w", err)
	}
	err = run(ctx, db, func(t store.Tx) error { return f(t.(*tx)) })
	return errors.Join(err, db.Close())
}

// check asks SQLite whether the file is sound, and whether it is ours.
func check(ctx context.Context, path, pragma string) (err error) {
	db, err := sql.Open("sqlite", dsn(path, "deferred"))
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := ours(ctx, db); err != nil {
		return err
	}
	var said string
	if err := db.QueryRowContext(ctx, "PRAGMA "+pragma+"(1)").Scan(&said); err != nil {
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	if said != "ok" {
		return fmt.Errorf("%w: %s", store.ErrDamaged, said)
	}
	return nil
}

// ours is an error unless the file has this release's tables.
func ours(ctx context.Context, db *sql.DB) error {
	var id, version int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	if id != applicationID {
		return fmt.Errorf("%w: application %#x", store.ErrDamaged, id)
	}
	if version != schemaVersion {
		return fmt.Errorf("%w: its tables are of version %d, this release's of version %d", store.ErrRelease, version, schemaVersion)
	}
	return nil
}
