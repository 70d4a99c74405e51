package courier_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	central "kazashi.example/central/courier"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// P2: what came by a line changes nothing by stick, nor the other way, nor a second time, nor from two sticks in any order.
func TestP2StickAndLineComeToTheSame(t *testing.T) {
	t.Parallel()
	for _, line := range []bool{true, false} {
		c := simcentral.New(t)
		b := newBox(t, c, c.Box())
		b.taps(40, 3, 0, 7)
		one := b.export(t.TempDir(), b.runs(16), true)
		two := b.export(t.TempDir(), b.runs(9)[2:], true) // another cut of the same
		if line {
			c.Push(b.Box, b.Push())
		} else if got, err := take(t, c, one...); err != nil || got.Fresh != 50 || got.Held != 0 || got.State != central.StateTaken || got.Epochs != 3 {
			t.Errorf("Take = %+v, %v, want 50 new records of 3 epochs", got, err)
		}
		if !line {
			c.Push(b.Box, wire.Push{Headers: [][]byte{b.Epochs[2].Signed.Message}}) // of no record
		}
		c.Drain()
		before := tables(t, c)
		if got, err := take(t, c, slices.Concat(two, one)...); err != nil || got.Fresh != 0 || got.Known != 50 {
			t.Errorf("Take(again) = %+v, %v, want 50 known records", got, err)
		}
		c.Push(b.Box, b.Push())
		c.Drain()
		same(t, "the same again", before, tables(t, c))
		if n := c.Counts(); n.Records != 50 || n.Reports != 0 {
			t.Errorf("%d records and %d reports, want 50 and none", n.Records, n.Reports)
		}
	}
}

// P8: a box that only ever speaks by stick gets all, and then lacks nothing; the line never hears of it.
func TestP8EverythingByStick(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	b := newBox(t, c, c.Box())
	b.taps(560, 30, 10)
	if _, err := take(t, c, b.export(t.TempDir(), b.runs(400), true)...); err != nil {
		t.Fatal(err)
	}
	c.Drain()
	told, _, _ := c.Poll(b.Box, wire.Poll{Epochs: []record.EpochID{b.Epochs[0].Signed.Header.Epoch}})
	given, plan := b.give()
	if given.Verdicts != 600 || len(given.Parcels) != 1 || !given.Rules || !given.Bundle || plan.Said == 0 {
		t.Errorf("Give = %+v, planned %+v", given, plan)
	}
	if b.has.Verdicts.N != 600 || b.has.Rules.N == 0 || b.has.Trust == 0 || b.got[0].Bundle == nil {
		t.Errorf("the box has %+v, want 600 verdicts, rules, and trust that came first", b.has)
	}
	for _, e := range b.Epochs {
		if last := e.Records[len(e.Records)-1]; b.acks[last.ID] != last.Chain {
			t.Errorf("epoch %s is not acknowledged to its end", e.Signed.Header.Epoch)
		}
	}
	again, _, _ := c.Poll(b.Box, wire.Poll{Acks: rule.Version{CentralEpoch: told.CentralEpoch}, Epochs: []record.EpochID{b.Epochs[0].Signed.Header.Epoch}})
	if again.Verdicts == nil || again.Rules == nil || again.Ack == nil {
		t.Error("the line tells a box nothing that a stick was to bring")
	}
	_, err := take(t, c, b.export(t.TempDir(), nil, true)...)
	check(t, err)
	if n := c.Counts(); n.Settled != 600 {
		t.Errorf("Settled = %d, want 600: the stick said that they are held", n.Settled)
	}
	given, _ = b.give()
	if given.Verdicts != 0 || given.Rules || given.Bundle || given.Grant || len(b.got) != given.Acks {
		t.Errorf("Give(after all was taken in) = %+v, want acknowledgements alone", given)
	}
}

// Design §5.5: a box restored from an image stands before the end that central knows, and is told up to where it stands.
func TestRule5AcknowledgedToWhereTheBoxStands(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	b := newBox(t, c, c.Box())
	b.taps(9)
	c.Push(b.Box, b.Push())
	set := newBox(t, c, b.Clone())
	set.Epochs[0].Records = set.Epochs[0].Records[:5]
	_, err := take(t, c, set.export(t.TempDir(), nil, true)...)
	check(t, err)
	set.give()
	if at := set.Epochs[0].Records[4]; set.acks[at.ID] != at.Chain {
		t.Error("nothing is said up to the fifth record, where the box stands")
	}
}

