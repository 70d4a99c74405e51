package desired

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// Held is the version up to which every final verdict of this box is on disk.
func (s *Store) Held(ctx context.Context) (rule.Version, error) { return held(ctx, s.db.db) }

// queryer is a database or a transaction of one.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func held(ctx context.Context, q queryer) (rule.Version, error) {
	var epoch, n []byte
	err := q.QueryRowContext(ctx, "SELECT central_epoch, n FROM held").Scan(&epoch, &n)
	if errors.Is(err, sql.ErrNoRows) {
		return rule.Version{}, nil
	}
	if err != nil || len(epoch) != 8 || len(n) != 8 {
		return rule.Version{}, fmt.Errorf("reading which verdicts are held: %w", cmp.Or(err, errDamaged))
	}
	return rule.Version{CentralEpoch: binary.BigEndian.Uint64(epoch), N: binary.BigEndian.Uint64(n)}, nil
}

// ApplyVerdicts verifies a signed batch and makes the new ones durable, with the version, in one transaction. It returns
// those that were new. A batch of a higher central epoch begins a new count; ErrGap, ErrOlder or ErrElsewhere otherwise, or
// an error of package wire.
func (s *Store) ApplyVerdicts(ctx context.Context, msg []byte) ([]wire.Verdict, error) {
	batch, err := wire.OpenVerdicts(s.Trust(), msg)
	if err != nil {
		return nil, err
	}
	if batch.Box != s.place.Box {
		return nil, ErrElsewhere
	}
	var fresh []wire.Verdict
	err = s.db.transact(ctx, func(tx *sql.Tx) error {
		have, err := held(ctx, tx)
		if err != nil {
			return err
		}
		if fresh, err = unseen(batch, have); err != nil {
			return err
		}
		return keep(ctx, tx, fresh, batch.Version)
	})
	if err != nil {
		return nil, fmt.Errorf("keeping final verdicts: %w", err)
	}
	return fresh, nil
}

// unseen cuts off what is held already.
func unseen(batch wire.Verdicts, have rule.Version) ([]wire.Verdict, error) {
	if batch.Version.Compare(have) <= 0 {
		return nil, ErrOlder
	}
	if batch.Version.CentralEpoch > have.CentralEpoch {
		have = rule.Version{CentralEpoch: batch.Version.CentralEpoch}
	}
	if batch.After > have.N {
		return nil, fmt.Errorf("%w: held %d, came %d", ErrGap, have.N, batch.After+1)
	}
	return batch.Verdicts[have.N-batch.After:], nil
}

func keep(ctx context.Context, tx *sql.Tx, fresh []wire.Verdict, upTo rule.Version) error {
	for _, w := range fresh {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			w.Epoch.ID128[:], octets(uint64(w.Seq)), w.Tap.ID128[:], w.Verdict, w.Reason, w.Answer, w.Source, w.Settled)
		if err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO held VALUES (1, ?, ?)", octets(upTo.CentralEpoch), octets(upTo.N))
	return err
}

func octets(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Final is central's last word on a record. A reason that a later central gave and this release has no word for is
// record.ReasonLater; the number itself stays on disk, so that the next release shows it.
type Final struct {
	Verdict record.Verdict
	Reason  record.Reason
}

// Final finds the last word on a record; false while there is none.
func (s *Store) Final(ctx context.Context, id record.ID) (Final, bool, error) {
	var f Final
	err := s.db.db.QueryRowContext(ctx, "SELECT verdict, reason FROM verdict WHERE epoch = ? AND seq = ?",
		id.Epoch.ID128[:], octets(uint64(id.Seq))).Scan(&f.Verdict, &f.Reason)
	if errors.Is(err, sql.ErrNoRows) {
		return Final{}, false, nil
	}
	if err != nil {
		return Final{}, false, fmt.Errorf("looking up a final verdict: %w", err)
	}
	f.Reason = f.Reason.OrLater()
	return f, true, nil
}
