package audit_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/audit"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// town is a central with a box of three epochs: five records, of which the first is erased; four, of which the last waits for an answer; and
// two in the newest, under whose second number somebody else brought something that does not open.
type town struct {
	*simcentral.Central
	box                  *simbox.Box
	first, second, third *simbox.Epoch
}

func newTown(t *testing.T) *town {
	t.Helper()
	c := simcentral.New(t)
	w := &town{Central: c, box: c.Box()}
	c.World.SetRule(func(r *rule.Rule) { r.Retention.Record = 3 })
	taps := func(e *simbox.Epoch, n byte) *simbox.Epoch {
		for i := range n {
			e.Tap(t, simbox.Card(0x12, i))
		}
		return e
	}
	w.first = taps(w.box.Start(t, epoch.CauseStart), 5)
	w.second = taps(w.box.Start(t, epoch.CauseRotation), 3)
	w.second.Tap(t, simbox.Card(0x66))
	c.World.Silence(0x66)
	w.third = taps(w.box.Start(t, epoch.CauseRotation), 2)
	thief := c.Box()
	p := w.third.Push()
	forged, err := epoch.DecodeEnvelope(p.Envelopes[1])
	c.Check(err)
	forged.Sealed[0] ^= 1
	raw, err := forged.Encode()
	c.Check(err)
	p.Envelopes = [][]byte{raw}
	c.Push(w.box, w.box.Push())
	c.Push(thief, p)
	c.Drain()
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error { return tx.EraseRecord(w.first.Records[0].ID, due) }))
	return w
}

// due is when records of a town are over.
var due = simcentral.Start.Add(3 * 24 * time.Hour)

func (w *town) with() audit.Options { return audit.Options{Seal: w.Keys, Rows: w.Keys.Rows} }

func (w *town) audit(v audit.Viewer, o audit.Options) audit.Report {
	w.TB.Helper()
	r, err := audit.Box(w.TB.Context(), v, w.box.ID, o)
	w.Check(err)
	return r
}

