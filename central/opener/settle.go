package opener

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/central/intake/lineage"
	"kazashi.example/central/store"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Labels bind keyed and sealed columns to their place. They are part of the database's format.
const (
	labelContent = "records.content"
	labelPPID    = "subjects.ppid"
)

// RowOf names a record in the sealed columns: epoch id, then seq as 64 bits, big-endian.
func RowOf(id record.ID) []byte {
	return binary.BigEndian.AppendUint64(id.Epoch.ID128[:], uint64(id.Seq))
}

// settle decides a genuine record and writes everything that follows from it in one transaction.
func (o *Opener) settle(ctx context.Context, e store.Epoch, v store.Envelope, plain []byte) error {
	f, settled, err := o.examine(ctx, e, v, plain)
	if err != nil {
		return err
	}
	if settled {
		if settled, err = o.newcomer(ctx, v, f); err != nil {
			return err
		}
	}
	if !settled {
		err := o.Store.Update(ctx, func(tx store.Tx) error { return authenticate(tx, e, v.Row, o.Now()) })
		if err != nil {
			return fmt.Errorf("noting that record %s is genuine: %w", v.ID, err)
		}
		if len(f.awaits) > 0 {
			return o.await(ctx, v, f)
		}
		return o.postpone(ctx, v)
	}
	var n news
	err = o.Store.Update(ctx, func(tx store.Tx) (err error) { n, err = o.apply(tx, e, v, f); return err })
	if err != nil {
		return fmt.Errorf("applying record %s: %w", v.ID, err)
	}
	o.warn(ctx, n)
	if f.decision.Reason == record.ReasonOnHold {
		o.reviewNew(ctx, v.ID)
	}
	if f.dropped != 0 {
		o.Log.WarnContext(ctx, "a record brought attributes that its rule does not ask for; they are not kept", slog.String("record", v.ID.String()),
			slog.Any("attributes", attributesOf(f.dropped)))
	}
	for _, b := range append(n.ring, e.Box) {
		o.Bells.Ring(b)
	}
	return nil
}

// news is what others are to hear of a record that was applied.
type news struct {
	ring   []record.BoxID  // boxes whose roster changed
	parted *store.Conflict // a renewal that may be false
	barred bool            // it links a number that was linked to another before
	worded bool            // a record that was looked at again got another word
}

// warn tells an operator of a renewal that may be false.
func (o *Opener) warn(ctx context.Context, n news) {
	if c := n.parted; c != nil {
		o.Log.ErrorContext(ctx, "somebody with another birth date enrolled with a renewed certificate: a new person, and a renewal may be false",
			slog.String("verifier", string(c.Verifier)), slog.Int64("person", c.Person), slog.Int64("other", c.Other))
	}
}

// apply writes one record, and says whom else it concerns. It is done at most once for each record id: whoever comes second
// finds the row and leaves.
func (o *Opener) apply(tx store.Tx, e store.Epoch, v store.Envelope, f finding) (n news, err error) {
	now := o.Now()
	if state, err := tx.FindEnvelope(v.ID, v.Sum); err != nil || state != store.EnvelopeReady {
		return n, err // another opener was quicker, or the box was revoked meanwhile
	}
	if err := authenticate(tx, e, v.Row, now); err != nil {
		return n, err
	}
	if old, err := tx.Record(v.ID); err == nil {
		return n, rival(tx, e, v, old, now)
	} else if !errors.Is(err, store.ErrNone) {
		return n, err
	}
	if _, err := tx.RecordByTap(f.tap); err == nil {
		f.decision = gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonTapReplayed}
	} else if !errors.Is(err, store.ErrNone) {
		return n, err
	}
	r := o.row(e, v, f, now)
	if n, err = o.names(tx, e, v, f, &r); err != nil {
		return n, err
	}
	if n.barred {
		f.decision = gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonNumberTaken}
	}
	if err := tx.AddRecord(r); err != nil {
		return n, err
	}
	if _, err := tx.Awaken(f.tap.ID128[:]); err != nil {
		return n, err
	}
	if err := tx.SetEnvelope(v.Row, store.EnvelopeApplied); err != nil {
		return n, err
	}
	if f.dropped != 0 { // they are in the envelope, too
		if err := tx.EraseEnvelopes(v.ID); err != nil {
			return n, err
		}
	}
	if err := mark(tx, e, f); err != nil {
		return n, err
	}
	_, err = tx.AddVerdict(e.Box, wire.Verdict{
		Epoch: v.ID.Epoch, Seq: v.ID.Seq, Tap: f.tap, Verdict: f.decision.Verdict, Reason: f.decision.Reason, Answer: f.answer,
		Source: f.source, Settled: now.UnixMilli(),
	})
	return n, err
}

