package invariant_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"kazashi.example/appliance/journal"
	"kazashi.example/central/lab/invariant"
	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/sync/record"
)

func TestMain(m *testing.M) {
	rig.Child()
	code := m.Run()
	if err := rig.RemoveWorld(); err != nil {
		fmt.Fprintln(os.Stderr, "removing the shared world:", err)
	}
	os.Exit(code)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scene is a box, central and a ledger as they lie on their disks when nothing runs.
type scene struct{ box, central, ledger string }

func (s scene) places() invariant.Places {
	return invariant.Places{
		Boxes: []invariant.Box{{Dir: s.box}}, Central: s.central, Keys: filepath.Join(s.central, "keys"), Ledgers: []string{s.ledger},
	}
}

// taps lays cards: who enrols, who taps.
func taps(b *rig.Box, enrol, tap []string) {
	for n, p := range enrol {
		b.Enrol(p, n%2 == 0)
	}
	for _, p := range tap {
		b.Tap(p)
	}
}

// newScene has records of every kind: deleted on the box, safe, received and waiting, in five epochs.
func newScene(t *testing.T) scene {
	t.Helper()
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := r.Box("b")
	again := func() {
		b.Stop()
		b.Start()
		b.Ready()
	}
	b.Start()
	b.Ready()
	taps(b, []string{"hanako", "taro"}, []string{"goro"})
	b.Synced()
	r.EachOnce()
	r.Central.Backup("first")
	r.Eventually(func() string { return unsafe(t, b, 3) })
	prune(t, b)
	taps(b, nil, []string{"hanako", "taro", "goro"})
	b.Synced()
	r.EachOnce()
	r.Central.Backup("second")
	r.Eventually(func() string { return unsafe(t, b, 6) })
	again()
	taps(b, nil, []string{"taro", "hanako", "ren"})
	b.Synced()
	r.EachOnce()
	b.Settled()
	again()
	b.Line.Cut()
	taps(b, nil, []string{"hanako", "taro", "goro"})
	b.Stop()
	b.Line.Restore()
	r.Central.Stop()
	return scene{b.Dir, r.Central.Dir, ledger(t, r)}
}

// prune deletes on the box what is safe.
func prune(t *testing.T, b *rig.Box) {
	t.Helper()
	b.Stop()
	b.Journal(b.Dir, func(j *journal.Journal) {
		_, err := j.Prune(t.Context(), 0) // unless the box was quicker
		must(t, err)
	})
	b.Start()
	b.Ready()
}

// unsafe says how many records the box has yet to hear of as safe.
func unsafe(t *testing.T, b *rig.Box, want int) string {
	t.Helper()
	n := 0
	db := database(t, filepath.Join(b.Dir, "journal.db"), "mode=ro")
	must(t, db.QueryRowContext(t.Context(), "SELECT coalesce(sum(last - first + 1), 0) FROM held WHERE level = 2").Scan(&n))
	must(t, db.Close())
	if n == want {
		return ""
	}
	return fmt.Sprintf("%d records are safe, want %d", n, want)
}

// ledger writes what a tray would have written of the rig's taps that are at central.
func ledger(t *testing.T, r *rig.Rig) string {
	t.Helper()
	stamp := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
	var text strings.Builder
	all := r.Ledger()
	for n, told := range all[:len(all)-3] {
		serial := hex.EncodeToString(told.Person.Auth.ID.Serial.Bytes())
		fmt.Fprintf(&text, `{"n":%d,"at":%q,"kind":"lay","line":"up","tap":%d,"person":%q,"serial":%q}`+"\n",
			2*n+1, stamp(told.Tap.Time), n+1, told.Person.Key, serial)
		fmt.Fprintf(&text, `{"n":%d,"at":%q,"kind":"take","line":"up","tap":%d}`+"\n", 2*n+2, stamp(told.Tap.Time.Add(time.Millisecond)), n+1)
	}
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	must(t, os.WriteFile(path, []byte(text.String()), 0o600))
	return path
}

func database(t *testing.T, path string, more ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: strings.Join(more, "&")}).String())
	must(t, err)
	return db
}