// copied is a copy of the database, changed.
func (w *town) copied(t *testing.T, change string, args ...any) *sqlite.Look {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	check(t, w.DB.Copy(t.Context(), path))
	if change != "" {
		db, err := sql.Open("sqlite", path)
		check(t, err)
		_, err = db.ExecContext(t.Context(), change, args...)
		check(t, err)
		check(t, db.Close())
	}
	look, err := sqlite.OpenLook(t.Context(), path, true)
	check(t, err)
	t.Cleanup(func() { check(t, look.Close()) })
	return look
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// P2: of a box of which everything is here, an audit says so, of the running database and of a copy, with keys and without.
func TestP2AWholeBoxIsWhole(t *testing.T) {
	w := newTown(t)
	look := w.copied(t, "")
	live, err := sqlite.OpenLook(t.Context(), filepath.Join(w.Dir, sqlite.FileDatabase), false)
	w.Check(err)
	defer live.Close()
	for name, r := range map[string]audit.Report{
		"with keys":              w.audit(w.Store, w.with()),
		"without keys":           w.audit(w.Store, audit.Options{}),
		"a copy":                 w.audit(look, w.with()),
		"beside the running one": w.audit(live, w.with()),
	} {
		if !r.Whole || r.Epochs != 3 || r.Known != 11 || r.Applied != 10 || r.Erased != 1 || r.Waiting != 1 || r.Missing != 0 || r.Signed != 9 || r.Aside != 1 {
			t.Errorf("%s: %+v, want 11 records whole: 10 applied, 1 erased, 1 waiting, 9 signed; 1 aside", name, r)
		}
		if len(r.Open) != 1 || r.Open[0] != (audit.Tail{Epoch: w.third.Signed.Header.Epoch.String(), Last: 2}) {
			t.Errorf("%s: open %+v, want the third epoch after 2", name, r.Open)
		}
	}
}

// deed is one way to tamper, and what an audit says of it. {n} are the epochs and the box, for the statement's ?1 to ?4.
type deed struct {
	name, change string
	fault        string // part of a fault that must be found; empty: none is asked for
	gap          audit.Gap
	keys         bool // only who can open envelopes finds it
}

const at2 = " WHERE epoch = ?1 AND seq = 2"

// removals take rows out, or double them.
func removals(e1, e2 record.EpochID) []deed {
	return []deed{
		{
			name: "an envelope and its record removed", change: "DELETE FROM records" + at2 + "; DELETE FROM envelopes" + at2,
			fault: "there is a verdict on it, and no record", gap: audit.Gap{Epoch: e1.String(), First: 2, Last: 2},
		},
		{
			name: "envelope, record and verdict removed", gap: audit.Gap{Epoch: e1.String(), First: 2, Last: 2}, fault: "rows were taken out",
			change: "DELETE FROM records" + at2 + "; DELETE FROM envelopes" + at2 + "; DELETE FROM verdicts" + at2,
		},
		{
			name: "the newest of all removed with everything", fault: "rows were taken out",
			change: "DELETE FROM records WHERE epoch = ?3 AND seq = 2; DELETE FROM envelopes WHERE epoch = ?3 AND seq = 2; " +
				"DELETE FROM verdicts WHERE epoch = ?3 AND seq = 2",
		},
		{
			name: "an envelope removed", change: "DELETE FROM envelopes" + at2, fault: "no envelope that it came in",
			gap: audit.Gap{Epoch: e1.String(), First: 2, Last: 2},
		},
		{
			name: "the last envelope of an epoch removed", change: "DELETE FROM envelopes WHERE epoch = ?1 AND seq = 5",
			fault: "no envelope that it came in", gap: audit.Gap{Epoch: e1.String(), First: 5, Last: 5},
		},
		{
			name: "a waiting envelope removed", change: "DELETE FROM envelopes WHERE epoch = ?2 AND seq = 4",
			fault: "rows were taken out", gap: audit.Gap{Epoch: e2.String(), First: 4, Last: 4},
		},
		{name: "a record row removed", change: "DELETE FROM records" + at2, fault: "its envelope counts as applied, and there is no record"},
		{
			name: "a record row removed, its envelope made ready", change: "DELETE FROM records" + at2 + "; UPDATE envelopes SET state = 2" + at2,
			fault: "there is a verdict on it, and no record",
		},
		{name: "a record row doubled", change: `INSERT INTO records SELECT epoch, 1 << 40, box, envelope, tap, service, desk, tapped, arrived, applied,
			first_verdict, first_reason, first_answer, final_verdict, final_reason, final_answer, proved, source, answered, serial_index, content_sealed,
			subject, verdict, since, due, attributes, attributes_due, erased FROM records` + at2, fault: "no envelope that it came in"},
		{
			name: "a record row filed under another box", change: "UPDATE records SET box = (SELECT box FROM boxes WHERE box <> ?4)" + at2,
			fault: "its record is filed under box",
		},
		{
			name: "two contents exchanged", change: `UPDATE records SET content_sealed = (SELECT content_sealed FROM records WHERE epoch = ?1 AND seq = 3)` + at2,
			fault: "content does not open", keys: true,
		},
		{name: "a verdict removed", change: "DELETE FROM verdicts" + at2, fault: "the verdict that its record names is not here"},
		{name: "a header removed", change: "DELETE FROM epochs WHERE epoch = ?1", fault: "rows were taken out", gap: audit.Gap{Epoch: e1.String(), HeaderMissing: true}},
		{name: "the newest header removed", change: "DELETE FROM epochs WHERE epoch = ?3", fault: "no envelope that it came in"},
		{name: "verdicts that the box holds removed", change: "UPDATE boxes SET holds = 99", fault: "the box holds verdict 99"},
	}
}

// changes put other octets, hashes and contents in their places.
func changes() []deed {
	return []deed{
		{name: "verdicts exchanged", change: "UPDATE records SET verdict = verdict + 1" + at2, fault: "or is another's"},
		{name: "octets changed", change: "UPDATE envelopes SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'00' AS BLOB)" + at2, fault: "is not that of its octets"},
		{
			name: "octets of another record", change: "UPDATE envelopes SET bytes = (SELECT bytes FROM envelopes WHERE epoch = ?1 AND seq = 3)" + at2,
			fault: "its octets are those of record",
		},
		{name: "octets that are no envelope", change: "UPDATE envelopes SET bytes = x'a0'" + at2, fault: "its octets are no envelope"},
		{name: "octets of the newest changed, and all that follows from them", change: recomputed, fault: "the box did not write these octets", keys: true},
		{name: "a chain value changed", change: "UPDATE envelopes SET chain = CAST(zeroblob(31) || x'01' AS BLOB)" + at2, fault: "its place in the chain"},
		{
			name: "a chain value of an erased one changed", change: "UPDATE envelopes SET chain = CAST(zeroblob(31) || x'01' AS BLOB) WHERE epoch = ?1 AND seq = 1",
			fault: "it does not follow the record before it",
		},
		{name: "a previous value changed", change: "UPDATE envelopes SET previous = CAST(zeroblob(31) || x'01' AS BLOB)" + at2, fault: "its place in the chain"},
	}
}

// moves change what is said of rows.
func moves(e1, e2 record.EpochID) []deed {
	return []deed{
		{name: "an applied envelope made ready", change: "UPDATE envelopes SET state = 2" + at2, fault: "counts as not applied"},
		{name: "an applied envelope set aside", change: "UPDATE envelopes SET state = 4" + at2, fault: "counts as not applied"},
		{name: "a waiting envelope set aside", change: "UPDATE envelopes SET state = 4 WHERE epoch = ?2 AND seq = 4", fault: "set aside as nobody's, and it opens", keys: true},
		{name: "a waiting envelope made applied", change: "UPDATE envelopes SET state = 3 WHERE epoch = ?2 AND seq = 4", fault: "and there is no record"},
		{name: "a waiting envelope held for ever", change: "UPDATE envelopes SET state = 1 WHERE epoch = ?2 AND seq = 4", fault: "nobody opens it"},
		{name: "a waiting envelope made a rival", change: "UPDATE envelopes SET state = 5 WHERE epoch = ?2 AND seq = 4", fault: "no record of the first"},
		{name: "a state that is none", change: "UPDATE envelopes SET state = 9" + at2, fault: "its state is none"},
		{name: "a header changed", change: "UPDATE epochs SET message = CAST(substr(message, 1, length(message) - 1) || x'00' AS BLOB) WHERE epoch = ?1", fault: "not one that this box signed"},
		{
			name: "a header filed under another box", change: "UPDATE epochs SET box = (SELECT box FROM boxes WHERE box <> ?4) WHERE epoch = ?1",
			fault: "and its header is this box's",
		},
		{name: "a header's end changed", change: "UPDATE epochs SET predecessor_last = 4 WHERE epoch = ?2", fault: "or another end"},
		{name: "headers exchanged", change: "UPDATE epochs SET message = (SELECT message FROM epochs WHERE epoch = ?1) WHERE epoch = ?2", fault: "its header is that of epoch"},
		{name: "a hash changed", change: "UPDATE envelopes SET sum = CAST(zeroblob(31) || x'01' AS BLOB)" + at2, fault: "its hash"},
		{
			name: "octets erased of one that waits", change: "UPDATE envelopes SET bytes = x'' WHERE epoch = ?2 AND seq = 4", fault: "octets are gone",
			gap: audit.Gap{Epoch: e2.String(), First: 4, Last: 4},
		},
	}
}

// repeats change what is said of one thing in two places in one of them, or erase what is not due.
func repeats() []deed {
	const disagree, content = "says something else than the record", "than its content"
	blank := func(at string) string {
		return "UPDATE records SET content_sealed = x'', serial_index = NULL, subject = NULL, erased = " + at + at2 + "; UPDATE envelopes SET bytes = x''" + at2
	}
	ms := func(d time.Duration) string { return strconv.FormatInt(due.Add(d).UnixMilli(), 10) }
	return []deed{
		{name: "a record's final verdict changed", change: "UPDATE records SET final_verdict = iif(final_verdict = 1, 3, 1)" + at2, fault: disagree},
		{name: "a record's final reason changed", change: "UPDATE records SET final_reason = final_reason + 1" + at2, fault: disagree},
		{name: "a record's final answer changed", change: "UPDATE records SET final_answer = final_answer + 1" + at2, fault: disagree},
		{name: "a record's source changed", change: "UPDATE records SET source = source + 1" + at2, fault: disagree},
		{name: "a verdict changed", change: "UPDATE verdicts SET verdict = iif(verdict = 1, 3, 1)" + at2, fault: disagree},
		{name: "a verdict given to another tap", change: "UPDATE verdicts SET tap = randomblob(16)" + at2, fault: disagree},
		{name: "a verdict given to another record", change: "UPDATE verdicts SET seq = 99" + at2, fault: "or is another's"},
		{name: "a tap removed", change: "DELETE FROM taps" + at2, fault: "it could be used again"},
		{name: "a tap given to another record", change: "UPDATE taps SET seq = 3" + at2, fault: "it could be used again"},
		{
			name: "a tap used twice", fault: "who used its tap id first",
			change: "UPDATE records SET tap = (SELECT tap FROM records WHERE epoch = ?1 AND seq = 3)" + at2 +
				"; UPDATE verdicts SET tap = (SELECT tap FROM records WHERE epoch = ?1 AND seq = 3)" + at2,
		},
		{name: "a record that used its tap first called replayed", change: "UPDATE records SET final_reason = 80" + at2 + "; UPDATE verdicts SET reason = 80" + at2, fault: "who used its tap id first"},
		{
			name: "a tap id changed wherever it is", fault: content, keys: true,
			change: "UPDATE records SET tap = x'00112233445566778899aabbccddeeff'" + at2 + "; UPDATE verdicts SET tap = x'00112233445566778899aabbccddeeff'" + at2 +
				"; UPDATE taps SET tap = x'00112233445566778899aabbccddeeff'" + at2,
		},
		{name: "a record's time changed", change: "UPDATE records SET tapped = tapped + 1" + at2, fault: content, keys: true},
		{name: "a record's desk changed", change: "UPDATE records SET desk = 'x'" + at2, fault: content, keys: true},
		{name: "a record's service changed", change: "UPDATE records SET service = 'y'" + at2, fault: content, keys: true},
		{name: "a record's first verdict changed", change: "UPDATE records SET first_verdict = iif(first_verdict = 1, 3, 1)" + at2, fault: content, keys: true},
		{name: "a record's first reason changed", change: "UPDATE records SET first_reason = first_reason + 1" + at2, fault: content, keys: true},
		{name: "a record erased before it was due", change: blank(ms(-30 * time.Hour)), fault: "before its days were over"},
		{name: "a record erased long ago", change: blank("1"), fault: "before its days were over"},
		{name: "a record without an end erased", change: "UPDATE records SET due = 0" + at2 + "; " + blank(ms(time.Hour)), fault: "before its days were over"},
		{name: "a record erased as soon as it was applied", change: "UPDATE records SET due = 1" + at2 + "; " + blank(ms(-50*time.Hour)), fault: "before its days were over"},
		{name: "a record erased but for its octets", change: "UPDATE records SET content_sealed = x'', erased = " + ms(time.Hour) + at2, fault: "its octets are here"},
	}
}

// P2: whatever table is tampered with, it is found.
func TestP2TamperingIsFound(t *testing.T) {
	w := newTown(t)
	e1, e2, e3 := w.first.Signed.Header.Epoch, w.second.Signed.Header.Epoch, w.third.Signed.Header.Epoch
	for _, d := range slices.Concat(removals(e1, e2), changes(), moves(e1, e2), repeats()) {
		t.Run(d.name, func(t *testing.T) {
			change := d.change
			if change == recomputed {
				change = w.rewritten(t)
			}
			look := w.copied(t, change, e1.ID128[:], e2.ID128[:], e3.ID128[:], w.box.ID.ID128[:])
			found(t, d, w.audit(look, w.with()))
			if !d.keys {
				found(t, d, w.audit(look, audit.Options{}))
			}
		})
	}
}

func found(t *testing.T, d deed, r audit.Report) {
	t.Helper()
	if r.Whole {
		t.Errorf("opened %v: whole, want it found: %+v", r.Opened, r)
	}
	has := d.fault == ""
	for _, f := range r.Faults {
		has = has || strings.Contains(f.What, d.fault)
	}
	if !has {
		t.Errorf("opened %v: faults %+v, want one with %q", r.Opened, r.Faults, d.fault)
	}
	if d.gap == (audit.Gap{}) {
		return
	}
	if slices.Contains(r.Gaps, d.gap) {
		return
	}
	t.Errorf("opened %v: gaps %+v, want %+v", r.Opened, r.Gaps, d.gap)
}

// recomputed stands for the statement of rewritten.
const recomputed = "recomputed"

// rewritten puts other octets in the place of the newest record, with their own hash and chain value.
func (w *town) rewritten(t *testing.T) string {
	t.Helper()
	e, err := epoch.DecodeEnvelope(w.third.Records[1].Bytes)
	w.Check(err)
	e.Sealed = append([]byte{e.Sealed[0] ^ 2}, e.Sealed[1:]...)
	b, err := e.Encode()
	w.Check(err)
	return rewrite(e.Epoch, e.Seq, b, e.Previous.Next(b))
}

// A gap that the box itself explains is none of central's; what central's own tables name stays one.
func TestALostJournalExplainsWhatCameBeforeIt(t *testing.T) {
	w := newTown(t)
	fourth := w.box.Open(t, epoch.CauseSetAside, epoch.Predecessor{Lineage: epoch.LineageUnknown})
	fourth.Tap(t, simbox.Card(0x12))
	w.Push(w.box, fourth.Push())
	w.Drain()
	if r := w.audit(w.Store, w.with()); !r.Whole || len(r.Told) != 1 || len(r.Open) != 2 {
		t.Errorf("audit = %+v, want whole, with the damage told and two open ends", r)
	}
	e2 := w.second.Signed.Header.Epoch
	sent := "; UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'envelopes'"
	look := w.copied(t, "DELETE FROM envelopes WHERE epoch = ? AND seq = 4"+sent, e2.ID128[:])
	if r := w.audit(look, w.with()); !r.Whole || r.Explained != 1 || len(r.Gaps) != 1 || r.Gaps[0].Explained == "" {
		t.Errorf("audit = %+v, want a gap that the lost journal explains", r)
	}
	look = w.copied(t, "DELETE FROM envelopes WHERE epoch = ?1 AND seq = 3; DELETE FROM records WHERE epoch = ?1 AND seq = 3"+sent, e2.ID128[:])
	if r := w.audit(look, w.with()); r.Whole || r.Missing != 1 || r.Explained != 0 {
		t.Errorf("audit = %+v, want what was here and is not as missing", r)
	}
	look = w.copied(t, "DELETE FROM reports")
	if r := w.audit(look, w.with()); r.Whole {
		t.Errorf("audit = %+v, want the report that is gone found", r)
	}
}

// A record that lost its attributes alone has a content of its own, and no octets of an envelope.
func TestARecordWithoutItsAttributesIsWhole(t *testing.T) {
	w := newTown(t)
	id := w.first.Records[3].ID
	w.Check(w.Store.Update(t.Context(), func(tx store.Tx) error {
		r, err := tx.Record(id)
		if err != nil {
			return err
		}
		less, err := opener.WithoutAttributes(w.Keys.Rows, r)
		if err != nil {
			return err
		}
		return tx.EraseAttributes(id, less)
	}))
	if r := w.audit(w.Store, w.with()); !r.Whole || r.Erased != 2 {
		t.Errorf("audit = %+v, want whole with 2 erased", r)
	}
	look := w.copied(t, "UPDATE records SET content_sealed = x'00' WHERE epoch = ? AND seq = ?", id.Epoch.ID128[:], int64(id.Seq)) //nolint:gosec // 4
	if r := w.audit(look, w.with()); r.Whole || len(r.Faults) != 1 || r.Faults[0].Seq != id.Seq {
		t.Errorf("audit = %+v, want the content that does not open found", r)
	}
}

// A fork is told, and both histories are audited; nothing of it is missing.
func TestAForkIsToldAndNoGap(t *testing.T) {
	w := newTown(t)
	clone := w.box.Clone()
	for i, b := range []*simbox.Box{w.box, clone} {
		e := b.Start(t, epoch.CauseStart)
		e.Tap(t, simbox.Card(0x12, byte(i)))
		w.Push(b, e.Push())
	}
	w.Drain()
	r := w.audit(w.Store, w.with())
	if !r.Whole || r.State != "quarantined" || len(r.Told) == 0 || len(r.Open) != 2 {
		t.Errorf("audit = %+v, want whole and the fork told", r)
	}
	if r := w.audit(w.copied(t, "DELETE FROM reports"), w.with()); r.Whole {
		t.Errorf("audit = %+v, want the report that is gone found", r)
	}
}

// A revoked box's records are held, and that is no fault.
func TestRecordsOfARevokedBoxWait(t *testing.T) {
	w := newTown(t)
	w.Check(w.Boxes.Revoke(t.Context(), w.box.ID))
	w.third.Tap(t, simbox.Card(0x12))
	w.Push(w.box, w.third.Push())
	w.World.Pass(time.Minute)
	w.Drain()
	if r := w.audit(w.Store, w.with()); !r.Whole || r.Waiting != 2 || r.Held != 2 || r.State != "revoked" {
		t.Errorf("audit = %+v, want 2 waiting and whole", r)
	}
	if _, err := audit.Box(t.Context(), w.Store, record.NewBoxID(), w.with()); err == nil || err.Error() != audit.ErrUnknown.Error() {
		t.Errorf("Box(no such box) = %v, want %v", err, audit.ErrUnknown)
	}
}

func rewrite(id record.EpochID, seq record.Seq, b []byte, chain epoch.Hash) string {
	sum := hashOf(b)
	return fmt.Sprintf("UPDATE envelopes SET bytes = x'%x', sum = x'%x', chain = x'%x' WHERE epoch = x'%x' AND seq = %d AND state = 3",
		b, sum[:], chain[:], id.ID128[:], seq)
}

func hashOf(b []byte) epoch.Hash { return sha256.Sum256(b) }

// A database is audited as whoever had it left it: closed in order, or killed, with what stands in the write-ahead log alone.
func TestADatabaseThatNobodyHasOpen(t *testing.T) {
	w := newTown(t)
	killed := t.TempDir()
	check(t, os.CopyFS(killed, os.DirFS(w.Dir)))
	closed := t.TempDir()
	check(t, os.CopyFS(closed, os.DirFS(killed)))
	db, err := sqlite.Open(t.Context(), closed, simcentral.Start)
	check(t, err)
	check(t, db.Close())
	for name, dir := range map[string]string{"killed": killed, "closed": closed} {
		look, err := sqlite.OpenLook(t.Context(), filepath.Join(dir, sqlite.FileDatabase), false)
		check(t, err)
		if r := w.audit(look, w.with()); !r.Whole || r.Known != 11 {
			t.Errorf("%s: audit = %+v, want 11 records whole", name, r)
		}
		check(t, look.Close())
	}
	if _, err := sqlite.OpenLook(t.Context(), filepath.Join(w.Dir, sqlite.FileDatabase), true); !errors.Is(err, sqlite.ErrLog) {
		t.Errorf("OpenLook(a running central's, as nobody's) = %v, want ErrLog", err)
	}
	if _, err := sqlite.OpenLook(t.Context(), filepath.Join(t.TempDir(), "none.db"), false); err == nil {
		t.Error("OpenLook(nothing) = nil, want an error")
	}
}
