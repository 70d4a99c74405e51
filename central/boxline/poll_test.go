package boxline_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// current says what a box holds that lacks nothing but its own records.
func current(c *simcentral.Central) wire.Poll {
	v, _, _ := c.World.Rules("")
	n, _ := c.World.Bundle()
	return wire.Poll{Rules: v, Trust: n}
}

func TestPollGivesWhatTheBoxLacks(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	c.World.SetOffers(nil, offer(certid.PurposeAuth, 4))
	got, _, _ := c.Poll(b, wire.Poll{})
	if got.Rules == nil || got.Bundle == nil || len(got.Sets) != 1 || got.CentralEpoch == 0 {
		t.Errorf("Poll(nothing held) = %+v, want rules, bundle and an offer", got)
	}
	p := current(c)
	p.Sets = []wire.HeldSet{held(certid.PurposeAuth, 4)}
	if got, _, _ := c.Poll(b, p); got.Rules != nil || got.Bundle != nil || got.Sets != nil || got.Ack != nil {
		t.Errorf("Poll(all held) = %+v, want nothing", got)
	}
}

// design §5.6 and §5.5: verdicts are numbered under (central epoch, n), cut into batches, and settle when the box holds them.
func TestRule6VerdictsInBatchesUntilSettled(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	for range 2 {
		e := b.Start(t, epoch.CauseRotation)
		for i := range 300 {
			e.Tap(t, simbox.Card(0x15, byte(i>>8), byte(i)))
		}
		c.Push(b, e.Push())
	}
	c.Drain()
	p := current(c)
	seen := map[record.ID]bool{}
	for _, want := range []int{wire.MaxVerdicts, 600 - wire.MaxVerdicts, 0} {
		_, _, v := c.Poll(b, p)
		if len(v.Verdicts) != want || want > 0 && v.After != p.Verdicts.N {
			t.Fatalf("Poll after %d gave %d verdicts after %d, want %d", p.Verdicts.N, len(v.Verdicts), v.After, want)
		}
		for _, w := range v.Verdicts {
			seen[record.ID{Epoch: w.Epoch, Seq: w.Seq}] = true
		}
		if n := c.Counts(); uint64(n.Settled) != p.Verdicts.N {
			t.Errorf("Settled = %d, want %d: what the box said it holds", n.Settled, p.Verdicts.N)
		}
		if want > 0 {
			p.Verdicts = v.Version
		}
	}
	if len(seen) != 600 {
		t.Errorf("verdicts on %d records, want 600", len(seen))
	}
	p.Verdicts = rule.Version{CentralEpoch: p.Verdicts.CentralEpoch, N: 9999}
	c.Poll(b, p)
	if n := c.Counts(); n.Settled != 600 {
		t.Errorf("Settled = %d after an impossible claim, want 600", n.Settled)
	}
}

