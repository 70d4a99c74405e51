package journal

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Adopted is what became of records handed to Adopt.
type Adopted struct {
	New     int // kept from now on, and sent like the box's own
	Known   int // were here already
	Refused int // no whole records of this box, or at odds with what is here
}

func (a *Adopted) add(b Adopted) {
	a.New += b.New
	a.Known += b.Known
	a.Refused += b.Refused
}

// Adopt takes over sealed records that this box wrote elsewhere: headers with its own signature, and envelopes under these headers or under
// those of epochs adopted before. They are kept as past epochs: sent, acknowledged and deleted like the others, never continued, and never the
// predecessor of an epoch to come. An envelope must link to its neighbours as far as those are here; whether its tag holds is central's to
// say. Adopting again changes nothing. An error says that the disk failed, and then none of this call was kept; ErrNoRoom when there is no more than low room.
func (j *Journal) Adopt(ctx context.Context, headers, envelopes [][]byte) (Adopted, error) {
	past := map[record.EpochID]pastEpoch{}
	for _, h := range headers {
		if s, err := j.ownHeader(h); err == nil {
			past[s.Header.Epoch] = pastEpoch{signed: s}
		}
	}
	var list []pastRecord
	var done Adopted
	for _, b := range envelopes {
		e, err := epoch.DecodeEnvelope(b)
		if err != nil {
			done.Refused++
			continue
		}
		list = append(list, pastRecord{Envelope: e, bytes: b, chain: e.Previous.Next(b), clear: Clear{}})
	}
	for chunk := range slices.Chunk(list, maintenanceRows) {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		a, err := j.adopt(ctx, past, chunk)
		if err != nil {
			return done, fmt.Errorf("taking over records: %w", err)
		}
		done.add(a)
	}
	return done, nil
}

// ownHeader verifies that a header is this box's.
func (j *Journal) ownHeader(msg []byte) (epoch.Signed, error) {
	public, err := sign.PublicKeyOf(j.o.Device.Public())
	if err != nil {
		return epoch.Signed{}, fmt.Errorf("reading the device's key: %w", err)
	}
	s, _, err := epoch.OpenHeader(sign.One{Key: public}, msg)
	if err != nil {
		return epoch.Signed{}, err
	}
	if s.Header.Box != j.o.Box {
		return epoch.Signed{}, ErrOtherBox
	}
	return s, nil
}

// pastEpoch is an epoch that may be adopted: its header was verified.
type pastEpoch struct {
	signed     epoch.Signed
	stretch    string
	correction []byte // of the clock; nil for none
}

// pastRecord is a record that may be adopted. What is shown of it may be missing: it is not listed then.
type pastRecord struct {
	epoch.Envelope
	bytes []byte
	chain epoch.Hash
	clear Clear
}

