package boxline_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"kazashi.example/central/boxline"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// told opens the roster of an answer.
func told(t *testing.T, c *simcentral.Central, got wire.Polled) roster.Set {
	t.Helper()
	set, err := roster.Open(sign.One{Key: simcentral.Public(t, c.Keys.Sign)}, got.Roster)
	if err != nil {
		t.Fatalf("Open(roster of %d octets) = %v", len(got.Roster), err)
	}
	return set
}

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

// design §2, §6: every box of the site is told who enrolled there, signed for itself and numbered, as often as it has an older one.
func TestARosterGoesToTheBoxesOfItsSite(t *testing.T) {
	c := simcentral.New(t)
	b, beside := c.Box(), c.Box()
	p := current(c)
	if got, _, _ := c.Poll(b, p); got.Roster != nil {
		t.Error("a roster of a site where nobody ever enrolled was sent to a box that has none")
	}
	bell := c.Bells.Box(beside.ID)
	enrol(c, b, 0x41, 1)
	select {
	case <-bell:
	default:
		t.Error("the other box of the site was not rung for")
	}
	for _, box := range []*simbox.Box{b, beside} {
		got, _, _ := c.Poll(box, p)
		set := told(t, c, got)
		if len(set.Entries) != 1 || set.Box != box.ID || set.Entries[0].Verifier != simbox.Verifier || set.Entries[0].Birth.Date != simbox.Birthday {
			t.Errorf("roster of %d entries for box %s, want the one person for %s", len(set.Entries), set.Box, box.ID)
		}
		held := p
		held.Roster = set.Version
		if got, _, _ := c.Poll(box, held); got.Roster != nil {
			t.Error("the same roster came twice to a box that holds it")
		}
		held.Roster.N--
		if got, _, _ := c.Poll(box, held); got.Roster == nil {
			t.Error("no roster came to a box that holds an older one")
		}
	}
}

func TestARosterOfAnotherSiteStaysThere(t *testing.T) {
	c := simcentral.New(t)
	b, away := c.Box(), simbox.New(t, c.Keys.Seal.Public())
	row := away.Row(t)
	row.Site = "shelter-7"
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error { return tx.AddBox(row) }))
	bell := c.Bells.Box(away.ID)
	enrol(c, b, 0x42, 1)
	select {
	case <-bell:
		t.Error("a box of another site was rung for")
	default:
	}
	if got, _, _ := c.Poll(away, current(c)); got.Roster != nil {
		t.Error("a box of another site was told the roster")
	}
}

// A box that was taken out of service learns nobody's birth date.
func TestP3ARevokedBoxIsToldNoRoster(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	enrol(c, b, 0x43, 1)
	c.Check(c.Boxes.Revoke(t.Context(), b.ID))
	got, err := c.Line.Poll(t.Context(), b.Public(t), current(c))
	if refused := (*uplink.Refusal)(nil); !errors.As(err, &refused) || refused.Code != wire.CodeRevokedBox || got.Roster != nil {
		t.Errorf("Poll of a revoked box = %d octets of roster, %v, want a refusal", len(got.Roster), err)
	}
}

// design §5.6: a roster of before a restore is older, whatever its number, even if nobody is enrolled any more.
func TestRule6ARosterOfBeforeARestoreIsOlder(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	p := current(c)
	got, _, _ := c.Poll(b, p)
	p.Roster = rule.Version{CentralEpoch: got.CentralEpoch - 1, N: 99}
	got, _, _ = c.Poll(b, p)
	if set := told(t, c, got); len(set.Entries) != 0 || set.Version.CentralEpoch != got.CentralEpoch {
		t.Errorf("roster %v of %d, want an empty one of now", set.Version, len(set.Entries))
	}
}

// One damaged row keeps nothing else from the box, and is said without naming anybody.
func TestADamagedRosterKeepsNothingElseBack(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	enrol(c, b, 0x44, 1)
	other := simcentral.NewKeys(t)
	var log bytes.Buffer
	conf := c.Line.Config
	conf.People, conf.Log = person.New(other.Rows, other.Identity), slog.New(slog.NewTextHandler(&log, nil))
	got, err := boxline.New(conf).Poll(t.Context(), b.Public(t), wire.Poll{})
	if err != nil || got.Roster != nil || got.Verdicts == nil || got.Rules == nil {
		t.Errorf("Poll = roster %v, verdicts %v, %v; want everything but the roster", got.Roster != nil, got.Verdicts != nil, err)
	}
	if !strings.Contains(log.String(), "roster cannot be read") || strings.Contains(log.String(), simbox.Birthday) {
		t.Errorf("log = %s", log.String())
	}
}
