package sqlite

import (
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

const boxColumns = "SELECT box, device, sealing, site, name, state, joined, release, holds, holds_epoch, withheld, replaces FROM boxes "

func scanBox(s scanner) (b store.Box, err error) {
	err = s.Scan(octets(b.ID.ID128[:]), &b.Device, &b.Sealing, &b.Site, &b.Name, &b.State, millis{&b.Joined}, &b.Release, &b.Holds, &b.HoldsEpoch,
		&b.Withheld, octets(b.Replaces.ID128[:]))
	return b, err
}

func (t *tx) Box(id record.BoxID) (store.Box, error) {
	return one(t.row(boxColumns+"WHERE box = ?", id.ID128[:]), scanBox)
}

func (t *tx) BoxByDevice(id sign.KeyID) (store.Box, error) {
	return one(t.row(boxColumns+"WHERE device_id = ?", id[:]), scanBox)
}

func (t *tx) AllBoxes() ([]store.Box, error) { return each(t, scanBox, boxColumns+"ORDER BY row") }

func (t *tx) AddBox(b store.Box) error {
	device := sign.KeyIDOf(b.Device)
	return t.exec(`INSERT INTO boxes (box, device_id, device, sealing, site, name, state, joined, release, holds, withheld, replaces)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, b.ID.ID128[:], device[:], b.Device, b.Sealing, string(b.Site), b.Name, int64(b.State),
		ms(b.Joined), b.Release, b.Holds, b.Withheld, blank(b.Replaces.ID128))
}

func (t *tx) SetBoxState(id record.BoxID, s store.BoxState) error {
	return t.exec("UPDATE boxes SET state = ? WHERE box = ?", int64(s), id.ID128[:])
}

func (t *tx) SetBoxWithheld(id record.BoxID, withheld bool) error {
	return t.exec("UPDATE boxes SET withheld = ? WHERE box = ?", withheld, id.ID128[:])
}

func (t *tx) SetBoxHolds(id record.BoxID, n uint64) error {
	return t.exec("UPDATE boxes SET holds = max(holds, ?), holds_epoch = (SELECT central_epoch FROM meta) WHERE box = ?", n, id.ID128[:])
}

func scanBoxID(s scanner) (id record.BoxID, err error) { return id, s.Scan(octets(id.ID128[:])) }

func (t *tx) BoxesAt(site record.SiteID) ([]record.BoxID, error) {
	return each(t, scanBoxID, "SELECT box FROM boxes WHERE site = ? ORDER BY row", string(site))
}

func (t *tx) Replacement(id record.BoxID) (store.Box, error) {
	return one(t.row(boxColumns+"WHERE replaces = ?", id.ID128[:]), scanBox)
}

const codeColumns = "SELECT code, secret_sealed, site, name, created, expires, replaces, used, used_box, used_device, used_sealing FROM codes "

func scanCode(s scanner) (c store.Code, err error) {
	u := &c.Use
	err = s.Scan(octets(c.ID[:]), &c.Secret, &c.Site, &c.Name, millis{&c.Created}, millis{&c.Expires}, octets(c.Replaces.ID128[:]),
		millis{&u.At}, octets(u.Box.ID128[:]), &u.Device, &u.Sealing)
	return c, err
}

func (t *tx) Code(id wire.CodeID) (store.Code, error) {
	return one(t.row(codeColumns+"WHERE code = ?", id[:]), scanCode)
}

func (t *tx) AddCode(c store.Code) error {
	return t.exec("INSERT INTO codes (code, secret_sealed, site, name, created, expires, replaces) VALUES (?, ?, ?, ?, ?, ?, ?)",
		c.ID[:], c.Secret, string(c.Site), c.Name, ms(c.Created), ms(c.Expires), blank(c.Replaces.ID128))
}

func (t *tx) UseCode(id wire.CodeID, u store.CodeUse) error {
	return t.exec("UPDATE codes SET used = ?, used_box = ?, used_device = ?, used_sealing = ? WHERE code = ?",
		ms(u.At), u.Box.ID128[:], u.Device, u.Sealing, id[:])
}

const reportColumns = "SELECT kind, reason, box, epoch, other, seq, at FROM reports "

func scanReport(s scanner) (r store.Report, err error) {
	err = s.Scan(&r.Kind, &r.Reason, octets(r.Box.ID128[:]), octets(r.Epoch.ID128[:]), octets(r.Other.ID128[:]), &r.Seq, millis{&r.At})
	return r, err
}

func (t *tx) AddReport(r store.Report) error {
	return t.exec(`INSERT INTO reports (kind, reason, box, epoch, other, seq, at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, string(r.Kind), r.Reason, r.Box.ID128[:], r.Epoch.ID128[:], r.Other.ID128[:], int64(r.Seq), ms(r.At))
}

func (t *tx) ReportsOf(box record.BoxID) ([]store.Report, error) {
	return each(t, scanReport, reportColumns+"WHERE box = ? ORDER BY row", box.ID128[:])
}
