package sqlite

import (
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// schemaLosses keeps which boxes were lost.
const schemaLosses = `
CREATE TABLE losses (
	box BLOB PRIMARY KEY REFERENCES boxes (box),
	at INTEGER NOT NULL,
	was INTEGER NOT NULL,
	generation BLOB,
	seen INTEGER NOT NULL,
	waiting INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`

func scanLoss(s scanner) (l store.Loss, err error) {
	err = s.Scan(octets(l.Box.ID128[:]), millis{&l.At}, &l.Was, octets(l.Generation.ID128[:]), millis{&l.Seen}, &l.Waiting)
	return l, err
}

func (t *tx) Loss(box record.BoxID) (store.Loss, error) {
	return one(t.row("SELECT box, at, was, generation, seen, waiting FROM losses WHERE box = ?", box.ID128[:]), scanLoss)
}

func (t *tx) AddLoss(l store.Loss) error {
	return t.exec("INSERT INTO losses (box, at, was, generation, seen, waiting) VALUES (?, ?, ?, ?, ?, ?)",
		l.Box.ID128[:], ms(l.At), int64(l.Was), blank(l.Generation.ID128), ms(l.Seen), l.Waiting)
}

func (t *tx) DropLoss(box record.BoxID) error {
	return t.exec("DELETE FROM losses WHERE box = ?", box.ID128[:])
}

func (t *tx) EnrolledAt(site record.SiteID) ([]int64, error) {
	return each(t, scanInt, "SELECT DISTINCT person FROM enrolments WHERE site = ?", string(site))
}

func (t *tx) TappedAt(box record.BoxID, since time.Time) ([]int64, error) {
	return each(t, scanInt, `SELECT DISTINCT s.person FROM records r JOIN subjects s ON s.row = r.subject
		WHERE r.box = ? AND r.since >= ?`, box.ID128[:], ms(since))
}

func scanHeldOf(s scanner) (h store.HeldOf, err error) {
	return h, s.Scan(&h.Records, &h.Unnamed, millis{&h.Tapped}, &h.Held, &h.Ready, &h.Unsafe, millis{&h.Newest})
}

func (t *tx) HeldOf(box record.BoxID) (store.HeldOf, error) {
	return one(t.row(`SELECT r.n, r.unnamed, r.tapped, v.held, v.ready, v.unsafe, v.newest FROM
		(SELECT count(*) AS n, coalesce(sum(subject IS NULL), 0) AS unnamed, coalesce(max(tapped), 0) AS tapped FROM records WHERE box = ?1) r,
		(SELECT coalesce(sum(state = 1), 0) AS held, coalesce(sum(state = 2), 0) AS ready, coalesce(max(v.received), 0) AS newest,
			coalesce(sum(state IN (1, 2, 3) AND (v.row > (SELECT safe_envelope FROM meta) OR e.row > (SELECT safe_epoch FROM meta))), 0) AS unsafe
			FROM epochs e JOIN envelopes v ON v.epoch = e.epoch WHERE e.box = ?1) v`, box.ID128[:]), scanHeldOf)
}

func scanUntold(s scanner) (u store.Untold, err error) {
	err = s.Scan(octets(u.ID.Epoch.ID128[:]), &u.ID.Seq, millis{&u.Tapped}, &u.Desk, &u.Service, &u.Said, &u.Final, &u.Reason)
	return u, err
}

func (t *tx) Untold(box record.BoxID, limit int) ([]store.Untold, error) {
	return each(t, scanUntold, `SELECT epoch, seq, tapped, desk, service, first_verdict, final_verdict, final_reason FROM records
		WHERE box = ?1 AND verdict > (SELECT holds FROM boxes WHERE box = ?1) AND (first_verdict = 3) <> (final_verdict = 3)
		ORDER BY tapped, epoch, seq LIMIT ?2`, box.ID128[:], limit)
}
