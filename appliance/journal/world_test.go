package journal_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// central is the other side: it opens everything that a box sends, and signs for it.
type central struct {
	t       testing.TB
	private seal.PrivateKey
	device  crypto.Signer
	box     record.BoxID
	epoch   uint64
	n       uint64
	headers map[record.EpochID]epoch.Signed
	held    map[record.EpochID]map[record.Seq][]byte
}

func newCentral(t testing.TB) *central {
	t.Helper()
	private, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &central{
		t: t, private: private, device: device, box: record.NewBoxID(), epoch: 1,
		headers: map[record.EpochID]epoch.Signed{}, held: map[record.EpochID]map[record.Seq][]byte{},
	}
}

func (c *central) options() journal.Options {
	public := c.private.Public()
	return journal.Options{
		Device: c.device, Box: c.box, Fresh: true,
		Recipient: func() (seal.PublicKey, error) { return public, nil },
	}
}

func (c *central) open(path string, change ...func(*journal.Options)) *journal.Journal {
	c.t.Helper()
	o := c.options()
	for _, f := range change {
		f(&o)
	}
	j, err := journal.Open(context.Background(), path, o)
	if err != nil {
		c.t.Fatalf("Open() = %v", err)
	}
	c.t.Cleanup(func() { shut(c.t, j) })
	return j
}

func shut(t testing.TB, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}

func clearOf(n int) journal.Clear {
	return journal.Clear{
		Tap: record.NewTapID(), Time: time.Date(2026, 11, 22, 0, 0, n, 0, time.UTC), Desk: "desk-1", Service: "lending",
		Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder, Code: "2K7M",
	}
}

func text(n int) []byte { return fmt.Appendf(nil, "made-up content of tap %d", n) }

func add(t testing.TB, j *journal.Journal, n int) record.ID {
	t.Helper()
	id, err := j.Append(t.Context(), text(n), clearOf(n))
	if err != nil {
		t.Fatalf("Append(%d) = %v", n, err)
	}
	return id
}

// take stores a batch as central does: headers first, then envelopes, each under a header that it has.
func (c *central) take(headers, envelopes [][]byte) {
	c.t.Helper()
	public, err := sign.PublicKeyOf(c.device.Public())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, h := range headers {
		s, _, err := epoch.OpenHeader(sign.One{Key: public}, h)
		if err != nil {
			c.t.Fatalf("OpenHeader() = %v", err)
		}
		if s.Header.Box != c.box {
			c.t.Fatalf("header names box %s, want %s", s.Header.Box, c.box)
		}
		c.headers[s.Header.Epoch] = s
	}
	for _, b := range envelopes {
		e, err := epoch.DecodeEnvelope(b)
		if err != nil {
			c.t.Fatalf("DecodeEnvelope() = %v", err)
		}
		if _, ok := c.headers[e.Epoch]; !ok {
			c.t.Fatalf("record %s came without its header", e.ID())
		}
		if c.held[e.Epoch] == nil {
			c.held[e.Epoch] = map[record.Seq][]byte{}
		}
		if was, ok := c.held[e.Epoch][e.Seq]; ok && string(was) != string(b) {
			c.t.Fatalf("two different records %s", e.ID())
		}
		c.held[e.Epoch][e.Seq] = b
	}
}

// pull takes one batch from a journal.
func (c *central) pull(j *journal.Journal, l journal.Limits) int {
	c.t.Helper()
	p, err := j.Unsent(context.Background(), l)
	if err != nil {
		c.t.Fatalf("Unsent() = %v", err)
	}
	c.take(p.Headers, p.Envelopes)
	return len(p.Envelopes)
}

// runs are what central holds of one epoch. It checks every link from the epoch's root on.
func (c *central) runs(id record.EpochID, level ack.Level) []ack.Range {
	var held []ack.Held
	for seq := record.Seq(1); len(held) < len(c.held[id]); seq++ {
		b, ok := c.held[id][seq]
		if !ok {
			continue
		}
		e, err := epoch.DecodeEnvelope(b)
		if err != nil {
			c.t.Fatal(err)
		}
		held = append(held, ack.Held{Seq: seq, Previous: e.Previous, Chain: e.Previous.Next(b), Level: level})
	}
	return ack.Runs(id, held)
}

// acknowledge signs for everything held, or for the epochs named.
func (c *central) acknowledge(level ack.Level, ids ...record.EpochID) ack.Ack {
	c.n++
	a := ack.Ack{Version: rule.Version{CentralEpoch: c.epoch, N: c.n}, Box: c.box, Issued: 1}
	if len(ids) == 0 {
		for id := range c.held {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		a.Ranges = append(a.Ranges, c.runs(id, level)...)
	}
	return a
}

// settle pulls and acknowledges until the journal has nothing left.
func (c *central) settle(j *journal.Journal, level ack.Level) {
	c.t.Helper()
	for c.pull(j, journal.Limits{}) > 0 {
		c.accept(j, c.acknowledge(level))
	}
}

func (c *central) accept(j *journal.Journal, a ack.Ack) {
	c.t.Helper()
	if err := j.Accept(context.Background(), a); err != nil {
		c.t.Fatalf("Accept() = %v", err)
	}
}

// opened opens every record held and returns the contents by id. Each epoch must be one unbroken chain from its root.
func (c *central) opened() map[record.ID]string {
	c.t.Helper()
	out := map[record.ID]string{}
	for id, records := range c.held {
		o, err := epoch.NewOpener(c.headers[id].Header, c.private)
		if err != nil {
			c.t.Fatalf("NewOpener() = %v", err)
		}
		head := c.headers[id].Root
		for seq := record.Seq(1); seq <= record.Seq(len(records)); seq++ {
			e, err := epoch.DecodeEnvelope(records[seq])
			if err != nil {
				c.t.Fatalf("epoch %s has %d records, but no %d: %v", id, len(records), seq, err)
			}
			if e.Previous != head {
				c.t.Fatalf("record %s does not link", e.ID())
			}
			head = head.Next(records[seq])
			plain, err := o.Open(e)
			if err != nil {
				c.t.Fatalf("Open(%s) = %v", e.ID(), err)
			}
			out[e.ID()] = string(plain)
		}
	}
	return out
}

// want checks that central opened exactly these contents under these ids.
func (c *central) want(want map[record.ID]string) {
	c.t.Helper()
	got := c.opened()
	for id, text := range want {
		if got[id] != text {
			c.t.Errorf("record %s opens to %q, want %q", id, got[id], text)
		}
	}
	if len(got) != len(want) {
		c.t.Errorf("central holds %d records, want %d", len(got), len(want))
	}
}

func (c *central) header(id record.EpochID) epoch.Header {
	c.t.Helper()
	h, ok := c.headers[id]
	if !ok {
		c.t.Fatalf("central has no header of epoch %s", id)
	}
	return h.Header
}

// end is how far central's copy of an epoch goes, as a successor names it.
func (c *central) end(id record.EpochID) epoch.Predecessor {
	p := epoch.Predecessor{Lineage: epoch.LineageKnown, Epoch: id, LastSeq: record.Seq(len(c.held[id])), Head: c.headers[id].Root}
	for seq := record.Seq(1); seq <= p.LastSeq; seq++ {
		p.Head = p.Head.Next(c.held[id][seq])
	}
	return p
}

// copyFiles copies a closed or open database as an image of the disk would.
func copyFiles(t testing.TB, from, to string) {
	t.Helper()
	for _, tail := range []string{"", "-wal"} {
		b, err := os.ReadFile(from + tail)
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(to+tail, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "journal.db") }
