package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// DefaultKeep is how many taps stay listed after their records are safe.
const DefaultKeep = 10_000

// maintenanceRows bounds one transaction of housekeeping, so that a tap waits for a few milliseconds at most.
const maintenanceRows = 64

// pruneFor bounds one call of Prune.
const pruneFor = 5 * time.Second

// Prune deletes what central has signed as safe: the envelopes at once, the clear fields once keep newer taps are listed (0
// means DefaultKeep, the newest is always kept). It works in short transactions with rests between, in which taps go first, and stops between
// two when ctx ends or after some seconds: the next call goes on. It returns how many envelopes it deleted and taps it forgot; 0 says that nothing is
// left to do.
func (j *Journal) Prune(ctx context.Context, keep int) (int, error) {
	if keep <= 0 {
		keep = DefaultKeep
	}
	if j.State() != SpaceOK { // the log as it is serves for what follows
		if err := j.moveLog(ctx, j.store()); err != nil {
			return 0, err
		}
	}
	until := time.Now().Add(pruneFor)
	done, err := paced(ctx, until, func() (int, error) { return j.pruneSome(ctx) })
	if err != nil {
		return done, fmt.Errorf("deleting what is safe: %w", err)
	}
	if err := j.settleFound(); err != nil {
		return done, err
	}
	if slices.ContainsFunc(j.SetAside(), func(a Aside) bool { return !a.Read }) {
		keep = math.MaxInt32 // what is forgotten would be taken over anew
	}
	from, err := j.store().listedFrom(ctx, keep)
	if err != nil {
		return done, fmt.Errorf("deleting old taps: %w", err)
	}
	forgot, err := paced(ctx, until, func() (int, error) { return j.forgetSome(ctx, from) })
	done += forgot
	if err != nil {
		return done, fmt.Errorf("deleting old taps: %w", err)
	}
	if done > 0 {
		err = j.moveLog(ctx, j.store())
		j.keepReserve(ctx)
	}
	return done, err
}

// paced repeats a step that does some of the work, with rests between, until nothing is left, or the time or the context is over.
func paced(ctx context.Context, until time.Time, step func() (int, error)) (done int, err error) {
	for time.Now().Before(until) {
		began := time.Now()
		n, err := step()
		done += n
		if err != nil || n == 0 {
			return done, err
		}
		if err := pause(ctx, restTimes*time.Since(began)); err != nil {
			return done, err
		}
	}
	return done, nil
}

// listedFrom is the oldest of the newest rows that are to stay; below all if there are no more than these.
func (s *store) listedFrom(ctx context.Context, keep int) (id int64, err error) {
	err = s.r.QueryRowContext(ctx, `SELECT id FROM record ORDER BY id DESC LIMIT 1 OFFSET ?`, keep-1).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return math.MinInt64, nil
	}
	return id, err
}

// pruneSome deletes the envelopes of one run of safe records, and notes in the same transaction that it did.
func (j *Journal) pruneSome(ctx context.Context) (int, error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return 0, ErrClosed
	}
	if err := j.settle(); err != nil {
		return 0, err
	}
	k, run, ok := j.book.prunable()
	if !ok {
		return 0, nil
	}
	after := *k
	after.gone = k.gone.with(run)
	err := j.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE record SET envelope = NULL WHERE id BETWEEN ? AND ?`, pack(k.n, run.first), pack(k.n, run.last))
		if err != nil {
			return err
		}
		return putRuns(ctx, tx, &after)
	})
	if err != nil {
		return 0, err
	}
	j.mu.Lock()
	*k = after
	j.mu.Unlock()
	return int(run.len()), nil
}

// prunable finds a run of at most pruneRows safe records that are still here.
func (b *book) prunable() (*kept, span, bool) {
	for _, k := range b.epochs {
		for _, s := range k.safe {
			for h := range k.gone.holes(s.first, s.last) {
				h.last = min(h.last, h.first+maintenanceRows-1)
				return k, h, true
			}
		}
	}
	return nil, span{}, false
}

// forgetSome deletes the oldest rows before one, up to the first whose envelope is still here: while an older record waits,
// the chain values of the later ones are needed to judge an acknowledgement. An epoch goes with its last row.
func (j *Journal) forgetSome(ctx context.Context, before int64) (int, error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return 0, ErrClosed
	}
	if err := j.settle(); err != nil {
		return 0, err
	}
	before = min(before, j.book.firstHere())
	var n, left int64
	var first sql.NullInt64 // oldest row that stays
	err := j.transact(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM record WHERE id IN (SELECT id FROM record WHERE id < ? ORDER BY id LIMIT ?)`,
			before, maintenanceRows)
		if err != nil {
			return err
		}
		if n, err = r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT min(id) FROM record`).Scan(&first); err != nil {
			return err
		}
		left, _ = unpack(first.Int64)
		if left <= j.book.epochs[0].n {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM held WHERE epoch < ?`, left); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM epoch WHERE n < ?1; DELETE FROM header WHERE n < ?1`, left); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM correction WHERE n NOT IN (SELECT correction FROM epoch WHERE correction IS NOT NULL)`)
		return err
	})
	if err != nil || n == 0 {
		return 0, err
	}
	j.mu.Lock()
	j.book.forget(left)
	j.mu.Unlock()
	return int(n), nil
}

// firstHere is the first row that has its envelope; beyond all rows if none has.
func (b *book) firstHere() int64 {
	for _, k := range b.epochs {
		for h := range k.gone.and(k.missing).holes(1, k.last) {
			return pack(k.n, h.first)
		}
	}
	return math.MaxInt64
}

// forget drops the epochs before n.
func (b *book) forget(n int64) {
	b.epochs = slices.DeleteFunc(slices.Clone(b.epochs), func(k *kept) bool {
		if k.n >= n {
			return false
		}
		delete(b.byID, k.id)
		return true
	})
}
