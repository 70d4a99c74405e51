package journal

import (
	"context"
	"log/slog"

	"kazashi.example/sync/epoch"
)

// Verified says how many of the records that were here at the start have been hashed again since, and how many there were.
func (j *Journal) Verified() (done, total uint64) { return j.verified.Load(), j.toVerify.Load() }

// failed follows a write that failed or whose outcome is not known. The caller holds the write lock.
func (j *Journal) failed(err error) {
	j.doubt = true
	if damaged(err) {
		j.broken = err
	}
}

// readFailed follows a read that failed: a database found damaged that way is set aside like one found damaged at the start.
func (j *Journal) readFailed(st *store, err error) error {
	if damaged(err) {
		j.bg.Go(func() { j.suspect(context.Background(), st, err) })
	}
	return err
}

// suspect sets the database aside, unless another is in its place already.
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
