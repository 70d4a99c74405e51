package desired

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	_ "modernc.org/sqlite" // the database driver

	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// pragmas: full durability, no surprises from a damaged or hostile file.
const pragmas = "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)" +
	"&_pragma=cell_size_check(ON)&_pragma=trusted_schema(OFF)&_txlock=immediate"

const schema = `
CREATE TABLE IF NOT EXISTS verdict (
  tap BLOB PRIMARY KEY, epoch BLOB NOT NULL, seq BLOB NOT NULL,
  verdict INTEGER NOT NULL, reason INTEGER NOT NULL, answer INTEGER NOT NULL, source INTEGER NOT NULL,
  settled INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS held (one INTEGER PRIMARY KEY CHECK (one = 1), central_epoch BLOB NOT NULL, n BLOB NOT NULL) STRICT;
`

var errDamaged = errors.New("row is damaged")

// verdicts is the table of final verdicts and the version up to which it is complete.
type verdicts struct{ db *sql.DB }

func openVerdicts(ctx context.Context, path string) (*verdicts, error) {
	db, err := sql.Open("sqlite", "file:"+path+pragmas)
	if err != nil {
		return nil, fmt.Errorf("opening the verdicts: %w", err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the verdicts: %w", err), db.Close())
	}
	return &verdicts{db}, nil
}

func (v *verdicts) close() error { return v.db.Close() }

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
// those that were new. A batch of a higher central epoch begins a new count; ErrGap, ErrOlder or ErrElsewhere otherwise.
func (s *Store) ApplyVerdicts(ctx context.Context, msg []byte) ([]wire.Verdict, error) {
	batch, err := wire.OpenVerdicts(s.Trust(), msg)
	if err != nil {
		return nil, err
	}
	if batch.Box != s.place.Box {
		return nil, ErrElsewhere
	}
	tx, err := s.db.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("keeping verdicts: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to undo
	have, err := held(ctx, tx)
	if err != nil {
		return nil, err
	}
	fresh, err := unseen(batch, have)
	if err != nil {
		return nil, err
	}
	for _, w := range fresh {
		if err := keep(ctx, tx, w); err != nil {
			return nil, err
		}
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO held VALUES (1, ?, ?)", bytes8(batch.Version.CentralEpoch), bytes8(batch.Version.N))
	if err = errors.Join(err, commit(tx, err)); err != nil {
		return nil, fmt.Errorf("keeping verdicts: %w", err)
	}
	return fresh, nil
}

func commit(tx *sql.Tx, failed error) error {
	if failed != nil {
		return nil
	}
	return tx.Commit()
}

// unseen cuts off what is held already.
func unseen(batch wire.Verdicts, have rule.Version) ([]wire.Verdict, error) {
	switch {
	case batch.Version.CentralEpoch < have.CentralEpoch || batch.Version.Compare(have) == 0:
		return nil, ErrOlder
	case batch.Version.CentralEpoch > have.CentralEpoch:
		have = rule.Version{CentralEpoch: batch.Version.CentralEpoch}
	}
	switch {
	case batch.After > have.N:
		return nil, fmt.Errorf("%w: held %d, came %d", ErrGap, have.N, batch.After+1)
	case batch.Version.N <= have.N:
		return nil, ErrOlder
	default:
		return batch.Verdicts[have.N-batch.After:], nil
	}
}

func keep(ctx context.Context, tx *sql.Tx, w wire.Verdict) error {
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		w.Tap.ID128[:], w.Epoch.ID128[:], bytes8(uint64(w.Seq)), w.Verdict, w.Reason, w.Answer, w.Source, w.Settled)
	if err != nil {
		return fmt.Errorf("keeping a verdict: %w", err)
	}
	return nil
}

func bytes8(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Final is central's last word on a tap.
type Final struct {
	Verdict record.Verdict
	Reason  record.Reason
}

// Final finds the last word on a tap; false while there is none.
func (s *Store) Final(ctx context.Context, tap record.TapID) (Final, bool, error) {
	var f Final
	err := s.db.db.QueryRowContext(ctx, "SELECT verdict, reason FROM verdict WHERE tap = ?", tap.ID128[:]).Scan(&f.Verdict, &f.Reason)
	if errors.Is(err, sql.ErrNoRows) {
		return Final{}, false, nil
	}
	if err != nil {
		return Final{}, false, fmt.Errorf("looking up a final verdict: %w", err)
	}
	return f, true, nil
}
