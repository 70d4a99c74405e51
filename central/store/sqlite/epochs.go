package sqlite

import (
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

const epochColumns = "SELECT row, box, message, received FROM epochs "

// greatest is the greatest end of an epoch that is told apart; no box comes near it, and one more than it is an integer still.
const greatest = 1 << 62

// scanEpoch reads a header back as it was verified when it came.
func scanEpoch(s scanner) (e store.Epoch, err error) {
	var msg []byte
	if err := s.Scan(&e.Row, octets(e.Box.ID128[:]), &msg, millis{&e.Received}); err != nil {
		return e, err
	}
	e.Signed, err = epoch.Read(msg)
	e.ID = e.Signed.Header.Epoch
	return e, err
}

func (t *tx) Epoch(id record.EpochID) (store.Epoch, error) {
	return one(t.row(epochColumns+"WHERE epoch = ?", id.ID128[:]), scanEpoch)
}

func (t *tx) AddEpoch(e store.Epoch) error {
	p := e.Signed.Header.Predecessor
	var last any // NULL beside a NULL
	if !p.Epoch.IsZero() {
		last = int64(min(p.LastSeq, greatest)) //nolint:gosec // below 1<<63
	}
	err := t.exec(`INSERT INTO epochs (epoch, box, message, lineage, predecessor, predecessor_last, received)
		VALUES (?, ?, ?, ?, ?, ?, ?)`,
		e.ID.ID128[:], e.Box.ID128[:], e.Signed.Message, int64(p.Lineage), blank(p.Epoch.ID128), last, ms(e.Received))
	if err != nil || p.Epoch.IsZero() {
		return err
	}
	return t.changedEpoch(p.Epoch)
}

func (t *tx) Successors(id record.EpochID) ([]store.Epoch, error) {
	return each(t, scanEpoch, epochColumns+"WHERE predecessor = ? ORDER BY row", id.ID128[:])
}

func (t *tx) FirstEpochs(id record.BoxID) ([]store.Epoch, error) {
	return each(t, scanEpoch, epochColumns+"WHERE box = ? AND lineage = ? ORDER BY row", id.ID128[:], int64(epoch.LineageFirst))
}

func scanHeldHeader(s scanner) (h store.HeldHeader, err error) {
	err = s.Scan(octets(h.Box.ID128[:]), octets(h.Epoch.ID128[:]), &h.Message, octets(h.Carrier[:]), millis{&h.Received})
	return h, err
}

func (t *tx) HoldHeader(h store.HeldHeader) error {
	return t.exec(`INSERT INTO held_headers (box, epoch, message, carrier, received) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, h.Box.ID128[:], h.Epoch.ID128[:], h.Message, h.Carrier[:], ms(h.Received))
}

func (t *tx) HeldHeaders(id record.BoxID) ([]store.HeldHeader, error) {
	return each(t, scanHeldHeader, `SELECT box, epoch, message, carrier, received FROM held_headers WHERE box = ?
		ORDER BY received, message`, id.ID128[:])
}

func (t *tx) DropHeldHeaders(id record.BoxID) error {
	return t.exec("DELETE FROM held_headers WHERE box = ?", id.ID128[:])
}

func (t *tx) CountHeldHeaders(carrier sign.KeyID) (int, error) {
	return t.count("SELECT count(*) FROM held_headers WHERE carrier = ?", carrier[:])
}

func (t *tx) CountHeadersOf(box record.BoxID) (int, error) {
	return t.count("SELECT count(*) FROM held_headers WHERE box = ?", box.ID128[:])
}
