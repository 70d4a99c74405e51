package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"kazashi.example/appliance/clock"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/appliance/tap"
	"kazashi.example/appliance/vault"
	"kazashi.example/localapi"
	"kazashi.example/localapi/feed"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// counter is the parts of a joined box that a tap and its record go through, in this process: everything real but the reader.
type counter struct {
	belt    *belt
	heard   chan heard
	feed    *feed.Feed
	id      *vault.Identity
	desired *desired.Store
	lists   *revocation.Cache
	journal *journal.Journal
	roster  *roster.Store
	book    *sitebook.Book
	client  *uplink.Client
	anchors func() tap.Certificates
	ring    sitekey.Ring    // of the box's own making
	asks    record.Evidence // the rule asks for no less; changed only between taps
	stop    func() error
}

// heard is how a tap ended.
type heard struct {
	at    time.Time
	event localapi.Event
}

// openCounter opens the data directory of a box that has joined, gets rules and lists from central, and waits for cards.
func openCounter(ctx context.Context, dir, central string, certs [][]byte) (_ *counter, err error) {
	c := &counter{belt: newBelt(certs), heard: make(chan heard, 1), feed: feed.New()}
	log := slog.New(slog.DiscardHandler)
	if c.id, err = vault.Open(dir, vault.Options{}); err != nil {
		return nil, err
	}
	if c.desired, err = desired.Open(ctx, dir, log); err != nil {
		return nil, err
	}
	c.anchors = func() tap.Certificates { return c.desired.Anchors() }
	if c.lists, err = revocation.Open(ctx, revocation.Config{
		Dir: filepath.Join(dir, "lists"), Keys: func() sign.Keys { return c.desired.Trust() }, Log: log,
	}); err != nil {
		return nil, errors.Join(err, c.desired.Close())
	}
	now := clock.New(ctx, clock.Config{Keep: clock.Disk{Dir: dir, Box: c.id.Box, Device: c.id.Device}, Built: time.Now(), Log: log})
	if err := c.learn(ctx, central, now); err != nil {
		return nil, errors.Join(err, c.desired.Close())
	}
	c.journal, err = journal.Open(ctx, filepath.Join(dir, "journal.db"), journal.Options{
		Device: c.id.Device, Box: c.id.Box, Fresh: c.id.Fresh(),
		Recipient: func() (seal.PublicKey, error) { return c.desired.SealKey(), nil },
	})
	if err != nil {
		return nil, errors.Join(err, c.desired.Close())
	}
	if err := c.openBook(ctx, dir); err != nil {
		return nil, errors.Join(err, c.journal.Close(), c.desired.Close())
	}
	return c, errors.Join(c.id.Begin(), c.run(ctx, now))
}

// openBook opens an empty roster and an empty site book, under a key of their own.
func (c *counter) openBook(ctx context.Context, dir string) (err error) {
	if c.ring, err = sitekey.NewRing(sitekey.NewKey()); err != nil {
		return err
	}
	open := func() (sitekey.Ring, error) { return c.ring, nil }
	site := c.desired.Place().Site
	if c.roster, err = roster.Open(roster.Config{
		Dir: filepath.Join(dir, "roster"), Site: site, Keys: func() sign.Keys { return c.desired.Trust() }, Ring: open,
	}); err != nil {
		return err
	}
	c.book, err = sitebook.Open(ctx, filepath.Join(dir, "sitebook.db"), sitebook.Options{Site: site, Desk: desk, Ring: open, Records: c.journal})
	return err
}

// learn asks central once for what a tap is decided by.
func (c *counter) learn(ctx context.Context, central string, now *clock.Clock) (err error) {
	c.client, err = uplink.NewClient(uplink.Config{
		Address: central, Device: c.id.Device, Central: func() []sign.PublicKey { return c.desired.Trust().TLSKeys() },
	})
	if err != nil {
		return err
	}
	ask := wire.Poll{Trust: c.desired.Trust().Number, Time: time.Now().UnixMilli(), Release: "bench"}
	got, err := c.client.Poll(ctx, ask)
	if err != nil {
		return err
	}
	now.Check(time.UnixMilli(got.Time))
	if err := c.desired.ApplyRules(got.Rules); err != nil {
		return err
	}
	for ask.Rules, ask.Wait = c.desired.Rules(), wire.MaxWait; len(got.Sets) == 0; { // central makes its first set at its start
		if got, err = c.client.Poll(ctx, ask); err != nil {
			return err
		}
	}
	return c.lists.Fetch(ctx, c.client, got.Sets)
}

// run starts the tap's own code.
func (c *counter) run(ctx context.Context, now tap.Clock) error {
	k, err := tap.New(tap.Config{
		Cards: c.belt, Certificates: c.anchors, Authorities: c.desired.CardAuthorities, Box: c.id.Box,
		Revocations: c.lists, Rules: c, Journal: c.journal, Clock: now,
		People: sitebook.People{Book: c.book, Roster: c.roster}, Book: c.book, Staff: c.book,
		Announcer: c, Desk: desk, Service: service,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	c.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	return nil
}

// For is the rule in force, with the evidence that is measured.
func (c *counter) For(s record.ServiceID) (rule.Rule, rule.Version, bool) {
	r, v, ok := c.desired.For(s)
	r.Evidence = max(r.Evidence, c.asks)
	return r, v, ok
}

// Publish hands an event to the real feed, and notes when a tap's end was published.
func (c *counter) Publish(e localapi.Event) {
	c.feed.Publish(e)
	if e.Type == localapi.EventVerdict || e.Type == localapi.EventReadFailed {
		c.heard <- heard{time.Now(), e}
	}
}

var errNotAccepted = errors.New("tap of a card in order was not accepted")

// tap lays one card and returns how long it took until the counter heard the verdict, by when the record is durable.
func (c *counter) tap(ctx context.Context) (time.Duration, error) {
	select {
	case c.belt.lay <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	start := <-c.belt.start
	select {
	case h := <-c.heard:
		if h.event.Tap == nil || h.event.Tap.First.Verdict != record.VerdictAccepted {
			return 0, fmt.Errorf("%w: %s %s %+v", errNotAccepted, h.event.Type, h.event.Failure, h.event.Tap)
		}
		return h.at.Sub(start), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// end is close, also of none.
func (c *counter) end() error {
	if c == nil {
		return nil
	}
	return c.close()
}

func (c *counter) close() error {
	var err error
	if c.stop != nil {
		err = c.stop()
	}
	c.client.Close()
	c.roster.Close()
	return errors.Join(err, c.book.Close(), c.journal.Close(), c.desired.Close())
}
