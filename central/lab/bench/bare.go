package bench

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	_ "modernc.org/sqlite" // the driver that the journal uses

	"kazashi.example/appliance/tap"
)

// bare is the least that a box could do: verify the chain, insert a row, flush. No seal, no number, no chain of records, no gate.
type bare struct {
	db    *sql.DB
	stmt  *sql.Stmt
	row   []byte
	certs [][]byte
	check tap.Certificates
	n     int
}

// openBare makes a database with SQLite's own settings but for WAL and synchronous=FULL, and a table of one blob.
func openBare(ctx context.Context, path string, size int, certs [][]byte, check tap.Certificates) (*bare, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, fmt.Errorf("opening the bare database: %w", err)
	}
	db.SetMaxOpenConns(1)
	b := &bare{db: db, row: make([]byte, size), certs: certs, check: check}
	_, _ = rand.Read(b.row)
	if _, err = db.ExecContext(ctx, `CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB NOT NULL) STRICT`); err == nil {
		b.stmt, err = db.PrepareContext(ctx, `INSERT INTO t (id, b) VALUES (?, ?)`)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the bare database: %w", err), db.Close())
	}
	return b, nil
}

// insert is one sample.
func (b *bare) insert(ctx context.Context) (time.Duration, error) {
	b.n++
	start := time.Now()
	if _, err := b.check.Examine(b.certs[b.n%len(b.certs)]); err != nil {
		return 0, fmt.Errorf("examining a certificate: %w", err)
	}
	if _, err := b.stmt.ExecContext(ctx, b.n, b.row); err != nil {
		return 0, fmt.Errorf("inserting a bare row: %w", err)
	}
	return time.Since(start), nil
}

func (b *bare) close() error { return errors.Join(b.stmt.Close(), b.db.Close()) }
