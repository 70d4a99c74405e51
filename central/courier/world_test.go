package courier_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	_ "modernc.org/sqlite" // the database that is compared

	"kazashi.example/central/boxline/simcentral"
	central "kazashi.example/central/courier"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/ack"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// number is above that of every parcel before, in whatever test.
var number uint64 = 1_790_000_000

func next() (uint64, error) { number++; return number, nil }

// box is a simulated box with what it took from sticks.
type box struct {
	*simbox.Box

	t    *testing.T
	c    *simcentral.Central
	has  wire.Poll
	acks map[record.ID]epoch.Hash // by the last record of each range
	got  []wire.Polled

	heard uint64 // by the last parcel
}

func newBox(t *testing.T, c *simcentral.Central, b *simbox.Box) *box {
	return &box{Box: b, t: t, c: c, acks: map[record.ID]epoch.Hash{}}
}

// taps writes epochs of so many records each.
func (b *box) taps(each ...int) {
	b.t.Helper()
	for _, n := range each {
		e := b.Start(b.t, epoch.CauseRotation)
		for i := range n {
			e.Tap(b.t, simbox.Card(0x21, byte(len(b.Epochs)), byte(i>>8), byte(i)))
		}
	}
}

// state is what the box says of itself.
func (b *box) state() parcel.State {
	s := parcel.State{Poll: b.has}
	for _, e := range b.Epochs {
		end := parcel.End{Epoch: e.Signed.Header.Epoch, Head: e.Signed.Root}
		if n := len(e.Records); n > 0 {
			end.Last, end.Head = e.Records[n-1].ID.Seq, e.Records[n-1].Chain
		}
		s.Ends = append(s.Ends, end)
	}
	return s
}

// runs are all records, in runs of at most so many.
func (b *box) runs(most int) (all []parcel.Run) {
	b.t.Helper()
	for _, e := range b.Epochs {
		var envelopes [][]byte
		for _, w := range e.Records {
			envelopes = append(envelopes, w.Bytes)
		}
		for part := range slices.Chunk(envelopes, most) {
			r, err := parcel.Pack(e.Signed.Message, part)
			check(b.t, err)
			all = append(all, r)
		}
	}
	return all
}

// export writes runs and the state to a stick, and returns the files of the parcels.
func (b *box) export(dir string, runs []parcel.Run, state bool) (files []string) {
	b.t.Helper()
	return write(b.t, dir, parcel.Config{Kind: parcel.Up, Box: b.ID, Next: next, Now: b.c.World.Now, Signer: b.Device}, func(w *parcel.Writer) {
		for _, r := range runs {
			check(b.t, w.Run(r))
		}
		if state {
			check(b.t, w.State(b.state()))
		}
	})
}

func write(t *testing.T, dir string, c parcel.Config, fill func(*parcel.Writer)) (files []string) {
	t.Helper()
	s, err := parcel.Make(dir)
	check(t, err)
	defer s.Close()
	w, err := s.Writer(c)
	check(t, err)
	fill(w)
	check(t, w.Close())
	for _, n := range w.Names() {
		files = append(files, filepath.Join(dir, n.String()))
	}
	return files
}

// take hands in files.
func take(t *testing.T, c *simcentral.Central, files ...string) (last central.Taken, err error) {
	t.Helper()
	for _, name := range files {
		b, rerr := os.ReadFile(name)
		check(t, rerr)
		if last, err = c.Courier.Take(t.Context(), bytes.NewReader(b), int64(len(b))); err != nil {
			return last, err
		}
	}
	return last, nil
}

// give has central make parcels for the box, and takes them in as a box does: in their order, each whole by itself.
func (b *box) give() (central.Given, central.Plan) {
	b.t.Helper()
	var plan central.Plan
	var files [][]byte
	given, err := b.c.Courier.Give(b.t.Context(), b.ID, central.Takers{
		Plan: func(p central.Plan) error { plan = p; return nil },
		Parcel: func(_ parcel.Name, octets io.Reader, size int64) error {
			all, err := io.ReadAll(octets)
			if int64(len(all)) != size {
				b.t.Errorf("a parcel of %d octets came with %d", size, len(all))
			}
			files = append(files, all)
			return err
		},
	})
	check(b.t, err)
	if len(files) != len(given.Parcels) {
		b.t.Errorf("%d parcels came, %d were given", len(files), len(given.Parcels))
	}
	b.got = nil
	for _, f := range files {
		b.takeIn(f)
	}
	return given, plan
}

