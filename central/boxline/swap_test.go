package boxline_test

import (
	"crypto/sha256"
	"errors"
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/registry"
	"kazashi.example/central/store"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// join has a box use a code over the line.
func join(t *testing.T, c *simcentral.Central, b *simbox.Box, j wire.JoinCode) (wire.JoinAnswer, error) {
	t.Helper()
	q, err := wire.JoinRequest{
		Box: b.ID, Device: b.Public(t).DER(), Sealing: b.Sealing, Release: "v0.0.0-test", Server: sha256.Sum256(simcentral.Public(t, c.Keys.TLS).DER()),
	}.Prove(j)
	c.Check(err)
	a, err := c.Line.Join(t.Context(), b.Public(t), q)
	if err == nil {
		c.Check(a.Verify(j, q))
	}
	return a, err
}

// swapped is a site whose box of three taps, of which central has the first, was replaced.
func swapped(t *testing.T) (c *simcentral.Central, dead, spare *simbox.Box, taps *simbox.Epoch) {
	t.Helper()
	c = simcentral.New(t)
	dead, spare = c.Box(), simbox.New(t, c.Keys.Seal.Public())
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error { _, _, err := c.SiteKeys.Ensure(tx, dead.Site); return err }))
	taps = dead.Start(t, epoch.CauseStart)
	taps.Tap(t, simbox.Card(0x12))
	c.Push(dead, taps.Push())
	taps.Tap(t, simbox.Card(0x13))
	taps.Tap(t, simbox.Card(0x14))
	c.Drain()
	j, err := c.Boxes.SwapCode(t.Context(), dead.ID, "", 0)
	c.Check(err)
	a, err := join(t, c, spare, j)
	if err != nil || a.Replaces != dead.ID || a.Site != dead.Site || a.Name != "counter 1" {
		t.Fatalf("Join = %+v, %v, want a place in the stead of box %s", a, err, dead.ID)
	}
	return c, dead, spare, taps
}

// P2: what waited in a dead box is applied once, whoever brings it, and however often.
func TestP2RecordsOfAReplacedBoxAreAppliedOnceByWhomever(t *testing.T) {
	c, dead, spare, taps := swapped(t)
	stranger, all := c.Box(), taps.Push()
	for _, bring := range []struct {
		by        string
		do        func() wire.Pushed
		want      int64
		envelopes [][]byte
	}{
		{by: "the spare", envelopes: all.Envelopes[1:2], want: 2},
		{by: "a box of another counter", envelopes: all.Envelopes, want: 3},
		{by: "the dead box itself", envelopes: all.Envelopes, want: 3},
	} {
		from := map[string]*simbox.Box{"the spare": spare, "a box of another counter": stranger, "the dead box itself": dead}[bring.by]
		got := c.Push(from, wire.Push{Headers: all.Headers, Envelopes: bring.envelopes})
		c.Drain()
		if n := c.Counts(); len(got.Refused) != 0 || n.Records != bring.want || n.Held != 0 {
			t.Errorf("after %s: %d records, %d held, refused %v, want %d records", bring.by, n.Records, n.Held, got.Refused, bring.want)
		}
	}
	operator := sign.KeyID{1} // who reads the dead box's disk has no device key
	got, err := c.Intake.Receive(t.Context(), operator, all)
	c.Drain()
	if n := c.Counts(); err != nil || len(got.Refused) != 0 || n.Records != 3 || n.Rivals != 0 || c.State(dead) != store.BoxReplaced {
		t.Errorf("after a parcel of its disk: %+v, %v, %v; want the same 3 records", n, got.Refused, err)
	}
}

// A dead box that comes alive again hears that it was replaced; what it still does counts, and is acknowledged.
func TestAReplacedBoxThatLivesAgainIsToldAndItsTapsCount(t *testing.T) {
	c, dead, spare, taps := swapped(t)
	again := dead.Start(t, epoch.CauseStart)
	again.Tap(t, simbox.Card(0x15))
	c.Push(dead, taps.Push())
	c.Push(dead, again.Push())
	c.Drain()
	ids := []record.EpochID{taps.Signed.Header.Epoch, again.Signed.Header.Epoch}
	got, a, _ := c.Poll(dead, wire.Poll{Epochs: ids, Locked: true})
	if got.ReplacedBy != spare.ID || len(a.Ranges) != 2 || got.Time == 0 {
		t.Errorf("Poll = replaced by %s, %d ranges, want by %s, 2 ranges", got.ReplacedBy, len(a.Ranges), spare.ID)
	}
	if got.Verdicts != nil || got.Rules != nil || got.Bundle != nil || got.Grant != nil || got.Sets != nil || got.Subjects != nil || got.RosterOffer.Version.N != 0 {
		t.Errorf("Poll = %+v, want acknowledgements alone", got)
	}
	if _, err := c.Keeper.Make(t.Context(), "monday"); err != nil {
		t.Fatal(err)
	}
	_, a, _ = c.Poll(dead, wire.Poll{Epochs: ids, Acks: a.Version})
	for _, r := range a.Ranges {
		if r.Level != ack.Safe {
			t.Errorf("range %d-%d is %s, want safe: it may delete them", r.First, r.Last, r.Level)
		}
	}
	if n := c.Counts(); n.Records != 4 || n.Gaps != 0 || c.State(dead) != store.BoxReplaced || len(c.Reports(dead)) != 0 {
		t.Errorf("counts = %+v, want the tap of after as well, and no report", n)
	}
	var r *uplink.Refusal
	if _, err := c.Line.Blob(t.Context(), dead.Public(t), wire.BlobID{1}); !errors.As(err, &r) || r.Code != wire.CodeReplacedBox {
		t.Errorf("Blob = %v, want %s", err, wire.CodeReplacedBox)
	}
}

