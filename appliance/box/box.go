// Package box puts the parts of a box together and runs them: taps, the way to central, the counter's page.
//
// Open reads and checks everything and starts nothing; Run blocks until its context ends or a part fails for good. What is
// durable, and when, is said by the parts. A [Box] is what the local API serves. Which card readers it watches is its caller's
// choice, so that the package builds without cgo.
package box

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/appliance/clock"
	"kazashi.example/appliance/config"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/link"
	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/tap"
	"kazashi.example/appliance/vault"
	"kazashi.example/localapi"
	"kazashi.example/localapi/feed"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
)

// Names inside the data directory.
const (
	fileJournal = "journal.db"
	fileClock   = "clock.floor"
	dirLists    = "lists"
)

// houseEvery is the pause between two rounds of housekeeping.
const houseEvery = 10 * time.Second

// Box is a box that is ready to run.
type Box struct {
	cards    tap.Cards
	conf     config.Config
	release  string
	log      *slog.Logger
	identity *vault.Identity
	desired  *desired.Store
	lists    *revocation.Cache
	journal  *journal.Journal
	clock    *clock.Clock
	feed     *feed.Feed
	link     *link.Link
	counter  *tap.Counter
	readers  readers
	metrics  *metrics
}

// Open reads identity, desired state, lists and journal; cards is the readers that Run watches. built is when the program was
// made: the clock is never before it.
func Open(ctx context.Context, conf config.Config, cards tap.Cards, release string, built time.Time, log *slog.Logger) (_ *Box, err error) {
	b := &Box{conf: conf, cards: cards, release: release, log: log, feed: feed.New(), metrics: newMetrics(release)}
	if err := os.MkdirAll(conf.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	if b.identity, err = vault.Open(conf.DataDir); err != nil {
		return nil, err
	}
	log.WarnContext(ctx, vault.Weakness)
	b.clock = clock.New(ctx, clock.System(), clock.File(filepath.Join(conf.DataDir, fileClock)), built, log)
	if b.desired, err = desired.Open(ctx, conf.DataDir, log); err != nil {
		return nil, err
	}
	if err := b.openRest(ctx); err != nil {
		return nil, errors.Join(err, b.desired.Close())
	}
	return b, nil
}

func (b *Box) openRest(ctx context.Context) (err error) {
	if place := b.desired.Place(); place.Box != b.identity.Box {
		return fmt.Errorf("this box is %s, but joined as %s: %w", b.identity.Box, place.Box, desired.ErrNotJoined)
	}
	if b.lists, err = revocation.Open(ctx, filepath.Join(b.conf.DataDir, dirLists), b.desired.Anchors(), b.log); err != nil {
		return err
	}
	b.journal, err = journal.Open(ctx, filepath.Join(b.conf.DataDir, fileJournal), journal.Options{
		Device: b.identity.Device, Box: b.identity.Box, Recipient: b.recipient, Fresh: b.identity.Fresh(), Now: b.now, Log: b.log,
	})
	if err != nil {
		return err
	}
	if err := b.wire(); err != nil {
		return errors.Join(err, b.journal.Close())
	}
	return b.identity.Begin()
}

// wire makes the parts that run.
func (b *Box) wire() error {
	proxy, err := b.conf.ProxyURL()
	if err != nil {
		return err
	}
	client, err := uplink.NewClient(uplink.Config{
		Address: b.conf.Central.Address, Device: b.identity.Device, Proxy: proxy,
		Central: func() []sign.PublicKey { return b.desired.Trust().TLSKeys() },
	})
	if err != nil {
		return err
	}
	b.link = link.New(link.Config{
		Client: client, Journal: b.journal, Desired: b.desired, Lists: b.lists, Watch: b, Clock: b.clock,
		Now: b.now, Release: b.release, Log: b.log,
	})
	b.counter, err = tap.New(tap.Config{
		Cards: b.cards, Certificates: func() tap.Certificates { return b.desired.Anchors() }, Revocations: b.lists,
		Rules: b.desired, Journal: woken{b.journal, b.link}, Clock: b.clock, Announcer: announcer{b},
		Desk: record.DeskID(b.conf.Desk), Service: record.ServiceID(b.conf.Service), Seen: b.seen, Log: b.log,
	})
	return err
}

// woken is the journal that tells the link of every record.
type woken struct {
	*journal.Journal
	link *link.Link
}

// Append is the journal's; the link hears of what became durable.
func (w woken) Append(ctx context.Context, plain []byte, c journal.Clear) (record.ID, error) {
	id, err := w.Journal.Append(ctx, plain, c)
	if err == nil {
		w.link.Wake()
	}
	return id, err
}

func (b *Box) recipient() (seal.PublicKey, error) { return b.desired.Trust().SealKey() }

func (b *Box) now() time.Time {
	t, _ := b.clock.Now()
	return t
}

// Close closes the databases. Run has ended.
func (b *Box) Close() error { return errors.Join(b.journal.Close(), b.desired.Close()) }

// Run takes taps until ctx ends, which is no error.
func (b *Box) Run(ctx context.Context) error {
	page, err := server.ListenTCP(ctx, b.conf.Counter.Listen)
	if err != nil {
		return fmt.Errorf("opening the counter's page: %w", err)
	}
	socket, err := server.ListenUnix(ctx, b.conf.Socket())
	if err != nil {
		return errors.Join(fmt.Errorf("opening the local socket: %w", err), page.Close())
	}
	handler := server.New(server.Config{Box: b, Log: b.log, Metrics: b.metrics.handler(), Hosts: b.conf.Counter.Hosts})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Serve(ctx, handler, b.log, page, socket) })
	g.Go(func() error { return b.counter.Run(ctx) })
	g.Go(func() error { return b.link.Run(ctx) })
	g.Go(func() error { return b.keepHouse(ctx) })
	b.log.InfoContext(ctx, "box runs", slog.String("box", b.identity.Box.String()), slog.String("counter", "http://"+page.Addr().String()),
		slog.String("release", b.release))
	b.link.Wake()
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// keepHouse refreshes what grows older by itself, and lets go what central has signed as safe.
func (b *Box) keepHouse(ctx context.Context) error {
	t := time.NewTicker(houseEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if _, err := b.journal.Prune(ctx, 0); err != nil && ctx.Err() == nil {
			b.log.ErrorContext(ctx, "letting go of safe records failed", slog.Any("error", err))
		}
		b.publishStatus(ctx)
	}
}

