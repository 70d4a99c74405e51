package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kazashi.example/sync/record"
)

// Has reports whether the record of a tap is on the disk, also after an append whose outcome was not known: whoever keeps something that
// belongs to a record asks it once, at the start and after such an append. It looks from the newest row back and has no index, so that it is
// quick for what was written lately; a record that was deleted here long ago is not there.
func (j *Journal) Has(ctx context.Context, tap record.TapID) (bool, error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return false, ErrClosed
	}
	if err := j.settle(); err != nil {
		return false, err
	}
	var id int64
	err := j.store().w.QueryRowContext(ctx, `SELECT id FROM record WHERE tap = ? ORDER BY id DESC LIMIT 1`, tap.ID128[:]).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("looking for the record of a tap: %w", err)
	default:
		return true, nil
	}
}
