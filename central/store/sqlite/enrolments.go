package sqlite

import (
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

const enrolmentColumns = "SELECT tap, verifier, person, box, site, at, current, bound, pin_day, kept_sealed FROM enrolments "

func scanEnrolment(s scanner) (e store.Enrolment, err error) {
	err = s.Scan(octets(e.Tap.ID128[:]), &e.Verifier, &e.Person, octets(e.Box.ID128[:]), &e.Site, millis{&e.At}, &e.Current, &e.Bound, &e.PINDay, &e.Kept)
	return e, err
}

func (t *tx) AddEnrolment(e store.Enrolment) error {
	return t.exec("INSERT INTO enrolments (tap, verifier, person, box, site, at, current, bound, pin_day, kept_sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		e.Tap.ID128[:], string(e.Verifier), e.Person, e.Box.ID128[:], string(e.Site), ms(e.At), e.Current, e.Bound, int64(e.PINDay), e.Kept)
}

func (t *tx) Enrolment(tap record.TapID) (store.Enrolment, error) {
	return one(t.row(enrolmentColumns+"WHERE tap = ?", tap.ID128[:]), scanEnrolment)
}

func (t *tx) CurrentEnrolments(person int64) ([]store.Enrolment, error) {
	return each(t, scanEnrolment, enrolmentColumns+"WHERE person = ? AND current = 1 ORDER BY site", person)
}

func (t *tx) EnrolmentsAt(site record.SiteID, after record.TapID, limit int) ([]store.Enrolment, error) {
	return each(t, scanEnrolment, enrolmentColumns+"WHERE site = ? AND current = 1 AND bound = 1 AND tap > ? ORDER BY tap LIMIT ?",
		string(site), after.ID128[:], limit)
}

func (t *tx) CountEnrolmentsAt(site record.SiteID) (int, error) {
	return t.count("SELECT count(*) FROM enrolments WHERE site = ? AND current = 1 AND bound = 1", string(site))
}

func (t *tx) MoveEnrolments(from, to int64) error {
	return t.exec("UPDATE enrolments SET person = ? WHERE person = ?", to, from)
}

func (t *tx) Supersede(tap record.TapID, kept []byte) error {
	return t.exec("UPDATE enrolments SET current = 0, kept_sealed = ? WHERE tap = ?", kept, tap.ID128[:])
}