// mark has the roster tell of a record that its box keeps until then, whether or not the roster says anything else of anybody: an enrolment, a
// link or an unlink that came after a later one changes nothing.
func mark(tx store.Tx, e store.Epoch, f finding) error {
	if f.record.Enrolment == nil && f.record.Link == nil {
		return nil
	}
	box, err := tx.Box(e.Box)
	if err != nil {
		return err
	}
	return tx.MarkRoster(box.Site)
}

// rival keeps a second genuine record under a number that was applied: the box sealed twice under one number, which only a
// copy of it can do.
func rival(tx store.Tx, e store.Epoch, v store.Envelope, old store.Record, now time.Time) error {
	if old.Envelope == v.Row {
		return tx.SetEnvelope(v.Row, store.EnvelopeApplied)
	}
	if err := tx.SetEnvelope(v.Row, store.EnvelopeRival); err != nil {
		return err
	}
	if !old.Erased.IsZero() {
		if err := tx.EraseEnvelopes(v.ID); err != nil {
			return err
		}
	}
	return lineage.Fork(tx, store.Report{Reason: lineage.TwoRecords, Box: e.Box, Epoch: e.ID, Seq: v.ID.Seq, At: now})
}

func (o *Opener) row(e store.Epoch, v store.Envelope, f finding, now time.Time) store.Record {
	r := store.Record{
		ID: v.ID, Box: e.Box, Envelope: v.Row, Tap: f.tap, Arrived: v.Received, Applied: now,
		Final:  store.Said{Verdict: f.decision.Verdict, Reason: f.decision.Reason, Answer: f.answer},
		Source: f.source, Answered: f.answered, Content: o.Rows.Seal(labelContent, RowOf(v.ID), f.plain),
		Proved: f.proved,
	}
	o.retain(&r, v, f)
	if f.readable {
		repeat(&r, f.record)
		if f.record.Evidence != record.EvidenceNone { // without a card there is nothing to find it by
			r.Index = o.people.Index(f.rule.Verifier, f.cert)
		}
	}
	return r
}

// repeat fills in what a row says again of its content.
func repeat(r *store.Record, c content.Record) {
	r.Tap, r.Service, r.Desk, r.Tapped = c.Tap, c.Service, c.Desk, c.At()
	r.First = store.Said{Verdict: c.Said.Verdict, Reason: c.Said.Reason, Answer: c.Said.Answer}
}

// Repeated is what a row says again of its content: tap, service, desk, time, and what the box said; the tap alone of content that cannot be read.
// sum is the hash of the envelope that it came in.
func Repeated(plain []byte, sum epoch.Hash) (r store.Record) {
	c, err := content.Decode(plain)
	if err != nil {
		r.Tap = tapOf(plain, sum)
		return r
	}
	repeat(&r, c)
	return r
}

// Content opens a record's content.
func Content(rows Rows, id record.ID, sealed []byte) ([]byte, error) {
	return rows.Open(labelContent, RowOf(id), sealed)
}

// SubjectRow names a pseudonym in the sealed columns: the person's number as 64 bits, big-endian, then the sector.
func SubjectRow(person int64, sector string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(person)), sector...) //nolint:gosec // row numbers are positive
}

// Reseal closes a stored pseudonym for another person, who has it from now on.
func Reseal(rows Rows, s store.Subject, person int64) ([]byte, error) {
	p, err := PPID(rows, s)
	if err != nil {
		return nil, err
	}
	return rows.Seal(labelPPID, SubjectRow(person, s.Sector), []byte(p.Reveal())), nil
}

// PPID opens a stored pseudonym.
func PPID(rows Rows, s store.Subject) (record.Subject, error) {
	b, err := rows.Open(labelPPID, SubjectRow(s.Person, s.Sector), s.PPID)
	if err != nil {
		return record.Subject{}, fmt.Errorf("opening pseudonym %d: %w", s.Row, err)
	}
	return record.NewSubject(string(b)), nil
}
