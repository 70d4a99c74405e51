package sqlite

import (
	"time"

	"kazashi.example/central/store"
)

const renewalColumns = "SELECT old_index, new_index, pair_sealed, learned FROM renewals "

func scanRenewal(s scanner) (r store.Renewal, err error) {
	return r, s.Scan(&r.Old, &r.New, &r.Pair, millis{&r.Learned})
}

func (t *tx) AddRenewal(r store.Renewal) error {
	return t.exec("INSERT INTO renewals (old_index, new_index, pair_sealed, learned) VALUES (?, ?, ?, ?)", r.Old, r.New, r.Pair, ms(r.Learned))
}

func (t *tx) RenewalOf(old []byte) (store.Renewal, error) {
	return one(t.row(renewalColumns+"WHERE old_index = ?", old), scanRenewal)
}

func (t *tx) RenewalTo(next []byte) (store.Renewal, error) {
	return one(t.row(renewalColumns+"WHERE new_index = ?", next), scanRenewal)
}

func scanAsked(s scanner) (a store.Asked, err error) {
	return a, s.Scan(millis{&a.Through}, millis{&a.At}, millis{&a.Whole})
}

func (t *tx) WithdrawRenewal(old, next []byte, at time.Time) error {
	if err := t.exec("DELETE FROM renewals WHERE old_index = ? AND new_index = ?", old, next); err != nil {
		return err
	}
	return t.exec("INSERT INTO withdrawn (old_index, new_index, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", old, next, ms(at))
}

func (t *tx) Withdrawn(old, next []byte) (bool, error) {
	n, err := t.count("SELECT count(*) FROM withdrawn WHERE old_index = ? AND new_index = ?", old, next)
	return n > 0, err
}

func (t *tx) Parted(a, b int64) (bool, error) {
	n, err := t.count("SELECT count(*) FROM conflicts WHERE kind = 'birth' AND settled = 0 AND (person, other) IN ((?1, ?2), (?2, ?1))", a, b)
	return n > 0, err
}

func (t *tx) AddAct(a store.Act) error {
	return t.exec("INSERT INTO acts (what, detail, at) VALUES (?, ?, ?)", a.What, a.Detail, ms(a.At))
}

func scanAct(s scanner) (a store.Act, err error) { return a, s.Scan(&a.What, &a.Detail, millis{&a.At}) }

func (t *tx) Acts(limit int) ([]store.Act, error) {
	return each(t, scanAct, "SELECT what, detail, at FROM acts ORDER BY row DESC LIMIT ?", limit)
}

func (t *tx) RenewalsAsked() (store.Asked, error) {
	return one(t.row("SELECT renewals_through, renewals_at, renewals_whole FROM meta"), scanAsked)
}

func (t *tx) SetRenewalsAsked(a store.Asked) error {
	return t.exec("UPDATE meta SET renewals_through = ?, renewals_at = ?, renewals_whole = ?", ms(a.Through), ms(a.At), ms(a.Whole))
}

func (t *tx) AddConflict(c store.Conflict) (bool, error) {
	n, err := t.changed(`INSERT INTO conflicts (kind, verifier, person, other, at) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT DO UPDATE SET settled = 0, at = ?5 WHERE kind = 'number' AND settled > 0`,
		string(c.Kind), string(c.Verifier), c.Person, c.Other, ms(c.At))
	return n == 1, err
}

func (t *tx) SettleConflict(kind store.ConflictKind, person, other int64, at time.Time) error {
	return t.exec("UPDATE conflicts SET settled = ? WHERE settled = 0 AND kind = ? AND person = ? AND other = ?", ms(at), string(kind), person, other)
}

func scanConflict(s scanner) (c store.Conflict, err error) {
	return c, s.Scan(&c.Row, &c.Kind, &c.Verifier, &c.Person, &c.Other, millis{&c.At})
}

func (t *tx) Conflicts(limit int) ([]store.Conflict, error) {
	return each(t, scanConflict, "SELECT row, kind, verifier, person, other, at FROM conflicts WHERE settled = 0 ORDER BY row LIMIT ?", limit)
}
