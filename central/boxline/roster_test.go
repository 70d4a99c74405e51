package boxline_test

import (
	"errors"
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// enrol enrols a person at a box.
func enrol(c *simcentral.Central, b *simbox.Box, serial ...byte) {
	c.TB.Helper()
	if len(b.Epochs) == 0 {
		b.Start(c.TB, epoch.CauseStart)
	}
	b.Epochs[0].Tap(c.TB, simbox.Known(c.TB, serial...).Enrol(c.TB, b.ID))
	c.Push(b, b.Push())
	c.Drain()
}

// design §2, §6: every box of the site is offered who enrolled there, signed and numbered, as often as it has an older one.
func TestARosterGoesToTheBoxesOfItsSite(t *testing.T) {
	c := simcentral.New(t)
	b, beside := c.Box(), c.Box()
	p := current(c)
	enrol(c, b, 0x41, 1)
	bell := c.Bells.Box(beside.ID)
	c.Check(c.Rosters.Make(t.Context()))
	select {
	case <-bell:
	default:
		t.Error("the other box of the site was not rung for")
	}
	for _, box := range []*simbox.Box{b, beside} {
		got, _, _ := c.Poll(box, p)
		r := c.Offered(box, got.RosterOffer)
		if len(r.Entries) != 1 || r.Site != box.Row(t).Site || r.Entries[0].Verifier != simbox.Verifier || r.Entries[0].Birth.Date != simbox.Birthday {
			t.Errorf("roster of %d entries for site %s, want the one person", len(r.Entries), r.Site)
		}
		held := p
		held.Roster = r.Version
		if got, _, _ := c.Poll(box, held); got.RosterOffer.Version.N != 0 {
			t.Error("the same roster was offered to a box that holds it")
		}
		held.Roster.N--
		if got, _, _ := c.Poll(box, held); got.RosterOffer.Version != r.Version {
			t.Error("no roster was offered to a box that holds an older one")
		}
	}
}

func TestARosterOfAnotherSiteStaysThere(t *testing.T) {
	c := simcentral.New(t)
	b, away := c.Box(), simbox.New(t, c.Keys.Seal.Public())
	row := away.Row(t)
	row.Site = "shelter-7"
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error { return tx.AddBox(row) }))
	c.Roster(away)
	enrol(c, b, 0x42, 1)
	bell := c.Bells.Box(away.ID)
	c.Check(c.Rosters.Make(t.Context()))
	select {
	case <-bell:
		t.Error("a box of another site was rung for")
	default:
	}
	if got := c.Roster(away); got.Site != "shelter-7" || len(got.Entries) != 0 {
		t.Errorf("a box of another site was told %d people of %s", len(got.Entries), got.Site)
	}
}

// A box that was taken out of service learns nobody's birth date.
func TestP3ARevokedBoxIsToldNoRoster(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	enrol(c, b, 0x43, 1)
	c.Roster(b)
	c.Check(c.Boxes.Revoke(t.Context(), b.ID))
	got, err := c.Line.Poll(t.Context(), b.Public(t), current(c))
	if refused := (*uplink.Refusal)(nil); !errors.As(err, &refused) || refused.Code != wire.CodeRevokedBox || got.RosterOffer.Version.N != 0 {
		t.Errorf("Poll of a revoked box = roster %v, %v, want a refusal", got.RosterOffer.Version, err)
	}
}

// design §5.6: a roster of before a restore is older, whatever its number, even if nobody is enrolled any more.
func TestRule6ARosterOfBeforeARestoreIsOlder(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	c.Check(c.Rosters.Make(t.Context()))
	p := current(c)
	got, _, _ := c.Poll(b, p)
	p.Roster = rule.Version{CentralEpoch: got.CentralEpoch - 1, N: 99}
	got, _, _ = c.Poll(b, p)
	if r := c.Offered(b, got.RosterOffer); len(r.Entries) != 0 || r.Version.CentralEpoch != got.CentralEpoch {
		t.Errorf("roster %v of %d, want an empty one of now", r.Version, len(r.Entries))
	}
}