// announcer counts what the counter hears.
type announcer struct{ b *Box }

// Publish hands an event of a tap on.
func (a announcer) Publish(e localapi.Event) {
	switch e.Type {
	case localapi.EventVerdict:
		a.b.metrics.taps.WithLabelValues(e.Tap.First.Verdict.String(), e.Tap.First.Reason.String()).Inc()
	case localapi.EventReadFailed:
		a.b.metrics.failures.WithLabelValues(string(e.Failure)).Inc()
	case localapi.EventCardPresent, localapi.EventCardRemoved, localapi.EventReading, localapi.EventSettled, localapi.EventStatus:
	}
	a.b.feed.Publish(e)
}

// seen keeps account of the readers.
func (b *Box) seen(e tap.Event) {
	b.readers.change(func(r *readers) {
		switch e.Kind {
		case tap.ServiceLost:
			r.list, r.problem = nil, localapi.FailureNoPCSC
		case tap.ServiceFound:
		case tap.ReaderAdded:
			r.set(e.Reader, true, false)
		case tap.ReaderRemoved:
			r.set(e.Reader, false, false)
		case tap.CardArrived, tap.CardMute:
			r.set(e.Reader, true, true)
		case tap.CardRemoved:
			r.set(e.Reader, true, false)
		}
		if e.Kind != tap.ServiceLost {
			r.problem = ""
			if len(r.list) == 0 {
				r.problem = localapi.FailureReaderGone
			}
		}
	})
	b.publishStatus(context.Background())
}
