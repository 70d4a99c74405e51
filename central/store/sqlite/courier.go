package sqlite

import (
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// schemaCourier keeps what boxes said by courier, the greatest end that they ever said of each epoch, and the number of the last parcel to each.
const schemaCourier = `
CREATE TABLE courier_states (
	box BLOB PRIMARY KEY REFERENCES boxes (box),
	n INTEGER NOT NULL,
	made INTEGER NOT NULL,
	received INTEGER NOT NULL,
	state BLOB NOT NULL
) STRICT;
CREATE TABLE courier_ends (
	box BLOB NOT NULL REFERENCES boxes (box),
	epoch BLOB NOT NULL,
	last INTEGER NOT NULL,
	head BLOB NOT NULL,
	PRIMARY KEY (box, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE courier_parcels (
	box BLOB PRIMARY KEY REFERENCES boxes (box),
	n INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`

func scanCourierState(s scanner) (c store.CourierState, err error) {
	err = s.Scan(octets(c.Box.ID128[:]), &c.N, millis{&c.Made}, millis{&c.Received}, &c.State)
	return c, err
}

func (t *tx) CourierState(box record.BoxID) (store.CourierState, error) {
	return one(t.row("SELECT box, n, made, received, state FROM courier_states WHERE box = ?", box.ID128[:]), scanCourierState)
}

func (t *tx) CourierHeard(box record.BoxID) (time.Time, error) {
	return one(t.row("SELECT received FROM courier_states WHERE box = ?", box.ID128[:]),
		func(s scanner) (at time.Time, err error) { return at, s.Scan(millis{&at}) })
}

func (t *tx) SetCourierState(c store.CourierState, ends []store.CourierEnd) (bool, error) {
	for _, e := range ends {
		err := t.exec(`INSERT INTO courier_ends (box, epoch, last, head) VALUES (?, ?, ?, ?)
			ON CONFLICT (box, epoch) DO UPDATE SET last = excluded.last, head = excluded.head WHERE excluded.last > last`,
			c.Box.ID128[:], e.Epoch.ID128[:], int64(min(e.Last, greatest)), e.Head[:]) //nolint:gosec // below 1<<63
		if err != nil {
			return false, err
		}
	}
	n, err := t.changed(`INSERT INTO courier_states (box, n, made, received, state) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (box) DO UPDATE SET n = excluded.n, made = excluded.made, received = excluded.received, state = excluded.state
		WHERE excluded.n > n`, c.Box.ID128[:], c.N, ms(c.Made), ms(c.Received), c.State)
	return n > 0, err
}

func scanCourierEnd(s scanner) (e store.CourierEnd, err error) {
	return e, s.Scan(octets(e.Epoch.ID128[:]), &e.Last, octets(e.Head[:]))
}

func (t *tx) CourierEnds(box record.BoxID) ([]store.CourierEnd, error) {
	return each(t, scanCourierEnd, "SELECT epoch, last, head FROM courier_ends WHERE box = ? ORDER BY epoch", box.ID128[:])
}

func (t *tx) NumberParcel(box record.BoxID, floor uint64) (uint64, error) {
	n, err := one(t.row(`INSERT INTO courier_parcels (box, n) VALUES (?1, ?2)
		ON CONFLICT (box) DO UPDATE SET n = max(n + 1, ?2) RETURNING n`, box.ID128[:], floor), scanInt)
	return uint64(n), err //nolint:gosec // a time in seconds, or a count from there
}

func scanWaitingBox(s scanner) (b store.WaitingBox, err error) {
	return b, s.Scan(octets(b.Box.ID128[:]), &b.Headers, &b.Envelopes)
}

// HeldFor goes by the headers that wait; a header may have come twice under two signatures.
func (t *tx) HeldFor() (w store.Waiting, err error) {
	w.Boxes, err = each(t, scanWaitingBox, `SELECT h.box, count(*),
			sum((SELECT count(*) FROM envelopes v WHERE v.epoch = h.epoch AND v.state = 1))
		FROM (SELECT DISTINCT box, epoch FROM held_headers) h GROUP BY h.box ORDER BY h.box`)
	if err != nil {
		return w, err
	}
	// The states are those of envelopes_odd, so that a partial index serves.
	w.Envelopes, err = one(t.row(`SELECT count(*) FROM envelopes v WHERE v.state IN (1, 4) AND v.state = 1
		AND NOT EXISTS (SELECT 1 FROM epochs e WHERE e.epoch = v.epoch)`), scanInt)
	return w, err
}

func scanStamp(s scanner) (e store.EpochStamp, err error) {
	return e, s.Scan(octets(e.Box.ID128[:]), &e.Changes, &e.SafeEpoch, &e.SafeEnvelope)
}

func (t *tx) EpochStamp(id record.EpochID) (store.EpochStamp, error) {
	return one(t.row("SELECT box, changes, safe_epoch, safe_envelope FROM epochs, meta WHERE epoch = ?", id.ID128[:]), scanStamp)
}

// changedEpoch counts a change of what Links or Successors tell of an epoch; none if its header is not here.
func (t *tx) changedEpoch(id record.EpochID) error {
	if t.changes[id] {
		return nil
	}
	n, err := t.changed("UPDATE epochs SET changes = changes + 1 WHERE epoch = ?", id.ID128[:])
	if err != nil || n == 0 {
		return err // its header may come within this transaction
	}
	if t.changes == nil {
		t.changes = map[record.EpochID]bool{}
	}
	t.changes[id] = true
	return nil
}
