package fortnight_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/clock"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/link"
	"kazashi.example/appliance/orders"
	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/appliance/tap"
	"kazashi.example/appliance/vault"
	"kazashi.example/localapi"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// built is when the box's program was made.
var built = start.AddDate(0, -2, 0)

var quiet = slog.New(slog.DiscardHandler)

// machine is what the box runs on: its time of day may be set to anything.
type machine struct {
	mu     sync.Mutex // guards what follows
	name   string     // of the boot
	booted time.Time  // true time
	wrong  time.Duration
}

// boot starts the machine with a time of day.
func (m *machine) boot(name string, wall time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.name, m.booted, m.wrong = name, truth(), wall.Sub(truth())
}

// set makes the time of day wrong by so much.
func (m *machine) set(wrong time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wrong = wrong
}

// read is clock.Source.
func (m *machine) read() clock.Reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := truth()
	return clock.Reading{Wall: now.Add(m.wrong), Up: now.Sub(m.booted), Boot: m.name}
}

// box is the parts of a box as package box puts them together, with a desk for each service and without sockets.
type box struct {
	t        *testing.T
	dir      string
	machine  *machine
	identity *vault.Identity
	clock    *clock.Clock
	desired  *desired.Store
	lists    *revocation.Cache
	journal  *journal.Journal
	keys     *vault.Site
	rosters  *roster.Store
	book     *sitebook.Book
	people   sitebook.People
	orders   *orders.Book
	link     *link.Link
	way      *way
	cut      *cut
	desks    map[record.ServiceID]*desk
	leave    []func() // each ends something that runs
	crash    func()   // drop, once
}

// join makes a box that has a place at the site.
func join(t *testing.T, o *office, m *machine) *box {
	t.Helper()
	dir := t.TempDir()
	id, err := vault.Open(dir, vault.Options{})
	must(t, err)
	must(t, desired.Create(dir, desired.Place{Box: id.Box, Site: site, Name: "school", Root: o.root}, o.bundle))
	o.register(id)
	must(t, id.Close())
	return open(t, o, m, dir)
}

// open starts the box that lies in dir.
func open(t *testing.T, o *office, m *machine, dir string) *box {
	t.Helper()
	b := &box{t: t, dir: dir, machine: m, desks: map[record.ServiceID]*desk{}}
	ctx := t.Context()
	var err error
	b.desired, err = desired.Open(ctx, dir, quiet)
	must(t, err)
	b.identity, err = vault.Open(dir, vault.Options{})
	must(t, err)
	b.clock = clock.New(ctx, clock.Config{
		Source: m.read, Keep: clock.Disk{Dir: dir, Box: b.identity.Box, Device: b.identity.Device}, Built: built,
	})
	b.desired.Clock(b.clock.Now)
	keys := func() sign.Keys { return b.desired.Trust() }
	b.lists, err = revocation.Open(ctx, revocation.Config{Dir: filepath.Join(dir, "lists"), Keys: keys, Learn: b.clock.Learn})
	must(t, err)
	b.journal, err = journal.Open(ctx, filepath.Join(dir, "journal.db"), journal.Options{
		Device: b.identity.Device, Box: b.identity.Box, Recipient: b.recipient, Fresh: b.identity.Fresh(), Now: b.now,
		Stretch: b.clock.Stretch,
	})
	must(t, err)
	b.openSite(ctx, keys)
	must(t, b.identity.Begin())
	device, err := b.identity.Public()
	must(t, err)
	b.way = &way{o, device}
	b.link = link.New(link.Config{
		Client: b.way, Journal: b.journal, Desired: b.desired, Sets: b.lists, Rosters: b.rosters, Watch: watcher{b}, Keys: b.keys,
		Orders: b.orders, Clock: b.clock, Repair: b.clock, Now: b.now, Release: "v1", Log: quiet,
	})
	b.crash = sync.OnceFunc(b.drop)
	t.Cleanup(b.crash)
	for _, r := range o.rules.Rules {
		b.openDesk(r.Service)
	}
	return b
}

// openSite opens what is sealed under the site's keys.
func (b *box) openSite(ctx context.Context, keys func() sign.Keys) {
	b.t.Helper()
	var err error
	b.keys, err = vault.OpenSite(ctx, vault.SiteConfig{
		Dir: b.dir, Identity: b.identity, Site: site, Central: b.recipient, Keys: keys, AllowSwap: true,
		Rule: func() rule.Unlock { return b.desired.RuleSet().Unlock }, Changed: b.keysMoved, Log: quiet,
	})
	must(b.t, err)
	b.rosters, err = roster.Open(roster.Config{Dir: filepath.Join(b.dir, "rosters"), Site: site, Keys: keys, Ring: b.keys.Ring})
	must(b.t, err)
	b.book, err = sitebook.Open(ctx, filepath.Join(b.dir, "sitebook.db"), sitebook.Options{
		Site: site, Desk: "school", Ring: b.keys.Ring, Records: b.journal, Now: b.now,
	})
	must(b.t, err)
	b.people = sitebook.People{Book: b.book, Roster: b.rosters, Box: b.identity.Box, Final: b.final}
	b.orders, err = orders.Open(ctx, b.dir, b.identity.Box, ordered{b}, quiet)
	must(b.t, err)
}

