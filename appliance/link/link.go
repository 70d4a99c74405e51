// Package link keeps a box and central in step over the uplink: records up, desired state down, for as long as the box runs.
//
// Two loops, so that a held poll never delays a record: one pushes whatever the journal has not handed over, the other polls
// for what central wants the box to have. Neither is ever waited for by a tap. All state is in the journal and the desired
// store; a loop that dies at any point begins again from there. Retries back off with jitter, so that a thousand boxes do
// not return in step, and no answer of central's, however often repeated, makes a loop spin. A [Link] may be used from any
// goroutine. PPIDs that are waited for are remembered in memory alone.
package link

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/appliance/clock"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/fetch"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/orders"
	"kazashi.example/appliance/vault"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// Timing of the loops.
const (
	pollWait   = 10 * time.Second // how long central may hold a poll
	askAgain   = time.Second      // for PPIDs that are not safe yet
	askBriefly = 2 * time.Minute  // after that they are asked for with the other polls
	retryFirst = 500 * time.Millisecond
	retryLast  = 30 * time.Second
)

// Central is the other end. Errors: *uplink.Refusal, uplink.ErrIntercepted, or what the network said.
type Central interface {
	// Push returns nil once everything that is not refused is durable at central.
	Push(ctx context.Context, p wire.Push) (wire.Pushed, error)
	// Poll may be held for p.Wait seconds.
	Poll(ctx context.Context, p wire.Poll) (wire.Polled, error)
	// Close drops idle connections; the next call dials.
	Close()
}

var _ Central = (*uplink.Client)(nil)

// Journal is what the link needs of the journal.
type Journal interface {
	// Unsent is the next portion to push: live records before backlog, every header with its records. Empty when there is
	// nothing to send.
	Unsent(ctx context.Context, l journal.Limits) (wire.Push, error)
	// Accept notes what central signed.
	Accept(ctx context.Context, a ack.Ack) error
	// Epochs lists epochs with records that are not yet safe.
	Epochs(ctx context.Context) ([]record.EpochID, error)
	// Waiting counts records that central does not hold yet.
	Waiting(ctx context.Context) (uint64, error)
	// Version is that of the newest acknowledgement accepted.
	Version() rule.Version
	// Correct keeps how wrong the clock was for the records of a stretch that have no correction yet, and reports whether there were any.
	Correct(ctx context.Context, stretch string, offset time.Duration, measured time.Time) (fresh bool, err error)
	// Corrected notes that central has corrections.
	Corrected(ctx context.Context, messages [][]byte) error
}

// Keys is what the link needs of the site's keys.
type Keys interface {
	// Take takes a signed grant; vault.ErrOlder for one that is no news.
	Take(ctx context.Context, grant []byte) error
	// Version is that of the newest grant taken.
	Version() rule.Version
	// Wants reports whether no key is open and a grant would open some.
	Wants() bool
	// Made lists generations made here that no grant has named, wrapped to C-seal.
	Made() []sitekey.Wrapped
}

var _ Keys = (*vault.Site)(nil)

// Orders is what the link needs of whoever does what central orders.
type Orders interface {
	// Take does those that were not done, and reports whether central has something to hear of it that was not about to be said.
	Take(ctx context.Context, keys sign.Keys, orders [][]byte) (news bool, err error)
	// Carried is Take for orders that a stick brought, which may have been done and forgotten long ago.
	Carried(ctx context.Context, keys sign.Keys, orders [][]byte) (news bool, err error)
	// Done lists outcomes that central is not known to have.
	Done() []wire.OrderDone
	// Told notes that it has them.
	Told(done []wire.OrderDone) error
}

var _ Orders = (*orders.Book)(nil)

// Repair is what the link needs of a clock that can be put right.
type Repair interface {
	// Nonce is under which the floor may be lowered; zero if it may not.
	Nonce() [16]byte
	// Corrections are what is to be added to times said in each stretch since the boot, by what Check heard last; none if nothing was heard.
	Corrections() []clock.Correction
}

// Rosters is what the link needs of the rosters, which are fetched by their own loop.
type Rosters interface {
	// Version is that of the roster in use; zero for none.
	Version() rule.Version
	// Offered says which one central has that is newer. It does not wait for any of it.
	Offered(o wire.RosterOffer)
	// Offer takes one into use from what is at hand, if it is newer, and waits for it; roster.ErrOlder.
	Offer(ctx context.Context, from fetch.Remote, o wire.RosterOffer) error
	// Review looks at what is held anew after the trust bundle changed.
	Review()
}

var _ Repair = (*clock.Clock)(nil)

// Sets is what the link needs of the revocation sets, which are fetched by their own loop.
type Sets interface {
	// Held names those in use.
	Held() []wire.HeldSet
	// Offered says what central has that is newer. It does not wait for any of it.
	Offered(offers []wire.SetOffer)
	// Take takes what is newer into use from what is at hand, and waits for it.
	Take(ctx context.Context, from fetch.Remote, offers []wire.SetOffer) error
	// Trust looks at what is held anew after the trust bundle changed.
	Trust(ctx context.Context) error
}

