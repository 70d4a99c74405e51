package sqlite

import (
	"errors"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sitekey"
)

func scanSiteKey(s scanner) (k store.SiteKey, err error) {
	err = s.Scan(&k.Site, octets(k.Generation.ID128[:]), &k.Key, octets(k.Maker.ID128[:]), millis{&k.Made})
	return k, err
}

func (t *tx) AddSiteKey(k store.SiteKey) error {
	return t.exec("INSERT INTO site_keys (site, generation, key_sealed, maker, made) VALUES (?, ?, ?, ?, ?)",
		string(k.Site), k.Generation.ID128[:], k.Key, blank(k.Maker.ID128), ms(k.Made))
}

func (t *tx) SiteKeys(site record.SiteID) ([]store.SiteKey, error) {
	return each(t, scanSiteKey, "SELECT site, generation, key_sealed, maker, made FROM site_keys WHERE site = ? ORDER BY row", string(site))
}

func scanSite(s scanner) (site record.SiteID, err error) { return site, s.Scan(&site) }

func (t *tx) SiteKeySites() ([]record.SiteID, error) {
	return each(t, scanSite, "SELECT DISTINCT site FROM site_keys ORDER BY site")
}

func (t *tx) CurrentSiteKey(site record.SiteID) (sitekey.Generation, error) {
	return one(t.row("SELECT current FROM site_grants WHERE site = ? AND current IS NOT NULL", string(site)),
		func(s scanner) (g sitekey.Generation, err error) { return g, s.Scan(octets(g.ID128[:])) })
}

func (t *tx) SetCurrentSiteKey(site record.SiteID, g sitekey.Generation) error {
	return t.exec("INSERT INTO site_grants (site, current) VALUES (?1, ?2) ON CONFLICT (site) DO UPDATE SET current = ?2",
		string(site), g.ID128[:])
}

func (t *tx) GrantNumber(site record.SiteID) (uint64, error) {
	n, err := one(t.row("SELECT n FROM site_grants WHERE site = ?", string(site)), scanInt)
	if errors.Is(err, store.ErrNone) {
		return 0, nil
	}
	return uint64(n), err //nolint:gosec // a count
}

func (t *tx) RaiseGrant(site record.SiteID) error {
	return t.exec("INSERT INTO site_grants (site, n) VALUES (?, 1) ON CONFLICT (site) DO UPDATE SET n = n + 1", string(site))
}

const orderColumns = "SELECT id, box, kind, time, given, outcome, erasure, closed FROM orders "

func scanOrder(s scanner) (o store.Order, err error) {
	err = s.Scan(octets(o.ID.ID128[:]), octets(o.Box.ID128[:]), &o.Kind, millis{&o.Time}, millis{&o.Given}, &o.Outcome, &o.Erasure,
		millis{&o.Closed})
	return o, err
}

func (t *tx) AddOrder(o store.Order) error {
	return t.exec("INSERT INTO orders (id, box, kind, time, given) VALUES (?, ?, ?, ?, ?)",
		o.ID.ID128[:], o.Box.ID128[:], int64(o.Kind), ms(o.Time), ms(o.Given))
}

func (t *tx) OpenOrders(box record.BoxID, limit int) ([]store.Order, error) {
	return each(t, scanOrder, orderColumns+"WHERE box = ? AND outcome = '' ORDER BY row LIMIT ?", box.ID128[:], limit)
}

func (t *tx) OrdersOf(box record.BoxID, limit int) ([]store.Order, error) {
	return each(t, scanOrder, orderColumns+"WHERE box = ? ORDER BY row DESC LIMIT ?", box.ID128[:], limit)
}

func (t *tx) CloseOrder(box record.BoxID, id order.ID, outcome order.Outcome, erasure []byte, at time.Time) (bool, error) {
	n, err := t.changed("UPDATE orders SET outcome = ?, erasure = ?, closed = ? WHERE box = ? AND id = ? AND outcome <> ? AND outcome IN ('', ?)",
		string(outcome), erasure, ms(at), box.ID128[:], id.ID128[:], string(outcome), string(order.OutcomeFailed))
	return n > 0, err
}

func scanCorrection(s scanner) (c store.Correction, err error) {
	var offset int64
	err = s.Scan(octets(c.Box.ID128[:]), octets(c.Epoch.ID128[:]), &offset, millis{&c.Measured})
	c.Offset = time.Duration(offset) * time.Millisecond
	return c, err
}

func (t *tx) AddCorrection(c store.Correction) (bool, error) {
	n, err := t.changed(`INSERT INTO corrections (box, epoch, offset_ms, measured) VALUES (?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, c.Box.ID128[:], c.Epoch.ID128[:], c.Offset.Milliseconds(), ms(c.Measured))
	return n > 0, err
}

func (t *tx) Correction(box record.BoxID, id record.EpochID) (store.Correction, error) {
	return one(t.row("SELECT box, epoch, offset_ms, measured FROM corrections WHERE box = ? AND epoch = ?",
		box.ID128[:], id.ID128[:]), scanCorrection)
}
