package rig

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the database driver

	"kazashi.example/central/keys"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
)

// Applied is one record as central's tables have it, with its sealed columns opened.
type Applied struct {
	ID           record.ID
	Box          record.BoxID
	Tap          record.TapID
	First, Final record.Verdict
	Reason       record.Reason
	Evidence     record.Evidence // that the record claims
	Serial       certid.Serial
	Handle       string // hex; empty: of nobody
	PPID         string // empty: none issued
}

const selectApplied = `SELECT r.epoch, r.seq, r.box, r.tap, r.first_verdict, r.final_verdict, r.final_reason, r.content_sealed,
	s.person, s.sector, s.ppid_sealed, p.handle_index, p.handle_sealed
	FROM records r LEFT JOIN subjects s ON s.row = r.subject LEFT JOIN persons p ON p.row = s.person ORDER BY r.tapped, r.epoch, r.seq`

// Applied reads the records of central's database, whether central runs or not.
func (c *Central) Applied() (all []Applied) {
	c.r.tb.Helper()
	db := c.database()
	defer func() { c.r.must(db.Close()) }()
	rows, err := db.QueryContext(context.Background(), selectApplied)
	c.r.must(err)
	defer func() { c.r.must(rows.Close()) }()
	k := c.Keys()
	for rows.Next() {
		a, err := scan(rows, k.Rows)
		c.r.must(err)
		all = append(all, a)
	}
	c.r.must(rows.Err())
	return all
}

// Rows counts a table's rows, whether central runs or not.
func (c *Central) Rows(table string) (n int) {
	c.r.tb.Helper()
	db := c.database()
	defer func() { c.r.must(db.Close()) }()
	c.r.must(db.QueryRowContext(context.Background(), "SELECT count(*) FROM "+table).Scan(&n)) //nolint:gosec // a table's name, from a test
	return n
}

// Roster is how often the roster of the site that changed most has changed; a box is sent it under the next number.
func (c *Central) Roster() (n uint64) {
	c.r.tb.Helper()
	db := c.database()
	c.r.must(db.QueryRowContext(c.r.tb.Context(), "SELECT coalesce(max(n), 0) FROM rosters").Scan(&n))
	c.r.must(db.Close())
	return n
}

// RosterMade waits until every change of a roster is in what boxes are offered.
func (c *Central) RosterMade() {
	c.r.tb.Helper()
	c.r.Eventually(func() string {
		if n := c.Rows("rosters WHERE made < n"); n > 0 {
			return "a roster is to be made"
		}
		return ""
	})
}

func (c *Central) database() *sql.DB {
	c.r.tb.Helper()
	db, err := sql.Open("sqlite", (&url.URL{
		Scheme: "file", OmitHost: true, Path: filepath.Join(c.Dir, "central.db"), RawQuery: "_pragma=query_only(1)&_pragma=busy_timeout(10000)",
	}).String())
	c.r.must(err)
	return db
}

func scan(rows *sql.Rows, k *keys.Rows) (a Applied, err error) {
	var epoch, box, tap, sealed, ppid, index, handle []byte
	var person sql.NullInt64
	var sector sql.NullString
	err = rows.Scan(&epoch, &a.ID.Seq, &box, &tap, &a.First, &a.Final, &a.Reason, &sealed, &person, &sector, &ppid, &index, &handle)
	if err != nil {
		return a, err
	}
	copy(a.ID.Epoch.ID128[:], epoch)
	copy(a.Box.ID128[:], box)
	copy(a.Tap.ID128[:], tap)
	plain, err := k.Open("records.content", opener.RowOf(a.ID), sealed)
	if err != nil {
		return a, err
	}
	r, err := content.Decode(plain)
	if err != nil {
		return a, err
	}
	a.Serial, a.Evidence = r.CertID().Serial, r.Evidence
	if !person.Valid {
		return a, nil
	}
	s, err := opener.PPID(k, store.Subject{Person: person.Int64, Sector: sector.String, PPID: ppid})
	if err != nil {
		return a, err
	}
	a.PPID = s.Reveal()
	plain, err = k.Open("persons.handle", index, handle)
	a.Handle = hex.EncodeToString(plain)
	return a, err
}

// Opened is the plain text of all that central keeps of people under its seals, by table and row: contents of records and enrolments.
func (c *Central) Opened() map[string][]byte {
	c.r.tb.Helper()
	db := c.database()
	defer func() { c.r.must(db.Close()) }()
	all := map[string][]byte{}
	c.open(db, all, "records.content", "SELECT epoch, seq, content_sealed FROM records")
	c.open(db, all, "enrolments.kept", "SELECT tap, 0, kept_sealed FROM enrolments")
	return all
}

func (c *Central) open(db *sql.DB, into map[string][]byte, label, query string) {
	c.r.tb.Helper()
	rows, err := db.QueryContext(context.Background(), query)
	c.r.must(err)
	defer func() { c.r.must(rows.Close()) }()
	k := c.Keys().Rows
	for rows.Next() {
		var row, sealed []byte
		var seq uint64
		c.r.must(rows.Scan(&row, &seq, &sealed))
		if seq > 0 {
			row = binary.BigEndian.AppendUint64(row, seq)
		}
		plain, err := k.Open(label, row, sealed)
		c.r.must(err)
		into[fmt.Sprintf("%s of %x", label, row)] = plain
	}
	c.r.must(rows.Err())
}
