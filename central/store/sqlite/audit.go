package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// walk hands over all rows, one at a time.
func walk[T any](t *tx, scan func(scanner, *T) error, yield func(T) error, q string, args ...any) (err error) {
	rows, err := t.sql.QueryContext(t.ctx, q, args...)
	if err != nil {
		return explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var v T
		if err := scan(rows, &v); err != nil {
			return explain(err)
		}
		if err := yield(v); err != nil {
			return err
		}
	}
	return explain(rows.Err())
}

const filedColumns = `SELECT row, epoch, box, message, lineage, predecessor, coalesce(predecessor_last, 0),
	coalesce((SELECT r.tapped FROM records r WHERE r.epoch = epochs.epoch AND r.tapped <> 0 ORDER BY r.seq LIMIT 1), 0) FROM epochs `

func scanFiledEpoch(s scanner, e *store.FiledEpoch) error {
	return s.Scan(&e.Row, octets(e.ID.ID128[:]), octets(e.Box.ID128[:]), &e.Message, &e.Lineage, octets(e.Predecessor.ID128[:]), &e.PredecessorLast, millis{&e.Tapped})
}

func (t *tx) FiledEpochs(box record.BoxID, yield func(store.FiledEpoch) error) error {
	return walk(t, scanFiledEpoch, yield, filedColumns+"WHERE box = ? ORDER BY row", box.ID128[:])
}

func (t *tx) FiledEpoch(id record.EpochID) (e store.FiledEpoch, err error) {
	return e, explain(scanFiledEpoch(t.row(filedColumns+"WHERE epoch = ?", id.ID128[:]), &e))
}

func scanFiledEnvelope(s scanner, e *store.FiledEnvelope) error {
	return s.Scan(&e.Row, &e.Seq, octets(e.Previous[:]), octets(e.Chain[:]), octets(e.Sum[:]), (*sql.RawBytes)(&e.Bytes), &e.State, &e.Awaits,
		&e.Envelope, octets(e.Box.ID128[:]), octets(e.Tap.ID128[:]), &e.Service, &e.Desk, millis{&e.Tapped},
		&e.First.Verdict, &e.First.Reason, &e.First.Answer, &e.Final.Verdict, &e.Final.Reason, &e.Final.Answer,
		millis{&e.Applied}, millis{&e.Since}, millis{&e.Due}, millis{&e.Erased}, (*sql.RawBytes)(&e.Content), &e.Verdict, &e.Used)
}

// filedEnvelopes compares in SQL what two tables say of one thing; the numbers are those of store.FiledVerdict and store.FiledTap.
const filedEnvelopes = `SELECT v.row, v.seq, v.previous, v.chain, v.sum, v.bytes, v.state, v.awaits IS NOT NULL,
		coalesce(r.envelope, 0), r.box, r.tap, coalesce(r.service, ''), coalesce(r.desk, ''), coalesce(r.tapped, 0),
		coalesce(r.first_verdict, 0), coalesce(r.first_reason, 0), coalesce(r.first_answer, 0),
		coalesce(r.final_verdict, 0), coalesce(r.final_reason, 0), coalesce(r.final_answer, 0),
		coalesce(r.applied, 0), coalesce(r.since, 0), coalesce(r.due, 0), coalesce(r.erased, 0), iif(?2, r.content_sealed, NULL),
		CASE WHEN d.n IS NULL OR (d.epoch, d.seq) <> (r.epoch, r.seq) THEN 0
			WHEN (d.tap, d.verdict, d.reason, d.answer, d.source) <> (r.tap, r.final_verdict, r.final_reason, r.final_answer, r.source) THEN 1
			ELSE 2 END,
		CASE WHEN (p.epoch, p.seq) = (r.epoch, r.seq) THEN 2
			WHEN EXISTS (SELECT 1 FROM records o WHERE o.epoch = p.epoch AND o.seq = p.seq AND o.tap = r.tap) THEN 1
			ELSE 0 END
	FROM envelopes v LEFT JOIN records r ON r.epoch = v.epoch AND r.seq = v.seq
		LEFT JOIN verdicts d ON d.box = r.box AND d.n = r.verdict LEFT JOIN taps p ON p.tap = r.tap
	WHERE v.epoch = ?1 ORDER BY v.seq`