// Watcher hears what changed, from one goroutine at a time for each method. Its methods must not wait for the link.
type Watcher interface {
	// LineChanged says that central answers and serves this box, or no longer does.
	LineChanged(ctx context.Context, up bool)
	// Settled says that final verdicts became durable on this box.
	Settled(ctx context.Context, verdicts []wire.Verdict)
	// Named brings PPIDs for the live page. They are not kept.
	Named(ctx context.Context, subjects []wire.Subject)
	// Changed says that rules, roster or trust were replaced, records acknowledged, or that a line that is down has another
	// trouble. Both loops call it.
	Changed(ctx context.Context)
}

// Clock is told what is known of the time.
type Clock interface {
	// Check takes the time that central says now, over the bound connection.
	Check(live time.Time)
	// Learn takes the time at which something was signed that has been verified; older news change nothing.
	Learn(signed time.Time)
}

// Config is the parts of a Link. All are required but for Keys, Orders, Repair and Rosters: without one, nothing of it is said or taken.
type Config struct {
	Client  Central
	Journal Journal
	Desired *desired.Store
	Sets    Sets
	Watch   Watcher
	Clock   Clock
	Keys    Keys
	Orders  Orders
	Repair  Repair
	Rosters Rosters
	Now     func() time.Time
	Release string
	Log     *slog.Logger
}

// Link is the box's side of the uplink.
type Link struct {
	Config
	pending          chan struct{} // a record waits
	asked            chan struct{} // a PPID is wanted that a poll under way may not ask for
	pushNow, pollNow chan struct{} // the line came back
	met              chan struct{} // closed when the first poll came to an end
	meet             sync.Once     // closes met

	turns int // polls in a row that came back at once with nothing; the poll loop's alone

	applying sync.Mutex // one answer at a time, by whatever way it came

	telling sync.Mutex // held across a change of the line and telling of it, so that both stay in order

	mu     sync.Mutex // guards what follows
	line   line
	wanted wanted
}

// New starts nothing; Run does. The line is down until central has answered. The clock learns at once from what is held.
func New(c Config) *Link {
	l := &Link{
		Config:  c,
		pending: make(chan struct{}, 1), asked: make(chan struct{}, 1), pushNow: make(chan struct{}, 1), pollNow: make(chan struct{}, 1),
		met: make(chan struct{}),
	}
	l.learn()
	l.line.since = c.Now()
	return l
}

// learn tells the clock when the bundle and the rules in force were signed. None of them can be from the future.
func (l *Link) learn() {
	l.Clock.Learn(l.Desired.Issued())
}

// Wake says that a record was appended. It never blocks.
func (l *Link) Wake() { knock(l.pending) }

func knock(door chan<- struct{}) {
	select {
	case door <- struct{}{}:
	default:
	}
}

// Want asks for the PPID of a tap, at once and with the next polls. It is forgotten when it came, when the box stops, or when very many
// others were asked for since. It never blocks.
func (l *Link) Want(tap record.TapID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted.add(tap, time.Now())
	knock(l.asked)
}

// Line reports whether central answers and serves this box, and since when that has been so.
func (l *Link) Line() (up bool, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.line.up, l.line.since
}

// Heard reports when central last answered, zero if it has not since the start, and what stands in the way if anything is known of
// it: the code of central's refusal to serve this box (wire.CodeRevokedBox and its like), Intercepted, or Replaced.
func (l *Link) Heard() (at time.Time, trouble string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line.trouble == "" && l.line.replaced {
		return l.line.answer, Replaced
	}
	return l.line.answer, l.line.trouble
}

// Run pushes and polls until ctx ends; its error is then ctx's.
func (l *Link) Run(ctx context.Context) error {
	defer l.Client.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.loop(ctx, l.pushAll, l.pushNow) })
	g.Go(func() error { return l.loop(ctx, l.poll, l.pollNow) })
	return g.Wait()
}

// loop runs one step after the other. After an error it waits longer each time, unless it is told that it is worth trying.
func (l *Link) loop(ctx context.Context, step func(context.Context) error, now <-chan struct{}) error {
	retry := retryFirst
	var told string
	for ctx.Err() == nil {
		err := step(ctx)
		if ctx.Err() != nil {
			break
		}
		told = l.report(ctx, told, err)
		if err == nil {
			retry = retryFirst
			continue
		}
		l.Client.Close() // what is idle may be dead as well
		pause(ctx, retry/2+rand.N(retry/2), now, l.worthTrying(err))
		retry = min(retry*2, retryLast)
	}
	return ctx.Err()
}

// worthTrying is what else ends a pause: where central answers and only this portion makes no headway, a new record does.
func (l *Link) worthTrying(err error) <-chan struct{} {
	if errors.Is(err, errNoProgress) {
		return l.pending
	}
	return nil
}

func pause(ctx context.Context, d time.Duration, now, or <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-now:
	case <-or:
	}
}