// P2, design §5.5: an acknowledgement that was lost is given again; a push acknowledges what it touched.
func TestRule5LostAcknowledgementComesAgain(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	e := b.Start(t, epoch.CauseStart)
	e.Tap(t, simbox.Card(0x16))
	pushed := c.Push(b, e.Push())
	if pushed.Ack == nil {
		t.Fatal("Push gave no acknowledgement")
	}
	p := current(c)
	p.Epochs = []record.EpochID{e.Signed.Header.Epoch}
	_, first, _ := c.Poll(b, p) // Acks is zero: the push's answer was lost
	if len(first.Ranges) != 1 || first.Ranges[0].Level != ack.Received {
		t.Fatalf("ranges = %v, want what the box missed", first.Ranges)
	}
	p.Acks = first.Version
	if got, _, _ := c.Poll(b, p); got.Ack != nil {
		t.Error("the same acknowledgement came twice to a box that holds it")
	}
	if _, err := c.Keeper.Make(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	_, safe, _ := c.Poll(b, p)
	if len(safe.Ranges) != 1 || safe.Ranges[0].Level != ack.Safe || safe.Version.Compare(first.Version) <= 0 {
		t.Errorf("ranges = %v version %v, want safe in a later one", safe.Ranges, safe.Version)
	}
}

// A poll waits without a record of news, and is woken by it.
func TestPollWaitsAndIsWoken(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	e := b.Start(t, epoch.CauseStart)
	e.Tap(t, simbox.Card(0x17))
	p := current(c)
	p.Wait = wire.MaxWait
	answers := make(chan wire.Polled, 1)
	go func() {
		got, err := c.Line.Poll(t.Context(), b.Public(t), p)
		if err != nil {
			t.Error(err)
		}
		answers <- got
	}()
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	running.Go(func() {
		if err := c.Opener.Run(t.Context()); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	c.Push(b, e.Push())
	select {
	case got := <-answers:
		if got.Verdicts == nil {
			t.Errorf("Polled = %+v, want the verdict that woke it", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the poll was not woken")
	}
}

func TestPollEndsWithItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := simcentral.New(t)
		b := c.Box()
		p := current(c)
		p.Wait = 65535 // more than is allowed
		began := time.Now()
		got, _, _ := c.Poll(b, p)
		if waited := time.Since(began); waited != wire.MaxWait*time.Second || got.Verdicts != nil {
			t.Errorf("waited %s, want %d s and nothing new", waited, wire.MaxWait)
		}
	})
}

func TestPollRefusesTooMuch(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	var r *uplink.Refusal
	for _, p := range []wire.Poll{{Epochs: make([]record.EpochID, wire.MaxEpochs+1)}, {Subjects: make([]record.TapID, wire.MaxSubjects+1)}} {
		if _, err := c.Line.Poll(t.Context(), b.Public(t), p); !errors.As(err, &r) || r.Code != wire.CodeBadMessage {
			t.Errorf("Poll = %v, want %s", err, wire.CodeBadMessage)
		}
	}
}

// P3: a box learns no PPID of another box's tap.
func TestPPIDOnlyToTheBoxOfTheTap(t *testing.T) {
	c := simcentral.New(t)
	b, other := c.Box(), c.Box()
	tap := simbox.Known(t, 0x18).PIN(t, b.ID)
	b.Start(t, epoch.CauseStart).Tap(t, tap)
	c.Push(b, b.Push())
	c.Drain()
	if _, err := c.Keeper.Make(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	p := current(c)
	p.Subjects = []record.TapID{tap.Tap}
	if got, _, _ := c.Poll(other, p); len(got.Subjects) != 0 {
		t.Errorf("the other box got %d PPIDs, want none", len(got.Subjects))
	}
	if got, _, _ := c.Poll(b, p); len(got.Subjects) != 1 || got.Subjects[0].PPID != c.PPID(b, tap.Tap) {
		t.Errorf("the box got %+v, want its PPID", got.Subjects)
	}
}

// design §5.6: a box that believes acknowledgements of before a restore hears of the restore at its next poll, even if central
// now holds nothing that it asks about, and even if it asks about nothing.
func TestRule6ABoxHearsOfARestore(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	p := current(c)
	got, _, _ := c.Poll(b, p)
	p.Acks = rule.Version{CentralEpoch: got.CentralEpoch, N: 1}
	if got, _, _ := c.Poll(b, p); got.Ack != nil {
		t.Error("Poll(acknowledgement of now) brought another one")
	}
	p.Acks.CentralEpoch--
	for _, epochs := range [][]record.EpochID{nil, {record.NewEpochID()}} {
		p.Epochs = epochs
		if got, a, _ := c.Poll(b, p); got.Ack == nil || len(a.Ranges) != 0 || a.Version.CentralEpoch != got.CentralEpoch {
			t.Errorf("Poll(acknowledgement of before, %d epochs) = %v, %+v, want an empty one of now", len(epochs), got.Ack, a)
		}
	}
}
