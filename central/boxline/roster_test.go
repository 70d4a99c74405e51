package boxline_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"kazashi.example/central/boxline"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
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

// full is a site with more people than a roster has room for, and one damaged row.
func full(t *testing.T, c *simcentral.Central, b store.Box, more int) {
	t.Helper()
	const key = roster.MaxKey
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error {
		for i := range roster.MaxSet/(192+key) + more {
			serial, err := certid.ParseSerial([]byte{0x45, byte(i >> 8), byte(i)})
			c.Check(err)
			id := certid.CertID{Scope: certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, Serial: serial}
			who, err := c.People.Meet(tx, simbox.Verifier, id, nil, c.World.Now())
			c.Check(err)
			e := store.Enrolment{
				Tap: record.TapID{ID128: record.ID128{byte(i >> 8), byte(i), 3}}, Verifier: simbox.Verifier, Person: who.Row, Box: b.ID, Site: b.Site,
				At: simbox.Tapped,
			}
			if i == 0 {
				e.Current, e.Bound, e.Kept = true, true, []byte("damaged")
				c.Check(tx.AddEnrolment(e))
				continue
			}
			_, err = c.People.Enrol(tx, e, person.Kept{
				Hierarchy: id.Scope.Hierarchy, Serial: serial.Bytes(), Birth: &roster.Birth{Date: simbox.Birthday, Form: 2}, Key: make([]byte, key),
			})
			c.Check(err)
		}
		return nil
	}))
}

// P2: who is missing on a roster is said with a number, without naming anybody, and the others are told.
func TestP2AFullRosterIsSaid(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	const more = 4
	full(t, c, b.Row(t), more)
	var log bytes.Buffer
	conf := c.Line.Config
	conf.Log = slog.New(slog.NewTextHandler(&log, nil))
	got, err := boxline.New(conf).Poll(t.Context(), b.Public(t), wire.Poll{})
	c.Check(err)
	if n := len(told(t, c, got).Entries); n != roster.MaxSet/(192+roster.MaxKey) {
		t.Errorf("roster of %d, want as many as have room", n)
	}
	for _, want := range []string{"level=WARN msg=\"a site has more people than a roster has room for", "count=3", "level=ERROR msg=\"enrolments are damaged", "count=1"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}

// looks counts how often enrolments are read for a roster.
type looks struct {
	store.Store
	n *int
}

func (l looks) View(ctx context.Context, f func(store.Tx) error) error {
	return l.Store.View(ctx, func(tx store.Tx) error { return f(looking{tx, l.n}) })
}

type looking struct {
	store.Tx
	n *int
}

func (l looking) EnrolmentsAt(site record.SiteID, after record.TapID, limit int) ([]store.Enrolment, error) {
	*l.n++
	return l.Tx.EnrolmentsAt(site, after, limit)
}

// A roster is made once for all boxes of its site, and anew after each change.
func TestARosterIsMadeOnceForEachChange(t *testing.T) {
	c := simcentral.New(t)
	b, beside := c.Box(), c.Box()
	n := 0
	conf := c.Line.Config
	conf.Store = looks{c.Store, &n}
	line := boxline.New(conf)
	for i := range byte(3) {
		enrol(c, b, 0x46, i)
		for _, box := range []*simbox.Box{b, beside, b, beside} {
			got, err := line.Poll(t.Context(), box.Public(t), current(c))
			c.Check(err)
			if set := told(t, c, got); len(set.Entries) != int(i)+1 || set.Box != box.ID {
				t.Errorf("roster of %d for box %s, want %d for %s", len(set.Entries), set.Box, i+1, box.ID)
			}
		}
		if n != int(i)+1 {
			t.Errorf("enrolments were read %d times after %d changes, want once each", n, i+1)
		}
	}
}
