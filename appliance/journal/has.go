package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

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
// index of taps. The record lies right behind its mark, if anywhere, and nothing else behind that of a tap at which the power was cut. A record
// that was deleted here long ago is not there.
func (j *Journal) Has(ctx context.Context, tap record.TapID, after int64) (bool, error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return false, ErrClosed
	}
	if err := j.settle(); err != nil {
		return false, err
	}
	var id int64
	err := j.store().w.QueryRowContext(ctx, `SELECT id FROM record WHERE id > ? AND tap = ? ORDER BY id LIMIT 1`, after, tap.ID128[:]).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		j.suspicious(err)
		return false, fmt.Errorf("looking for the record of a tap: %w", err)
	default:
		return true, nil
	}
}
