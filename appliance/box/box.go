// Package box puts the parts of a box together and runs them: taps, the way to central, the counter's page.
//
// Join takes a place at a site, once. Open reads and checks everything and starts nothing; Run blocks until its context ends
// or a part fails for good; a tap under way is finished first. A data directory is one process's at a time. What is durable,
// and when, is said by the parts. A [Box] is what the local API serves, and may be used from any goroutine. Which card readers
// it watches is its caller's choice, so that the package builds without cgo. It decides nothing about a tap.
package box

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/appliance/clock"
	"kazashi.example/appliance/closing"
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
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
)

// Names inside the data directory.
const (
	fileJournal = "journal.db"
	fileBook    = "sitebook.db"
)

// houseEvery is the pause between two rounds of housekeeping.
const houseEvery = 10 * time.Second

// ErrOtherIdentity says that the identity in the data directory is not the one that joined: one of the two was copied here or
// lost.
var ErrOtherIdentity = errors.New("the identity in this data directory is not the one that joined; " +
	"put this box's identity.key back, or join as a new box with an empty data directory")

// errErased ends Run once everything was erased.
var errErased = errors.New("everything was erased")

// Box is a box that is ready to run.
type Box struct {
	cards    tap.Cards
	conf     config.Config
	release  string
	log      *slog.Logger
	lock     *lock
	identity *vault.Identity
	desired  *desired.Store
	lists    *revocation.Cache
	site
	journal *journal.Journal
	clock   *clock.Clock
	feed    *feed.Feed
	client  *uplink.Client
	link    *link.Link
	counter *tap.Counter
	readers *readers
	leave   func()        // ends Run: everything was erased
	expired time.Time     // when it was last looked for what rules keep no longer; of housekeeping alone
	trouble atomic.Bool   // the last record could not be made durable
	adding  adding        // whether records may be added
	unseen  *unseen       // verdicts from before a restart
	sticks  *couriers     // the way by USB stick
	moved   chan struct{} // the status changed
	metrics *metrics
}

