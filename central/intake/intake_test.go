package intake_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/intake"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// bench is central's receiving half over a real database.
type bench struct {
	t     testing.TB
	db    *sqlite.DB
	in    *intake.Intake
	acks  *intake.Acks
	sign  *ecdsa.PrivateKey
	seals seal.PrivateKey
}

func setUp(t testing.TB, l intake.Limits) *bench {
	t.Helper()
	db, err := sqlite.Open(t.Context(), t.TempDir(), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	seals, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key := simbox.Key(t)
	return &bench{t, db, intake.New(db, l, clock), intake.NewAcks(db, key, clock), key, seals}
}

func (b *bench) box() *simbox.Box { return simbox.New(b.t, b.seals.Public()) }

func (b *bench) joined() *simbox.Box {
	box := b.box()
	b.join(box)
	return box
}

func (b *bench) join(box *simbox.Box) {
	b.t.Helper()
	b.update(func(tx store.Tx) error {
		if err := tx.AddBox(box.Row(b.t)); err != nil {
			return err
		}
		return b.in.Adopt(tx, box.Row(b.t))
	})
}

func (b *bench) update(f func(store.Tx) error) {
	b.t.Helper()
	if err := b.db.Update(context.WithoutCancel(b.t.Context()), f); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) push(carrier *simbox.Box, p wire.Push) intake.Taken {
	b.t.Helper()
	taken, err := b.in.Receive(b.t.Context(), carrier.Public(b.t).ID(), p)
	if err != nil {
		b.t.Fatal(err)
	}
	return taken
}

func (b *bench) ranges(box *simbox.Box, ids ...record.EpochID) []ack.Range {
	b.t.Helper()
	held, err := b.acks.For(b.t.Context(), box.ID, ids)
	if err != nil {
		b.t.Fatal(err)
	}
	pub, err := sign.PublicKeyOf(b.sign.Public())
	if err != nil {
		b.t.Fatal(err)
	}
	a, err := ack.Open(sign.One{Key: pub}, held.Message)
	if err != nil {
		b.t.Fatal(err)
	}
	return a.Ranges
}

func (b *bench) counts() (c store.Counts) {
	b.t.Helper()
	if err := b.db.View(b.t.Context(), func(tx store.Tx) (err error) { c, err = tx.Counts(); return err }); err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bench) state(box *simbox.Box) store.BoxState {
	b.t.Helper()
	var row store.Box
	if err := b.db.View(b.t.Context(), func(tx store.Tx) (err error) { row, err = tx.Box(box.ID); return err }); err != nil {
		b.t.Fatal(err)
	}
	return row.State
}

func taps(t testing.TB, e *simbox.Epoch, n int) {
	t.Helper()
	for i := range n {
		e.Tap(t, simbox.Card(0x11, byte(i>>8), byte(i)))
	}
}

// P2: however records are shuffled, repeated and cut into pushes, central ends with one range up to the box's own head.
func TestRule2AnyOrderEndsInOneRange(t *testing.T) {
	b := setUp(t, intake.Limits{})
	box := b.joined()
	e := box.Start(t, epoch.CauseStart)
	taps(t, e, 60)
	all := e.Push().Envelopes
	random := rand.New(rand.NewPCG(1, 2))
	twice := append(append([][]byte(nil), all...), all[:30]...)
	random.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
	b.push(box, wire.Push{Headers: e.Push().Headers})
	for len(twice) > 0 {
		n := min(len(twice), 1+random.IntN(9))
		if taken := b.push(box, wire.Push{Envelopes: twice[:n]}); len(taken.Refused) != 0 {
			t.Fatalf("Refused = %v, want none", taken.Refused)
		}
		twice = twice[n:]
	}
	got := b.ranges(box, e.Signed.Header.Epoch)
	want := ack.Range{Epoch: e.Signed.Header.Epoch, First: 1, Last: 60, Chain: e.Records[59].Chain, Level: ack.Received}
	if len(got) != 1 || got[0] != want {
		t.Errorf("ranges = %v, want [%v]", got, want)
	}
	if c := b.counts(); c.Ready != 60 {
		t.Errorf("Ready = %d, want 60", c.Ready)
	}
}

// P2, design §5.5: what is missing in the middle is never acknowledged.
func TestRule5AGapSplitsTheRange(t *testing.T) {
	b := setUp(t, intake.Limits{})
	box := b.joined()
	e := box.Start(t, epoch.CauseStart)
	taps(t, e, 9)
	p := e.Push()
	p.Envelopes = append(append([][]byte(nil), p.Envelopes[:3]...), p.Envelopes[5:]...)
	b.push(box, p)
	got := b.ranges(box, e.Signed.Header.Epoch)
	if len(got) != 2 || got[0].Last != 3 || got[1].First != 6 || got[1].Last != 9 {
		t.Errorf("ranges = %v, want 1..3 and 6..9", got)
	}
}

// design §5.4: every differing envelope of one record id is kept, and the forged one never extends the true chain.
func TestRule4DifferingEnvelopesAreKept(t *testing.T) {
	b := setUp(t, intake.Limits{})
	box, other := b.joined(), b.joined()
	e := box.Start(t, epoch.CauseStart)
	taps(t, e, 4)
	forged, err := epoch.DecodeEnvelope(e.Records[1].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	forged.Sealed[0] ^= 1
	raw, err := forged.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b.push(other, wire.Push{Headers: e.Push().Headers, Envelopes: [][]byte{raw}})
	b.push(box, e.Push())
	if c := b.counts(); c.Ready != 5 {
		t.Errorf("Ready = %d, want 5: four true ones and the forged one", c.Ready)
	}
	whole := false
	for _, r := range b.ranges(box, e.Signed.Header.Epoch) {
		whole = whole || r.First == 1 && r.Last == 4 && r.Chain == e.Records[3].Chain
	}
	if !whole {
		t.Errorf("ranges = %v, want one of 1..4 with the box's own head among them", b.ranges(box, e.Signed.Header.Epoch))
	}
	if s := b.state(box); s != store.BoxActive {
		t.Errorf("state = %s, want active: an envelope that nobody opened proves nothing", s)
	}
}

// design §5.4: what a known carrier brings of an unknown box is held and taken up when that box joins.
func TestRule4UnknownBoxIsHeldUntilItJoins(t *testing.T) {
	b := setUp(t, intake.Limits{})
	carrier, stranger := b.joined(), b.box()
	e := stranger.Start(t, epoch.CauseStart)
	taps(t, e, 3)
	if taken := b.push(carrier, e.Push()); len(taken.Refused) != 0 || len(taken.Epochs) != 0 {
		t.Fatalf("taken = %+v, want nothing refused and nothing acknowledged", taken)
	}
	if c := b.counts(); c.HeldHeaders != 1 || c.Held != 3 {
		t.Fatalf("counts = %+v, want 1 header and 3 envelopes held", c)
	}
	if got := b.ranges(carrier, e.Signed.Header.Epoch); len(got) != 0 {
		t.Errorf("ranges = %v, want none before the header is verified", got)
	}
	b.join(stranger)
	if c := b.counts(); c.HeldHeaders != 0 || c.Held != 0 || c.Ready != 3 {
		t.Errorf("counts = %+v, want all 3 ready", c)
	}
}

// A header made by somebody else in an unknown box's name does not come into force when the box joins.
func TestRule4ForgedHeldHeaderIsDropped(t *testing.T) {
	b := setUp(t, intake.Limits{})
	carrier, stranger := b.joined(), b.box()
	liar := b.box()
	liar.ID = stranger.ID
	b.push(carrier, liar.Start(t, epoch.CauseStart).Push())
	b.join(stranger)
	if c := b.counts(); c.HeldHeaders != 0 || c.Epochs != 0 {
		t.Errorf("counts = %+v, want the forged header gone", c)
	}
}

// design §5.4: a revoked box's records are held, acknowledged, and go on when it is reinstated.
func TestRule4RevokedBoxIsHeld(t *testing.T) {
	b := setUp(t, intake.Limits{})
	box := b.joined()
	e := box.Start(t, epoch.CauseStart)
	taps(t, e, 4)
	b.push(box, wire.Push{Headers: e.Push().Headers, Envelopes: e.Push().Envelopes[:2]})
	b.update(func(tx store.Tx) error {
		return errors.Join(tx.SetBoxState(box.ID, store.BoxRevoked), tx.HoldBox(box.ID))
	})
	b.push(box, e.Push())
	if c := b.counts(); c.Held != 4 || c.Ready != 0 {
		t.Errorf("counts = %+v, want 4 held", c)
	}
	if got := b.ranges(box, e.Signed.Header.Epoch); len(got) != 1 || got[0].Last != 4 {
		t.Errorf("ranges = %v, want 1..4: held is durable", got)
	}
	b.update(func(tx store.Tx) error {
		return errors.Join(tx.SetBoxState(box.ID, store.BoxActive), b.in.Adopt(tx, box.Row(t)))
	})
	if c := b.counts(); c.Held != 0 || c.Ready != 4 {
		t.Errorf("counts = %+v, want 4 ready", c)
	}
}

// design §5.1: an epoch id belongs to one box.
func TestRule1AnEpochBelongsToOneBox(t *testing.T) {
	b := setUp(t, intake.Limits{})
	box, thief := b.joined(), b.joined()
	e := box.Start(t, epoch.CauseStart)
	b.push(box, e.Push())
	h := e.Signed.Header
	h.Box = thief.ID
	payload, err := canon.Encode(h)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := sign.Sign(thief.Device, sign.PurposeEpoch, payload)
	if err != nil {
		t.Fatal(err)
	}
	taken := b.push(thief, wire.Push{Headers: [][]byte{msg}})
	if len(taken.Refused) != 1 || !strings.Contains(taken.Refused[0].Reason, "not of this box") {
		t.Errorf("Refused = %v, want one that says whose the epoch is not", taken.Refused)
	}
	if b.state(box) != store.BoxActive || b.state(thief) != store.BoxActive {
		t.Error("a box was quarantined for a claim that proves nothing")
	}
}

// Malformed things are refused by their index; the rest of the push is kept.
func TestMalformedThingsAreRefusedByIndex(t *testing.T) {
	b := setUp(t, intake.Limits{})
	box, other := b.joined(), b.box()
	e := box.Start(t, epoch.CauseStart)
	taps(t, e, 2)
	imposter := b.box()
	imposter.ID = box.ID
	forged := imposter.Start(t, epoch.CauseStart)
	_ = other
	p := wire.Push{
		Headers:   [][]byte{{1, 2, 3}, e.Signed.Message, forged.Signed.Message},
		Envelopes: [][]byte{e.Records[0].Bytes, {0xa0}, e.Records[1].Bytes[:40], e.Records[1].Bytes},
	}
	taken := b.push(box, p)
	var got []uint32
	for _, r := range taken.Refused {
		got = append(got, r.Index)
		if r.Reason == "" {
			t.Errorf("index %d was refused without a reason", r.Index)
		}
	}
	if len(got) != 4 || got[0] != 0 || got[1] != 2 || got[2] != 4 || got[3] != 5 {
		t.Errorf("refused = %v, want 0, 2, 4, 5", got)
	}
	if r := b.ranges(box, e.Signed.Header.Epoch); len(r) != 1 || r[0].Last != 2 {
		t.Errorf("ranges = %v, want 1..2", r)
	}
}

// A carrier cannot fill the disk with envelopes of nobody.
func TestHeldEnvelopesAreCapped(t *testing.T) {
	b := setUp(t, intake.Limits{Headers: 1, Envelopes: 5})
	carrier, stranger := b.joined(), b.box()
	e := stranger.Start(t, epoch.CauseStart)
	taps(t, e, 8)
	f := b.box().Start(t, epoch.CauseStart)
	taken := b.push(carrier, wire.Push{Headers: [][]byte{e.Signed.Message, f.Signed.Message}, Envelopes: e.Push().Envelopes})
	if len(taken.Refused) != 4 || taken.Refused[0].Index != 1 || taken.Refused[1].Index != 7 {
		t.Errorf("Refused = %v, want header 1 and the last three envelopes", taken.Refused)
	}
	own := carrier.Start(t, epoch.CauseStart)
	taps(t, own, 8)
	if taken := b.push(carrier, own.Push()); len(taken.Refused) != 0 {
		t.Errorf("Refused = %v, want none: the cap is on what cannot be attributed", taken.Refused)
	}
	if _, err := b.in.Receive(t.Context(), carrier.Public(t).ID(), wire.Push{Envelopes: make([][]byte, 513)}); !errors.Is(err, intake.ErrTooMany) {
		t.Errorf("Receive(513 envelopes) = %v, want %v", err, intake.ErrTooMany)
	}
}

// What a carrier makes up under numbers that are free looks like records until it is opened. Once it was found out, it brings
// nothing of others' any more; its own records still come through.
func TestForgedEnvelopesOfOthersAreCapped(t *testing.T) {
	b := setUp(t, intake.Limits{Envelopes: 3})
	carrier, victim := b.joined(), b.joined()
	e := victim.Start(t, epoch.CauseStart)
	b.push(victim, e.Push())
	forge := func(seq record.Seq) []byte {
		f, err := epoch.Envelope{
			Version: epoch.Version, Epoch: e.Signed.Header.Epoch, Seq: seq, Previous: e.Signed.Root, Sealed: make([]byte, 20),
		}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	b.push(carrier, wire.Push{Envelopes: [][]byte{forge(1001), forge(1002), forge(1003)}})
	b.update(func(tx store.Tx) error { // the opener finds out
		ready, err := tx.Ready(now, 10)
		for _, v := range ready {
			err = errors.Join(err, tx.SetEnvelope(v.Row, store.EnvelopeAside))
		}
		return err
	})
	if taken := b.push(carrier, wire.Push{Envelopes: [][]byte{forge(1004)}}); len(taken.Refused) != 1 {
		t.Errorf("Refused = %v, want the fourth forged one", taken.Refused)
	}
	own := carrier.Start(t, epoch.CauseStart)
	taps(t, own, 5)
	taps(t, e, 5)
	for _, p := range []struct {
		by   *simbox.Box
		what wire.Push
	}{{carrier, own.Push()}, {victim, e.Push()}} {
		if taken := b.push(p.by, p.what); len(taken.Refused) != 0 {
			t.Errorf("Refused = %v of a box's own records, want none", taken.Refused)
		}
	}
}

// A stolen box that was taken out of service cannot fill the disk either. What others bring of it is not counted against them
// beyond what they bring of nobody's (design §5.4: held, never dropped).
func TestARevokedDeviceIsCapped(t *testing.T) {
	b := setUp(t, intake.Limits{Envelopes: 3})
	stolen, peer := b.joined(), b.joined()
	e := stolen.Start(t, epoch.CauseStart)
	taps(t, e, 8)
	b.push(stolen, wire.Push{Headers: e.Push().Headers, Envelopes: e.Push().Envelopes[:1]})
	b.update(func(tx store.Tx) error {
		return errors.Join(tx.SetBoxState(stolen.ID, store.BoxRevoked), tx.HoldBox(stolen.ID))
	})
	if taken := b.push(stolen, e.Push()); len(taken.Refused) != 5 {
		t.Errorf("Refused = %v, want all but the three that may be held", taken.Refused)
	}
	if taken := b.push(peer, e.Push()); len(taken.Refused) != 0 {
		t.Errorf("Refused = %v of what a peer brings of it, want none", taken.Refused)
	}
	if c := b.counts(); c.Held != 8 {
		t.Errorf("counts = %+v, want all eight held", c)
	}
}
