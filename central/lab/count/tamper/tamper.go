// Package tamper does to copies of central's database what a count must find: a record removed, doubled, or exchanged with another; a
// pseudonym moved, exchanged, given to a stranger, or a person split in two; a proof changed.
//
// Each [Deed] changes one database file for good; give it a copy, with no program on it. Contents that it seals anew are sealed by
// central's own code with the practice keys, so that only their meaning is wrong. Nothing here may be used at the same time on
// one file.
package tamper

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the database driver

	"kazashi.example/central/keys"
)

// ErrFew says that the database holds too few records, or people, to tamper with.
var ErrFew = errors.New("two records, and people with pseudonyms, are needed to tamper with")

// label binds a record's sealed content to its column (central/opener).
const label = "records.content"

// Deed is one way to tamper.
type Deed struct {
	Name string // for people
	do   func(context.Context, *sql.Tx, *keys.Rows, [2]row) error
}

// Deeds are all ways, the plainest first.
func Deeds() []Deed {
	return []Deed{
		{"one record removed", remove},
		{"one record doubled, sealed anew", double},
		{"two contents swapped as they are", swapSealed},
		{"two contents swapped, sealed anew", swapResealed},
		{"two records with their numbers swapped, sealed anew", swapNumbers},
		{"a PPID moved to another person", movePPID},
		{"the PPIDs of two people exchanged, sealed anew", exchangePPIDs},
		{"a person split in two", split},
		{"a PPID for somebody who never enrolled", adopt},
		{"a proof of the PIN changed, sealed anew", forge},
	}
}

// row is one record's number and sealed content.
type row struct {
	epoch   []byte
	seq     int64
	content []byte
}

func (r row) place() []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), r.epoch...), uint64(r.seq)) //nolint:gosec // as stored
}

// Do tampers with the database file at path, sealed with the keys in keysDir. ErrFew, or the error of a file.
func (d Deed) Do(ctx context.Context, path, keysDir string) error {
	key, err := os.ReadFile(filepath.Join(filepath.Clean(keysDir), "row.key"))
	if err != nil {
		return fmt.Errorf("reading the practice key: %w", err)
	}
	rows, err := keys.NewRows(key, key) // nothing is looked up: the first is not used
	if err != nil {
		return fmt.Errorf("using the practice key: %w", err)
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "mode=rw"}).String())
	if err != nil {
		return fmt.Errorf("opening the copy: %w", err)
	}
	return errors.Join(d.in(ctx, db, rows), db.Close())
}

func (d Deed) in(ctx context.Context, db *sql.DB, rows *keys.Rows) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("opening the copy: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to undo, before one the first error is told
	two, err := victims(ctx, tx)
	if err != nil {
		return err
	}
	if err := d.do(ctx, tx, rows, two); err != nil {
		return fmt.Errorf("tampering (%s): %w", d.Name, err)
	}
	return tx.Commit()
}

// victims are the first record and the first one of another card.
func victims(ctx context.Context, tx *sql.Tx) (two [2]row, err error) {
	found, err := tx.QueryContext(ctx, `SELECT epoch, seq, content_sealed FROM records
		WHERE serial_index IS NOT NULL GROUP BY serial_index ORDER BY min(tapped) LIMIT 2`)
	if err != nil {
		return two, fmt.Errorf("choosing records: %w", err)
	}
	defer found.Close()
	n := 0
	for ; found.Next(); n++ {
		if err := found.Scan(&two[n].epoch, &two[n].seq, &two[n].content); err != nil {
			return two, fmt.Errorf("choosing records: %w", err)
		}
	}
	if err := found.Err(); err != nil {
		return two, fmt.Errorf("choosing records: %w", err)
	}
	if n < 2 {
		return two, ErrFew
	}
	return two, nil
}

func remove(ctx context.Context, tx *sql.Tx, _ *keys.Rows, two [2]row) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM records WHERE epoch = ? AND seq = ?`, two[0].epoch, two[0].seq)
	return err
}

// far is a seq that no practice box reaches.
const far = 1 << 40

func double(ctx context.Context, tx *sql.Tx, rows *keys.Rows, two [2]row) error {
	again := two[0]
	again.seq = far
	content, err := reseal(rows, two[0], again)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO records SELECT epoch, ?, box, envelope, tap, service, desk, tapped, arrived, applied,
		first_verdict, first_reason, first_answer, final_verdict, final_reason, final_answer, proved, source, answered, serial_index, ?,
		subject, verdict, since, due, attributes, attributes_due, erased FROM records WHERE epoch = ? AND seq = ?`, far, content, two[0].epoch, two[0].seq)
	return err
}

func swapSealed(ctx context.Context, tx *sql.Tx, _ *keys.Rows, two [2]row) error {
	return errors.Join(put(ctx, tx, two[0], two[1].content), put(ctx, tx, two[1], two[0].content))
}

func swapResealed(ctx context.Context, tx *sql.Tx, rows *keys.Rows, two [2]row) error {
	first, err := reseal(rows, two[1], two[0])
	if err != nil {
		return err
	}
	second, err := reseal(rows, two[0], two[1])
	if err != nil {
		return err
	}
	return errors.Join(put(ctx, tx, two[0], first), put(ctx, tx, two[1], second))
}

// swapNumbers exchanges the numbers of two records and nothing else: each row is whole and opens.
func swapNumbers(ctx context.Context, tx *sql.Tx, rows *keys.Rows, two [2]row) error {
	first, err := reseal(rows, two[0], two[1])
	if err != nil {
		return err
	}
	second, err := reseal(rows, two[1], two[0])
	if err != nil {
		return err
	}
	away := two[0]
	away.seq = far
	return errors.Join(move(ctx, tx, two[0], away, first), move(ctx, tx, two[1], two[0], second), move(ctx, tx, away, two[1], first))
}

func put(ctx context.Context, tx *sql.Tx, r row, content []byte) error {
	return move(ctx, tx, r, r, content)
}

func move(ctx context.Context, tx *sql.Tx, from, to row, content []byte) error {
	_, err := tx.ExecContext(ctx, `UPDATE records SET epoch = ?, seq = ?, content_sealed = ? WHERE epoch = ? AND seq = ?`,
		to.epoch, to.seq, content, from.epoch, from.seq)
	return err
}

// reseal opens a content in its place and seals it for another.
func reseal(rows *keys.Rows, from, to row) ([]byte, error) {
	plain, err := rows.Open(label, from.place(), from.content)
	if err != nil {
		return nil, err
	}
	return rows.Seal(label, to.place(), plain), nil
}
