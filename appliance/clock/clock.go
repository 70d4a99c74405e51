// Package clock is the box's time and how far it can be trusted.
//
// The time within one run never goes back and is never before the floor: the build, or the latest authenticated time seen,
// whichever is later. The operating system's time is followed forward only. An authenticated later time is news and raises the
// floor; nothing that is not authenticated does, a time written at an orderly end least of all (design §6). A machine whose time is
// before the floor is known to be wrong: until central has been heard in this run, how much time has really passed since the floor is
// anybody's guess, and the confidence is none. A [Clock] may be used from any goroutine. The floor is kept through [Floor], in steps of an hour, so that news every few seconds do not wear the disk.
package clock

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"kazashi.example/sync/record"
)

// Tolerance is how far the operating system's time and an authenticated live one may stand apart and still agree.
const Tolerance = 2 * time.Minute

// keepEvery is by how much the floor rises before it is written again.
const keepEvery = time.Hour

// Source reads the machine: its wall time, which may be set, and how long the program has been running, which may not.
type Source func() (wall time.Time, up time.Duration)

// System is the machine that this program runs on.
func System() Source {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.UTC(), now.Sub(start)
	}
}

// Floor keeps the latest authenticated time across restarts.
type Floor interface {
	// Load returns the time kept; the zero time if there is none yet.
	Load() (time.Time, error)
	// Store keeps a time durably.
	Store(t time.Time) error
}

// Clock is the box's time.
type Clock struct {
	source Source
	keep   Floor
	built  time.Time
	log    *slog.Logger

	mu      sync.Mutex    // guards what follows
	up      time.Duration // at the last reading
	wall    time.Time     // at the last reading
	now     time.Time     // what was said then
	floor   time.Time     // latest authenticated time; zero for none
	kept    time.Time     // floor as it is kept
	heard   bool          // central's live time came in this run
	checked bool          // it agreed, and the source has not stepped since
}

// New starts from source (System, or a test's), the floor kept, and the time at which the program was built. A floor that
// cannot be read is reported and taken for none.
func New(ctx context.Context, source Source, keep Floor, built time.Time, log *slog.Logger) *Clock {
	c := &Clock{source: source, keep: keep, built: built.UTC(), log: log}
	floor, err := keep.Load()
	if err != nil {
		log.ErrorContext(ctx, "reading the clock's floor failed; starting from the build's date", slog.Any("error", err))
	}
	c.floor, c.kept = floor.Round(0).UTC(), floor.Round(0).UTC()
	c.wall, c.up = source()
	c.now = latest(c.wall.Round(0).UTC(), c.floor, c.built)
	return c
}

// Now is the time, UTC, and how far it can be trusted. Within one run it never goes back.
func (c *Clock) Now() (time.Time, record.Confidence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tick(), c.confidence()
}

// tick moves on by the time that has passed, or to the wall time if that is later.
func (c *Clock) tick() time.Time {
	wall, up := c.source()
	wall = wall.Round(0).UTC()
	on := c.now.Add(max(0, up-c.up))
	if wall.Sub(on).Abs() > Tolerance {
		c.checked = false // the wall time was set, or this clock had to leave it
	}
	c.wall, c.up, c.now = wall, up, latest(on, wall)
	return c.now
}

func (c *Clock) confidence() record.Confidence {
	switch {
	case c.checked:
		return record.ConfidenceChecked
	case c.floor.IsZero(), c.dead() && !c.heard:
		return record.ConfidenceNone
	default:
		return record.ConfidenceFloor
	}
}

// dead reports whether the machine's own time is known to be wrong: it is before a time that has certainly passed.
func (c *Clock) dead() bool { return c.wall.Add(Tolerance).Before(latest(c.floor, c.built)) }

// Learn takes the time at which something authenticated was signed: it is not earlier than that now. How old the thing is does
// not matter.
func (c *Clock) Learn(signed time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick()
	c.raise(signed)
}

// Check takes a time that central said just now, over an authenticated connection or in answer to a fresh question. Where the
// operating system's time agrees, it is trusted until it steps; where it is behind, this clock goes on from central's.
func (c *Clock) Check(live time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.tick()
	c.heard = true
	c.checked = c.wall.Sub(live).Abs() <= Tolerance && now.Sub(live).Abs() <= Tolerance
	c.raise(live)
}

// raise puts the floor up; it never comes down. What is no later than the build says nothing that the build does not.
func (c *Clock) raise(t time.Time) {
	t = t.Round(0).UTC()
	if !t.After(latest(c.floor, c.built)) {
		return
	}
	c.floor, c.now = t, latest(c.now, t)
	if t.Sub(c.kept) < keepEvery {
		return
	}
	if err := c.keep.Store(t); err != nil {
		c.log.Warn("keeping the clock's floor failed", slog.Any("error", err))
		return
	}
	c.kept = t
}

func latest(ts ...time.Time) time.Time {
	var l time.Time
	for _, t := range ts {
		if t.After(l) {
			l = t
		}
	}
	return l
}
