package opener_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/wire"
)

// keyless is an epoch whose header is truly signed and whose encapsulation holds no key: the point in it is on no curve.
func keyless(t *testing.T, box *simbox.Box) wire.Push {
	t.Helper()
	id, nonce := epoch.NewID(box.ID)
	s, err := epoch.Header{
		Version: epoch.Version, Suite: seal.Suite1, Box: box.ID, Epoch: id, Nonce: nonce, Recipient: box.Central.ID(),
		Enc: bytes.Repeat([]byte{0xA5}, seal.EncLen), Predecessor: box.End(), Cause: epoch.CauseStart,
	}.Sign(box.Device)
	if err != nil {
		t.Fatal(err)
	}
	e, err := epoch.Envelope{
		Version: epoch.Version, Epoch: s.Header.Epoch, Seq: 1, Previous: s.Root, Sealed: make([]byte, seal.TagLen+1),
	}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return wire.Push{Headers: [][]byte{s.Message}, Envelopes: [][]byte{e}}
}

// P2: a box that signs nonsense has it set aside, and holds up nobody else's records.
func TestP2AnEpochWithoutAKeyStopsNobody(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	bad, good := c.Box(), c.Box()
	c.Push(bad, keyless(t, bad)) // first in line
	e := good.Start(t, epoch.CauseStart)
	for i := range 20 {
		e.Tap(t, simbox.Card(0x31, byte(i)))
	}
	c.Push(good, e.Push())
	c.Drain()
	if n := c.Counts(); n.Records != 20 || n.Aside != 1 || n.Ready != 0 {
		t.Errorf("counts = %+v, want 20 records, 1 set aside, nothing waiting", n)
	}
	if s := c.State(bad); s != store.BoxActive {
		t.Errorf("state = %s, want active: what does not open accuses nobody", s)
	}
}

// refusing cannot open one sealed column, as if its row were damaged.
type refusing struct {
	opener.Rows
	label string
}

var errDamagedRow = errors.New("a damaged row of the test")

func (r refusing) Open(label string, row, sealed []byte) ([]byte, error) {
	if label == r.label {
		return nil, errDamagedRow
	}
	return r.Rows.Open(label, row, sealed)
}

// P2: a person's row that is damaged puts off that person's records and no others.
func TestP2ADamagedRowPutsOffItsOwnRecordsAlone(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	p := simbox.Known(t, 0x41)
	enrolled := p.Enrol(t, box.ID)
	e.Tap(t, enrolled)
	c.Push(box, e.Push())
	c.Drain()
	conf := c.Opener.Config
	conf.Rows = refusing{conf.Rows, "enrolments.kept"}
	damaged := opener.New(conf)
	again := e.Tap(t, p.Tap(t, box.ID, enrolled.Tap)) // the known person first
	for i := range 20 {
		e.Tap(t, simbox.Card(0x42, byte(i)))
	}
	c.Push(box, e.Push())
	if err := damaged.Drain(t.Context()); err != nil {
		t.Fatalf("Drain = %v, want the damaged one put off", err)
	}
	if n := c.Counts(); n.Records != 21 || n.Ready != 1 {
		t.Errorf("counts = %+v, want 21 records and 1 waiting", n)
	}
	c.World.Pass(time.Hour)
	c.Drain() // the row is whole again
	if _, err := c.Record(again.ID); err != nil {
		t.Errorf("Record(put off) = %v, want it settled once it can be", err)
	}
}
