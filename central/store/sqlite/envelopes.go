package sqlite

import (
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

func scanState(s scanner) (e store.EnvelopeState, err error) { return e, s.Scan(&e) }

func (t *tx) FindEnvelope(id record.ID, sum epoch.Hash) (store.EnvelopeState, error) {
	return one(t.row("SELECT state FROM envelopes WHERE epoch = ? AND seq = ? AND sum = ?", id.Epoch.ID128[:], int64(id.Seq), sum[:]), scanState)
}

func (t *tx) Rivals(id record.ID) (int, error) {
	return t.count("SELECT count(*) FROM envelopes WHERE epoch = ? AND seq = ?", id.Epoch.ID128[:], int64(id.Seq))
}

func (t *tx) AddEnvelope(e store.Envelope) error {
	err := t.exec(`INSERT INTO envelopes (epoch, seq, sum, previous, chain, bytes, carrier, received, state)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, e.ID.Epoch.ID128[:], int64(e.ID.Seq), e.Sum[:], e.Previous[:], e.Chain[:], e.Bytes,
		e.Carrier[:], ms(e.Received), int64(e.State))
	if err != nil {
		return err
	}
	return t.changedEpoch(e.ID.Epoch)
}

func (t *tx) CountHeld(carrier sign.KeyID) (int, error) {
	return t.count("SELECT count(*) FROM envelopes WHERE carrier = ? AND state IN (1, 4)", carrier[:])
}

func (t *tx) CountAside(carrier sign.KeyID) (int, error) {
	return t.count("SELECT count(*) FROM envelopes WHERE carrier = ? AND state = 4", carrier[:])
}

func scanLink(s scanner) (l store.Link, err error) {
	return l, s.Scan(&l.Seq, octets(l.Previous[:]), octets(l.Chain[:]), &l.Safe)
}

func (t *tx) Links(id record.EpochID) ([]store.Link, error) {
	return each(t, scanLink, `SELECT v.seq, v.previous, v.chain,
			v.row <= (SELECT safe_envelope FROM meta) AND e.row <= (SELECT safe_epoch FROM meta)
		FROM envelopes v JOIN epochs e ON e.epoch = v.epoch
		WHERE v.epoch = ? AND v.state IN (1, 2, 3) ORDER BY v.seq, v.row`, id.ID128[:])
}

func (t *tx) ReleaseEpoch(id record.EpochID) (int64, error) {
	return t.changed("UPDATE envelopes SET state = 2, due = 0 WHERE epoch = ? AND state = 1", id.ID128[:])
}

func (t *tx) HoldBox(id record.BoxID) error {
	return t.exec("UPDATE envelopes SET state = 1 WHERE state = 2 AND epoch IN (SELECT epoch FROM epochs WHERE box = ?)", id.ID128[:])
}

func (t *tx) ReleaseBox(id record.BoxID) error {
	return t.exec("UPDATE envelopes SET state = 2, due = 0 WHERE state = 1 AND epoch IN (SELECT epoch FROM epochs WHERE box = ?)", id.ID128[:])
}

func scanEnvelope(s scanner) (e store.Envelope, err error) {
	err = s.Scan(&e.Row, octets(e.ID.Epoch.ID128[:]), &e.ID.Seq, octets(e.Sum[:]), octets(e.Previous[:]), octets(e.Chain[:]), &e.Bytes,
		octets(e.Carrier[:]), millis{&e.Received}, &e.State, &e.Tries)
	return e, err
}

func (t *tx) Ready(now time.Time, limit int) ([]store.Envelope, error) {
	return each(t, scanEnvelope, `SELECT row, epoch, seq, sum, previous, chain, bytes, carrier, received, state, tries
		FROM envelopes WHERE state = 2 AND due <= ? ORDER BY due, row LIMIT ?`, ms(now), limit)
}

func (t *tx) DueOf(box record.BoxID, now time.Time) (uint64, error) {
	n, err := one(t.row(`SELECT count(*) FROM envelopes WHERE state = 2 AND due <= ? AND epoch IN (SELECT epoch FROM epochs WHERE box = ?)`,
		ms(now), box.ID128[:]), scanInt)
	return uint64(n), err //nolint:gosec // a count
}

func (t *tx) NextReady() (time.Time, error) {
	due, err := one(t.row("SELECT due FROM envelopes WHERE state = 2 ORDER BY due LIMIT 1"), scanInt)
	return time.UnixMilli(due).UTC(), err
}

func (t *tx) SetEnvelope(row int64, s store.EnvelopeState) error {
	if s == store.EnvelopeAside || s == store.EnvelopeRival {
		err := t.exec("UPDATE epochs SET changes = changes + 1 WHERE epoch = (SELECT epoch FROM envelopes WHERE row = ?)", row)
		if err != nil {
			return err
		}
	}
	return t.exec("UPDATE envelopes SET state = ? WHERE row = ?", int64(s), row)
}

func (t *tx) Postpone(row int64, until time.Time, tries int) error {
	return t.exec("UPDATE envelopes SET due = ?, tries = ?, awaits = NULL WHERE row = ?", ms(until), tries, row)
}

func (t *tx) Await(row int64, what []byte, until time.Time, tries int) error {
	return t.exec("UPDATE envelopes SET due = ?, tries = ?, awaits = ? WHERE row = ?", ms(until), tries, what, row)
}

func (t *tx) Awaken(what []byte) (int64, error) {
	return t.changed("UPDATE envelopes SET due = 0, awaits = NULL WHERE awaits = ?", what)
}

func (t *tx) Authenticate(row int64) (bool, error) {
	n, err := t.changed("UPDATE envelopes SET authentic = 1 WHERE row = ? AND authentic = 0", row)
	return n == 1, err
}

func (t *tx) LastAuthentic(id record.EpochID) (record.Seq, error) {
	n, err := one(t.row("SELECT coalesce(max(seq), 0) FROM envelopes WHERE epoch = ? AND authentic = 1", id.ID128[:]), scanInt)
	return record.Seq(n), err //nolint:gosec // stored from a Seq below 1<<63
}

func scanHash(s scanner) (h epoch.Hash, err error) { return h, s.Scan(octets(h[:])) }

func (t *tx) ChainAt(id record.ID) (epoch.Hash, error) {
	return one(t.row("SELECT chain FROM envelopes WHERE epoch = ? AND seq = ? AND authentic = 1 ORDER BY state, row LIMIT 1",
		id.Epoch.ID128[:], int64(id.Seq)), scanHash)
}