// P3: several boxes on one stick; each opens its own alone, and what is for nobody here is refused by name.
func TestP3SeveralBoxesOnOneStick(t *testing.T) {
	t.Parallel()
	c, dir := simcentral.New(t), t.TempDir()
	one, two := newBox(t, c, c.Box()), newBox(t, c, c.Box())
	one.taps(3)
	two.taps(4)
	files := slices.Concat(one.export(dir, one.runs(100), true), two.export(dir, two.runs(100), true))
	if _, err := take(t, c, files...); err != nil {
		t.Fatal(err)
	}
	c.Drain()
	if n := c.Counts(); n.Records != 7 {
		t.Errorf("%d records, want 7", n.Records)
	}
	one.give()
	two.give()
	if one.has.Verdicts.N != 3 || two.has.Verdicts.N != 4 {
		t.Errorf("%d and %d verdicts, want 3 and 4", one.has.Verdicts.N, two.has.Verdicts.N)
	}
	made := write(t, dir, parcel.Config{
		Kind: parcel.Down, Box: one.ID, Next: next, Signer: c.Keys.Sign, To: one.S.Public(), CentralEpoch: 1,
	}, func(w *parcel.Writer) { check(t, w.Polled(wire.Polled{CentralEpoch: 1})) })
	b, err := os.ReadFile(made[0])
	check(t, err)
	for part, err := range one.open(b, two.S).Parts() {
		if err == nil {
			t.Errorf("box two opens part %d of box one", part.Index)
		}
	}
	var refused *central.Refusal
	if _, err := take(t, c, made...); !errors.Is(err, central.ErrWay) || !errors.As(err, &refused) {
		t.Errorf("Take(down) = %v, want %v", err, central.ErrWay)
	}
	if _, err := c.Courier.Give(t.Context(), record.NewBoxID(), central.Takers{}); !errors.Is(err, central.ErrUnknown) {
		t.Errorf("Give(nobody) = %v, want %v", err, central.ErrUnknown)
	}
}

// P2: what an operator hands in of a box that has not joined is held whatever its amount, and opened when it joins.
func TestP2HeldUntilTheBoxJoins(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	b := newBox(t, c, simbox.New(t, c.Keys.Seal.Public()))
	b.taps(30, 20)
	files := b.export(t.TempDir(), b.runs(8), true)
	got, err := take(t, c, files...)
	if err != nil || got.Held != 50 || got.State != central.StateNone || !got.Row.ID.IsZero() {
		t.Fatalf("Take = %+v, %v, want 50 held, and nothing believed of what the box says", got, err)
	}
	s, err := c.Courier.Standing(t.Context())
	if err != nil || len(s.Held.Boxes) != 1 || s.Held.Boxes[0] != (store.WaitingBox{Box: b.ID, Headers: 2, Envelopes: 50}) || s.Held.Envelopes != 50 {
		t.Errorf("Standing = %+v, %v, want 50 records of 2 epochs held for the box", s, err)
	}
	c.Register(b.Box)
	dueOf(t, c, b.ID, 50)
	c.Drain()
	dueOf(t, c, b.ID, 0)
	if n := c.Counts(); n.Records != 50 || n.Held != 0 {
		t.Errorf("after the box joined: %d records, %d held", n.Records, n.Held)
	}
	if got, err := take(t, c, files...); err != nil || got.Known != 50 || got.State != central.StateTaken {
		t.Errorf("Take(once more) = %+v, %v, want what the box says taken", got, err)
	}
	s, err = c.Courier.Standing(t.Context())
	if err != nil || len(s.Held.Boxes) != 0 || len(s.Boxes) != 1 || s.Boxes[0].Open != 2 {
		t.Errorf("Standing = %+v, %v, want the box's word and nothing held", s, err)
	}
}

