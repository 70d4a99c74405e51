package sqlite

import (
	"encoding/json"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

const enrolmentColumns = "SELECT tap, verifier, person, box, site, at, current, bound, kept_sealed FROM enrolments "

func scanEnrolment(s scanner) (e store.Enrolment, err error) {
	err = s.Scan(octets(e.Tap.ID128[:]), &e.Verifier, &e.Person, octets(e.Box.ID128[:]), &e.Site, millis{&e.At}, &e.Current, &e.Bound, &e.Kept)
	return e, err
}

func (t *tx) AddEnrolment(e store.Enrolment) error {
	return t.exec("INSERT INTO enrolments (tap, verifier, person, box, site, at, current, bound, kept_sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		e.Tap.ID128[:], string(e.Verifier), e.Person, e.Box.ID128[:], string(e.Site), ms(e.At), e.Current, e.Bound, e.Kept)
}

func (t *tx) Enrolment(tap record.TapID) (store.Enrolment, error) {
	return one(t.row(enrolmentColumns+"WHERE tap = ?", tap.ID128[:]), scanEnrolment)
}

func (t *tx) CurrentEnrolments(person int64) ([]store.Enrolment, error) {
	return each(t, scanEnrolment, enrolmentColumns+"WHERE person = ? AND current = 1 ORDER BY site", person)
}

// onRoster picks what stands on the roster of site ?1 for the verifiers of the JSON array ?2.
const onRoster = "WHERE site = ?1 AND current = 1 AND bound = 1 AND verifier IN (SELECT value FROM json_each(?2)) "

func (t *tx) EnrolmentsAt(site record.SiteID, of []record.VerifierID, limit int) ([]store.Enrolment, int, error) {
	names, err := json.Marshal(of)
	if err != nil {
		return nil, 0, err
	}
	n, err := t.count("SELECT count(*) FROM enrolments "+onRoster, string(site), string(names))
	if err != nil {
		return nil, 0, err
	}
	all, err := each(t, scanEnrolment, enrolmentColumns+onRoster+"ORDER BY at DESC, tap LIMIT ?3", string(site), string(names), limit)
	return all, n, err
}

func (t *tx) VerifiersAt(site record.SiteID) ([]record.VerifierID, error) {
	return each(t, scanVerifier, "SELECT DISTINCT verifier FROM enrolments WHERE site = ? AND current = 1 AND bound = 1 ORDER BY verifier",
		string(site))
}

func (t *tx) MoveEnrolments(from, to int64) error {
	return t.exec("UPDATE enrolments SET person = ? WHERE person = ?", to, from)
}

func (t *tx) Supersede(tap record.TapID, kept []byte) error {
	return t.exec("UPDATE enrolments SET current = 0, kept_sealed = ? WHERE tap = ?", kept, tap.ID128[:])
}

func (t *tx) RosterNumber(site record.SiteID) (uint64, error) {
	n, err := one(t.row("SELECT coalesce(max(n), 0) FROM rosters WHERE site = ?", string(site)), scanInt)
	return uint64(n), err //nolint:gosec // counted from 1
}

func (t *tx) RaiseRoster(site record.SiteID) error {
	return t.exec("INSERT INTO rosters (site, n) VALUES (?, 1) ON CONFLICT (site) DO UPDATE SET n = n + 1", string(site))
}

func (t *tx) RaiseRosters(v rule.Version) error {
	n, err := t.changed("UPDATE meta SET rosters_epoch = ?, rosters_n = ? WHERE (rosters_epoch, rosters_n) <> (?, ?)",
		v.CentralEpoch, v.N, v.CentralEpoch, v.N)
	if err != nil || n == 0 {
		return err
	}
	return t.exec("UPDATE rosters SET n = n + 1")
}
