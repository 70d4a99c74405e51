package desired

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

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
	first := upTo.N - uint64(len(fresh)) + 1
	for i, w := range fresh {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			w.Epoch.ID128[:], octets(uint64(w.Seq)), w.Tap.ID128[:], w.Verdict, w.Reason, w.Answer, w.Source, w.Settled,
			octets(upTo.CentralEpoch), octets(first+uint64(i))) //nolint:gosec // an index
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

// Told is a final verdict as central told it.
type Told struct {
	Version rule.Version // under which it came
	Record  record.ID
	Tap     record.TapID
	Final
	Settled time.Time // by central's clock
}

const selectTold = "SELECT central_epoch, n, epoch, seq, tap, verdict, reason, settled FROM verdict "

// Since lists final verdicts that came after a version, the oldest first, at most limit. One that a later verdict on the same record took the
// place of is not among them.
func (s *Store) Since(ctx context.Context, after rule.Version, limit int) (list []Told, err error) {
	rows, err := s.db.db.QueryContext(ctx, selectTold+"WHERE (central_epoch, n) > (?, ?) ORDER BY central_epoch, n LIMIT ?",
		octets(after.CentralEpoch), octets(after.N), limit)
	if err != nil {
		return nil, fmt.Errorf("reading final verdicts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		t, err := toldOf(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading final verdicts: %w", err)
	}
	return list, nil
}

// OfTap finds the newest final verdict on a tap; false while there is none.
func (s *Store) OfTap(ctx context.Context, tap record.TapID) (Told, bool, error) {
	t, err := toldOf(s.db.db.QueryRowContext(ctx, selectTold+"WHERE tap = ? ORDER BY central_epoch DESC, n DESC LIMIT 1", tap.ID128[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return Told{}, false, nil
	}
	return t, err == nil, err
}

func toldOf(row interface{ Scan(dest ...any) error }) (t Told, err error) {
	var central, n, epoch, seq, tap []byte
	var settled int64
	if err := row.Scan(&central, &n, &epoch, &seq, &tap, &t.Verdict, &t.Reason, &settled); err != nil {
		return t, fmt.Errorf("reading a final verdict: %w", err)
	}
	if len(central) != 8 || len(n) != 8 || len(epoch) != 16 || len(seq) != 8 || len(tap) != 16 {
		return t, fmt.Errorf("reading a final verdict: %w", errDamaged)
	}
	t.Version = rule.Version{CentralEpoch: binary.BigEndian.Uint64(central), N: binary.BigEndian.Uint64(n)}
	t.Record = record.ID{Epoch: record.EpochID{ID128: [16]byte(epoch)}, Seq: record.Seq(binary.BigEndian.Uint64(seq))}
	t.Tap, t.Reason, t.Settled = record.TapID{ID128: [16]byte(tap)}, t.Reason.OrLater(), time.UnixMilli(settled).UTC()
	return t, nil
}
