// Package swap replaces a dead box by a spare with the real parts of both ends: journal, recovery from the disk, parcels, registry, intake,
// opener, and the audit that says at the end what became of every record.
package swap_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/appliance/courier/recovery"
	"kazashi.example/appliance/journal"
	"kazashi.example/central/audit"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/wire"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// counter is a box with a real journal.
type counter struct {
	*simbox.Box

	t    *testing.T
	c    *simcentral.Central
	dir  string
	taps byte
}

// life is the counter from one start to the next: n taps are recorded, and what do says is done before it stops.
func (b *counter) life(n int, do func(*journal.Journal)) {
	b.t.Helper()
	j, err := journal.Open(context.Background(), filepath.Join(b.dir, "journal.db"), journal.Options{
		Device: b.Device, Box: b.ID, Fresh: b.taps == 0, Recipient: func() (seal.PublicKey, error) { return b.c.Keys.Seal.Public(), nil },
	})
	must(b.t, err)
	for range n {
		b.taps++
		content, err := simbox.Card(0x31, b.taps).Encode()
		must(b.t, err)
		_, err = j.Append(context.Background(), content, journal.Clear{
			Tap: record.NewTapID(), Time: time.UnixMilli(1), Desk: "desk-1", Service: simbox.Service,
			Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder, Code: "2K7M",
		})
		must(b.t, err)
	}
	do(j)
	must(b.t, j.Close())
}

// deliver pushes everything that waits, as a line does.
func (b *counter) deliver(j *journal.Journal) {
	b.t.Helper()
	for run, err := range j.Runs(b.t.Context(), 0) {
		must(b.t, err)
		p, at := wire.Push{Headers: [][]byte{run.Header}}, run.Previous
		for i, sealed := range run.Sealed {
			e := epoch.Envelope{Version: epoch.Version, Epoch: run.Epoch, Seq: run.First + record.Seq(i), Previous: at, Sealed: sealed} //nolint:gosec // an index
			raw, err := e.Encode()
			must(b.t, err)
			p.Envelopes, at = append(p.Envelopes, raw), at.Next(raw)
		}
		if got := b.c.Push(b.Box, p); len(got.Refused) != 0 {
			b.t.Errorf("refused %v, want nothing", got.Refused)
		}
	}
	b.c.Drain()
}

// join has a new box use a code.
func join(c *simcentral.Central, j wire.JoinCode) (*simbox.Box, wire.JoinAnswer) {
	b := simbox.New(c.TB, c.Keys.Seal.Public())
	q, err := wire.JoinRequest{
		Box: b.ID, Device: b.Public(c.TB).DER(), Sealing: b.Sealing, Server: sha256.Sum256(simcentral.Public(c.TB, c.Keys.TLS).DER()),
	}.Prove(j)
	c.Check(err)
	a, err := c.Line.Join(c.TB.Context(), b.Public(c.TB), q)
	c.Check(err)
	return b, a
}

func row(c *simcentral.Central, id record.BoxID) store.Box {
	b, err := c.Boxes.Box(c.TB.Context(), id)
	c.Check(err)
	return b
}

// take hands everything on a stick to central, as an operator does.
func take(t *testing.T, c *simcentral.Central, stick string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(stick, "KAZASHI", "up", "*", "*"))
	must(t, err)
	if len(files) == 0 {
		t.Fatal("nothing is on the stick")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		got, err := c.Courier.Take(t.Context(), bytes.NewReader(b), int64(len(b)))
		if err != nil || len(got.Refused) != 0 {
			t.Errorf("%s: %v, refused %v", filepath.Base(f), err, got.Refused)
		}
	}
	c.Drain()
}

// P2: a librarian replaces a dead box. What waited inside comes from its disk, once, however often it is brought and whatever else comes; and if
// the dead box lives again, what it still does counts as well.
func TestP2ADeadBoxIsReplacedAndNothingOfItIsLost(t *testing.T) {
	c := simcentral.New(t)
	dead := &counter{Box: c.Box(), t: t, c: c, dir: t.TempDir()}
	dead.life(3, dead.deliver)
	disk := t.TempDir()
	dead.life(4, func(*journal.Journal) { must(t, os.CopyFS(disk, os.DirFS(dead.dir))) }) // it dies here: nothing is closed
	applied := func(after string, want int64) {
		t.Helper()
		if n := c.Counts(); n.Records != want || n.Rivals != 0 || n.Held != 0 {
			t.Errorf("after %s: %+v, want %d records, each once", after, n, want)
		}
	}
	applied("its life", 3)

	c.World.Answer(record.AnswerRevoked, 0x31, 5) // of a card that was accepted there, meanwhile

	code, err := c.Boxes.SwapCode(t.Context(), dead.ID, "", 0)
	must(t, err)
	spare, a := join(c, code)
	if a.Replaces != dead.ID || c.State(dead.Box) != store.BoxReplaced || c.State(spare) != store.BoxActive {
		t.Fatalf("joined in the place of %s, the old box is %s", a.Replaces, c.State(dead.Box))
	}
	spare.Start(t, epoch.CauseStart).Tap(t, simbox.Card(0x41))
	c.Push(spare, spare.Push())
	c.Drain()
	applied("the first tap at the spare", 4)

	for i, by := range []string{"its disk", "its disk, by somebody else"} {
		stick := t.TempDir()
		r, err := recovery.Recover(t.Context(), disk, stick, func(uint64) {})
		if err != nil || r.Box != dead.ID || r.Records != 7 {
			t.Fatalf("recovery %d: %+v, %v, want 7 records of the dead box", i+1, r, err)
		}
		take(t, c, stick)
		applied(by, 8)
	}

	dead.life(2, func(j *journal.Journal) {
		dead.deliver(j)
		ends, err := j.Epochs(t.Context())
		must(t, err)
		got, ack, _ := c.Poll(dead.Box, wire.Poll{Epochs: ends, Locked: true})
		if got.ReplacedBy != spare.ID || len(ack.Ranges) == 0 || got.Grant != nil || got.Verdicts != nil || got.Rules != nil {
			t.Errorf("the dead box, alive again, is told %+v, want who replaced it and what is held of it", got)
		}
	})
	applied("its second life", 10)
	if reports := c.Reports(dead.Box); len(reports) != 0 {
		t.Errorf("reports = %+v, want none: it is one box", reports)
	}
	if all, err := c.Boxes.Untold(t.Context(), row(c, dead.ID)); err != nil || len(all) != 1 || all[0].Desk != "desk-1" || all[0].Final != record.VerdictRefused {
		t.Errorf("Untold = %+v, %v, want the tap that waited in the dead box and was refused since", all, err)
	}
	for b, want := range map[record.BoxID]int64{dead.ID: 9, spare.ID: 1} {
		r, err := audit.Box(t.Context(), c.Store, b, audit.Options{Seal: c.Keys, Rows: c.Keys.Rows})
		if err != nil || !r.Whole || r.Applied != want || r.Known != want {
			t.Errorf("audit = %+v, %v, want %d records applied and nothing missing", r, err, want)
		}
	}
}
