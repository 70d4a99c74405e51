package tamper

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"kazashi.example/central/keys"
)

// labelPPID binds a sealed pseudonym to its column (central/opener).
const labelPPID = "subjects.ppid"

// named is one pseudonym.
type named struct {
	row, person int64
	sector      string
	sealed      []byte
}

func (n named) place() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(n.person)), n.sector...) //nolint:gosec // as stored
}

// pseudonyms are those of the first two people, of whom the first has two records at least.
func pseudonyms(ctx context.Context, tx *sql.Tx) (two [2]named, err error) {
	for i, query := range []string{
		`SELECT s.row, s.person, s.sector, s.ppid_sealed FROM subjects s WHERE (SELECT count(*) FROM records WHERE subject = s.row) > 1 ORDER BY s.row`,
		`SELECT s.row, s.person, s.sector, s.ppid_sealed FROM subjects s WHERE s.person <> ? ORDER BY s.row`,
	} {
		n := &two[i]
		err := tx.QueryRowContext(ctx, query, []any{two[0].person}[:i]...).Scan(&n.row, &n.person, &n.sector, &n.sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return two, ErrFew
		}
		if err != nil {
			return two, fmt.Errorf("choosing people: %w", err)
		}
	}
	return two, nil
}

// movePPID gives one record of the first person to the second one.
func movePPID(ctx context.Context, tx *sql.Tx, _ *keys.Rows, _ [2]row) error {
	two, err := pseudonyms(ctx, tx)
	if err != nil {
		return err
	}
	return lastOf(ctx, tx, two[0], two[1].row)
}

// lastOf gives the last record of a pseudonym to another one.
func lastOf(ctx context.Context, tx *sql.Tx, n named, to int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE records SET subject = ? WHERE (epoch, seq) =
		(SELECT epoch, seq FROM records WHERE subject = ? ORDER BY applied DESC, seq DESC LIMIT 1)`, to, n.row)
	return err
}

// exchangePPIDs leaves each of two people with one pseudonym, the other's: only who derives it can tell.
func exchangePPIDs(ctx context.Context, tx *sql.Tx, rows *keys.Rows, _ [2]row) error {
	two, err := pseudonyms(ctx, tx)
	if err != nil {
		return err
	}
	for i, n := range two {
		other := two[1-i]
		plain, err := rows.Open(labelPPID, other.place(), other.sealed)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE subjects SET ppid_sealed = ? WHERE row = ?`, rows.Seal(labelPPID, n.place(), plain), n.row)
		if err != nil {
			return err
		}
	}
	return nil
}

// split makes the first person's last record one of a new person, as if the certificate had led to nobody.
func split(ctx context.Context, tx *sql.Tx, rows *keys.Rows, _ [2]row) error {
	two, err := pseudonyms(ctx, tx)
	if err != nil {
		return err
	}
	n := two[0]
	made, err := tx.ExecContext(ctx, `INSERT INTO persons (verifier, handle_index, handle_sealed, made)
		SELECT verifier, x'5A', handle_sealed, made FROM persons WHERE row = ?`, n.person)
	if err != nil {
		return err
	}
	if n.person, err = made.LastInsertId(); err != nil {
		return err
	}
	const other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	made, err = tx.ExecContext(ctx, `INSERT INTO subjects (person, sector, key_epoch, ppid_sealed, made)
		SELECT ?, sector, key_epoch, ?, made FROM subjects WHERE row = ?`, n.person, rows.Seal(labelPPID, n.place(), []byte(other)), n.row)
	if err != nil {
		return err
	}
	row, err := made.LastInsertId()
	if err != nil {
		return err
	}
	return lastOf(ctx, tx, n, row)
}

// adopt gives a record that names nobody to the first person, as accepted.
func adopt(ctx context.Context, tx *sql.Tx, _ *keys.Rows, _ [2]row) error {
	two, err := pseudonyms(ctx, tx)
	if err != nil {
		return err
	}
	done, err := tx.ExecContext(ctx, `UPDATE records SET subject = ?, final_verdict = 1 WHERE (epoch, seq) =
		(SELECT epoch, seq FROM records WHERE subject IS NULL ORDER BY applied, seq LIMIT 1)`, two[0].row)
	return one(done, err)
}

// Keys of a record's content (sync/content).
const (
	keyPIN       = 16
	keySignature = 2
)

// forge changes a bit of the signature by which the first person's first record proves the PIN.
func forge(ctx context.Context, tx *sql.Tx, rows *keys.Rows, _ [2]row) error {
	two, err := pseudonyms(ctx, tx)
	if err != nil {
		return err
	}
	var r row
	err = tx.QueryRowContext(ctx, `SELECT epoch, seq, content_sealed FROM records WHERE subject = ? ORDER BY applied, seq LIMIT 1`, two[0].row).
		Scan(&r.epoch, &r.seq, &r.content)
	if err != nil {
		return err
	}
	plain, err := rows.Open(label, r.place(), r.content)
	if err != nil {
		return err
	}
	var all map[int64]cbor.RawMessage
	var pin map[int64]cbor.RawMessage
	var signature []byte
	if err := errors.Join(cbor.Unmarshal(plain, &all), cbor.Unmarshal(all[keyPIN], &pin), cbor.Unmarshal(pin[keySignature], &signature)); err != nil {
		return err
	}
	signature[0] ^= 1
	if pin[keySignature], err = cbor.Marshal(signature); err != nil {
		return err
	}
	if all[keyPIN], err = cbor.Marshal(pin); err != nil {
		return err
	}
	if plain, err = cbor.Marshal(all); err != nil {
		return err
	}
	return put(ctx, tx, r, rows.Seal(label, r.place(), plain))
}

// one is ErrFew unless exactly one row was changed.
func one(done sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, ErrFew)
	}
	return nil
}
