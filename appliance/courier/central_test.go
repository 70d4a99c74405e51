package courier_test

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"io"
	"maps"
	"slices"
	"testing"

	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/sync/ack"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

// central is the other end by the formats alone.
type central struct {
	t       testing.TB
	root    *ecdsa.PrivateKey
	rootSet []byte
	seal    seal.PrivateKey
	sign    *ecdsa.PrivateKey
	sets    *settest.Central
	bundle  uint64
	level   ack.Level
	n       uint64
	epoch   uint64
	boxes   map[record.BoxID]*registered
	orders  [][]byte
}

// registered is what central knows of a box.
type registered struct {
	device  sign.PublicKey
	sealing seal.PublicKey
	said    parcel.State
	saidN   uint64
	held    map[record.EpochID]map[record.Seq][]byte
	order   []record.ID
	doubled int
	acks    uint64
}

func newCentral(t testing.TB) *central {
	t.Helper()
	c := &central{t: t, root: newKey(t), sign: newKey(t), bundle: 1, level: ack.Safe, n: 5_000, epoch: 1, boxes: map[record.BoxID]*registered{}, sets: newSets(t)}
	var err error
	c.seal, err = seal.GenerateKey()
	must(t, err)
	c.rootSet, err = trust.NewRootSet(1, 1, []sign.PublicKey{publicOf(t, c.root)}).Sign([]crypto.Signer{c.root})
	must(t, err)
	return c
}

// trust is the bundle in force.
func (c *central) trust() []byte {
	tls := newKey(c.t)
	b := trust.Bundle{Number: c.bundle, Issued: start.Unix(), Suites: []seal.Suite{seal.Suite1}, Keys: []trust.Key{
		{Purposes: []sign.Purpose{
			sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules, sign.PurposeOrder, sign.PurposeCourierDown,
		}, Public: publicOf(c.t, c.sign).DER()},
		{Purposes: []sign.Purpose{trust.UseTLS}, Public: publicOf(c.t, tls).DER()},
		{Purposes: []sign.Purpose{trust.UseSeal}, Public: c.seal.Public().Bytes()},
	}}
	msg, err := b.Sign([][]byte{c.rootSet}, []crypto.Signer{c.root})
	must(c.t, err)
	return msg
}

// take takes in what boxes brought. Each parcel is verified as central's own programs do.
func (c *central) take(dir string) (records int) {
	c.t.Helper()
	s, err := parcel.Find(dir)
	must(c.t, err)
	defer s.Close()
	for _, kind := range []parcel.Kind{parcel.Up, parcel.Recovered} {
		boxes, err := s.Boxes(kind)
		must(c.t, err)
		for _, id := range boxes {
			names, err := s.Parcels(kind, id)
			must(c.t, err)
			for _, n := range names {
				p, err := s.Open(n)
				must(c.t, err)
				records += c.parcel(c.boxes[id], p)
				must(c.t, p.Close())
			}
		}
	}
	return records
}

func (c *central) parcel(r *registered, p *parcel.Parcel) (records int) {
	c.t.Helper()
	_, err := p.Verify(sign.One{Key: r.device})
	must(c.t, err)
	for part, err := range p.Parts() {
		must(c.t, err)
		if part.Type != parcel.TypeRun {
			continue
		}
		run, err := part.Run()
		must(c.t, err)
		records += c.run(r, run)
	}
	state, ok, err := p.State()
	must(c.t, err)
	if ok && p.N > r.saidN {
		r.said, r.saidN = state, p.N
	}
	return records
}

// run keeps records, and opens each.
func (c *central) run(r *registered, run parcel.Run) int {
	c.t.Helper()
	head, _, err := epoch.OpenHeader(sign.One{Key: r.device}, run.Header)
	must(c.t, err)
	opener, err := epoch.NewOpener(head.Header, c.seal)
	must(c.t, err)
	envelopes, err := run.Envelopes()
	must(c.t, err)
	for _, b := range envelopes {
		e, err := epoch.DecodeEnvelope(b)
		must(c.t, err)
		content, err := opener.Open(e)
		if err != nil || string(content) != planted {
			c.t.Errorf("record %s opens to %q, %v", e.ID(), content, err)
		}
		c.keep(r, e, b)
	}
	return len(envelopes)
}