func (t *tx) FiledEnvelopes(id record.EpochID, contents bool, yield func(store.FiledEnvelope) error) error {
	return walk(t, scanFiledEnvelope, yield, filedEnvelopes, id.ID128[:], contents)
}

func scanFiledCounts(s scanner) (c store.FiledCounts, err error) {
	return c, s.Scan(&c.Records, &c.Verdicts, &c.LastVerdict, &c.Held, &c.Removed)
}

func (t *tx) FiledRecords(box record.BoxID) (store.FiledCounts, error) {
	return one(t.row(`SELECT (SELECT count(*) FROM records WHERE box = ?1), (SELECT count(*) FROM verdicts WHERE box = ?1),
		(SELECT coalesce(max(n), 0) FROM verdicts WHERE box = ?1), coalesce((SELECT holds FROM boxes WHERE box = ?1), 0),
		coalesce((SELECT sum(seq) FROM sqlite_sequence WHERE name IN ('epochs', 'envelopes')), 0)
			- (SELECT count(*) FROM epochs) - (SELECT count(*) FROM envelopes)`, box.ID128[:]), scanFiledCounts)
}

func scanRecordID(s scanner) (id record.ID, err error) {
	return id, s.Scan(octets(id.Epoch.ID128[:]), &id.Seq)
}

func (t *tx) StrayRecords(box record.BoxID, limit int) ([]record.ID, error) {
	return each(t, scanRecordID, `SELECT r.epoch, r.seq FROM records r
		WHERE r.box = ?1 AND (NOT EXISTS (SELECT 1 FROM envelopes v WHERE v.row = r.envelope AND v.epoch = r.epoch AND v.seq = r.seq)
			OR NOT EXISTS (SELECT 1 FROM epochs e WHERE e.epoch = r.epoch AND e.box = ?1)) ORDER BY r.epoch, r.seq LIMIT ?2`, box.ID128[:], limit)
}

func (t *tx) StrayVerdicts(box record.BoxID, limit int) ([]record.ID, error) {
	return each(t, scanRecordID, `SELECT d.epoch, d.seq FROM verdicts d WHERE d.box = ?1
		AND NOT EXISTS (SELECT 1 FROM records r WHERE r.epoch = d.epoch AND r.seq = d.seq AND r.box = ?1) ORDER BY d.n LIMIT ?2`, box.ID128[:], limit)
}

func (t *tx) Headless() (int64, error) {
	return one(t.row("SELECT count(*) FROM envelopes v WHERE NOT EXISTS (SELECT 1 FROM epochs e WHERE e.epoch = v.epoch)"), scanInt)
}

func (t *tx) CodeUsed(box record.BoxID) (store.Code, error) {
	return one(t.row(codeColumns+"WHERE used_box = ?", box.ID128[:]), scanCode)
}

// Look is a database that is read and never written, whoever else has it open. It takes no lock.
type Look struct{ read *sql.DB }

// ErrLog says that a file which nobody else was to have open has a log beside it, with part of what is in the database.
var ErrLog = errors.New("a write-ahead log lies beside the file, so that it is no backup but a central's own database; read it as that")

// OpenLook opens the database at path for reading: the one of a running central, or with alone set a file that nobody else has open, which is
// then left without another file beside it; ErrLog if it has a log. ErrDamaged, ErrRelease; the pages are not looked through first.
func OpenLook(ctx context.Context, path string, alone bool) (*Look, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	q := url.Values{"mode": {"ro"}, "_txlock": {"deferred"}, "_pragma": {"busy_timeout(10000)", "trusted_schema(0)", "cell_size_check(1)", "query_only(1)"}}
	if alone {
		if i, err := os.Stat(path + "-wal"); err == nil && i.Size() > 0 {
			return nil, fmt.Errorf("opening %s: %w", path, ErrLog)
		}
		q.Set("immutable", "1")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	if err := ours(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Look{db}, nil
}

// View runs f on one unchanging state.
func (l *Look) View(ctx context.Context, f func(store.Tx) error) error { return run(ctx, l.read, f) }

// Close ends reading.
func (l *Look) Close() error { return l.read.Close() }