// copied is the scene once more, to be tampered with.
func (s scene) copied(t *testing.T) scene {
	t.Helper()
	dir := t.TempDir()
	c := scene{filepath.Join(dir, "b"), filepath.Join(dir, "c"), filepath.Join(dir, "ledger.jsonl")}
	must(t, rig.CopyDir(s.box, c.box))
	must(t, rig.CopyDir(s.central, c.central))
	text, err := os.ReadFile(s.ledger)
	must(t, err)
	must(t, os.WriteFile(c.ledger, text, 0o600))
	return c
}

// deed is one thing that is not as it must be, and the rule that must be found violated.
type deed struct {
	name string
	rule invariant.Rule
	do   func(*testing.T, scene)
}

// inJournal, inVerdicts and inCentral change a table.
func inJournal(statements ...string) func(*testing.T, scene) {
	return func(t *testing.T, s scene) { t.Helper(); change(t, filepath.Join(s.box, "journal.db"), statements) }
}

func inVerdicts(statements ...string) func(*testing.T, scene) {
	return func(t *testing.T, s scene) { t.Helper(); change(t, filepath.Join(s.box, "desired.db"), statements) }
}

func inCentral(statements ...string) func(*testing.T, scene) {
	return func(t *testing.T, s scene) { t.Helper(); change(t, filepath.Join(s.central, "central.db"), statements) }
}

func change(t *testing.T, path string, statements []string) {
	t.Helper()
	db := database(t, path)
	for _, q := range statements {
		r, err := db.ExecContext(t.Context(), q)
		must(t, err)
		if n, err := r.RowsAffected(); err != nil || n == 0 && !strings.HasPrefix(q, "CREATE") {
			t.Fatalf("%s changed %d rows, %v: want some", q, n, err)
		}
	}
	must(t, db.Close())
}

// Rows of the journal: the last of all waits, the first of all was deleted, and some between are received and not safe.
const (
	lastRow     = "(SELECT max(id) FROM record)"
	firstRow    = "(SELECT min(id) FROM record)"
	receivedRow = "(SELECT min(h.epoch << 40 | h.first) FROM held h WHERE h.level = 1 AND NOT EXISTS (SELECT 1 FROM held s WHERE s.epoch = h.epoch AND s.level = 2))"
	firstEpoch  = "(SELECT min(n) FROM epoch)"
	lastEpoch   = "(SELECT max(n) FROM epoch)"
)