func (c *central) keep(r *registered, e epoch.Envelope, b []byte) {
	if r.held == nil {
		r.held = map[record.EpochID]map[record.Seq][]byte{}
	}
	if r.held[e.Epoch] == nil {
		r.held[e.Epoch] = map[record.Seq][]byte{}
	}
	if was, ok := r.held[e.Epoch][e.Seq]; ok {
		r.doubled++
		if !bytes.Equal(was, b) {
			c.t.Errorf("record %s came twice, and differs", e.ID())
		}
		return
	}
	r.held[e.Epoch][e.Seq] = b
	r.order = append(r.order, e.ID())
}

// give writes down parcels for boxes that have said what they have.
func (c *central) give(dir string, boxes ...*box) {
	c.t.Helper()
	s, err := parcel.Make(dir)
	must(c.t, err)
	defer s.Close()
	for _, b := range boxes {
		r := c.boxes[b.id]
		w, err := s.Writer(parcel.Config{
			Kind: parcel.Down, Box: b.id, Signer: c.sign, To: r.sealing, CentralEpoch: c.epoch, Heard: r.saidN,
			Next: func() (uint64, error) { c.n++; return c.n, nil },
		})
		must(c.t, err)
		for _, got := range c.lacking(b.id, r) {
			must(c.t, w.Polled(got, c.blobs(s, got)...))
		}
		must(c.t, w.Close())
	}
}

// lacking is what a box lacks by what it said last.
func (c *central) lacking(id record.BoxID, r *registered) (all []wire.Polled) {
	first := wire.Polled{CentralEpoch: c.epoch, Ack: c.acknowledge(id, r), Orders: c.orders, Time: start.UnixMilli()}
	if c.bundle > r.said.Poll.Trust {
		first.Bundle = c.trust()
	}
	if n := len(c.sets.All); n > 0 {
		first.Sets = []wire.SetOffer{c.sets.Offer(0)}
	}
	all = append(all, first)
	held := r.said.Poll.Verdicts
	if held.CentralEpoch != c.epoch {
		held.N = 0
	}
	for at := held.N; at < uint64(len(r.order)); {
		v := wire.Verdicts{Box: id, After: at}
		for _, rec := range r.order[at:min(at+wire.MaxVerdicts, uint64(len(r.order)))] {
			v.Verdicts = append(v.Verdicts, wire.Verdict{
				Epoch: rec.Epoch, Seq: rec.Seq, Tap: record.NewTapID(), Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder,
				Answer: record.AnswerNotRevoked, Source: wire.SourceOCSP, Settled: 1,
			})
		}
		at += uint64(len(v.Verdicts))
		v.Version = rule.Version{CentralEpoch: c.epoch, N: at}
		msg, err := v.Sign(c.sign)
		must(c.t, err)
		all = append(all, wire.Polled{CentralEpoch: c.epoch, Verdicts: msg})
	}
	return all
}

func (c *central) acknowledge(id record.BoxID, r *registered) []byte {
	r.acks++
	a := ack.Ack{Version: rule.Version{CentralEpoch: c.epoch, N: r.acks}, Box: id, Issued: start.UnixMilli(), Ranges: []ack.Range{}}
	for e, records := range r.held {
		var held []ack.Held
		for _, seq := range slices.SortedFunc(maps.Keys(records), cmp.Compare[record.Seq]) {
			v, err := epoch.DecodeEnvelope(records[seq])
			must(c.t, err)
			held = append(held, ack.Held{Seq: seq, Previous: v.Previous, Chain: v.Previous.Next(records[seq]), Level: c.level})
		}
		a.Ranges = append(a.Ranges, ack.Runs(e, held)...)
	}
	msg, err := a.Sign(c.sign)
	must(c.t, err)
	return msg
}

// blobs puts the files of the offers on the stick.
func (c *central) blobs(s *parcel.Stick, got wire.Polled) (all []wire.Blob) {
	for _, o := range got.Sets {
		for _, b := range []wire.Blob{o.Manifest, o.Set} {
			_, err := s.PutBlob(c.t.Context(), b, func() (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(c.sets.Blobs[b.ID])), nil
			})
			must(c.t, err)
			all = append(all, b)
		}
	}
	return all
}

// order has central order every box something.
func (c *central) order(id record.BoxID, k order.Kind) order.ID {
	o := order.Order{Version: 1, Box: id, ID: order.NewID(), Kind: k, Issued: start.UnixMilli()}
	msg, err := o.Sign(c.sign)
	must(c.t, err)
	c.orders = append(c.orders, msg)
	return o.ID
}
