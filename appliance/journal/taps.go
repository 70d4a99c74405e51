package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/sync/record"
)

// State is how far central has acknowledged a record.
type State uint8

// States.
const (
	Waiting  State = 0 // durable on this box only, as far as is known
	Received State = 1 // central stores it
	Safe     State = 2 // it is in a backup of central
)

// Row is what this box can say of one tap.
type Row struct {
	Clear
	ID    record.ID
	State State
	// Restored says that the program ended in a crash at about the time of this tap, so that perhaps nobody saw its verdict.
	Restored bool
}

// ErrNoRow says that a record is not, or no longer, listed on this box.
var ErrNoRow = errors.New("no such record on this box")

const selectRow = `SELECT r.id, e.id, r.tap, r.time, r.desk, r.service, r.verdict, r.reason, r.code
	FROM record r JOIN epoch e ON e.n = r.id >> 40 WHERE r.tap != zeroblob(16) ` // of some past records nothing is known that could be listed

// Taps lists the newest rows, newest first.
func (j *Journal) Taps(ctx context.Context, limit int) ([]Row, error) {
	return j.rows(ctx, selectRow+`ORDER BY r.id DESC LIMIT ?`, limit)
}

// Restored lists, oldest first, the rows of taps at about which the program before ended in a crash, so that perhaps nobody saw their verdicts. More may
// come when a journal that the crash damaged was read.
func (j *Journal) Restored(ctx context.Context) ([]Row, error) {
	j.mu.RLock()
	ranges := slices.Clone(j.restored)
	j.mu.RUnlock()
	var all []Row
	for _, r := range ranges {
		rows, err := j.rows(ctx, selectRow+`AND r.id BETWEEN ? AND ? ORDER BY r.id`, r.first, r.last)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// Row finds one record's row; ErrNoRow if it is not there.
func (j *Journal) Row(ctx context.Context, id record.ID) (Row, error) {
	rows, err := j.rows(ctx, selectRow+`AND e.id = ? AND r.id = e.n << 40 | ?`, id.Epoch.ID128[:], int64(id.Seq&seqMask))
	if err != nil {
		return Row{}, err
	}
	if len(rows) == 0 || id.Seq > seqMask {
		return Row{}, fmt.Errorf("%w: %s", ErrNoRow, id)
	}
	return rows[0], nil
}

// Oldest is when the oldest record that waits was made; zero when none waits.
func (j *Journal) Oldest(ctx context.Context) (time.Time, error) {
	j.mu.RLock()
	id := j.book.oldest()
	j.mu.RUnlock()
	if id == 0 {
		return time.Time{}, nil
	}
	rows, err := j.rows(ctx, selectRow+`AND r.id = ?`, id)
	if err != nil || len(rows) == 0 {
		return time.Time{}, err
	}
	return rows[0].Time, nil
}

func (j *Journal) rows(ctx context.Context, query string, args ...any) ([]Row, error) {
	st := j.store()
	rows, err := st.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, j.readFailed(st, fmt.Errorf("reading taps: %w", err))
	}
	defer rows.Close()
	var list []Row
	for rows.Next() {
		r, err := j.scan(rows)
		if err != nil {
			return nil, j.readFailed(st, fmt.Errorf("reading taps: %w", err))
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, j.readFailed(st, fmt.Errorf("reading taps: %w", err))
	}
	return list, nil
}

func (j *Journal) scan(rows *sql.Rows) (Row, error) {
	var r Row
	var id, ms int64
	var epochID, tap []byte
	if err := rows.Scan(&id, &epochID, &tap, &ms, &r.Desk, &r.Service, &r.Verdict, &r.Reason, &r.Code); err != nil {
		return Row{}, err
	}
	if len(epochID) != len(r.ID.Epoch.ID128) || len(tap) != len(r.Tap.ID128) {
		return Row{}, fmt.Errorf("%w: an id of the wrong length", errDamaged)
	}
	n, seq := unpack(id)
	r.ID = record.ID{Epoch: record.EpochID{ID128: [16]byte(epochID)}, Seq: seq}
	r.Tap, r.Time = record.TapID{ID128: [16]byte(tap)}, time.UnixMilli(ms).UTC()
	j.mu.RLock()
	defer j.mu.RUnlock()
	r.State = j.book.state(n, seq)
	r.Restored = slices.ContainsFunc(j.restored, func(u idRange) bool { return u.has(id) })
	return r, nil
}