var deeds = []deed{
	{"a page overwritten", invariant.Whole, func(t *testing.T, s scene) { overwrite(t, filepath.Join(s.box, "journal.db"), 3) }},
	{"a page of central's overwritten", invariant.Whole, func(t *testing.T, s scene) { overwrite(t, filepath.Join(s.central, "central.db"), 12) }},
	{"a header with another octet", invariant.Header, inJournal("UPDATE epoch SET header = " + flipped("header", 400) + " WHERE n = " + lastEpoch)},
	{"two headers exchanged", invariant.Header, inJournal(
		"CREATE TEMP TABLE h AS SELECT header FROM epoch WHERE n = "+firstEpoch,
		"UPDATE epoch SET header = (SELECT header FROM epoch WHERE n = "+lastEpoch+") WHERE n = "+firstEpoch,
		"UPDATE epoch SET header = (SELECT header FROM h) WHERE n = "+lastEpoch)},
	{"the second copy of a header gone", invariant.Header, inJournal("DELETE FROM header WHERE n = " + lastEpoch)},
	{"a header gone", invariant.Header, inJournal("DELETE FROM epoch WHERE n = " + lastEpoch)},
	{"an epoch in the middle gone", invariant.Predecessor, inJournal(
		"DELETE FROM record WHERE id >> 40 = "+firstEpoch+" + 1", "DELETE FROM epoch WHERE n = "+firstEpoch+" + 1",
		"DELETE FROM held WHERE epoch = "+firstEpoch)},
	{"the end of a closed epoch gone", invariant.Predecessor, inJournal("DELETE FROM record WHERE id = (SELECT max(id) FROM record WHERE id >> 40 < " + lastEpoch + ")")},
	{"a number left out", invariant.Numbered, inJournal("DELETE FROM record WHERE id = " + lastRow + " - 1")},
	{"a record under another number", invariant.Numbered, inJournal("UPDATE record SET id = id + 1 WHERE id = " + lastRow)},
	{"a chain value changed", invariant.Chained, inJournal("UPDATE record SET chain = " + flipped("chain", 5) + " WHERE id = " + lastRow)},
	{"an envelope changed", invariant.Chained, inJournal("UPDATE record SET envelope = " + flipped("envelope", 120) + " WHERE id = " + lastRow)},
	{"a number sealed once more", invariant.SealedOnce, sealAgain},
	{"records forgotten that are received", invariant.Deleted, inJournal(
		"CREATE TEMP TABLE k AS SELECT "+receivedRow+" >> 40 AS e",
		"DELETE FROM record WHERE id >> 40 <= (SELECT e FROM k)",
		"DELETE FROM held WHERE epoch <= (SELECT e FROM k)",
		"DELETE FROM header WHERE n <= (SELECT e FROM k)",
		"DELETE FROM epoch WHERE n <= (SELECT e FROM k)")},
	{"the first number forgotten of an epoch that is received", invariant.Deleted, inJournal(
		"CREATE TEMP TABLE k AS SELECT "+receivedRow+" AS id",
		"DELETE FROM record WHERE id <= (SELECT id FROM k)",
		"DELETE FROM held WHERE epoch < (SELECT id >> 40 FROM k)",
		"UPDATE held SET first = first + 1 WHERE epoch = (SELECT id >> 40 FROM k)",
		"DELETE FROM header WHERE n < (SELECT id >> 40 FROM k)",
		"DELETE FROM epoch WHERE n < (SELECT id >> 40 FROM k)")},
	{"a record deleted that waits", invariant.Deleted, inJournal("UPDATE record SET envelope = NULL WHERE id = " + lastRow)},
	{"a record deleted that is received", invariant.Deleted, inJournal(
		"UPDATE record SET envelope = NULL WHERE id = "+receivedRow,
		"INSERT INTO held SELECT id >> 40, 100, id & 0xffffffffff, id & 0xffffffffff FROM record WHERE id = "+receivedRow)},
	{"safe without central's word", invariant.Acknowledged, inJournal("INSERT INTO held SELECT epoch, 2, first, last FROM held WHERE level = 1 AND epoch = " + receivedRow + " >> 40")},
	{"received without central", invariant.Acknowledged, inJournal("INSERT INTO held VALUES (" + lastEpoch + ", 1, 1, 1)")},
	{"received beyond the end", invariant.Acknowledged, inJournal("UPDATE held SET last = last + 9 WHERE level = 1 AND epoch = " + receivedRow + " >> 40")},
	{"a header counted as known", invariant.Acknowledged, inJournal("UPDATE epoch SET known = (SELECT central_epoch FROM meta) WHERE n = " + lastEpoch)},
	{"a central epoch that never was", invariant.Versions, inJournal("UPDATE meta SET central_epoch = central_epoch + 1")},
	{"a verdict changed on the box", invariant.Versions, inVerdicts("UPDATE verdict SET verdict = 5 - verdict WHERE (epoch, seq) = (SELECT epoch, seq FROM verdict LIMIT 1)")},
	{"a record not applied", invariant.AppliedOnce, inCentral("DELETE FROM records WHERE (epoch, seq) IN (SELECT epoch, seq FROM records ORDER BY tapped DESC LIMIT 1)")},
	{"a tap recorded twice", invariant.AppliedOnce, inCentral(
		"UPDATE records SET tap = (SELECT tap FROM records ORDER BY tapped LIMIT 1) WHERE (epoch, seq) IN (SELECT epoch, seq FROM records ORDER BY tapped DESC LIMIT 1)",
		"DELETE FROM taps WHERE NOT EXISTS (SELECT 1 FROM records r WHERE r.tap = taps.tap)")},
	{"a verdict of central's changed", invariant.Versions, inCentral("UPDATE records SET final_verdict = 5 - final_verdict WHERE envelope = 1")},
	{"a verdict given without a record", invariant.Versions, inCentral("UPDATE records SET verdict = 0 WHERE envelope = 1")},
	{"an envelope forgotten as applied", invariant.AppliedOnce, inCentral("UPDATE envelopes SET state = 2 WHERE row = (SELECT max(row) FROM envelopes)")},
	{"a record applied from another's envelope", invariant.AppliedOnce, inCentral("UPDATE records SET envelope = 1 WHERE envelope = 2")},
	{"a record given to another tap", invariant.AppliedOnce, inCentral("UPDATE taps SET tap = randomblob(16) WHERE tap = (SELECT min(tap) FROM taps)")},
	{"a record dropped that a box deleted", invariant.Deleted, inCentral(
		"DELETE FROM taps WHERE (epoch, seq) IN (SELECT epoch, seq FROM envelopes WHERE row = 1)",
		"DELETE FROM verdicts WHERE (epoch, seq) IN (SELECT epoch, seq FROM envelopes WHERE row = 1)",
		"DELETE FROM records WHERE envelope = 1", "DELETE FROM envelopes WHERE row = 1")},
	{"a record dropped that nobody has", invariant.Explained, inCentral(
		"DELETE FROM taps WHERE (epoch, seq) IN (SELECT epoch, seq FROM envelopes WHERE row = 1)",
		"DELETE FROM verdicts WHERE (epoch, seq) IN (SELECT epoch, seq FROM envelopes WHERE row = 1)",
		"DELETE FROM records WHERE envelope = 1", "DELETE FROM envelopes WHERE row = 1")},
	{"an envelope of central's changed", invariant.Kept, inCentral("UPDATE envelopes SET bytes = " + flipped("bytes", 120) + " WHERE row = 2")},
	{"a chain value of central's changed", invariant.Chained, inCentral("UPDATE envelopes SET chain = " + flipped("chain", 9) + " WHERE row = 2")},
	{"a header of central's changed", invariant.Header, inCentral("UPDATE epochs SET message = " + flipped("message", 300) + " WHERE row = 1")},
	{"central noted another end", invariant.Header, inCentral("UPDATE epochs SET predecessor_last = predecessor_last + 1 WHERE row = (SELECT max(row) FROM epochs)")},
	{"a report of a fork that is none", invariant.Reported, inCentral(
		"INSERT INTO reports (kind, reason, box, epoch, other, seq, at) SELECT 'fork', 'two epochs after one', box, epoch, epoch, 0, 0 FROM epochs WHERE row = 1")},
	{"safe beyond the backup", invariant.Safe, inCentral("UPDATE meta SET safe_envelope = (SELECT max(row) FROM envelopes)")},
	{"safe beyond the end", invariant.Safe, inCentral("UPDATE meta SET safe_envelope = 9999")},
	{"a backup cut short", invariant.Safe, func(t *testing.T, s scene) {
		must(t, os.Truncate(filepath.Join(s.central, "backups", "second.db"), 8192))
	}},
	{"a tap that was lost", invariant.Counted, func(t *testing.T, s scene) {
		text, err := os.ReadFile(s.ledger)
		must(t, err)
		must(t, os.WriteFile(s.ledger, append(text, strings.Replace(string(text), `"tap":1,`, `"tap":77,`, 1)[:strings.IndexByte(string(text), '\n')+2]...), 0o600))
	}},
}

