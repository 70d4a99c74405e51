package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// tx is one transaction. It holds the context of the View or Update that it lives in, and never outlives it.
type tx struct {
	ctx     context.Context
	sql     *sql.Tx
	changes map[record.EpochID]bool // epochs whose change is counted already: once a transaction is enough
	again   map[string]*repeated    // by the statement
}

var _ store.Tx = (*tx)(nil)

// often is from when on a statement is worth preparing: what a transaction runs once or twice is not.
const often = 4

// repeated is what a transaction runs, how often it did, and how it is run from then on.
type repeated struct {
	times int
	stmt  *sql.Stmt
}

// prepared is a statement that this transaction runs often, so that SQLite parses it no more; nil before that.
func (t *tx) prepared(q string) (*sql.Stmt, error) {
	r := t.again[q]
	if r == nil {
		if t.again == nil {
			t.again = map[string]*repeated{}
		}
		r = &repeated{}
		t.again[q] = r
	}
	if r.times++; r.times < often || r.stmt != nil {
		return r.stmt, nil
	}
	s, err := t.sql.PrepareContext(t.ctx, q) // closed with the transaction
	if err == nil {
		r.stmt = s
	}
	return s, err
}

func (t *tx) run(q string, args []any) (sql.Result, error) {
	s, err := t.prepared(q) //nolint:sqlclosecheck // it is closed with the transaction
	switch {
	case err != nil:
		return nil, err
	case s != nil:
		return s.ExecContext(t.ctx, args...)
	default:
		return t.sql.ExecContext(t.ctx, q, args...)
	}
}

func (t *tx) exec(q string, args ...any) error {
	_, err := t.run(q, args)
	return explain(err)
}

func (t *tx) changed(q string, args ...any) (int64, error) {
	r, err := t.run(q, args)
	if err != nil {
		return 0, explain(err)
	}
	return r.RowsAffected()
}

func (t *tx) insert(q string, args ...any) (int64, error) {
	r, err := t.run(q, args)
	if err != nil {
		return 0, explain(err)
	}
	return r.LastInsertId()
}

func (t *tx) row(q string, args ...any) scanner {
	if s, err := t.prepared(q); s != nil && err == nil { //nolint:sqlclosecheck // as above
		return s.QueryRowContext(t.ctx, args...)
	}
	return t.sql.QueryRowContext(t.ctx, q, args...) // which says what is wrong
}

// scanner is a *sql.Row or *sql.Rows.
type scanner interface{ Scan(dst ...any) error }

// one reads a single row; ErrNone if there is none.
func one[T any](s scanner, scan func(scanner) (T, error)) (T, error) {
	v, err := scan(s)
	return v, explain(err)
}

// each reads all rows.
func each[T any](t *tx, scan func(scanner) (T, error), q string, args ...any) (all []T, err error) {
	rows, err := t.sql.QueryContext(t.ctx, q, args...)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, explain(err)
		}
		all = append(all, v)
	}
	return all, explain(rows.Err())
}

func scanInt(s scanner) (n int64, err error) { err = s.Scan(&n); return n, err }

func (t *tx) count(q string, args ...any) (int, error) {
	n, err := one(t.row(q, args...), scanInt)
	return int(n), err
}

// octets lets a fixed-length array be scanned: a column of another length is damage, not a shorter id.
type octets []byte

// Scan copies a column of exactly the array's length; NULL leaves zeroes.
func (o octets) Scan(src any) error {
	b, ok := src.([]byte)
	if src == nil {
		clear(o)
		return nil
	}
	if !ok || len(b) != len(o) {
		return fmt.Errorf("%w: a column of %d octets where %d belong", store.ErrDamaged, len(b), len(o))
	}
	copy(o, b)
	return nil
}

// blank is NULL for a zero id, so that indexes skip it.
func blank(i record.ID128) any {
	if i.IsZero() {
		return nil
	}
	return i[:]
}

// millis is a time column, 0 for the zero time.
type millis struct{ t *time.Time }

// Scan reads Unix milliseconds.
func (m millis) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%w: a time that is no integer", store.ErrDamaged)
	}
	*m.t = time.Time{}
	if n != 0 {
		*m.t = time.UnixMilli(n).UTC()
	}
	return nil
}

func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (t *tx) CentralEpoch() (uint64, error) {
	n, err := one(t.row("SELECT central_epoch FROM meta"), scanInt)
	return uint64(n), err //nolint:gosec // written as a positive number
}

const newest = `SELECT (SELECT coalesce(max(row), 0) FROM epochs), (SELECT coalesce(max(row), 0) FROM envelopes),
	(SELECT coalesce(max(row), 0) FROM subjects), (SELECT coalesce(max(row), 0) FROM site_keys), (SELECT coalesce(max(row), 0) FROM orders)`

func scanMarks(s scanner) (m store.Marks, err error) {
	return m, s.Scan(&m.Epoch, &m.Envelope, &m.Subject, &m.SiteKey, &m.Order)
}

func (t *tx) Marks() (store.Marks, error) { return one(t.row(newest), scanMarks) }

func (t *tx) Safe() (store.Marks, error) {
	return one(t.row("SELECT safe_epoch, safe_envelope, safe_subject, safe_site_key, safe_order FROM meta"), scanMarks)
}

func (t *tx) SetSafe(m store.Marks) error {
	return t.exec(`UPDATE meta SET safe_epoch = max(safe_epoch, ?), safe_envelope = max(safe_envelope, ?),
		safe_subject = max(safe_subject, ?), safe_site_key = max(safe_site_key, ?), safe_order = max(safe_order, ?)`,
		m.Epoch, m.Envelope, m.Subject, m.SiteKey, m.Order)
}

func (t *tx) ReserveAcks(n uint64) (uint64, error) {
	first, err := one(t.row("UPDATE meta SET next_ack = next_ack + ? RETURNING next_ack - ?", n, n), scanInt)
	return uint64(first), err //nolint:gosec // begins at 1 and rises
}
