// Package link keeps a box and central in step over the uplink: records up, desired state down, for as long as the box runs.
//
// Two loops, so that a held poll never delays a record: one pushes whatever the journal has not handed over, the other polls
// for what central wants the box to have. Neither is ever waited for by a tap. All state is in the journal and the desired
// store; a loop that dies at any point begins again from there. Retries back off with jitter, so that a thousand boxes do
// not return in step.
package link

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/revocation"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// Timing of the loops.
const (
	pollWait   = 10 * time.Second
	askAgain   = time.Second // for PPIDs that are not safe yet
	retryFirst = 500 * time.Millisecond
	retryLast  = 30 * time.Second
)

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
}

// Watcher hears what changed. Its methods must not block.
type Watcher interface {
	// LineChanged says that central answers, or no longer does.
	LineChanged(ctx context.Context, up bool)
	// Settled says that final verdicts became durable on this box.
	Settled(ctx context.Context, verdicts []wire.Verdict)
	// Named brings PPIDs for the live page. They are not kept.
	Named(ctx context.Context, subjects []wire.Subject)
	// Changed says that lists, rules or trust were replaced, or records acknowledged.
	Changed(ctx context.Context)
}

// Clock is told the time that central says over the bound connection.
type Clock interface {
	Check(live time.Time)
}

// Config is the parts of a Link. All are required.
type Config struct {
	Client  *uplink.Client
	Box     record.BoxID
	Journal Journal
	Desired *desired.Store
	Lists   *revocation.Cache
	Watch   Watcher
	Clock   Clock
	Now     func() time.Time
	Release string
	Log     *slog.Logger
}

// Link is the box's side of the uplink.
type Link struct {
	Config
	pending chan struct{} // a record waits

	mu     sync.Mutex // guards what follows
	up     bool
	since  time.Time
	wanted map[record.TapID]bool // taps whose PPID the live page waits for
}

// New starts nothing; Run does.
func New(c Config) *Link {
	return &Link{Config: c, pending: make(chan struct{}, 1), wanted: map[record.TapID]bool{}, since: c.Now()}
}

// Wake says that a record was appended. It never blocks.
func (l *Link) Wake() {
	select {
	case l.pending <- struct{}{}:
	default:
	}
}

// Want asks for the PPID of a tap with the next polls. It is forgotten when it came or when the box stops.
func (l *Link) Want(tap record.TapID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wanted) < wire.MaxSubjects {
		l.wanted[tap] = true
	}
}

// Line reports whether central answers, and since when that has been so.
func (l *Link) Line() (up bool, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up, l.since
}

// Run pushes and polls until ctx ends; its error is then ctx's.
func (l *Link) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.loop(ctx, l.push, l.pending) })
	g.Go(func() error { return l.loop(ctx, l.poll, nil) })
	return g.Wait()
}

// loop runs one exchange after the other. step reports whether another is due at once; otherwise it waits to be woken, or,
// without wake, goes on. After an error it waits longer each time.
func (l *Link) loop(ctx context.Context, step func(context.Context) (more bool, err error), wake <-chan struct{}) error {
	retry := retryFirst
	for ctx.Err() == nil {
		more, err := step(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			l.failed(ctx, err)
			pause(ctx, retry/2+rand.N(retry/2)) //nolint:gosec // jitter, not a secret
			retry = min(retry*2, retryLast)
			continue
		}
		l.line(ctx, true)
		retry = retryFirst
		if !more && wake != nil {
			select {
			case <-ctx.Done():
			case <-wake:
			}
		}
	}
	return ctx.Err()
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// failed tells the log once an outage, and everything but an outage every time.
func (l *Link) failed(ctx context.Context, err error) {
	var refusal *uplink.Refusal
	switch {
	case errors.As(err, &refusal):
		l.Log.ErrorContext(ctx, "central refuses this box", slog.String("code", refusal.Code), slog.Any("error", err))
	case errors.Is(err, uplink.ErrIntercepted):
		l.Log.ErrorContext(ctx, "the uplink is intercepted", slog.Any("error", err))
	case !isNetwork(err):
		l.Log.ErrorContext(ctx, "syncing with central failed", slog.Any("error", err))
	default:
		if up, _ := l.Line(); up {
			l.Log.WarnContext(ctx, "the line to central is down; taps go on", slog.Any("error", err))
		}
	}
	l.line(ctx, false)
}

func isNetwork(err error) bool {
	var u *url.Error
	return errors.As(err, &u) || errors.Is(err, context.DeadlineExceeded)
}

func (l *Link) line(ctx context.Context, up bool) {
	l.mu.Lock()
	changed := l.up != up
	if changed {
		l.up, l.since = up, l.Now()
	}
	l.mu.Unlock()
	if changed {
		l.Watch.LineChanged(ctx, up)
		if up {
			l.Wake()
		}
	}
}