// dueOf says how many records of a box must be waiting for nothing but being opened.
func dueOf(t *testing.T, c *simcentral.Central, box record.BoxID, want uint64) {
	t.Helper()
	c.Check(c.Store.View(t.Context(), func(tx store.Tx) error {
		n, err := tx.DueOf(box, time.Now())
		if err == nil && n != want {
			t.Errorf("DueOf = %d, want %d", n, want)
		}
		return err
	}))
}

// P2: parcels made from a dead box's disk carry no signature, and are applied once beside what the box sent itself.
func TestP2Recovered(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	b := newBox(t, c, c.Box())
	b.taps(10)
	c.Push(b.Box, wire.Push{Headers: [][]byte{b.Epochs[0].Signed.Message}, Envelopes: [][]byte{b.Epochs[0].Records[0].Bytes}})
	files := write(t, t.TempDir(), parcel.Config{Kind: parcel.Recovered, Box: b.ID, Next: next}, func(w *parcel.Writer) {
		for _, r := range b.runs(4) {
			check(t, w.Run(r))
		}
	})
	if got, err := take(t, c, files...); err != nil || got.Fresh != 9 || got.Known != 1 || got.Kind != parcel.Recovered {
		t.Errorf("Take = %+v, %v, want 9 new records", got, err)
	}
	c.Drain()
	if n := c.Counts(); n.Records != 10 || n.Aside != 0 {
		t.Errorf("%d records, %d set aside; want 10 and none", n.Records, n.Aside)
	}
}

// Whoever has seen the header of an epoch can write records under it that look like its box's, on a stick that nobody signs. They are refused
// before they cost anything, and the true ones beside them are taken. What a box signs counts for its own records alone.
func TestRecordsThatNobodySealedAreRefused(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	b, carrier := newBox(t, c, c.Box()), newBox(t, c, c.Box())
	b.taps(8)
	runs := b.runs(4)
	runs[1] = forged(t, runs[1])
	fill := func(w *parcel.Writer) {
		for _, r := range runs {
			check(t, w.Run(r))
		}
	}
	for _, conf := range []parcel.Config{
		{Kind: parcel.Recovered, Box: b.ID, Next: next},
		{Kind: parcel.Up, Box: carrier.ID, Next: next, Signer: carrier.Device},
	} {
		got, err := take(t, c, write(t, t.TempDir(), conf, fill)...)
		if err != nil || got.Fresh+got.Known != 4 || len(got.Refused) != 4 {
			t.Errorf("Take(%s) = %d new, %d known, refused %v, %v, want 4 taken and 4 refused", conf.Kind, got.Fresh, got.Known, got.Refused, err)
		}
	}
	c.Drain()
	if n := c.Counts(); n.Records != 4 || n.Aside != 0 || n.Held != 0 {
		t.Errorf("%d records, %d set aside, %d held; want 4 and none", n.Records, n.Aside, n.Held)
	}
}

// forged is a run of as many records that link, and that no key opens.
func forged(t *testing.T, r parcel.Run) parcel.Run {
	t.Helper()
	signed, err := r.Epoch()
	check(t, err)
	at := r.Previous
	var envelopes [][]byte
	for i, s := range r.Sealed {
		e := epoch.Envelope{
			Version: epoch.Version, Epoch: signed.Header.Epoch, Seq: r.First + record.Seq(i), Previous: at, Sealed: make([]byte, len(s)),
		}
		b, err := e.Encode()
		check(t, err)
		envelopes, at = append(envelopes, b), at.Next(b)
	}
	out, err := parcel.Pack(r.Header, envelopes)
	check(t, err)
	return out
}

