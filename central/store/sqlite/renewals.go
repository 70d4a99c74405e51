package sqlite

import "kazashi.example/central/store"

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
	return a, s.Scan(millis{&a.Through}, millis{&a.At})
}

func (t *tx) RenewalsAsked() (store.Asked, error) {
	return one(t.row("SELECT renewals_through, renewals_at FROM meta"), scanAsked)
}

func (t *tx) SetRenewalsAsked(a store.Asked) error {
	return t.exec("UPDATE meta SET renewals_through = ?, renewals_at = ?", ms(a.Through), ms(a.At))
}

func (t *tx) AddConflict(c store.Conflict) (bool, error) {
	n, err := t.changed("INSERT INTO conflicts (verifier, person, other, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		string(c.Verifier), c.Person, c.Other, ms(c.At))
	return n == 1, err
}

func scanConflict(s scanner) (c store.Conflict, err error) {
	return c, s.Scan(&c.Verifier, &c.Person, &c.Other, millis{&c.At})
}

func (t *tx) Conflicts(limit int) ([]store.Conflict, error) {
	return each(t, scanConflict, "SELECT verifier, person, other, at FROM conflicts ORDER BY row LIMIT ?", limit)
}