// flipped is a column with another octet at a place.
func flipped(column string, at int) string {
	return fmt.Sprintf("CAST(substr(%[1]s, 1, %[2]d) || CASE WHEN substr(%[1]s, %[3]d, 1) = x'5a' THEN x'a5' ELSE x'5a' END || substr(%[1]s, %[4]d) AS BLOB)",
		column, at, at+1, at+2)
}

// overwrite destroys a page of a database.
func overwrite(t *testing.T, path string, page int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte(strings.Repeat("x", 4096)), (page-1)*4096)
	must(t, errors.Join(err, f.Close()))
}

// sealAgain puts other octets under a number that central has applied, and a chain value that fits.
func sealAgain(t *testing.T, s scene) {
	t.Helper()
	db := database(t, filepath.Join(s.box, "journal.db"))
	var id int64
	var octets []byte
	must(t, db.QueryRowContext(t.Context(), "SELECT id, envelope FROM record WHERE id = "+receivedRow).Scan(&id, &octets))
	var fields map[int]any
	must(t, cbor.Unmarshal(octets, &fields))
	sealed := slices.Clone(fields[5].([]byte))
	sealed[0]++
	fields[5] = sealed
	mode, err := cbor.CanonicalEncOptions().EncMode()
	must(t, err)
	other, err := mode.Marshal(fields)
	must(t, err)
	_, err = db.ExecContext(t.Context(), "UPDATE record SET envelope = ? WHERE id = ?", other, id)
	must(t, err)
	must(t, db.Close())
}

