package sqlite

import (
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// schemaRetention serves package retention. Each index holds only rows with something to erase: by when it is due under the rule at the
// tap, and by service and time of tap, for the rule in force now.
const schemaRetention = `
CREATE INDEX records_due ON records (due) WHERE erased = 0 AND due > 0;
CREATE INDEX records_kept ON records (service, since) WHERE erased = 0;
CREATE INDEX records_attributes_due ON records (attributes_due) WHERE attributes > 0 AND attributes_due > 0;
CREATE INDEX records_attributes ON records (service, since) WHERE attributes > 0;
CREATE TABLE retention (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	at INTEGER NOT NULL,
	as_of INTEGER NOT NULL,
	last INTEGER NOT NULL,
	count INTEGER NOT NULL
) STRICT;
`

func (t *tx) Overdue(o store.Overdue, limit int) ([]store.Record, error) {
	switch {
	case o.Attributes && o.Service == "":
		return each(t, scanRecord, recordColumns+`WHERE attributes > 0 AND attributes_due > 0 AND attributes_due <= ? AND applied <= ?
			ORDER BY attributes_due LIMIT ?`, ms(o.At), ms(o.Applied), limit)
	case o.Attributes:
		return each(t, scanRecord, recordColumns+"WHERE attributes > 0 AND service = ? AND since <= ? AND applied <= ? ORDER BY since LIMIT ?",
			string(o.Service), ms(o.Since), ms(o.Applied), limit)
	case o.Service == "":
		return each(t, scanRecord, recordColumns+"WHERE erased = 0 AND due > 0 AND due <= ? AND applied <= ? ORDER BY due LIMIT ?",
			ms(o.At), ms(o.Applied), limit)
	default:
		return each(t, scanRecord, recordColumns+"WHERE erased = 0 AND service = ? AND since <= ? AND applied <= ? ORDER BY since LIMIT ?",
			string(o.Service), ms(o.Since), ms(o.Applied), limit)
	}
}

func (t *tx) EraseRecord(id record.ID, at time.Time) error {
	if err := t.exec(`UPDATE records SET content_sealed = x'', serial_index = NULL, subject = NULL, attributes = 0, erased = ?
		WHERE epoch = ? AND seq = ?`, ms(at), id.Epoch.ID128[:], int64(id.Seq)); err != nil {
		return err
	}
	return t.EraseEnvelopes(id)
}

func (t *tx) EraseAttributes(id record.ID, content []byte) error {
	if err := t.exec("UPDATE records SET content_sealed = ?, attributes = 0 WHERE epoch = ? AND seq = ?",
		content, id.Epoch.ID128[:], int64(id.Seq)); err != nil {
		return err
	}
	return t.EraseEnvelopes(id)
}

// EraseEnvelopes erases what was applied, and rivals of it.
func (t *tx) EraseEnvelopes(id record.ID) error {
	return t.exec("UPDATE envelopes SET bytes = x'' WHERE epoch = ? AND seq = ? AND state IN (3, 5)", id.Epoch.ID128[:], int64(id.Seq))
}

func (t *tx) SetKept(tap record.TapID, kept []byte) error {
	return t.exec("UPDATE enrolments SET kept_sealed = ? WHERE tap = ?", kept, tap.ID128[:])
}

func scanHolding(s scanner) (h store.Holding, err error) {
	return h, s.Scan(&h.Service, &h.Records, &h.Attributes, &h.Erased, millis{&h.Oldest})
}

func (t *tx) Holdings() ([]store.Holding, error) {
	return each(t, scanHolding, `SELECT service, sum(erased = 0), sum(attributes > 0), sum(erased > 0),
		coalesce(min(CASE WHEN erased = 0 THEN since END), 0) FROM records GROUP BY service ORDER BY service`)
}

func scanRound(s scanner) (r store.RetentionRound, err error) {
	return r, s.Scan(millis{&r.At}, millis{&r.AsOf}, millis{&r.Last}, &r.Count)
}

func (t *tx) RetentionRound() (store.RetentionRound, error) {
	all, err := each(t, scanRound, "SELECT at, as_of, last, count FROM retention")
	if err != nil || len(all) == 0 {
		return store.RetentionRound{}, err
	}
	return all[0], nil
}

func (t *tx) SetRetentionRound(r store.RetentionRound) error {
	return t.exec("INSERT OR REPLACE INTO retention (one, at, as_of, last, count) VALUES (1, ?, ?, ?, ?)", ms(r.At), ms(r.AsOf), ms(r.Last), r.Count)
}