// Each of these is refused by word, and harms nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c, other := simcentral.New(t), simcentral.New(t)
	b := newBox(t, c, c.Box())
	b.taps(30)
	file := b.export(t.TempDir(), b.runs(10), true)[0]
	whole, err := os.ReadFile(file)
	check(t, err)
	stranger := newBox(t, c, simbox.New(t, other.Keys.Seal.Public()))
	stranger.taps(5)
	foreign, err := os.ReadFile(stranger.export(t.TempDir(), stranger.runs(10), true)[0])
	check(t, err)
	forger := *b
	forged := *b.Box
	forged.Device = simbox.Key(t)
	forger.Box = &forged
	false1, err := os.ReadFile(forger.export(t.TempDir(), b.runs(10), true)[0])
	check(t, err)
	flip := func(at int) []byte {
		x := bytes.Clone(whole)
		x[at] ^= 1
		return x
	}
	for _, k := range []struct {
		name   string
		octets []byte
		want   error  // of the whole
		says   string // of a part
		fresh  int
	}{
		{"half", whole[:len(whole)-9], parcel.ErrHalf, "", 0},
		{"nothing", []byte{0, 0, 0}, parcel.ErrHalf, "", 0},
		{"a flipped manifest", flip(len(whole) - 100), parcel.ErrDamaged, "", 0},
		{"another device", false1, parcel.ErrSigner, "", 0},
		{"another central's", foreign, nil, "part 1 of 2: sealed to another central's key", 0},
		{"a flipped record", flip(200), nil, "part 1 of 4: parcel is damaged", 20},
		{"whole after all", whole, nil, "", 10},
		{"replayed", whole, nil, "", 0},
	} {
		got, err := c.Courier.Take(t.Context(), bytes.NewReader(k.octets), int64(len(k.octets)))
		var refused *central.Refusal
		if !errors.Is(err, k.want) || errors.As(err, &refused) != (k.want != nil) || got.Fresh != k.fresh {
			t.Errorf("Take(%s) = %+v, %v, want %d new and %v", k.name, got, err, k.fresh, k.want)
		}
		if all := strings.Join(got.Refused, "\n"); !strings.HasPrefix(all, k.says) || (all == "") != (k.says == "") {
			t.Errorf("Take(%s) refuses %q, want %q", k.name, all, k.says)
		}
	}
	if n := c.Counts(); n.Ready != 30 || n.Held != 0 || n.HeldHeaders != 0 {
		t.Errorf("counts = %+v, want 30 records and nothing held", n)
	}
}

// Design §5.6: an older word of a box counts no more, and a restored central tells all from the beginning.
func TestRule6OlderWordsAndARestoredCentral(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	b := newBox(t, c, c.Box())
	b.taps(20)
	old := b.export(t.TempDir(), b.runs(100), true)
	_, err := take(t, c, old...)
	check(t, err)
	c.Drain()
	b.give()
	_, err = take(t, c, b.export(t.TempDir(), nil, true)...)
	check(t, err)
	if got, err := take(t, c, old...); err != nil || got.State != central.StateOlder {
		t.Errorf("Take(older) = %+v, %v", got, err)
	}
	if given, _ := b.give(); given.Verdicts != 0 {
		t.Errorf("Give = %+v, want no verdict: the newer word counts", given)
	}
	b.has.Verdicts.CentralEpoch-- // as if central had been restored since
	b.has.Acks.CentralEpoch--
	b.Epochs[0].Signed.Header.Epoch = record.NewEpochID() // of which central has nothing
	_, err = take(t, c, b.export(t.TempDir(), nil, true)...)
	check(t, err)
	was := b.has.Acks
	if given, _ := b.give(); given.Verdicts != 20 || given.Acks != 1 || b.has.Acks.CentralEpoch != was.CentralEpoch+1 {
		t.Errorf("Give(to a box of before the restore) = %+v, want all verdicts, and the new central epoch", given)
	}
}

// A box out of service hears of its orders alone, and what it brings is held.
func TestRevokedByStick(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	b := newBox(t, c, c.Box())
	b.taps(3)
	check(t, c.Boxes.Revoke(t.Context(), b.ID))
	got, err := take(t, c, b.export(t.TempDir(), b.runs(9), true)...)
	if err != nil || got.Held != 3 || got.Row.State != store.BoxRevoked {
		t.Errorf("Take = %+v, %v, want 3 held", got, err)
	}
	if given, _ := b.give(); len(given.Parcels) != 0 {
		t.Errorf("Give = %+v, want nothing", given)
	}
	if _, err := c.Boxes.Order(t.Context(), b.ID, 2, c.World.Now()); err != nil {
		t.Fatal(err)
	}
	if given, _ := b.give(); given.Orders != 1 || len(b.got) != 1 || b.got[0].Orders == nil {
		t.Errorf("Give = %+v, want its order alone", given)
	}
}

