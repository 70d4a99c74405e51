package journal

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// LimitPages lets the database grow to n pages, as a disk of that size would.
func (j *Journal) LimitPages(n int) error {
	j.write.Lock()
	defer j.write.Unlock()
	_, err := j.st.w.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", n))
	return err
}

// Settings reads a setting of the writing and of a reading connection.
func (j *Journal) Settings(pragma string) (w, r string, err error) {
	err = errors.Join(j.st.w.QueryRow("PRAGMA "+pragma).Scan(&w), j.st.r.QueryRow("PRAGMA "+pragma).Scan(&r))
	return w, r, err
}

var errLost = errors.New("the disk's answer was lost")

// LoseOutcome makes the next commit report a failure although it took place, by a driver between database/sql and SQLite.
func (j *Journal) LoseOutcome() error {
	j.write.Lock()
	defer j.write.Unlock()
	uri, err := dsn(j.path)
	if err != nil {
		return err
	}
	c, err := sqlite.NewConnector(uri)
	if err != nil {
		return err
	}
	old := j.st.w
	lose := true
	j.st.w = sql.OpenDB(connector{c, &lose})
	j.st.w.SetMaxOpenConns(1)
	return errors.Join(j.st.forgetInserts(), old.Close())
}

type connector struct {
	driver.Connector
	lose *bool
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return conn{inner.(sqliteConn), c.lose}, nil
}

type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type conn struct {
	sqliteConn
	lose *bool
}

func (c conn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	s, err := c.sqliteConn.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	return stmt{s.(sqliteStmt), c.lose}, nil
}

func (c conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	t, err := c.sqliteConn.BeginTx(ctx, o)
	return tx{t, c.lose}, err
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	sqliteStmt
	lose *bool
}

func (s stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	r, err := s.sqliteStmt.ExecContext(ctx, args)
	if err == nil && *s.lose {
		*s.lose = false
		return nil, errLost
	}
	return r, err
}

type tx struct {
	driver.Tx
	lose *bool
}

func (t tx) Commit() error {
	err := t.Tx.Commit()
	if err == nil && *t.lose {
		*t.lose = false
		return errLost
	}
	return err
}

// Hold keeps the database busy until the function that it returns is called.
func (j *Journal) Hold() (release func()) {
	j.write.Lock()
	return j.write.Unlock
}

// Forming is how many records wait for the next commit.
func (j *Journal) Forming() int {
	j.forming.Lock()
	defer j.forming.Unlock()
	if j.group == nil {
		return 0
	}
	return len(j.group.requests)
}
