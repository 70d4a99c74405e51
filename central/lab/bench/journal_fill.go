package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/seal"
)

// fill writes a journal as after a long time without a line: so many records, a thousand an epoch. The box writes it in some hours, one flush a tap;
// here the same rows go in without a flush. It returns the acknowledgement of all of them.
func (r *journalRun) fill(ctx context.Context, name string, records int, kind kindOf) (ack.Ack, error) {
	j, err := r.open(ctx, name) // makes the tables
	if err != nil {
		return ack.Ack{}, err
	}
	if err := j.Close(); err != nil {
		return ack.Ack{}, err
	}
	db, err := sql.Open("sqlite", "file:"+r.path(name)+"?_pragma=synchronous(OFF)&_pragma=journal_mode(WAL)")
	if err != nil {
		return ack.Ack{}, err
	}
	db.SetMaxOpenConns(1)
	f := filler{r: r, db: db, kind: kind, all: ack.Ack{Box: r.box.id, Issued: 1}}
	f.all.Version.CentralEpoch, f.all.Version.N = 1, 1
	for n := range (records + perEpoch - 1) / perEpoch {
		if err = errors.Join(ctx.Err(), f.epoch(ctx, n, min(perEpoch, records-n*perEpoch))); err != nil {
			break
		}
		if n%100 == 99 {
			r.Log.InfoContext(ctx, "made records", slog.Int("records", (n+1)*perEpoch))
		}
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return ack.Ack{}, fmt.Errorf("filling a journal: %w", err)
	}
	return f.all, syncPath(r.path(name))
}

// filler writes rows as package journal does.
type filler struct {
	r    *journalRun
	db   *sql.DB
	kind kindOf
	last *epoch.Writer
	all  ack.Ack
}

func (f *filler) epoch(ctx context.Context, n, records int) error {
	w, err := f.writer()
	if err != nil {
		return err
	}
	h := w.Header()
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	for _, table := range []string{"epoch", "header"} {
		_, err := tx.ExecContext(ctx, `INSERT INTO `+table+` (n, id, header, stretch) VALUES (?, ?, ?, 'filled')`, n+1, h.Header.Epoch.ID128[:], h.Message)
		if err != nil {
			return err
		}
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO record (id, chain, envelope, tap, time, desk, service, verdict, reason, code)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := range records {
		plain, c, err := tapped(n*perEpoch+i, f.kind)
		if err != nil {
			return err
		}
		s, err := w.Seal(plain)
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, int64(n+1)<<40|int64(s.ID.Seq), s.Chain[:], s.Bytes, c.Tap.ID128[:], c.Time.UnixMilli(), //nolint:gosec // a thousand
			string(c.Desk), string(c.Service), int64(c.Verdict), int64(c.Reason), c.Code); err != nil {
			return err
		}
	}
	end := w.End()
	f.all.Ranges = append(f.all.Ranges, ack.Range{Epoch: end.Epoch, First: 1, Last: end.LastSeq, Chain: end.Head, Level: ack.Safe})
	w.Close()
	return tx.Commit()
}

// writer opens the next epoch.
func (f *filler) writer() (*epoch.Writer, error) {
	id, nonce := epoch.NewID(f.r.box.id)
	enc, key, err := seal.Encapsulate(f.r.box.public, seal.Info{Suite: seal.Suite1, Box: f.r.box.id, Epoch: id})
	if err != nil {
		return nil, err
	}
	before := epoch.Predecessor{Lineage: epoch.LineageFirst}
	if f.last != nil {
		before = f.last.End()
	}
	h, err := epoch.Header{
		Version: epoch.Version, Suite: seal.Suite1, Box: f.r.box.id, Epoch: id, Nonce: nonce, Recipient: f.r.box.public.ID(), Enc: enc,
		Predecessor: before, Cause: epoch.CauseRotation,
	}.Sign(f.r.box.device)
	if err != nil {
		return nil, err
	}
	f.last = epoch.NewWriter(h, key)
	return f.last, nil
}

func syncPath(path string) error {
	f, err := os.Open(path) //nolint:gosec // the run's own
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
