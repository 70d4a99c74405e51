package box

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"kazashi.example/appliance/courier"
	"kazashi.example/localapi"
	"kazashi.example/localapi/server"
	parcels "kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// lookPatience is how long is waited for sticks to say what is on them. One that was pulled, or hangs, holds nobody up longer.
const lookPatience = 3 * time.Second

// carry writes to a stick or takes in what is on it, and says what was done also where it ends early.
type carry func(ctx context.Context, folder string, progress func(done, total uint64)) (localapi.CourierSummary, error)

// couriers are the sticks as the local API asks for them: what is mounted in one folder, and one job at a time. A job runs on when the page
// that began it is closed, and ends with Run.
type couriers struct {
	root    string // the folder of sticks; empty: none
	box     record.BoxID
	carries map[localapi.CourierWhat]carry
	count   func(ctx context.Context) (waiting, unsafe uint64, err error)
	mounted func(stick, root string) bool
	now     func() time.Time
	changed func()
	log     *slog.Logger
	begun   chan begun // the job that begins; at most one

	mu      sync.Mutex // guards what follows; never held over a disk
	job     *localapi.CourierJob
	looking *look
	sticks  []localapi.Stick // as last seen
}

// begun is where a job goes.
type begun struct {
	folder string
	named  bool // by the name of a stick: something must be mounted there
}

// look is one look at all sticks, which may take as long as a stick hangs.
type look struct {
	done   chan struct{} // closed at the end
	sticks []localapi.Stick
}

var _ server.Courier = (*couriers)(nil)

// Courier lists the sticks, and says how far a job has come. While one is under way the sticks are those seen before it.
func (c *couriers) Courier(ctx context.Context) (localapi.Courier, error) {
	waiting, unsafe, err := c.count(ctx)
	if err != nil {
		return localapi.Courier{}, err
	}
	sticks, _ := c.look(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	v := localapi.Courier{Folder: c.root != "", Sticks: sticks, Waiting: int(waiting), Unsafe: int(unsafe)} //nolint:gosec // counts of rows
	if c.job != nil {
		j := *c.job
		v.Job = &j
	}
	return v, nil
}

// BeginCourier finds the stick and hands the job to Run.
func (c *couriers) BeginCourier(ctx context.Context, what localapi.CourierWhat, o localapi.CourierOrder) error {
	to, name := begun{folder: o.Path}, filepath.Base(o.Path)
	if o.Path == "" {
		folder, err := c.named(ctx, o.Stick)
		if err != nil {
			return err
		}
		to, name = begun{folder, true}, o.Stick
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy() {
		return localapi.ErrCourierBusy
	}
	c.job = &localapi.CourierJob{What: what, Stick: printable(name), Began: c.now()}
	c.begun <- to
	c.changed()
	return nil
}

func (c *couriers) busy() bool { return c.job != nil && c.job.Ended.IsZero() }

// named is the folder of the stick of that name. Only what a look has just found can be named, so that no name leads anywhere else.
func (c *couriers) named(ctx context.Context, name string) (string, error) {
	sticks, now := c.look(ctx)
	if !now { // what was seen before may have been pulled since
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.busy() {
			return "", localapi.ErrCourierBusy
		}
		return "", localapi.ErrNoStick
	}
	for _, s := range sticks {
		if s.Name != name || s.Path == "" {
			continue
		}
		if s.Problem != nil {
			return "", reasonOf(s.Problem.Code)
		}
		return s.Path, nil
	}
	return "", localapi.ErrNoStick
}

// newCouriers puts the way by stick together.
func (b *Box) newCouriers() (*couriers, error) {
	way, err := courier.New(courier.Config{
		Dir: b.conf.DataDir, Box: b.identity.Box, Device: b.identity.Device, Sealing: b.identity.Sealing,
		Trust: func() sign.Keys { return b.desired.Trust() }, Now: b.now, Journal: b.journal, Link: b.link, Log: b.log,
	})
	if err != nil {
		return nil, err
	}
	return &couriers{
		root: b.conf.Courier.Sticks, box: b.identity.Box, mounted: mounted, now: b.now, changed: b.changed, log: b.log, begun: make(chan begun, 1),
		count: func(ctx context.Context) (waiting, unsafe uint64, err error) {
			waiting, err = b.journal.Waiting(ctx)
			if err != nil {
				return 0, 0, err
			}
			unsafe, err = b.journal.Unsafe(ctx)
			return waiting, unsafe, err
		},
		carries: map[localapi.CourierWhat]carry{
			localapi.CourierExport: func(ctx context.Context, folder string, progress func(done, total uint64)) (localapi.CourierSummary, error) {
				sum, err := way.Export(ctx, folder, progress)
				return summed(sum), err
			},
			localapi.CourierImport: func(ctx context.Context, folder string, progress func(done, total uint64)) (localapi.CourierSummary, error) {
				return b.takeIn(ctx, way, folder, progress)
			},
		},
	}, nil
}

// takeIn takes in what is on a stick and counts what needs a second look since.
func (b *Box) takeIn(ctx context.Context, way *courier.Courier, folder string, progress courier.Progress) (localapi.CourierSummary, error) {
	before, err := b.book.Work(ctx, false)
	if err != nil {
		return localapi.CourierSummary{}, err
	}
	sum, err := way.Import(ctx, folder, progress)
	s := summed(sum)
	after, failed := b.book.Work(ctx, false)
	s.Work = max(0, len(after)-len(before))
	return s, errors.Join(err, failed)
}

// summed is what was done as the local API says it.
func summed(sum courier.Summary) localapi.CourierSummary {
	s := localapi.CourierSummary{
		Files: sum.Files, Records: sum.Records, Known: sum.Known, Safe: sum.Safe, Verdicts: sum.Verdicts, Removed: sum.Removed,
	}
	news := map[localapi.CourierUpdate]bool{
		localapi.UpdateTrust: sum.News.Trust, localapi.UpdateRules: sum.News.Rules, localapi.UpdateLists: sum.News.Sets,
		localapi.UpdateRoster: sum.News.Roster, localapi.UpdateKeys: sum.News.Keys, localapi.UpdateOrders: sum.News.Orders,
	}
	for _, u := range localapi.CourierUpdates() {
		if news[u] {
			s.Updated = append(s.Updated, u)
		}
	}
	for _, r := range sum.Refused {
		s.Refused = append(s.Refused, localapi.CourierFile{File: printable(r.File), Why: localapi.Error{Code: courierCode(r.Err)}})
	}
	return s
}

// reasonOf is the reason that a code stands for.
func reasonOf(code localapi.ErrorCode) error {
	return &localapi.Error{Code: code}
}

// Run does the jobs, one after the other, until ctx ends.
func (c *couriers) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case to := <-c.begun:
			c.run(ctx, to)
		}
	}
}

