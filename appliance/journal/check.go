package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// tailLen is how many records of the end are hashed again at the start.
const tailLen = 64

// Marks in the table of runs; the other levels are those of package ack.
const (
	levelGone    ack.Level = 100 // envelopes deleted here
	levelMissing ack.Level = 101 // records of a past epoch that never came here
)

// check reads of the database what can be read at once however much is in it: marks, whose it is, the book, the end of the chain. The rest
// is for Journal.verify.
func (s *store) check(ctx context.Context, o Options) (book, error) {
	if err := s.checkMarks(ctx); err != nil {
		return book{}, err
	}
	var box []byte
	err := s.w.QueryRowContext(ctx, `SELECT box FROM meta`).Scan(&box)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && len(box) != len(o.Box.ID128):
		return book{}, fmt.Errorf("%w: no box named", errDamaged)
	case err != nil:
		return book{}, fmt.Errorf("reading whose journal it is: %w", err)
	case [16]byte(box) != o.Box.ID128:
		return book{}, fmt.Errorf("journal %w (%x); give that box its data directory back, or move the journal's files away", ErrOtherBox, box)
	}
	b, err := s.readBook(ctx)
	if err != nil {
		return book{}, err
	}
	return b, s.checkTail(ctx, b)
}

func (s *store) checkMarks(ctx context.Context) error {
	var app, version int64
	var mode, tables string
	if err := s.w.QueryRowContext(ctx, `SELECT a.application_id, v.user_version, j.journal_mode, (SELECT
		coalesce(group_concat(name, ' '), '') FROM (SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name))
		FROM pragma_application_id a, pragma_user_version v, pragma_journal_mode j`).Scan(&app, &version, &mode, &tables); err != nil {
		return fmt.Errorf("reading the database's marks: %w", err)
	}
	switch {
	case app != applicationID || version < 1:
		return fmt.Errorf("%w: not a journal", errDamaged)
	case version > schemaVersion:
		return fmt.Errorf("%w (its version is %d)", ErrNewer, version)
	case tables != "correction epoch header held meta record":
		return fmt.Errorf("%w: its tables are %q", errDamaged, tables)
	case mode != "wal":
		return fmt.Errorf("opening the database: journal mode is %s", mode)
	}
	return nil
}

// readBook reads what the journal knows without looking.
func (s *store) readBook(ctx context.Context) (book, error) {
	var b book
	err := s.w.QueryRowContext(ctx, `SELECT lineage, cause, central_epoch, ack FROM meta`).
		Scan(&b.birth.lineage, &b.birth.cause, &b.version.CentralEpoch, &b.version.N)
	if err != nil {
		return book{}, fmt.Errorf("reading the journal's state: %w", err)
	}
	if err := s.readEpochs(ctx, &b); err != nil {
		return book{}, fmt.Errorf("reading epochs: %w", err)
	}
	if err := s.readHeld(ctx, &b); err != nil {
		return book{}, fmt.Errorf("reading what is acknowledged: %w", err)
	}
	var most sql.NullInt64
	if err := s.w.QueryRowContext(ctx, `SELECT max(id) FROM record`).Scan(&most); err != nil {
		return book{}, fmt.Errorf("finding the last record: %w", err)
	}
	if n, _ := unpack(most.Int64); most.Valid && b.byN(n) == nil {
		return book{}, fmt.Errorf("%w: records of an epoch without a header", errDamaged)
	}
	return b, nil
}

func (s *store) readEpochs(ctx context.Context, b *book) error {
	rows, err := s.w.QueryContext(ctx, `SELECT n, id, header, known,
		(SELECT coalesce(max(r.id), 0) FROM record r WHERE r.id BETWEEN (n << 40) AND (n << 40 | 1099511627775)) FROM epoch ORDER BY n`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n, known, last int64
		var id, header []byte
		if err := rows.Scan(&n, &id, &header, &known, &last); err != nil {
			return err
		}
		signed, err := epoch.Read(header)
		if err != nil || string(id) != string(signed.Header.Epoch.ID128[:]) {
			return fmt.Errorf("%w: header %d", errDamaged, n)
		}
		_, seq := unpack(last)
		b.add(&kept{n: n, id: signed.Header.Epoch, root: signed.Root, last: seq, known: uint64(known)})
	}
	return rows.Err()
}

func (s *store) readHeld(ctx context.Context, b *book) error {
	rows, err := s.w.QueryContext(ctx, `SELECT epoch, level, first, last FROM held ORDER BY epoch, level, first`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n, first, last int64
		var level ack.Level
		if err := rows.Scan(&n, &level, &first, &last); err != nil {
			return err
		}
		k := b.byN(n)
		if k == nil || first < 1 || last < first || record.Seq(last) > k.last {
			return fmt.Errorf("%w: run %d to %d of epoch %d", errDamaged, first, last, n)
		}
		set := k.level(level)
		*set = set.with(span{record.Seq(first), record.Seq(last)})
	}
	return rows.Err()
}

// level is the set that a level of the table of runs belongs to.
func (k *kept) level(l ack.Level) *spans {
	switch l {
	case ack.Received:
		return &k.received
	case ack.Safe:
		return &k.safe
	case levelMissing:
		return &k.missing
	default:
		return &k.gone
	}
}

// checkTail hashes the last records of the last epoch again.
func (s *store) checkTail(ctx context.Context, b book) error {
	k := b.last()
	if k == nil {
		return nil
	}
	rows, err := s.w.QueryContext(ctx, `SELECT id, chain, envelope FROM (SELECT id, chain, envelope FROM record WHERE id > ?
		ORDER BY id DESC LIMIT ?) ORDER BY id`, pack(k.n, 0), tailLen)
	if err != nil {
		return fmt.Errorf("reading the last records: %w", err)
	}
	defer rows.Close()
	at := tail{epoch: k.id, seq: 0, head: k.root}
	for rows.Next() {
		var id int64
		var chain, envelope []byte
		if err := rows.Scan(&id, &chain, &envelope); err != nil {
			return fmt.Errorf("reading the last records: %w", err)
		}
		_, seq := unpack(id)
		if err := at.next(seq, chain, envelope); err != nil {
			return fmt.Errorf("record %s/%d: %w", k.id, seq, err)
		}
	}
	return rows.Err()
}

// tail walks along the end of an epoch's chain.
type tail struct {
	epoch record.EpochID
	seq   record.Seq
	head  epoch.Hash
}

// next checks one record. Where the walk begins inside the epoch, the first envelope's own word for the value before is taken.
func (t *tail) next(seq record.Seq, chain, envelope []byte) error {
	stored, err := hashOf(chain)
	if err != nil {
		return err
	}
	begun := t.seq != 0 || seq == 1
	if begun && seq != t.seq+1 {
		return fmt.Errorf("%w: follows %d", errDamaged, t.seq)
	}
	if envelope != nil { // deleted ones were safe; their chain values stay
		e, err := epoch.DecodeEnvelope(envelope)
		if err != nil || e.Epoch != t.epoch || e.Seq != seq || begun && e.Previous != t.head || e.Previous.Next(envelope) != stored {
			return fmt.Errorf("%w: does not link", errDamaged)
		}
	}
	t.seq, t.head = seq, stored
	return nil
}
