package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// correctionsAtOnce bounds those of one batch: 8 are 48 KiB at most.
const correctionsAtOnce = 8

// Correct keeps beside the records how wrong the box's clock turned out to be in a stretch of its time: offset is to be added to what it
// said, measured is central's time of the measurement. It counts for every epoch of the stretch that has none yet, and never replaces one.
// It reports whether there is anything new to send.
func (j *Journal) Correct(ctx context.Context, stretch string, offset time.Duration, measured time.Time) (fresh bool, err error) {
	for {
		ns, ids, err := j.store().uncorrected(ctx, stretch)
		if err != nil || len(ids) == 0 {
			return fresh, wrapCorrection(err)
		}
		// Signed outside the lock: a TPM takes its time, and taps go on.
		msg, err := wire.Correction{
			Box: j.o.Box, Epochs: ids, Offset: offset.Milliseconds(), Measured: measured.UnixMilli(),
		}.Sign(j.o.Device)
		if err != nil {
			return fresh, wrapCorrection(err)
		}
		if err := j.correct(ctx, ns, msg); err != nil {
			return fresh, wrapCorrection(err)
		}
		fresh = true
	}
}

func wrapCorrection(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("keeping the correction of the clock: %w", err)
}

func (j *Journal) correct(ctx context.Context, ns []int64, msg []byte) error {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return ErrClosed
	}
	if err := j.settle(); err != nil {
		return err
	}
	return j.transact(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO correction (message) VALUES (?)`, msg)
		if err != nil {
			return err
		}
		id, err := r.LastInsertId()
		if err != nil {
			return err
		}
		for _, n := range ns {
			if _, err := tx.ExecContext(ctx, `UPDATE epoch SET correction = ? WHERE n = ? AND correction IS NULL`, id, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// uncorrected lists a stretch's epochs without a correction, oldest first, as many as one correction takes.
func (s *store) uncorrected(ctx context.Context, stretch string) (ns []int64, ids []record.EpochID, err error) {
	rows, err := s.r.QueryContext(ctx, `SELECT n, id FROM epoch WHERE stretch = ? AND correction IS NULL ORDER BY n LIMIT ?`,
		stretch, wire.MaxCorrectedEpochs)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n int64
		var b []byte
		if err := rows.Scan(&n, &b); err != nil {
			return nil, nil, err
		}
		var id record.EpochID
		if len(b) != len(id.ID128) {
			return nil, nil, fmt.Errorf("%w: id of epoch %d", errDamaged, n)
		}
		copy(id.ID128[:], b)
		ns, ids = append(ns, n), append(ids, id)
	}
	return ns, ids, rows.Err()
}

// unsentCorrections are those that central has not got, oldest first; all of them where most is below 0.
func (s *store) unsentCorrections(ctx context.Context, most int) (all [][]byte, err error) {
	rows, err := s.r.QueryContext(ctx, `SELECT message FROM correction WHERE sent = 0 ORDER BY n LIMIT ?`, most)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var msg []byte
		if err := rows.Scan(&msg); err != nil {
			return nil, err
		}
		all = append(all, msg)
	}
	return all, rows.Err()
}

// Corrected notes that central has corrections that Unsent gave. They come again after central was restored.
func (j *Journal) Corrected(ctx context.Context, messages [][]byte) error {
	if len(messages) == 0 {
		return nil
	}
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return ErrClosed
	}
	if err := j.settle(); err != nil {
		return err
	}
	err := j.transact(ctx, func(tx *sql.Tx) error {
		for _, msg := range messages {
			if _, err := tx.ExecContext(ctx, `UPDATE correction SET sent = 1 WHERE message = ?`, msg); err != nil {
				return err
			}
		}
		return nil
	})
	return wrapCorrection(err)
}