func (c *couriers) run(ctx context.Context, to begun) {
	c.mu.Lock()
	job := *c.job
	c.mu.Unlock()
	log := c.log.With(slog.String("what", string(job.What)))
	log.InfoContext(ctx, "courier begins")
	sum, err := c.carry(ctx, job.What, to)
	failed := c.failed(ctx, log, err)
	if sum.Refused == nil {
		sum.Refused = []localapi.CourierFile{}
	}
	c.mu.Lock()
	c.job.Ended, c.job.Summary, c.job.Failed = c.now(), &sum, failed
	c.mu.Unlock()
	log.InfoContext(ctx, "courier has ended", slog.Int("files", sum.Files), slog.Uint64("records", sum.Records),
		slog.Int("verdicts", sum.Verdicts), slog.Int("refused", len(sum.Refused)))
	c.changed()
}

// carry does a job. A stick that was named and pulled since leaves a folder of the box's own disk behind, onto which nothing is written.
func (c *couriers) carry(ctx context.Context, what localapi.CourierWhat, to begun) (localapi.CourierSummary, error) {
	if to.named && !c.mounted(to.folder, c.root) {
		return localapi.CourierSummary{}, fmt.Errorf("%w: nothing is mounted in its place", parcels.ErrGone)
	}
	return c.carries[what](ctx, to.folder, func(done, total uint64) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.job.Done, c.job.Total = done, total
	})
}

// failed gives the reason why a job ended early its code; the particulars go to the log.
func (c *couriers) failed(ctx context.Context, log *slog.Logger, err error) *localapi.Error {
	if err == nil {
		return nil
	}
	code := courierCode(err)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		code = localapi.CodeCourierStopped
	}
	log.WarnContext(ctx, "courier ended early", slog.String("code", string(code)), slog.Any("error", err))
	return &localapi.Error{Code: code}
}