// P10: a box that never had a line joins by stick, and has the site's keys from the same stick.
func TestP10JoinByStick(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	code, err := c.Boxes.NewCode(t.Context(), "honmachi", "counter 9", 0)
	check(t, err)
	b := newBox(t, c, simbox.New(t, c.Keys.Seal.Public()))
	q, err := wire.JoinRequest{Box: b.ID, Device: b.Public(t).DER(), Sealing: b.Sealing}.Prove(code)
	check(t, err)
	request := func(q wire.JoinRequest, box record.BoxID) []string {
		return write(t, t.TempDir(), parcel.Config{Kind: parcel.Joining, Box: box}, func(w *parcel.Writer) { check(t, w.JoinRequest(q)) })
	}
	if _, err := take(t, c, request(q, record.NewBoxID())...); !errors.Is(err, parcel.ErrOtherBox) {
		t.Errorf("Take(another box's request) = %v, want %v", err, parcel.ErrOtherBox)
	}
	for range 2 { // again after a lost stick
		got, err := take(t, c, request(q, b.ID)...)
		check(t, err)
		p, err := parcel.Read(bytes.NewReader(got.Answer), int64(len(got.Answer)))
		check(t, err)
		check(t, p.Unseal(b.S))
		for part, err := range p.Parts() {
			check(t, err)
			a, err := part.JoinAnswer()
			check(t, err)
			if err := a.Verify(code, q); err != nil || a.Name != "counter 9" || got.Row.Name != "counter 9" {
				t.Errorf("answer = %+v, %v", a, err)
			}
		}
	}
	if given, plan := b.give(); !given.Grant || !given.Rules || plan.Said != 0 {
		t.Errorf("Give = %+v, want the site's keys and rules", given)
	}
	b.Epochs = nil
	b.Start(t, epoch.CauseStart).Tap(t, simbox.Card(0x99))
	if got, err := take(t, c, b.export(t.TempDir(), b.runs(9), true)...); err != nil || got.Fresh != 1 || got.Held != 0 {
		t.Errorf("Take(after joining) = %+v, %v, want its record", got, err)
	}
	q.Proof[0] ^= 1
	var refused *central.Refusal
	if _, err := take(t, c, request(q, b.ID)...); !errors.As(err, &refused) || !strings.Contains(err.Error(), "join code") {
		t.Errorf("Take(not proved) = %v, want a word about the code", err)
	}
}

// P6: what a box says of its clock is known before its records are opened, wherever it lies in the parcel.
func TestP6CorrectionsComeFirst(t *testing.T) {
	t.Parallel()
	k := simcentral.NewKeys(t)
	f := &failing{at: 3} // registers, keeps corrections, and stops at the records
	c := simcentral.Open(t, t.TempDir(), k, simcentral.NewWorld(t, k), func(db store.Store) store.Store { f.Store = db; return f })
	defer func() { check(t, c.DB.Close()) }()
	b := newBox(t, c, c.Box())
	b.taps(20)
	id := b.Epochs[0].Signed.Header.Epoch
	said, err := wire.Correction{Box: b.ID, Epochs: []record.EpochID{id}, Offset: 60_000, Measured: 1}.Sign(b.Device)
	check(t, err)
	files := write(t, t.TempDir(), parcel.Config{Kind: parcel.Up, Box: b.ID, Next: next, Signer: b.Device}, func(w *parcel.Writer) {
		for _, r := range b.runs(50) {
			check(t, w.Run(r))
		}
		check(t, w.Correction(said))
	})
	if _, err := take(t, c, files...); !errors.Is(err, errCrash) {
		t.Fatalf("Take = %v, want the stop", err)
	}
	check(t, c.DB.View(t.Context(), func(tx store.Tx) error { _, err := tx.Correction(b.ID, id); return err }))
	if n := c.Counts(); n.Ready != 0 {
		t.Errorf("%d records are ready before the correction", n.Ready)
	}
}
