package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"kazashi.example/appliance/journal/mine"
	"kazashi.example/sync/record"
)

// Mark is a place in the order of records: whatever is appended from now on lies after it. It waits for no disk.
func (j *Journal) Mark() int64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	k := j.book.last()
	if k == nil {
		return 0
	}
	return pack(k.n, k.last)
}

// Has reports whether the record of a tap, appended after a mark, is on the disk, also after an append whose outcome was not known: whoever
// keeps something that belongs to a record took the mark before it was appended, and asks once, at the start and after such an append. There is no
// index of taps. The record lies right behind its mark, if anywhere, and nothing else behind that of a tap at which the power was cut. Where a
// journal was set aside marks mean little: then everything is looked at, what was not read of it yet included, which takes seconds;
// one that cannot be read, or not all of it, may hold it, whenever it was set aside, so that whoever asks keeps what it has. A record that was deleted
// here long ago is not there.
func (j *Journal) Has(ctx context.Context, tap record.TapID, after int64) (bool, error) {
	known, err := j.hasAfter(ctx, tap, after)
	aside := j.SetAside()
	if !known && err == nil && len(aside) > 0 {
		known, err = hasRow(ctx, j.store().r, tap, math.MinInt64)
	}
	for _, a := range aside {
		if known || err != nil || a.Read && a.Unreadable == 0 {
			continue
		}
		var failed error
		if known, failed = hasAside(ctx, a.Path, tap); failed != nil {
			known, err = true, ctx.Err() // it may be there
			j.o.Log.WarnContext(ctx, "looking for a record in a journal set aside failed", slog.String("path", a.Path), slog.Any("error", failed))
		}
	}
	if err != nil {
		return false, fmt.Errorf("looking for the record of a tap: %w", err)
	}
	return known, nil
}

// hasAfter looks behind a mark, in what is on the disk for certain.
func (j *Journal) hasAfter(ctx context.Context, tap record.TapID, after int64) (bool, error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return false, ErrClosed
	}
	if err := j.settle(); err != nil {
		return false, err
	}
	known, err := hasRow(ctx, j.store().w, tap, after)
	if err != nil {
		j.suspicious(err)
	}
	return known, err
}

func hasRow(ctx context.Context, db *sql.DB, tap record.TapID, after int64) (bool, error) {
	var id int64
	err := db.QueryRowContext(ctx, `SELECT id FROM record WHERE id > ? AND tap = ? ORDER BY id LIMIT 1`, after, tap.ID128[:]).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// hasAside looks for a whole record of a tap in a database set aside.
func hasAside(ctx context.Context, path string, tap record.TapID) (known bool, err error) {
	src, err := mine.Open(path)
	if errors.Is(err, mine.ErrNothing) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	for r, err := range src.Records(ctx) {
		if err != nil {
			return false, err
		}
		if r.Tap == tap {
			return true, nil
		}
	}
	if n := src.Unreadable(); n > 0 {
		return false, fmt.Errorf("%d pages of it are unreadable", n)
	}
	return false, nil
}