// Open reads identity, desired state, revocation sets and journal; cards is the readers that Run watches. built is when the program was
// made: the clock is never before it. ErrInUse, ErrOtherIdentity, desired.ErrNotJoined, or an error of the parts.
func Open(ctx context.Context, conf config.Config, cards tap.Cards, release string, built time.Time, log *slog.Logger) (*Box, error) {
	held, err := hold(ctx, conf.DataDir)
	if err != nil {
		return nil, err
	}
	b := &Box{
		conf: conf, cards: cards, release: release, log: log, lock: held, feed: feed.New(), readers: newReaders(),
		moved: make(chan struct{}, 1), metrics: newMetrics(release), site: site{moved: make(chan struct{}, 1)}, leave: func() {},
	}
	if err := b.open(ctx, built); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// open opens the parts; what it opened Close closes. A box without a place gets no identity: joining makes it.
func (b *Box) open(ctx context.Context, built time.Time) (err error) {
	if err := left(b.conf.DataDir); err != nil {
		return err
	}
	if b.desired, err = desired.Open(ctx, b.conf.DataDir, b.log); err != nil {
		return err
	}
	if b.identity, err = vault.Open(b.conf.DataDir, vault.Options{TPM: b.conf.TPM}); err != nil {
		return err
	}
	if place := b.desired.Place(); place.Box != b.identity.Box {
		return fmt.Errorf("%w: %s joined, %s is here", ErrOtherIdentity, place.Box, b.identity.Box)
	}
	if weak := b.identity.Weakness(); weak != "" {
		b.log.WarnContext(ctx, "this box keeps its keys in a file", slog.String("weakness", weak))
	}
	b.clock = clock.New(ctx, clock.Config{
		Keep: clock.Disk{Dir: b.conf.DataDir, Box: b.identity.Box, Device: b.identity.Device}, Built: built, Log: b.log,
	})
	b.desired.Clock(b.clock.Now)
	if b.lists, err = revocation.Open(ctx, revocation.Config{
		Now: b.clock.Now,
		Dir: b.conf.Lists(), Keys: func() sign.Keys { return b.desired.Trust() }, Learn: b.clock.Learn, Changed: b.changed, Log: b.log,
	}); err != nil {
		return err
	}
	b.journal, err = journal.Open(ctx, filepath.Join(b.conf.DataDir, fileJournal), journal.Options{
		Device: b.identity.Device, Box: b.identity.Box, Recipient: b.recipient, Fresh: b.identity.Fresh(), Now: b.now,
		Stretch: b.clock.Stretch, CentralEpoch: b.centralEpoch, Log: b.log,
	})
	if err != nil {
		return err
	}
	if b.unseen, err = openUnseen(ctx, b.conf.DataDir, b.journal, b.log); err != nil {
		return err
	}
	if err := b.openSite(ctx); err != nil {
		return err
	}
	if err := b.wire(); err != nil {
		return err
	}
	return b.identity.Begin()
}

// wire makes the parts that run.
func (b *Box) wire() error {
	proxy, err := b.conf.ProxyURL()
	if err != nil {
		return err
	}
	b.client, err = uplink.NewClient(uplink.Config{
		Address: b.conf.Central.Address, Device: b.identity.Device, Proxy: proxy,
		Central: func() []sign.PublicKey { return b.desired.Trust().TLSKeys() },
	})
	if err != nil {
		return err
	}
	b.link = link.New(link.Config{
		Client: b.client, Journal: b.journal, Desired: b.desired, Sets: b.lists, Rosters: b.rosters, Watch: b,
		Keys: b.keys, Orders: b.orders, Clock: b.clock, Repair: b.clock, Now: b.now, Release: b.release, Log: b.log,
	})
	b.counter, err = tap.New(tap.Config{
		Cards: b.cards, Certificates: func() tap.Certificates { return b.desired.Anchors() }, Authorities: b.desired.CardAuthorities,
		Revocations: b.lists, Rules: b.desired, People: b.people, Book: b.book, Staff: b.book, Journal: written{b}, Clock: b.clock, Announcer: announcer{b},
		Box: b.identity.Box, Desk: record.DeskID(b.conf.Desk), Service: record.ServiceID(b.conf.Service),
		Memory: mynumber.NewMemory(), Seen: b.seen, Changed: b.changed, Log: b.log,
	})
	if err != nil {
		return err
	}
	b.sticks, err = b.newCouriers()
	return err
}

// written is the journal, with those who must know of every record.
type written struct{ b *Box }

// Append is the journal's; the link hears of what became durable, the counter of a disk that takes no more.
func (w written) Append(ctx context.Context, plain []byte, c journal.Clear) (record.ID, error) {
	w.b.adding.mu.RLock()
	defer w.b.adding.mu.RUnlock()
	id, err := record.ID{}, errErasing
	if !w.b.adding.ended {
		id, err = w.b.journal.Append(ctx, plain, c)
	}
	if err == nil {
		w.b.link.Wake()
	}
	if failed := errors.Is(err, journal.ErrNotDurable) || errors.Is(err, errErasing); w.b.trouble.Swap(failed) != failed {
		w.b.changed()
	}
	return id, err
}

// State is the journal's.
func (w written) State() journal.Space { return w.b.journal.State() }

// centralEpoch is the highest that this box has heard of.
func (b *Box) centralEpoch() uint64 {
	held, err := b.desired.Held(context.Background()) // where verdicts cannot be read the rules say it
	if err != nil {
		b.log.Warn("which verdicts are held cannot be read", slog.Any("error", err))
	}
	return max(held.CentralEpoch, b.desired.RulesFloor().CentralEpoch)
}

func (b *Box) recipient() (seal.PublicKey, error) { return b.desired.SealKey(), nil }

func (b *Box) now() time.Time {
	t, _ := b.clock.Now()
	return t
}

// Close closes what is open. Run has ended.
func (b *Box) Close() error {
	var errs []error
	if b.client != nil {
		b.client.Close()
	}
	if b.lists != nil {
		b.lists.Close()
	}
	errs = append(errs, b.shut()...)
	if b.journal != nil {
		errs = append(errs, b.journal.Close())
	}
	if b.clock != nil {
		errs = append(errs, b.clock.End()) // after the last record, so that none is later than the next start
	}
	if b.desired != nil {
		errs = append(errs, b.desired.Close())
	}
	if b.identity != nil {
		errs = append(errs, b.identity.Close())
	}
	if err := errors.Join(errs...); err == nil {
		errs = append(errs, left(b.conf.DataDir))
	}
	return errors.Join(append(errs, b.lock.free())...)
}

// left empties a data directory of which everything was certified as erased. Nothing in it is open.
func left(dir string) error {
	leaving, err := closing.Leaving(dir)
	if err != nil || !leaving {
		return err
	}
	return closing.Leave(dir, fileLock)
}

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
	handler := server.New(server.Config{
		Box: b, Log: b.log, Metrics: b.metrics.handler(), Hosts: b.conf.Counter.Hosts,
		Desk: desk{b.book, b}, Trusted: trusted{b}, People: enrolled{b}, Keeper: b.keeper, Unseen: b, Courier: b.sticks,
	})
	ended, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	b.leave = func() { leave(errErased) }
	g, run := errgroup.WithContext(ended)
	g.Go(func() error { return server.Serve(run, handler, b.log, page, socket) })
	g.Go(func() error { return b.counter.Run(run) })
	g.Go(func() error { return b.link.Run(run) })
	g.Go(func() error { return b.lists.Run(run, b.client) })
	g.Go(func() error { return b.rosters.Run(run, b.client) })
	g.Go(func() error { return b.tend(run) })
	g.Go(func() error { return b.keepHouse(run) })
	g.Go(func() error { return b.sticks.Run(run) })
	g.Go(func() error { return b.tell(run) })
	b.log.InfoContext(ctx, "box runs", slog.String("box", b.identity.Box.String()), slog.String("counter", "http://"+page.Addr().String()),
		slog.String("release", b.release))
	b.siteMoved()
	b.link.Wake()
	err = g.Wait()
	b.log.InfoContext(ctx, "box has stopped")
	if ended.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// keepHouse refreshes what grows older by itself, and lets go what central has signed as safe.
func (b *Box) keepHouse(ctx context.Context) error {
	t := time.NewTicker(houseEvery)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if n%retryEvery == 0 {
			b.retry(ctx)
		}
		if _, err := b.journal.Prune(ctx, 0); err != nil && ctx.Err() == nil {
			b.log.ErrorContext(ctx, "letting go of safe records failed", slog.Any("error", err))
		}
		if err := b.unseen.look(ctx, b.journal); err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "which verdicts perhaps nobody saw cannot be read", slog.Any("error", err))
		}
		b.expire(ctx)
		b.changed()
	}
}

// bookDays is for how many days a service's rule keeps what is in the site book; 0: until the site is closed.
func (b *Box) bookDays(service record.ServiceID) uint32 {
	r, _, _ := b.desired.For(service)
	return r.Retention.Book
}

// changed has the status told soon. It never blocks, so that no tap and no reader waits for it (P1).
func (b *Box) changed() {
	select {
	case b.moved <- struct{}{}:
	default:
	}
}

// tell tells the counter the status whenever it changed.
func (b *Box) tell(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.moved:
			b.publishStatus(ctx)
		}
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
