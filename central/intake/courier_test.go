package intake_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"kazashi.example/central/intake"
	"kazashi.example/central/store"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// P2: what is remembered of an epoch is what it is, whatever came, was set aside, became safe, or was named by a successor.
func TestP2RememberedIsWhatIs(t *testing.T) {
	t.Parallel()
	b := setUp(t, intake.Limits{})
	box := b.joined()
	var pushes, headers []wire.Push
	var ids []record.EpochID
	before := box.End()
	for range 3 {
		e := box.Open(t, epoch.CauseRotation, before)
		taps(t, e, 12)
		fifth := e.Records[4] // a box set back: the successor knows less than central will hold
		before = epoch.Predecessor{Lineage: epoch.LineageKnown, Epoch: fifth.ID.Epoch, LastSeq: fifth.ID.Seq, Head: fifth.Chain}
		ids = append(ids, e.Signed.Header.Epoch)
		for _, w := range e.Records {
			pushes = append(pushes, wire.Push{Envelopes: [][]byte{w.Bytes}})
		}
		headers = append(headers, wire.Push{Headers: [][]byte{e.Signed.Message}})
	}
	rand.Shuffle(len(pushes), func(i, j int) { pushes[i], pushes[j] = pushes[j], pushes[i] })
	pushes = slices.Concat(headers[:1], pushes, headers[1:])
	digests := func(a *intake.Acks) (all map[record.EpochID]intake.Digest) {
		err := b.db.View(t.Context(), func(tx store.Tx) (err error) { all, err = a.Digests(tx, box.ID, ids); return err })
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	compare := func(after string) {
		t.Helper()
		if got, want := digests(b.acks), digests(intake.NewAcks(b.db, b.sign, clock)); !maps.Equal(got, want) {
			t.Fatalf("after %s: Digests = %x, want %x", after, got, want)
		}
	}
	opened := 0
	for i, p := range pushes {
		b.push(box, p)
		compare("a push")
		b.update(func(tx store.Tx) error {
			ready, err := tx.Ready(now, 1)
			if err != nil || len(ready) == 0 {
				return err
			}
			state := store.EnvelopeApplied
			if opened++; opened == 6 {
				state = store.EnvelopeAside
			}
			return tx.SetEnvelope(ready[0].Row, state)
		})
		compare("opening")
		if i%7 == 0 {
			b.update(func(tx store.Tx) error {
				m, err := tx.Marks()
				return errors.Join(err, tx.SetSafe(m))
			})
			compare("a backup")
		}
	}
	if n := b.counts(); n.Aside == 0 || n.Applied == 0 || n.Epochs != 3 {
		t.Errorf("counts = %+v, want some of all", n)
	}
}

// What an operator carries is under wider caps than what a box does, and leaves those as they are.
func TestCarriedUnderWiderCaps(t *testing.T) {
	t.Parallel()
	b := setUp(t, intake.Limits{Headers: 2, Envelopes: 4})
	carrier, stranger := b.joined(), b.box()
	for range 3 {
		taps(t, stranger.Start(t, epoch.CauseRotation), 5)
	}
	p := stranger.Push()
	got, err := b.in.Carry(t.Context(), intake.Operator, p)
	if err != nil || len(got.Refused) != 0 || got.Fresh != 15 || got.Held != 15 || got.Known != 0 {
		t.Errorf("Carry = %+v, %v, want all 15 held", got, err)
	}
	if got, err := b.in.Carry(t.Context(), intake.Operator, p); err != nil || got.Fresh != 0 || got.Known != 15 {
		t.Errorf("Carry(again) = %+v, %v, want all known", got, err)
	}
	other := b.box()
	taps(t, other.Start(t, epoch.CauseStart), 6)
	if got := b.push(carrier, other.Push()); len(got.Refused) != 2 || got.Fresh != 4 {
		t.Errorf("a box's push of a stranger's = %+v, want 4 held and 2 refused", got)
	}
	b.join(stranger)
	if n := b.counts(); n.Ready != 15 {
		t.Errorf("after it joined: %d ready, want 15", n.Ready)
	}
}

// Whoever has seen a box's id can make headers in its name. They are verified in one step when it joins, and so there are not many.
func TestHeadersInTheNameOfOneBoxAreCapped(t *testing.T) {
	t.Parallel()
	b := setUp(t, intake.Limits{OfBox: 3})
	to, forger := b.box(), b.box()
	forger.ID = to.ID
	for range 5 {
		forger.Start(t, epoch.CauseRotation)
	}
	p := wire.Push{}
	for _, e := range forger.Epochs {
		p.Headers = append(p.Headers, e.Signed.Message)
	}
	for try, want := range []int{2, 5} { // the second time none of the names is free
		got, err := b.in.Carry(t.Context(), intake.Operator, p)
		if err != nil || len(got.Refused) != want {
			t.Errorf("Carry no. %d = %+v, %v, want %d refused", try+1, got, err, want)
		}
	}
	b.join(to)
	own := to.Start(t, epoch.CauseStart)
	taps(t, own, 2)
	if got := b.push(to, own.Push()); len(got.Refused) != 0 || got.Fresh != 2 {
		t.Errorf("the box's own push = %+v, want all taken", got)
	}
}

// stuck is a store of which the first look takes until it is let go.
type stuck struct {
	store.Store
	entered, free chan struct{}
	later         atomic.Bool
}

func (s *stuck) View(ctx context.Context, f func(store.Tx) error) error {
	if !s.later.Swap(true) {
		close(s.entered)
		<-s.free
	}
	return s.Store.View(ctx, f)
}

// P1: while one box's long answer is read for a stick, another box's push is answered.
func TestP1NoLineWaitsForAStick(t *testing.T) {
	t.Parallel()
	b := setUp(t, intake.Limits{})
	box, other := b.joined(), b.joined()
	e := box.Start(t, epoch.CauseStart)
	taps(t, e, 3)
	b.push(box, e.Push())
	s := &stuck{Store: b.db, entered: make(chan struct{}), free: make(chan struct{})}
	acks := intake.NewAcks(s, b.sign, clock)
	done := make(chan error, 1)
	go func() {
		ends := []intake.End{{Epoch: e.Signed.Header.Epoch, Last: 3}}
		done <- acks.About(t.Context(), box.ID, ends, func([]byte) error { return nil })
	}()
	<-s.entered
	if _, err := acks.For(t.Context(), other.ID, nil); err != nil {
		t.Error(err)
	}
	close(s.free)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Design §5.5: many ranges are said in several acknowledgements, none left out; nothing is said of others' epochs.
func TestRule5AboutManyRanges(t *testing.T) {
	t.Parallel()
	b := setUp(t, intake.Limits{})
	box, other := b.joined(), b.joined()
	e := box.Start(t, epoch.CauseStart)
	const odd = ack.MaxRanges + 60
	var envelopes [][]byte
	for i := range 2 * odd {
		if w := e.Raw(t, []byte("x")); i%2 == 0 {
			envelopes = append(envelopes, w.Bytes)
		}
	}
	b.push(box, wire.Push{Headers: [][]byte{e.Signed.Message}})
	for len(envelopes) > 0 {
		n := min(len(envelopes), wire.MaxPushed)
		b.push(box, wire.Push{Envelopes: envelopes[:n]})
		envelopes = envelopes[n:]
	}
	theirs := other.Start(t, epoch.CauseStart)
	taps(t, theirs, 3)
	b.push(other, theirs.Push())
	late := box.Start(t, epoch.CauseRotation)
	taps(t, late, 4)
	b.push(box, late.Push())
	ends := []intake.End{
		{Epoch: record.NewEpochID()},
		{Epoch: e.Signed.Header.Epoch, Last: 2 * odd},
		{Epoch: theirs.Signed.Header.Epoch},
		{Epoch: late.Signed.Header.Epoch, Last: 2},
	}
	pub, err := sign.PublicKeyOf(b.sign.Public())
	if err != nil {
		t.Fatal(err)
	}
	said, messages := map[record.ID]bool{}, 0
	err = b.acks.About(t.Context(), box.ID, ends, func(message []byte) error {
		a, err := ack.Open(sign.One{Key: pub}, message)
		for _, r := range a.Ranges {
			said[record.ID{Epoch: r.Epoch, Seq: r.Last}] = true
		}
		messages++
		return err
	})
	if err != nil || messages != 2 || len(said) != odd+2 {
		t.Errorf("About = %d ranges in %d messages, %v; want %d in 2", len(said), messages, err, odd+2)
	}
	for _, last := range []record.Seq{2, 4} { // where the box stands, and where central does
		if !said[record.ID{Epoch: late.Signed.Header.Epoch, Seq: last}] {
			t.Errorf("nothing is said up to record %d", last)
		}
	}
}
