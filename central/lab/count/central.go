package count

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/fxamacker/cbor/v2"
	_ "modernc.org/sqlite" // the database driver
)

// Words of central's tables, by number.
var verdicts = map[int64]string{1: "accepted", 2: "provisional", 3: "refused", 4: "recorded"}

// found is one record as central's tables have it, with what its sealed column says.
type found struct {
	id           string // epoch and seq
	tap          []byte
	first, final string
	settled      bool      // has a final verdict for its box
	serial       string    // hex, from the sealed column
	at           time.Time // from the sealed column
	content      content
	box          []byte
	applied      int64    // when central did, Unix milliseconds
	subject      *subject // nil: no pseudonym
	fault        string   // why the sealed column contradicts the row
	taken        bool     // matched with a laying
}

var (
	errRowKey = errors.New("row.key is not 32 octets")
	errSeq    = errors.New("a number on the box is not 8 octets")
)

// central is central's database with the practice key that opens its sealed columns.
type central struct {
	db  *sql.DB
	key []byte
}

func openCentral(dataDir, keysDir string) (central, error) {
	key, err := os.ReadFile(filepath.Join(keysDir, "row.key"))
	if err != nil {
		return central{}, fmt.Errorf("reading the practice key: %w", err)
	}
	if len(key) != 32 {
		return central{}, errRowKey
	}
	db, err := openReadOnly(filepath.Join(dataDir, "central.db"))
	return central{db, key}, err
}

// records opens every record's sealed column, and finds the pseudonym that it was given.
func (c central) records(ctx context.Context) ([]found, error) {
	subjects, err := readSubjects(ctx, c.db, c.key)
	if err != nil {
		return nil, err
	}
	rows, err := c.db.QueryContext(ctx, `SELECT epoch, seq, box, tap, applied, first_verdict, final_verdict, verdict, content_sealed, subject
		FROM records ORDER BY tapped, epoch, seq`)
	if err != nil {
		return nil, fmt.Errorf("reading central's records: %w", err)
	}
	defer rows.Close()
	var all []found
	for rows.Next() {
		var f found
		var epoch, sealed []byte
		var seq, first, final, verdict int64
		var named sql.NullInt64
		if err := rows.Scan(&epoch, &seq, &f.box, &f.tap, &f.applied, &first, &final, &verdict, &sealed, &named); err != nil {
			return nil, fmt.Errorf("reading central's records: %w", err)
		}
		f.id, f.first, f.final, f.settled = number(epoch, uint64(seq)), verdicts[first], verdicts[final], verdict > 0
		f.read(c.key, binary.BigEndian.AppendUint64(epoch, uint64(seq)), sealed) //nolint:gosec // as stored
		if named.Valid {
			s, ok := subjects[named.Int64]
			if !ok {
				s.fault = "it is in no table"
			}
			f.subject = &s
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

// read opens the sealed column and compares it with its row.
func (f *found) read(key, row, sealed []byte) {
	plain, err := open(key, "records.content", row, sealed)
	if err != nil {
		f.fault = err.Error()
		return
	}
	if err := cbor.Unmarshal(plain, &f.content); err != nil {
		f.fault = "content is no CBOR map of a record"
		return
	}
	switch c := f.content; {
	case len(c.Tap) == 0 || c.Time <= 0 || len(c.Serial) == 0:
		f.fault = "content has no tap, time or serial"
	case !bytes.Equal(c.Tap, f.tap):
		f.fault = "content is of another tap than its row"
	default:
		f.serial, f.at = hex.EncodeToString(c.Serial), time.UnixMilli(c.Time)
	}
}

var errSealed = errors.New("sealed column does not open in its place")

// open undoes version 1 of a sealed column: 1 ‖ 12 octets of nonce ‖ AES-256-GCM, bound to CBOR [label, row].
func open(key []byte, label string, row, sealed []byte) ([]byte, error) {
	if len(sealed) < 1+12+16 || sealed[0] != 1 {
		return nil, errSealed
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	aad, err := cbor.Marshal([]any{label, row})
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, sealed[1:13], sealed[13:], aad)
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// readBox collects the final verdicts that are durable on the box, by number and tap as the box knows them.
func readBox(ctx context.Context, dataDir string, held map[string]string) error {
	db, err := openReadOnly(filepath.Join(dataDir, "desired.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT epoch, seq, tap, verdict FROM verdict")
	if err != nil {
		return fmt.Errorf("reading the box's verdicts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var epoch, seq, tap []byte
		var v int64
		if err := rows.Scan(&epoch, &seq, &tap, &v); err != nil {
			return fmt.Errorf("reading the box's verdicts: %w", err)
		}
		if len(seq) != 8 {
			return errSeq
		}
		held[onBox(number(epoch, binary.BigEndian.Uint64(seq)), tap)] = verdicts[v]
	}
	return rows.Err()
}

// number prints a record's id.
func number(epoch []byte, seq uint64) string { return fmt.Sprintf("%x/%d", epoch, seq) }

// onBox is how readBox knows a record: a tap under another number is another record.
func onBox(number string, tap []byte) string { return number + " " + hex.EncodeToString(tap) }

func openReadOnly(path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("opening a database: %w", err)
	}
	return sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(5000)")
}
