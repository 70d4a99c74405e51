package sqlite

import (
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

const recordColumns = `SELECT epoch, seq, box, envelope, tap, service, desk, tapped, arrived, applied, first_verdict, first_reason,
	first_answer, final_verdict, final_reason, final_answer, proved, source, answered, serial_index, content_sealed, coalesce(subject, 0),
	verdict, since, due, attributes, attributes_due, erased FROM records `

func scanRecord(s scanner) (r store.Record, err error) {
	err = s.Scan(octets(r.ID.Epoch.ID128[:]), &r.ID.Seq, octets(r.Box.ID128[:]), &r.Envelope, octets(r.Tap.ID128[:]), &r.Service, &r.Desk,
		millis{&r.Tapped}, millis{&r.Arrived}, millis{&r.Applied}, &r.First.Verdict, &r.First.Reason, &r.First.Answer,
		&r.Final.Verdict, &r.Final.Reason, &r.Final.Answer, &r.Proved, &r.Source, millis{&r.Answered}, &r.Index, &r.Content, &r.Subject, &r.Verdict,
		millis{&r.Since}, millis{&r.Due}, &r.Attributes, millis{&r.AttributesDue}, millis{&r.Erased})
	return r, err
}

func (t *tx) Record(id record.ID) (store.Record, error) {
	return one(t.row(recordColumns+"WHERE epoch = ? AND seq = ?", id.Epoch.ID128[:], int64(id.Seq)), scanRecord)
}

func (t *tx) RecordByTap(tap record.TapID) (store.Record, error) {
	return one(t.row(recordColumns+"WHERE (epoch, seq) = (SELECT epoch, seq FROM taps WHERE tap = ?)", tap.ID128[:]), scanRecord)
}

func (t *tx) AddRecord(r store.Record) error {
	var subject any
	if r.Subject != 0 {
		subject = r.Subject
	}
	if err := t.exec(`INSERT INTO records (epoch, seq, box, envelope, tap, service, desk, tapped, arrived, applied, first_verdict,
			first_reason, first_answer, final_verdict, final_reason, final_answer, proved, source, answered, serial_index, content_sealed, subject,
			since, due, attributes, attributes_due)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID.Epoch.ID128[:], int64(r.ID.Seq), r.Box.ID128[:], r.Envelope, r.Tap.ID128[:], string(r.Service), string(r.Desk),
		ms(r.Tapped), ms(r.Arrived), ms(r.Applied), int64(r.First.Verdict), int64(r.First.Reason), int64(r.First.Answer),
		int64(r.Final.Verdict), int64(r.Final.Reason), int64(r.Final.Answer), int64(r.Proved), int64(r.Source), ms(r.Answered), r.Index, r.Content,
		subject, ms(r.Since), ms(r.Due), int64(r.Attributes), ms(r.AttributesDue)); err != nil {
		return err
	}
	return t.exec("INSERT INTO taps (tap, epoch, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		r.Tap.ID128[:], r.ID.Epoch.ID128[:], int64(r.ID.Seq))
}

func (t *tx) AddVerdict(box record.BoxID, v wire.Verdict) (uint64, error) {
	n, err := t.LastVerdict(box)
	if err != nil {
		return 0, err
	}
	n++
	if err := t.exec(`INSERT INTO verdicts (box, n, epoch, seq, tap, verdict, reason, answer, source, settled)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, box.ID128[:], n, v.Epoch.ID128[:], int64(v.Seq), v.Tap.ID128[:], int64(v.Verdict),
		int64(v.Reason), int64(v.Answer), int64(v.Source), v.Settled); err != nil {
		return 0, err
	}
	return n, t.exec(`UPDATE records SET verdict = ?, final_verdict = ?, final_reason = ?, final_answer = ?, source = ?
		WHERE epoch = ? AND seq = ?`, n, int64(v.Verdict), int64(v.Reason), int64(v.Answer), int64(v.Source), v.Epoch.ID128[:], int64(v.Seq))
}

func (t *tx) OnHold(since time.Time, after record.ID, limit int) ([]store.Record, error) {
	return each(t, scanRecord, recordColumns+`WHERE final_verdict = 3 AND final_reason = 23 AND erased = 0 AND (since, epoch, seq) > (?, ?, ?)
		ORDER BY since, epoch, seq LIMIT ?`, ms(since), after.Epoch.ID128[:], int64(after.Seq), limit)
}

func (t *tx) AmendRecord(id record.ID, a store.Amendment) error {
	return t.exec("UPDATE records SET proved = ?, subject = nullif(?, 0), final_answer = ?, source = ?, answered = ? WHERE epoch = ? AND seq = ?",
		int64(a.Proved), a.Subject, int64(a.Answer), int64(a.Source), ms(a.Answered), id.Epoch.ID128[:], int64(id.Seq))
}

func scanVerdict(s scanner) (v wire.Verdict, err error) {
	err = s.Scan(octets(v.Epoch.ID128[:]), &v.Seq, octets(v.Tap.ID128[:]), &v.Verdict, &v.Reason, &v.Answer, &v.Source, &v.Settled)
	return v, err
}

func (t *tx) VerdictsAfter(box record.BoxID, n uint64, limit int) ([]wire.Verdict, error) {
	return each(t, scanVerdict, `SELECT epoch, seq, tap, verdict, reason, answer, source, settled FROM verdicts
		WHERE box = ? AND n > ? ORDER BY n LIMIT ?`, box.ID128[:], n, limit)
}

func (t *tx) LastVerdict(box record.BoxID) (uint64, error) {
	n, err := one(t.row("SELECT coalesce(max(n), 0) FROM verdicts WHERE box = ?", box.ID128[:]), scanInt)
	return uint64(n), err //nolint:gosec // numbered from 1
}

const counts = `SELECT
	(SELECT count(*) FROM boxes), (SELECT count(*) FROM boxes WHERE state = 2), (SELECT count(*) FROM boxes WHERE state = 3),
	(SELECT count(*) FROM epochs), (SELECT count(*) FROM held_headers),
	(SELECT count(*) FROM envelopes WHERE state = 1), (SELECT count(*) FROM envelopes WHERE state = 2),
	(SELECT count(*) FROM envelopes WHERE state = 3), (SELECT count(*) FROM envelopes WHERE state = 4),
	(SELECT count(*) FROM envelopes WHERE state = 5), (SELECT count(*) FROM envelopes WHERE awaits IS NOT NULL AND state = 2),
	(SELECT count(*) FROM records),
	(SELECT count(*) FROM records r JOIN boxes b ON b.box = r.box WHERE r.verdict BETWEEN 1 AND b.holds),
	(SELECT count(*) FROM records WHERE (first_verdict = 3) <> (final_verdict = 3)),
	(SELECT count(*) FROM persons WHERE merged IS NULL), (SELECT count(*) FROM reports),
	(` + incomplete + `),
	(SELECT count(*) FROM enrolments WHERE current = 1), (SELECT count(*) FROM renewals), (SELECT count(*) FROM conflicts WHERE settled = 0),
	(SELECT count(*) FROM records WHERE erased > 0), (SELECT count(*) FROM records WHERE attributes > 0),
	(SELECT count(*) FROM records WHERE proved = 4), (SELECT count(*) FROM records WHERE proved = 3),
	(SELECT count(*) FROM records WHERE proved = 2), (SELECT count(*) FROM records WHERE proved = 1)`

func scanCounts(s scanner) (c store.Counts, err error) {
	err = s.Scan(&c.Boxes, &c.Quarantined, &c.Revoked, &c.Epochs, &c.HeldHeaders, &c.Held, &c.Ready, &c.Applied, &c.Aside, &c.Rivals, &c.Awaiting,
		&c.Records, &c.Settled, &c.Corrected, &c.Persons, &c.Reports, &c.Gaps,
		&c.Enrolments, &c.Renewals, &c.Conflicts, &c.Erased, &c.Attested, &c.ProvedPIN, &c.ProvedCard, &c.ProvedCardBound, &c.ProvedCertificate)
	return c, err
}

func (t *tx) Counts() (store.Counts, error) { return one(t.row(counts), scanCounts) }