// The spare has the site's keys from its first poll; the dead box has none that were made since.
func TestASwapGivesTheSpareTheKeysAndRotates(t *testing.T) {
	c, dead, spare, _ := swapped(t)
	if got, _, _ := c.Poll(spare, wire.Poll{}); got.Grant == nil || got.ReplacedBy != (record.BoxID{}) {
		t.Error("the spare got no keys, or was told of a swap of its own")
	}
	c.Check(c.Store.View(t.Context(), func(tx store.Tx) error {
		keys, err := tx.SiteKeys(dead.Site)
		current, cerr := tx.CurrentSiteKey(dead.Site)
		if len(keys) != 2 || current != keys[1].Generation {
			t.Errorf("%d generations, want the second one in force", len(keys))
		}
		return errors.Join(err, cerr)
	}))
}

// A code that comes too late replaces nobody, and who was replaced is nothing else any more.
func TestSwapRefusals(t *testing.T) {
	c, dead, spare, _ := swapped(t)
	if _, err := c.Boxes.SwapCode(t.Context(), dead.ID, "", 0); !errors.Is(err, registry.ErrReplaced) {
		t.Errorf("SwapCode(replaced box) = %v, want %v", err, registry.ErrReplaced)
	}
	if _, err := c.Boxes.SwapCode(t.Context(), record.NewBoxID(), "", 0); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("SwapCode(no such box) = %v, want %v", err, registry.ErrUnknown)
	}
	for name, do := range map[string]error{"Reinstate": c.Boxes.Reinstate(t.Context(), dead.ID), "Quarantine": c.Boxes.Quarantine(t.Context(), dead.ID)} {
		if !errors.Is(do, registry.ErrReplaced) {
			t.Errorf("%s(replaced box) = %v, want %v", name, do, registry.ErrReplaced)
		}
	}
	first, err := c.Boxes.SwapCode(t.Context(), spare.ID, "counter 2", 0)
	c.Check(err)
	second, err := c.Boxes.SwapCode(t.Context(), spare.ID, "counter 2", 0)
	c.Check(err)
	third, late := simbox.New(t, c.Keys.Seal.Public()), simbox.New(t, c.Keys.Seal.Public())
	if a, err := join(t, c, third, first); err != nil || a.Name != "counter 2" {
		t.Errorf("Join = %q, %v, want counter 2", a.Name, err)
	}
	var r *uplink.Refusal
	if _, err := join(t, c, late, second); !errors.As(err, &r) || r.Code != wire.CodeJoinRefused {
		t.Errorf("Join with the other code = %v, want %s", err, wire.CodeJoinRefused)
	}
	if a, err := join(t, c, third, first); err != nil || a.Replaces != spare.ID {
		t.Errorf("Join again after a lost answer = %v, %v, want the same answer", a.Replaces, err)
	}
	c.Check(c.Boxes.Revoke(t.Context(), third.ID))
	if _, err := c.Boxes.SwapCode(t.Context(), third.ID, "", 0); !errors.Is(err, registry.ErrLost) {
		t.Errorf("SwapCode(revoked box) = %v, want %v", err, registry.ErrLost)
	}
	c.Check(errors.Join(c.Boxes.Revoke(t.Context(), dead.ID), c.Boxes.Reinstate(t.Context(), dead.ID)))
	if s := c.State(dead); s != store.BoxReplaced {
		t.Errorf("a replaced box, revoked and reinstated, is %s, want replaced", s)
	}
}

// By stick a replaced box is told what it is told by its line.
func TestAReplacedBoxHearsOfItByStick(t *testing.T) {
	c, dead, spare, taps := swapped(t)
	row, err := c.Boxes.Box(t.Context(), dead.ID)
	c.Check(err)
	said, err := c.Line.Assumed(t.Context(), row)
	c.Check(err)
	said.Ends = []intake.End{{Epoch: taps.Signed.Header.Epoch, Last: 3}}
	var acks int
	c.Check(c.Line.Lacks(t.Context(), row, said, func(p wire.Polled) error {
		if p.ReplacedBy != spare.ID || p.Grant != nil || p.Verdicts != nil || p.Rules != nil || p.Bundle != nil || p.RosterOffer.Version.N != 0 {
			t.Errorf("told %+v, want who replaced it and ranges alone", p)
		}
		if p.Ack != nil {
			acks++
		}
		return nil
	}))
	if acks != 1 {
		t.Errorf("%d acknowledgements, want 1", acks)
	}
}
