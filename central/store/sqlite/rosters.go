package sqlite

import (
	"encoding/hex"
	"encoding/json"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

func scanRoster(s scanner) (r store.RosterState, err error) {
	err = s.Scan(&r.Site, &r.Number, &r.Made, &r.Whole, &r.Safe, &r.People)
	return r, err
}

func (t *tx) RosterStates() ([]store.RosterState, error) {
	return each(t, scanRoster, `SELECT s.site, coalesce(r.n, 0), coalesce(r.made, 0), coalesce(r.whole, 0), coalesce(r.safe, 0),
			EXISTS (SELECT 1 FROM roster_changes c WHERE c.site = s.site AND c.n > coalesce(r.made, 0))
		FROM (SELECT site FROM boxes UNION SELECT site FROM rosters) s LEFT JOIN rosters r ON r.site = s.site ORDER BY s.site`)
}

func (t *tx) MarkRoster(site record.SiteID) error {
	return t.exec("INSERT INTO rosters (site, n) VALUES (?, 1) ON CONFLICT (site) DO UPDATE SET n = n + 1", string(site))
}

func (t *tx) ChangeRoster(site record.SiteID, enrolled record.TapID) error {
	if err := t.MarkRoster(site); err != nil {
		return err
	}
	return t.exec(`INSERT INTO roster_changes (site, tap, n) SELECT site, ?2, n FROM rosters WHERE site = ?1
		ON CONFLICT (site, tap) DO UPDATE SET n = excluded.n`, string(site), enrolled.ID128[:])
}

func (t *tx) RaiseRosters(v rule.Version) error {
	n, err := t.changed("UPDATE meta SET rosters_epoch = ?, rosters_n = ? WHERE (rosters_epoch, rosters_n) <> (?, ?)",
		v.CentralEpoch, v.N, v.CentralEpoch, v.N)
	if err != nil || n == 0 {
		return err
	}
	return t.exec("UPDATE rosters SET n = n + 1, whole = n + 1")
}

func scanTap(s scanner) (tap record.TapID, err error) {
	err = s.Scan(octets(tap.ID128[:]))
	return tap, err
}

func (t *tx) RosterChanges(site record.SiteID, after uint64) ([]record.TapID, error) {
	return each(t, scanTap,
		"SELECT tap FROM roster_changes WHERE site = ? AND n > ? ORDER BY tap", string(site), int64(after)) //nolint:gosec // counted from 1
}

func (t *tx) RosterMade(site record.SiteID, number uint64, safe int64) error {
	err := t.exec(`INSERT INTO rosters (site, made, safe) VALUES (?1, ?2, ?3)
		ON CONFLICT (site) DO UPDATE SET made = max(made, ?2), safe = max(safe, ?3)`, string(site), int64(number), safe) //nolint:gosec // counted from 1
	if err != nil {
		return err
	}
	return t.exec("DELETE FROM roster_changes WHERE site = ? AND n <= ?", string(site), int64(number)) //nolint:gosec // as above
}

func (t *tx) ChangeRosterSafe(site record.SiteID, after, to int64) error {
	taps, err := each(t, scanTap,
		`SELECT DISTINCT e.tap FROM subjects s JOIN enrolments e ON e.person = s.person
		WHERE s.row > ? AND s.row <= ? AND e.site = ? AND e.current = 1 AND e.bound = 1`, after, to, string(site))
	if err != nil {
		return err
	}
	for _, tap := range taps {
		if err := t.ChangeRoster(site, tap); err != nil {
			return err
		}
	}
	return t.exec("UPDATE rosters SET safe = max(safe, ?) WHERE site = ?", to, string(site))
}

func (t *tx) SetPINDay(person int64, day uint32) error {
	all, err := each(t, scanEnrolment, enrolmentColumns+"WHERE person = ? AND current = 1 AND bound = 1 AND pin_day < ?", person, int64(day))
	if err != nil {
		return err
	}
	for _, e := range all {
		if err := t.exec("UPDATE enrolments SET pin_day = ? WHERE tap = ?", int64(day), e.Tap.ID128[:]); err != nil {
			return err
		}
		if err := t.ChangeRoster(e.Site, e.Tap); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) SubjectsOf(persons []int64) ([]store.Subject, error) {
	rows, err := json.Marshal(persons)
	if err != nil {
		return nil, err
	}
	return each(t, scanSubject, subjectColumns+"WHERE s.person IN (SELECT value FROM json_each(?)) ORDER BY s.person, s.sector", string(rows))
}

func (t *tx) RenewedAmong(old [][]byte) ([][]byte, error) {
	texts := make([]string, len(old))
	for i, o := range old {
		texts[i] = hex.EncodeToString(o)
	}
	rows, err := json.Marshal(texts)
	if err != nil {
		return nil, err
	}
	return each(t, func(s scanner) (b []byte, err error) { err = s.Scan(&b); return b, err },
		"SELECT old_index FROM renewals WHERE old_index IN (SELECT unhex(value) FROM json_each(?))", string(rows))
}

const numberColumns = "SELECT person, service, number_index, number_sealed, barred, tap, at FROM links "

func scanNumber(s scanner) (l store.ServiceNumber, err error) {
	err = s.Scan(&l.Person, &l.Service, &l.Index, &l.Number, &l.Barred, octets(l.Tap.ID128[:]), millis{&l.At})
	return l, err
}

func (t *tx) SetNumber(l store.ServiceNumber) error {
	return t.exec(`INSERT INTO links (person, service, number_index, number_sealed, barred, tap, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
		ON CONFLICT (person, service) DO UPDATE SET number_index = ?3, number_sealed = ?4, barred = ?5, tap = ?6, at = ?7`,
		l.Person, string(l.Service), l.Index, l.Number, l.Barred, l.Tap.ID128[:], ms(l.At))
}

func (t *tx) NumberAt(person int64, service record.ServiceID) (store.ServiceNumber, error) {
	return one(t.row(numberColumns+"WHERE person = ? AND service = ?", person, string(service)), scanNumber)
}

func (t *tx) NumbersTo(service record.ServiceID, index []byte) ([]store.ServiceNumber, error) {
	return each(t, scanNumber, numberColumns+"WHERE service = ? AND number_index = ? AND number_sealed IS NOT NULL ORDER BY person",
		string(service), index)
}

func (t *tx) NumbersOf(persons []int64) ([]store.ServiceNumber, error) {
	rows, err := json.Marshal(persons)
	if err != nil {
		return nil, err
	}
	return each(t, scanNumber, numberColumns+"WHERE person IN (SELECT value FROM json_each(?)) ORDER BY person, service", string(rows))
}

func (t *tx) SetWaitingLink(l store.WaitingLink) error {
	return t.exec("INSERT OR REPLACE INTO links_waiting (serial_index, service, number_sealed, unlink, tap, at) VALUES (?, ?, ?, ?, ?, ?)",
		l.Serial, string(l.Service), l.Number, l.Unlink, l.Tap.ID128[:], ms(l.At))
}

func scanWaiting(s scanner) (l store.WaitingLink, err error) {
	err = s.Scan(&l.Serial, &l.Service, &l.Number, &l.Unlink, octets(l.Tap.ID128[:]), millis{&l.At})
	return l, err
}

func (t *tx) WaitingLinks(serial []byte) ([]store.WaitingLink, error) {
	return each(t, scanWaiting,
		"SELECT serial_index, service, number_sealed, unlink, tap, at FROM links_waiting WHERE serial_index = ? ORDER BY service", serial)
}

func (t *tx) DropWaitingLinks(serial []byte) error {
	return t.exec("DELETE FROM links_waiting WHERE serial_index = ?", serial)
}

func (t *tx) SetTaken(k store.Taken) error {
	return t.exec("INSERT OR REPLACE INTO links_taken (service, number_index, tap, at) VALUES (?, ?, ?, ?)",
		string(k.Service), k.Index, k.Tap.ID128[:], ms(k.At))
}

func (t *tx) TakenAt(service record.ServiceID, index []byte) (store.Taken, error) {
	return one(t.row("SELECT service, number_index, tap, at FROM links_taken WHERE service = ? AND number_index = ?", string(service), index),
		func(s scanner) (k store.Taken, err error) {
			err = s.Scan(&k.Service, &k.Index, octets(k.Tap.ID128[:]), millis{&k.At})
			return k, err
		})
}