func violates(r invariant.Report, rule invariant.Rule) bool {
	return slices.ContainsFunc(r.Violations, func(v invariant.Violation) bool { return v.Rule == rule })
}

// P2, design §5: what box and central leave is whole, and each thing that is changed in it is found.
func TestP2EveryTamperingIsFound(t *testing.T) {
	s := newScene(t)
	r, err := invariant.CheckAll(t.Context(), s.places())
	if err != nil || !r.OK() {
		t.Fatalf("CheckAll(whole) = %v, %v, %v", r, err, r.Err())
	}
	if t.Log(r); r.Records != 12 || r.Applied != 9 || r.Waiting != 3 || r.Taps != 9 || r.Epochs < 4 {
		t.Errorf("CheckAll(whole) = %v, want 12 records, 9 applied, 3 waiting, 9 taps", r)
	}
	for _, d := range deeds {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			c := s.copied(t)
			d.do(t, c)
			r, err := invariant.CheckAll(t.Context(), c.places())
			if err != nil || !violates(r, d.rule) {
				t.Errorf("CheckAll = %v, %v\n%v\nwant a violation of %q", r, err, r.Err(), d.rule)
			}
		})
	}
}

// P2: those who look at a journal alone say what it had; what it forgot of that is found.
func TestP2AJournalAloneForgetsNothingThatWaits(t *testing.T) {
	s := newScene(t)
	alone := func(waits int) (invariant.Report, error) {
		return invariant.CheckAll(t.Context(), invariant.Places{Boxes: []invariant.Box{{Dir: s.box, Waits: waits}}})
	}
	whole, err := alone(3)
	if err != nil || !whole.OK() {
		t.Fatalf("CheckAll(a journal with 3 that wait) = %v, %v, %v", whole, err, whole.Err())
	}
	inJournal("CREATE TEMP TABLE k AS SELECT "+lastEpoch+" AS e",
		"DELETE FROM record WHERE id < "+lastRow, "DELETE FROM held",
		"DELETE FROM header WHERE n < (SELECT e FROM k)", "DELETE FROM epoch WHERE n < (SELECT e FROM k)")(t, s)
	if left, err := alone(3); err != nil || !violates(left, invariant.Deleted) {
		t.Errorf("CheckAll(2 of 3 that waited forgotten) = %v, %v, want a violation of %q", left, err, invariant.Deleted)
	}
}

// Each part may be looked at alone.
func TestPartsAlone(t *testing.T) {
	s := newScene(t)
	for name, p := range map[string]invariant.Places{
		"the box":      {Boxes: []invariant.Box{{Dir: s.box}}},
		"central":      {Central: s.central},
		"nothing":      {},
		"an empty box": {Boxes: []invariant.Box{{Dir: t.TempDir()}}, Central: s.central},
	} {
		if r, err := invariant.CheckAll(context.Background(), p); err != nil || !r.OK() {
			t.Errorf("CheckAll(%s) = %v, %v, %v", name, r, err, r.Err())
		}
	}
	if _, err := invariant.CheckAll(context.Background(), invariant.Places{Central: t.TempDir()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("CheckAll(no central) = %v, want os.ErrNotExist", err)
	}
}
