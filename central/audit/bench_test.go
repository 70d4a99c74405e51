package audit_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"kazashi.example/central/audit"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/epoch"
)

// BenchmarkBox audits a copy with keys, 1,000 records an epoch; KAZASHI_AUDIT_RECORDS says how many (a million takes two minutes to make).
func BenchmarkBox(b *testing.B) {
	n := 20_000
	if s := os.Getenv("KAZASHI_AUDIT_RECORDS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	path, box, keys := filled(b, n)
	look, err := sqlite.OpenLook(b.Context(), path, true)
	if err != nil {
		b.Fatal(err)
	}
	defer look.Close()
	for _, with := range []struct {
		name string
		o    audit.Options
	}{{"keys", audit.Options{Seal: keys, Rows: keys.Rows}}, {"none", audit.Options{}}} {
		b.Run(with.name, func(b *testing.B) {
			for b.Loop() {
				r, err := audit.Box(b.Context(), look, box.ID, with.o)
				if err != nil || !r.Whole || r.Applied != int64(n) {
					b.Fatalf("audit = %+v, %v, want %d whole", r, err, n)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// filled is a database of one box's applied records.
func filled(b *testing.B, n int) (path string, box *simbox.Box, keys *simcentral.Keys) {
	c := simcentral.New(b)
	box, keys, path = c.Box(), c.Keys, filepath.Join(b.TempDir(), "filled.db")
	c.Check(c.DB.Copy(b.Context(), path))
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)")
	c.Check(err)
	db.SetMaxOpenConns(1)
	defer db.Close()
	tx, err := db.BeginTx(b.Context(), nil)
	c.Check(err)
	do := func(q string, args ...any) {
		b.Helper()
		if _, err := tx.ExecContext(b.Context(), q, args...); err != nil {
			b.Fatal(err)
		}
	}
	id := box.ID.ID128
	for row := 0; row < n; {
		e := box.Start(b, epoch.CauseRotation)
		h := e.Signed.Header
		p, last := any(h.Predecessor.Epoch.ID128[:]), any(int64(h.Predecessor.LastSeq)) //nolint:gosec // a thousand
		if h.Predecessor.Epoch.IsZero() {
			p, last = nil, nil
		}
		do("INSERT INTO epochs (epoch, box, message, lineage, predecessor, predecessor_last, received) VALUES (?, ?, ?, ?, ?, ?, 1)",
			h.Epoch.ID128[:], id[:], e.Signed.Message, int64(h.Predecessor.Lineage), p, last)
		for i := 0; i < 1000 && row < n; i++ {
			row++
			card := simbox.Card(0x12, 0x34, 0x56, 0x78)
			plain, err := card.Encode()
			c.Check(err)
			w := e.Raw(b, plain)
			v, err := epoch.DecodeEnvelope(w.Bytes)
			c.Check(err)
			sum := hashOf(w.Bytes)
			tap := card.Tap.ID128[:]
			do("INSERT INTO taps (tap, epoch, seq) VALUES (?, ?, ?)", tap, h.Epoch.ID128[:], int64(w.ID.Seq)) //nolint:gosec // a thousand
			seq := int64(w.ID.Seq)                                                                            //nolint:gosec // a thousand
			do(`INSERT INTO envelopes (row, epoch, seq, sum, previous, chain, bytes, carrier, received, state, authentic)
				VALUES (?, ?, ?, ?, ?, ?, ?, x'01', 1, 3, 1)`, row, h.Epoch.ID128[:], seq, sum[:], v.Previous[:], w.Chain[:], w.Bytes)
			do(`INSERT INTO records (epoch, seq, box, envelope, tap, service, desk, tapped, arrived, applied, first_verdict, first_reason, first_answer,
				final_verdict, final_reason, final_answer, proved, source, answered, content_sealed, verdict, since, due, attributes, attributes_due)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 1, ?, ?, ?, 1, 1, 1, 1, 1, 1, ?, ?, 1, 0, 0, 0)`, h.Epoch.ID128[:], seq, id[:], row, tap,
				string(card.Service), string(card.Desk), card.Time, int64(card.Said.Verdict), int64(card.Said.Reason), int64(card.Said.Answer),
				keys.Rows.Seal("records.content", opener.RowOf(w.ID), plain), row)
			do(`INSERT INTO verdicts (box, n, epoch, seq, tap, verdict, reason, answer, source, settled) VALUES (?, ?, ?, ?, ?, 1, 1, 1, 1, 1)`,
				id[:], row, h.Epoch.ID128[:], seq, tap)
		}
	}
	c.Check(tx.Commit())
	return path, box, keys
}
