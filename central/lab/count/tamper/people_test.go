package tamper_test

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"kazashi.example/central/lab/count/tamper"
)

const sector = "library"

func placeOf(person int64) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(person)), sector...) //nolint:gosec // small
}

// town is a database of two people with the pseudonyms P1 and P2: records 1 and 2 are the first one's, 3 the second one's, 4 nobody's.
// The signature in each content is the octet 10.
func town(t *testing.T) (path, keysDir string) {
	t.Helper()
	path, keysDir = database(t, 4)
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	do := func(query string, args ...any) {
		_, err := db.ExecContext(t.Context(), query, args...)
		must(t, err)
	}
	for n := int64(1); n <= 2; n++ {
		do(`INSERT INTO persons VALUES (?, 'city', ?, ?, 1)`, n, []byte{byte(n)}, []byte{byte(n)})
		do(`INSERT INTO subjects VALUES (?, ?, ?, 1, ?, 1)`, n, n, sector, rows(t).Seal("subjects.ppid", placeOf(n), fmt.Appendf(nil, "P%d", n)))
	}
	for seq, subject := range map[int]any{1: 1, 2: 1, 3: 2, 4: nil} {
		plain, err := cbor.Marshal(map[int]any{1: 1, 16: map[int]any{1: "city", 2: []byte{0x10}}})
		must(t, err)
		do(`UPDATE records SET subject = ?, applied = seq, final_verdict = iif(seq = 4, 3, 1), content_sealed = ? WHERE seq = ?`, subject,
			rows(t).Seal("records.content", place(int64(seq)), plain), seq)
	}
	return path, keysDir
}

// subjects lists "seq verdict person pseudonym signature" of every record.
func subjects(t *testing.T, path string) (all []string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	found, err := db.QueryContext(t.Context(), `SELECT seq, final_verdict, content_sealed, coalesce(person, 0), ppid_sealed FROM records
		LEFT JOIN subjects ON row = subject ORDER BY seq`)
	must(t, err)
	defer found.Close()
	for found.Next() {
		var seq, verdict, person int64
		var content, sealed []byte
		must(t, found.Scan(&seq, &verdict, &content, &person, &sealed))
		ppid := []byte("-")
		if sealed != nil {
			ppid, err = rows(t).Open("subjects.ppid", placeOf(person), sealed)
			must(t, err)
		}
		plain, err := rows(t).Open("records.content", place(seq), content)
		must(t, err)
		var c struct {
			PIN struct {
				Signature []byte `cbor:"2,keyasint"`
			} `cbor:"16,keyasint"`
		}
		must(t, cbor.Unmarshal(plain, &c))
		all = append(all, fmt.Sprintf("%d %d %d %s %x", seq, verdict, person, ppid, c.PIN.Signature))
	}
	must(t, found.Err())
	return all
}

const split = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

var toPeople = map[string][]string{
	"a PPID moved to another person":                 {"1 1 1 P1 10", "2 1 2 P2 10", "3 1 2 P2 10", "4 3 0 - 10"},
	"the PPIDs of two people exchanged, sealed anew": {"1 1 1 P2 10", "2 1 1 P2 10", "3 1 2 P1 10", "4 3 0 - 10"},
	"a person split in two":                          {"1 1 1 P1 10", "2 1 3 " + split + " 10", "3 1 2 P2 10", "4 3 0 - 10"},
	"a PPID for somebody who never enrolled":         {"1 1 1 P1 10", "2 1 1 P1 10", "3 1 2 P2 10", "4 1 1 P1 10"},
	"a proof of the PIN changed, sealed anew":        {"1 1 1 P1 11", "2 1 1 P1 10", "3 1 2 P2 10", "4 3 0 - 10"},
}

func TestDeedsToPeople(t *testing.T) {
	before := []string{"1 1 1 P1 10", "2 1 1 P1 10", "3 1 2 P2 10", "4 3 0 - 10"}
	for _, d := range tamper.Deeds() {
		want, ok := toPeople[d.Name]
		if !ok {
			continue
		}
		path, keysDir := town(t)
		if got := subjects(t, path); !slices.Equal(got, before) {
			t.Fatalf("the town is %q, want %q", got, before)
		}
		must(t, d.Do(t.Context(), path, keysDir))
		if got := subjects(t, path); !slices.Equal(got, want) {
			t.Errorf("after %s: %q, want %q", d.Name, got, want)
		}
		path, keysDir = database(t, 3) // records of nobody
		if err := d.Do(t.Context(), path, keysDir); !errors.Is(err, tamper.ErrFew) {
			t.Errorf("%s without people = %v, want ErrFew", d.Name, err)
		}
	}
}
