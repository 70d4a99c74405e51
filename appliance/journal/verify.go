package journal

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// Pace of what is done in the background: so many rows in one statement, and after it a rest of so many times what it took.
const (
	rowsAStep = 256
	restTimes = 3
)

// Verified says how many of the records that were here at the start have been hashed again since, and how many there were.
func (j *Journal) Verified() (done, total uint64) { return j.verified.Load(), j.toVerify.Load() }

// verify looks at everything that the start did not: all chains, and SQLite's own check of its structure. A database found
// damaged is set aside, and mined like one found damaged at the start.
func (j *Journal) verify(ctx context.Context) {
	for ctx.Err() == nil {
		st := j.store()
		err := j.verifyStore(ctx, st)
		switch {
		case err == nil:
			done, _ := j.Verified()
			j.o.Log.InfoContext(ctx, "journal verified", slog.Uint64("records", done))
			return
		case damaged(err):
			j.suspect(ctx, st, err)
			return // what is in its place is new
		case ctx.Err() == nil && j.store() == st:
			j.o.Log.WarnContext(ctx, "journal could not be verified; the next start tries again", slog.Any("error", err))
			return
		}
	}
}

func (j *Journal) verifyStore(ctx context.Context, st *store) error {
	j.mu.RLock()
	w := walker{st: st, epochs: make(map[int64]kept, len(j.book.epochs))}
	for _, k := range j.book.epochs {
		w.epochs[k.n] = *k
	}
	j.mu.RUnlock()
	first, total, err := w.extent(ctx)
	if err != nil {
		return fmt.Errorf("looking for the first record: %w", err)
	}
	j.verified.Store(0)
	j.toVerify.Store(total)
	for at, more := first, first != 0; more; {
		began := time.Now()
		var n int
		if at, n, more, err = w.step(ctx, at); err != nil {
			return err
		}
		j.verified.Add(uint64(n))
		if err := pause(ctx, restTimes*time.Since(began)); err != nil {
			return err
		}
	}
	j.verified.Store(total) // whatever was deleted meanwhile was safe
	if err := w.heads(ctx); err != nil {
		return err
	}
	return st.structure(ctx)
}

// pause waits unless the context ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// structure has SQLite check its own: pages, free ones, order of keys, types of columns.
func (s *store) structure(ctx context.Context) error {
	var verdict string
	if err := s.r.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return fmt.Errorf("checking the database: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, verdict)
	}
	return nil
}

// walker walks along all chains that were here when it began.
type walker struct {
	st     *store
	epochs map[int64]kept
	n      int64 // epoch under way
	at     tail
}

// extent finds the first row, 0 if there is none, and how many there are, by their numbers.
func (w *walker) extent(ctx context.Context) (first int64, total uint64, err error) {
	first, err = w.st.first(ctx)
	if err != nil || first == 0 {
		return 0, 0, err
	}
	n, seq := unpack(first)
	for _, k := range w.epochs {
		from := record.Seq(1)
		switch {
		case k.n < n:
			continue
		case k.n == n:
			from = seq
		}
		for h := range k.missing.holes(from, k.last) {
			total += h.len()
		}
	}
	return first, total, nil
}

// first is the number of the first row; 0 if there is none.
func (s *store) first(ctx context.Context) (int64, error) {
	var id sql.NullInt64
	err := s.r.QueryRowContext(ctx, `SELECT min(id) FROM record`).Scan(&id)
	return id.Int64, err
}

// step checks some rows from at on, and says where to go on.
func (w *walker) step(ctx context.Context, at int64) (next int64, n int, more bool, err error) {
	rows, err := w.st.r.QueryContext(ctx, `SELECT id, chain, envelope FROM record WHERE id >= ? ORDER BY id LIMIT ?`, at, rowsAStep)
	if err != nil {
		return 0, 0, false, fmt.Errorf("reading records: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var chain, envelope []byte
		if err := rows.Scan(&id, &chain, &envelope); err != nil {
			return 0, 0, false, fmt.Errorf("reading records: %w", err)
		}
		ours, err := w.row(ctx, id, chain, envelope)
		if err != nil || !ours {
			return 0, n, false, err
		}
		next, n = id+1, n+1
	}
	return next, n, n == rowsAStep, rows.Err()
}

// row checks one; false for the first that was not here when the walk began.
func (w *walker) row(ctx context.Context, id int64, chain, envelope []byte) (bool, error) {
	n, seq := unpack(id)
	k, ok := w.epochs[n]
	if !ok {
		return n < 0, nil // epochs are only added: past ones before, new ones after all others
	}
	if seq > k.last {
		return true, nil
	}
	if n != w.n {
		w.n, w.at = n, tail{epoch: k.id, head: k.root}
	}
	if follows := w.at.seq + 1; seq != follows {
		if err := w.gap(ctx, k, follows, seq); err != nil {
			return false, err
		}
		w.at = tail{epoch: k.id, head: k.root}
	}
	if err := w.at.next(seq, chain, envelope); err != nil {
		return false, fmt.Errorf("record %s/%d: %w", k.id, seq, err)
	}
	return true, nil
}

// gap says whether records may be missing between two: deleted from the front, or never here.
func (w *walker) gap(ctx context.Context, k kept, from, to record.Seq) error {
	if k.n < 0 {
		return nil
	}
	first, err := w.st.first(ctx)
	if err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	if first < pack(k.n, to) {
		return fmt.Errorf("%w: no records %s/%d to %d", errDamaged, k.id, from, to-1)
	}
	return nil
}

// heads compares the end of each epoch with what its successor's header says of it.
func (w *walker) heads(ctx context.Context) error {
	for n, k := range w.epochs {
		if n < 0 {
			continue
		}
		header, err := w.st.header(ctx, n)
		if err != nil {
			return fmt.Errorf("reading header %d: %w", n, err)
		}
		s, err := epoch.Read(header)
		if header == nil || err != nil {
			continue // forgotten meanwhile; what cannot be read was found at the start
		}
		before, ok := w.epochs[n-1]
		p := s.Header.Predecessor
		if !ok || before.n < 0 {
			continue
		}
		if p.Epoch != before.id || p.LastSeq != before.last {
			return fmt.Errorf("%w: epoch %s ends at %d, and its successor %s says %d", errDamaged, before.id, before.last, k.id, p.LastSeq)
		}
	}
	return nil
}

// failed follows a write that failed or whose outcome is not known. The caller holds the write lock.
func (j *Journal) failed(err error) {
	j.doubt = true
	if damaged(err) {
		j.broken = err
		st := j.store()
		j.spawn(func(ctx context.Context) { j.suspect(ctx, st, err) })
	}
}

// suspicious follows anything else that failed under the write lock: an error that means damage is treated as such.
func (j *Journal) suspicious(err error) {
	if damaged(err) {
		j.failed(err)
	}
}

// readFailed follows a read that failed: a database found damaged that way is set aside like one found damaged at the start.
func (j *Journal) readFailed(st *store, err error) error {
	if damaged(err) {
		j.spawn(func(ctx context.Context) { j.suspect(ctx, st, err) })
	}
	return err
}

// suspect sets the database aside, unless another is in its place already. A new one begins at once.
func (j *Journal) suspect(ctx context.Context, st *store, why error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed || j.store() != st {
		return
	}
	j.discard(epoch.CauseSetAside)
	j.doubt, j.broken = true, why
	if err := j.settle(); err != nil {
		j.o.Log.ErrorContext(ctx, "beginning a new journal failed; the next tap tries again", slog.Any("error", err))
	}
}
