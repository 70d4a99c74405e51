package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"kazashi.example/sync/ack"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Accept notes what central has signed (design §5.5); whether it was central that signed is the caller's to have checked
// (ack.Open). A range counts only if its chain value is the one this box computed; others are passed over and reported. A
// higher central epoch than known says that central was restored: all that it acknowledged before is void, whatever is still
// here and missing there will be sent again. ErrCentralBehind for a lower one, ErrOtherBox for another box's.
func (j *Journal) Accept(ctx context.Context, a ack.Ack) error {
	if a.Box != j.o.Box {
		return fmt.Errorf("acknowledgement %w (%s)", ErrOtherBox, a.Box)
	}
	if a.Version.CentralEpoch > math.MaxInt64 || a.Version.N > math.MaxInt64 {
		return fmt.Errorf("%w: version", ack.ErrAck)
	}
	least := j.o.CentralEpoch()
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return ErrClosed
	}
	if err := j.settle(); err != nil {
		return err
	}
	known := j.book.version
	if least = max(least, known.CentralEpoch); a.Version.CentralEpoch < least {
		return fmt.Errorf("%w: %d, known %d", ErrCentralBehind, a.Version.CentralEpoch, least)
	}
	restored := known.CentralEpoch != 0 && a.Version.CentralEpoch > known.CentralEpoch
	changed, err := j.apply(ctx, a, restored)
	if err != nil {
		j.suspicious(err)
		return fmt.Errorf("applying acknowledgement: %w", err)
	}
	version := known
	if a.Version.Compare(known) > 0 {
		version = a.Version
	}
	if len(changed) == 0 && version == known {
		return nil
	}
	if err := j.transact(ctx, func(tx *sql.Tx) error { return accept(ctx, tx, version, changed, restored) }); err != nil {
		return fmt.Errorf("storing acknowledgement: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.book.version = version
	for i := range changed {
		*j.book.byN(changed[i].n) = changed[i]
	}
	if restored {
		j.o.Log.WarnContext(ctx, "central was restored; sending again what it lacks", slog.Uint64("central_epoch", version.CentralEpoch))
	}
	return nil
}

// apply works out what the epochs become; it changes nothing.
func (j *Journal) apply(ctx context.Context, a ack.Ack, restored bool) ([]kept, error) {
	after := map[int64]kept{}
	if restored {
		for _, k := range j.book.epochs {
			v := *k
			v.void()
			after[k.n] = v
		}
	}
	for _, r := range a.Ranges {
		k, ok := j.book.byID[r.Epoch]
		if !ok {
			continue // deleted here long ago, or never ours
		}
		if r.First == 0 || r.First > r.Last {
			return nil, fmt.Errorf("%w: range of epoch %s", ack.ErrAck, r.Epoch)
		}
		own, err := j.own(ctx, k, r)
		if err != nil {
			return nil, err
		}
		if !own {
			continue
		}
		v, ok := after[k.n]
		if !ok {
			v = *k
		}
		n := span{r.First, min(r.Last, v.last)}
		v.known = a.Version.CentralEpoch
		v.received = v.received.with(n)
		if r.Level == ack.Safe {
			v.safe = v.safe.with(n)
		}
		after[k.n] = v
	}
	changed := make([]kept, 0, len(after))
	for _, v := range after {
		changed = append(changed, v)
	}
	return changed, nil
}

// own reports whether a range ends where this box's own chain has the same value, which covers everything before it as well. Of a past
// epoch the record at its end may have been lost with the disk it was on; then central's word is enough, because what it holds under
// these numbers was sealed here, and each of them once.
func (j *Journal) own(ctx context.Context, k *kept, r ack.Range) (bool, error) {
	if k.n < 0 && (r.Last > k.last || k.missing.has(r.Last)) {
		return r.First <= k.last, nil
	}
	if r.Last > k.last {
		if j.forks[k.id] {
			return false, nil
		}
		j.forks[k.id] = true
		j.o.Log.WarnContext(ctx, "central holds records of this epoch that are not here: this box was restored or copied",
			slog.String("epoch", k.id.String()), slog.Uint64("here", uint64(k.last)), slog.Uint64("there", uint64(r.Last)))
		return false, nil
	}
	chain, err := j.store().chain(ctx, pack(k.n, r.Last))
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil // forgotten here: it was safe
	}
	if err != nil {
		return false, err
	}
	if chain != r.Chain {
		j.o.Log.WarnContext(ctx, "central acknowledges other records under these numbers; not accepted",
			slog.String("epoch", k.id.String()), slog.Uint64("last", uint64(r.Last)))
		return false, nil
	}
	return true, nil
}

// accept writes the runs of the changed epochs anew. What a central that was restored was told of clocks is told again.
func accept(ctx context.Context, tx *sql.Tx, v rule.Version, changed []kept, restored bool) error {
	_, err := tx.ExecContext(ctx, `UPDATE meta SET central_epoch = ?, ack = ?`, int64(v.CentralEpoch), int64(v.N))
	if err != nil {
		return err
	}
	if restored {
		if _, err := tx.ExecContext(ctx, `UPDATE correction SET sent = 0`); err != nil {
			return err
		}
	}
	for i := range changed {
		if err := putRuns(ctx, tx, &changed[i]); err != nil {
			return err
		}
	}
	return nil
}

func putRuns(ctx context.Context, tx *sql.Tx, k *kept) error {
	if _, err := tx.ExecContext(ctx, `UPDATE epoch SET known = ? WHERE n = ?`, int64(k.known), k.n); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM held WHERE epoch = ?`, k.n); err != nil {
		return err
	}
	for _, level := range []ack.Level{ack.Received, ack.Safe, levelGone, levelMissing} {
		for _, r := range *k.level(level) {
			_, err := tx.ExecContext(ctx, `INSERT INTO held (epoch, level, first, last) VALUES (?, ?, ?, ?)`,
				k.n, int64(level), int64(r.first), int64(r.last))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Version is that of the newest acknowledgement accepted.
func (j *Journal) Version() rule.Version {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.book.version
}

// Epochs lists, oldest first, the epochs with records that are not yet safe: what to ask central about.
func (j *Journal) Epochs(context.Context) ([]record.EpochID, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	var ids []record.EpochID
	for _, k := range j.book.epochs {
		if k.unsafe() {
			ids = append(ids, k.id)
		}
	}
	return ids, nil
}