func (b *box) takeIn(file []byte) {
	b.t.Helper()
	p := b.open(file, b.S)
	b.heard = p.Heard
	for part, err := range p.Parts() {
		check(b.t, err)
		polled, err := part.Polled()
		check(b.t, err)
		if polled.Subjects != nil {
			b.t.Error("a pseudonym goes by stick")
		}
		b.apply(polled)
		b.got = append(b.got, polled)
	}
}

func (b *box) keys() sign.Keys { return sign.One{Key: simcentral.Public(b.t, b.c.Keys.Sign)} }

func (b *box) open(file []byte, with seal.PrivateKey) *parcel.Parcel {
	b.t.Helper()
	p, err := parcel.Read(bytes.NewReader(file), int64(len(file)))
	check(b.t, err)
	_, err = p.Verify(b.keys())
	check(b.t, err)
	if p.Kind != parcel.Down || p.Box != b.ID {
		b.t.Errorf("a parcel of kind %s for %s", p.Kind, p.Box)
	}
	check(b.t, p.Unseal(with))
	return p
}

// apply refuses a gap in the verdicts, as a box does.
func (b *box) apply(p wire.Polled) {
	b.t.Helper()
	if p.Verdicts != nil {
		v, err := wire.OpenVerdicts(b.keys(), p.Verdicts)
		check(b.t, err)
		held := b.has.Verdicts
		if v.Version.CentralEpoch > held.CentralEpoch {
			held.CentralEpoch, held.N = v.Version.CentralEpoch, 0
		}
		if v.After > held.N || v.Box != b.ID {
			b.t.Errorf("verdicts after %d of box %s, held %d", v.After, v.Box, held.N)
		}
		if v.Version.Compare(b.has.Verdicts) > 0 {
			b.has.Verdicts = v.Version
		}
	}
	if p.Ack != nil {
		a, err := ack.Open(b.keys(), p.Ack)
		check(b.t, err)
		if a.Box != b.ID || a.Version.Compare(b.has.Acks) <= 0 {
			b.t.Errorf("acknowledgement %v of box %s after %v", a.Version, a.Box, b.has.Acks)
		}
		b.has.Acks = a.Version
		for _, r := range a.Ranges {
			b.acks[record.ID{Epoch: r.Epoch, Seq: r.Last}] = r.Chain
		}
	}
	if p.Rules != nil {
		b.has.Rules, _, _ = b.c.World.Rules(b.Site)
	}
	if p.Bundle != nil {
		b.has.Trust, _ = b.c.World.Bundle()
	}
	if p.RosterOffer.Version.N > 0 {
		b.has.Roster = p.RosterOffer.Version
	}
}

// tables is a digest of the rows of each table, but for those that count parcels and acknowledgements.
func tables(t *testing.T, c *simcentral.Central) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.Dir, sqlite.FileDatabase)+"?mode=ro")
	check(t, err)
	defer db.Close()
	names := column(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	all := map[string]string{}
	for _, name := range names {
		switch name {
		case "courier_states", "courier_ends", "courier_parcels", "meta":
		default:
			all[name] = fmt.Sprint(rowsOf(t, db, name))
		}
	}
	if len(all) < 20 || len(all["envelopes"]) < 100 {
		t.Fatalf("%d tables, want them all", len(all))
	}
	return all
}

func column(t *testing.T, db *sql.DB, q string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), q)
	check(t, err)
	defer rows.Close()
	for rows.Next() {
		var s string
		check(t, rows.Scan(&s))
		all = append(all, s)
	}
	check(t, rows.Err())
	return all
}

func rowsOf(t *testing.T, db *sql.DB, table string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table) //nolint:gosec // a name from the schema
	check(t, err)
	defer rows.Close()
	names, err := rows.Columns()
	check(t, err)
	for rows.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		check(t, rows.Scan(into...))
		all = append(all, fmt.Sprintf("%x", values))
	}
	check(t, rows.Err())
	slices.Sort(all)
	return all
}

func same(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if before[name] != after[name] {
			t.Errorf("%s changes table %s", what, name)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