// adopt takes over some records in one transaction.
func (j *Journal) adopt(ctx context.Context, past map[record.EpochID]pastEpoch, list []pastRecord) (Adopted, error) {
	inOrder(list)
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return Adopted{}, ErrClosed
	}
	if err := j.settle(); err != nil {
		return Adopted{}, err
	}
	a := adoption{book: &j.book, past: past, after: map[record.EpochID]*kept{}}
	if j.State() != SpaceOK {
		return Adopted{}, ErrNoRoom
	}
	if err := j.transact(ctx, func(tx *sql.Tx) error { return a.do(ctx, tx, list) }); err != nil {
		return Adopted{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, k := range a.after {
		j.book.put(*k)
	}
	return a.count, nil
}

// inOrder sorts by place. Of two at one place, the one that another links to comes first, and is kept.
func inOrder(list []pastRecord) {
	linked := make(map[epoch.Hash]bool, len(list))
	for i := range list {
		linked[list[i].Previous] = true
	}
	rank := func(r *pastRecord) int {
		if linked[r.chain] {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b pastRecord) int {
		return cmp.Or(bytes.Compare(a.Epoch.ID128[:], b.Epoch.ID128[:]), cmp.Compare(a.Seq, b.Seq), cmp.Compare(rank(&a), rank(&b)))
	})
}

// adoption is one transaction of it. It changes no book.
type adoption struct {
	book  *book
	past  map[record.EpochID]pastEpoch
	after map[record.EpochID]*kept
	count Adopted
}

func (a *adoption) do(ctx context.Context, tx *sql.Tx, list []pastRecord) error {
	for i := range list {
		k, err := a.epoch(ctx, tx, list[i].Epoch)
		if err != nil {
			return err
		}
		if k == nil {
			a.count.Refused++
			continue
		}
		if err := a.record(ctx, tx, k, &list[i]); err != nil {
			return err
		}
	}
	for _, k := range a.after {
		if err := putRuns(ctx, tx, k); err != nil {
			return err
		}
	}
	return nil
}

// epoch finds what is known of an epoch, or makes a past one of it; nil if there is no header for it.
func (a *adoption) epoch(ctx context.Context, tx *sql.Tx, id record.EpochID) (*kept, error) {
	if k, ok := a.after[id]; ok {
		return k, nil
	}
	if k, ok := a.book.byID[id]; ok {
		after := *k
		a.after[id] = &after
		return &after, nil
	}
	p, ok := a.past[id]
	if !ok {
		return nil, nil //nolint:nilnil // nothing is known of it
	}
	k := &kept{n: a.book.nextPast() + int64(len(a.after)), id: id, root: p.signed.Root}
	if err := putEpoch(ctx, tx, k.n, p.signed, p.stretch); err != nil {
		return nil, err
	}
	a.after[id] = k
	return k, keepCorrection(ctx, tx, k.n, p.correction)
}

// record keeps one record, unless it is here or contradicts what is.
func (a *adoption) record(ctx context.Context, tx *sql.Tx, k *kept, r *pastRecord) error {
	if k.gone.has(r.Seq) {
		a.count.Known++
		return nil
	}
	known, fits, err := neighbours(ctx, tx, k, r)
	switch {
	case err != nil:
		return err
	case known:
		a.count.Known++
		return nil
	case !fits || k.n > 0: // how far an epoch of this journal goes is told already
		a.count.Refused++
		return nil
	}
	c := r.clear
	_, err = tx.ExecContext(ctx, insertRecord, pack(k.n, r.Seq), r.chain[:], r.bytes, c.Tap.ID128[:], c.Time.UnixMilli(),
		string(c.Desk), string(c.Service), int64(c.Verdict), int64(c.Reason), c.Code)
	if err != nil {
		return err
	}
	if r.Seq > k.last {
		if r.Seq > k.last+1 {
			k.missing = k.missing.with(span{k.last + 1, r.Seq - 1})
		}
		k.last = r.Seq
	} else {
		k.missing = k.missing.without(r.Seq)
	}
	a.count.New++
	return nil
}

// neighbours compares a record with those at its place, before and after it.
func neighbours(ctx context.Context, tx *sql.Tx, k *kept, r *pastRecord) (known, fits bool, err error) {
	if r.Seq == 1 && r.Previous != k.root || r.Seq > seqMask {
		return false, false, nil
	}
	id := pack(k.n, r.Seq)
	rows, err := tx.QueryContext(ctx, `SELECT id, chain, envelope FROM record WHERE id BETWEEN ? AND ?`, max(id-1, pack(k.n, 1)), id+1)
	if err != nil {
		return false, false, err
	}
	defer rows.Close()
	fits = true
	for rows.Next() {
		var at int64
		var chain, envelope []byte
		if err := rows.Scan(&at, &chain, &envelope); err != nil {
			return false, false, err
		}
		switch at - id {
		case -1:
			fits = fits && bytes.Equal(chain, r.Previous[:])
		case 0:
			known, fits = bytes.Equal(chain, r.chain[:]), false
		case 1:
			e, err := epoch.DecodeEnvelope(envelope)
			fits = fits && (err != nil || e.Previous == r.chain)
		}
	}
	return known, fits, rows.Err()
}

// keepCorrection keeps a correction of the clock with a past epoch.
func keepCorrection(ctx context.Context, tx *sql.Tx, n int64, message []byte) error {
	if message == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO correction (message) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM correction WHERE message = ?1)`, message)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE epoch SET correction = (SELECT n FROM correction WHERE message = ?) WHERE n = ?`, message, n)
	return err
}

// ownCorrection is a correction if this box signed it for the epoch, else nil.
func (j *Journal) ownCorrection(message []byte, id record.EpochID) []byte {
	public, err := sign.PublicKeyOf(j.o.Device.Public())
	if err != nil {
		return nil
	}
	c, err := wire.OpenCorrection(sign.One{Key: public}, message)
	if err != nil || c.Box != j.o.Box || !slices.Contains(c.Epochs, id) {
		return nil
	}
	return message
}