func (b *box) recipient() (seal.PublicKey, error) { return b.desired.SealKey(), nil }

// final is central's last word on a tap.
func (b *box) final(ctx context.Context, tap record.TapID) (sitebook.Final, bool, error) {
	t, ok, err := b.desired.OfTap(ctx, tap)
	return sitebook.Final{Version: t.Version, Verdict: t.Verdict}, ok, err
}

func (b *box) now() time.Time {
	t, _ := b.clock.Now()
	return t
}

// keysMoved is what package box does when the keys change.
func (b *box) keysMoved() {
	if _, err := b.keys.Ring(); err != nil && b.rosters != nil {
		b.rosters.Forget()
	}
	if b.book != nil {
		b.book.Changed()
	}
}

// openDesk starts to take taps for a service.
func (b *box) openDesk(id record.ServiceID) {
	b.t.Helper()
	d := &desk{box: b, service: id, events: make(chan tap.Event), told: make(chan localapi.Event, 4)}
	var err error
	if b.cut == nil {
		b.cut = &cut{journal: b.journal}
	}
	d.counter, err = tap.New(tap.Config{
		Cards: d, Certificates: func() tap.Certificates { return b.desired.Anchors() }, Authorities: b.desired.CardAuthorities,
		Revocations: b.lists, Rules: b.desired, People: b.people, Book: b.book, Staff: b.book, Journal: b.cut, Clock: b.clock, Announcer: d,
		Box: b.identity.Box, Desk: record.DeskID(id), Service: id, Memory: mynumber.NewMemory(),
	})
	must(b.t, err)
	b.desks[id] = d
	b.run(d.counter.Run)
}

// run runs something until the box is closed.
func (b *box) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); _ = f(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	b.leave = append(b.leave, stop)
	return stop
}

// connect runs the line until stop.
func (b *box) connect() (stop func()) {
	fetching := b.run(func(ctx context.Context) error { return b.rosters.Run(ctx, b.way) })
	speaking := b.run(b.link.Run)
	return func() { speaking(); fetching() }
}

// drop ends the program without a word to the clock: what it still writes goes to files that nobody reads again.
func (b *box) drop() {
	b.t.Helper()
	for _, stop := range b.leave {
		stop()
	}
	b.rosters.Close()
	b.lists.Close()
	must(b.t, b.book.Close(), b.journal.Close(), b.desired.Close(), b.identity.Close())
}

// end ends the program in order.
func (b *box) end() {
	b.t.Helper()
	b.crash()
	must(b.t, b.clock.End())
}

// watcher does with central's last words what package box does.
type watcher struct{ *box }

func (watcher) LineChanged(context.Context, bool)     {}
func (watcher) Named(context.Context, []wire.Subject) {}
func (watcher) Changed(context.Context)               {}

// Settled brings them into the site book.
func (w watcher) Settled(ctx context.Context, verdicts []wire.Verdict) {
	upTo, err := w.desired.Held(ctx)
	must(w.t, err)
	var finals []sitebook.Correction
	for _, v := range verdicts {
		r, err := w.journal.Row(ctx, record.ID{Epoch: v.Epoch, Seq: v.Seq})
		must(w.t, err)
		finals = append(finals, sitebook.Correction{
			Tap: r.Tap, Time: r.Time, Desk: r.Desk, Service: r.Service, First: localapi.Outcome{Verdict: r.Verdict, Reason: r.Reason},
			Final: localapi.Outcome{Verdict: v.Verdict, Reason: v.Reason}, Settled: w.now(),
		})
	}
	must(w.t, w.book.Correct(ctx, finals, upTo))
}

// ordered does what central orders, as package box does.
type ordered struct{ *box }

// Order lowers the clock.
func (o ordered) Order(ctx context.Context, got order.Order) ([]byte, error) {
	err := o.clock.Lower(ctx, got.Nonce.ID128, time.UnixMilli(got.Time))
	if err == nil {
		o.journal.Renew(epoch.CauseClock)
	}
	return nil, err
}

// cut is the journal, where the power may go between a tap's entry in the site book and its record.
type cut struct {
	journal *journal.Journal
	at      chan struct{} // if set, the next record says here that it is about to be written
	over    chan struct{} // and never is, once this is closed
	plain   []byte        // what was sealed first, a bounded share of it
}

// State is the journal's.
func (c *cut) State() journal.Space { return c.journal.State() }

// Append is the journal's.
func (c *cut) Append(ctx context.Context, plain []byte, shown journal.Clear) (record.ID, error) {
	if shown.Service == library && len(c.plain) < 1<<20 {
		c.plain = append(c.plain, plain...)
	}
	if c.at == nil {
		return c.journal.Append(ctx, plain, shown)
	}
	close(c.at)
	<-c.over
	return record.ID{}, journal.ErrNotDurable
}
