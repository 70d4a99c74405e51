// Package clock is the box's time and how far it can be trusted.
//
// The floor is a time that has certainly passed: the build, the latest signed time seen, or a time that this box itself signed when it was
// shut down in order with a checked clock (design §6); whichever is latest. What central merely says over the line sets the time, and not
// the floor. Only an order of central under this clock's own nonce lowers it.
//
// Until central is heard in this boot of the machine, the machine's time counts, followed forward only, if it is neither before the floor
// nor so far ahead of it that it must be wrong. From then on the time is central's plus what has passed; the machine's time may be set to
// anything, and is only a witness. Times between two steps are a stretch, which one measurement corrects.
//
// A [Clock] may be used from any goroutine, and nobody who asks for the time waits for a disk or a TPM. The floor is kept in steps of an
// hour, and where the time stands in this boot at each step, so that a restart of the program loses nothing.
package clock

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"kazashi.example/sync/record"
)

const (
	// Tolerance is how far two clocks may stand apart and still agree.
	Tolerance = 2 * time.Minute
	// Ahead is how far beyond the floor the machine's own time may be and still be believed: a year in a cupboard, and a month.
	Ahead = 400 * 24 * time.Hour
	// Settled is for how long central must have said the same time before anything is erased by it.
	Settled = time.Hour
	// keepEvery is by how much the floor rises before it is written again.
	keepEvery = time.Hour
	// maxStretches bounds the stretches of a boot that are remembered, the latest.
	maxStretches = 64
)

// Config is the parts of a Clock. Keep and Built are required.
type Config struct {
	Source Source       // nil: System()
	Keep   Keep         // across restarts
	Built  time.Time    // when the program was made
	Log    *slog.Logger // nil discards
}

// Clock is the box's time.
type Clock struct {
	source Source
	keep   Keep
	built  time.Time
	log    *slog.Logger

	keeping   sync.Mutex // held while something is written; taken before mu. It guards what follows
	keptFloor Stamp
	keptBoot  Stamp

	mu      sync.Mutex    // guards what follows; held for moments only
	at      Reading       // the last one
	now     time.Time     // what was said then
	floor   time.Time     // latest signed time; zero for none
	era     uint32        // how often the floor was lowered
	nonce   [16]byte      // for the next lowering
	heard   bool          // central's time came in this boot, and is what this clock goes on from
	denied  bool          // central's time is before the floor: one of the two is wrong
	pace    time.Time     // what the machine said of its start when central was heard
	live    time.Time     // central's last word
	truth   time.Time     // when the machine was started, by that word
	started []time.Time   // the same, by what was said in each stretch of this boot; the last is under way
	before  int           // stretches of this boot that are no longer remembered
	boot    string        // names this boot, or this run where boots have no names
	since   time.Duration // the machine's count when the stretch under way began, or this run
	word    time.Duration // likewise, when central was heard last
	sound   time.Time     // what Sound said last; zero before the first time
	soundAt time.Duration // likewise, when it did
}

// New starts from the source, what was kept, and the time at which the program was built. What cannot be read, or was not written by this
// box, is reported and taken for nothing.
func New(ctx context.Context, conf Config) *Clock {
	c := &Clock{source: conf.Source, keep: conf.Keep, built: conf.Built.UTC(), log: conf.Log, nonce: newNonce()}
	if c.source == nil {
		c.source = System()
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.at = c.source()
	if c.boot = c.at.Boot; c.boot == "" {
		c.boot = rand.Text()
	}
	c.since = c.at.Up
	c.resume(c.recallFloor(ctx))
	c.tick()
	c.keepAll(ctx)
	return c
}

func newNonce() (n [16]byte) {
	_, _ = rand.Read(n[:]) // crypto/rand.Read never fails (Go 1.24)
	return n
}

// recallFloor takes the floor kept, or the end of the last run if that is later. What is from before the latest lowering that any of the
// stamps knows of is void. It returns where the time stood.
func (c *Clock) recallFloor(ctx context.Context) (boot Stamp) {
	floor, end, boot := c.load(ctx, KindFloor), c.load(ctx, KindEnd), c.load(ctx, KindBoot)
	c.era = max(floor.Era, end.Era, boot.Era)
	if floor.Era < c.era {
		c.log.WarnContext(ctx, "the floor kept is from before the clock was set back by central; it is not used")
		floor = Stamp{}
	}
	c.keptFloor, c.floor = floor, floor.Time
	switch {
	case end.Kind == 0:
	case end.Era < c.era:
		c.log.WarnContext(ctx, "the time of the last shutdown is from before the clock was set back by central; it is not used")
	case end.Time.After(c.floor):
		c.floor = end.Time
	}
	return boot
}

func (c *Clock) load(ctx context.Context, k Kind) Stamp {
	s, err := c.keep.Load(k)
	if err != nil {
		c.log.ErrorContext(ctx, "a kept time cannot be used", slog.String("kind", k.String()), slog.Any("error", err))
		return Stamp{}
	}
	return s
}

// resume goes on from where the time stood in this boot of the machine, if it is still the same.
func (c *Clock) resume(s Stamp) {
	if s.Boot == "" || s.Boot != c.at.Boot || s.Era != c.era || len(s.Started) == 0 {
		c.now = c.earliest()
		return
	}
	c.keptBoot, c.started, c.before, c.heard, c.pace = s, s.Started, s.Before, s.Heard, s.Pace
	c.now = latest(s.Started[len(s.Started)-1].Add(c.at.Up), c.earliest())
}

// Now is the time, UTC, and how far it can be trusted. It goes back only where central said that it was ahead.
func (c *Clock) Now() (time.Time, record.Confidence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick()
	return c.now, c.confidence()
}

// tick moves on by the time that has passed; until central was heard, to the machine's time if that is later.
func (c *Clock) tick() {
	r := c.source()
	on := c.now.Add(max(0, r.Up-c.at.Up))
	if c.at = r; !c.heard && !c.ahead() {
		on = latest(on, r.Wall)
	}
	c.say(on)
}

// say sets the time. Where that is a step, a stretch ends.
func (c *Clock) say(t time.Time) {
	c.now = t
	start := t.Add(-c.at.Up)
	if n := len(c.started); n > 0 && start.Sub(c.started[n-1]).Abs() <= Tolerance {
		return
	}
	c.started, c.since = append(c.started, start), c.at.Up
	if more := len(c.started) - maxStretches; more > 0 {
		c.started, c.before = c.started[more:], c.before+more
	}
}

// earliest is the time that has certainly passed.
func (c *Clock) earliest() time.Time { return latest(c.floor, c.built) }

// dead and ahead say that the machine's own time is known to be wrong.
func (c *Clock) dead() bool { return c.at.Wall.Add(Tolerance).Before(c.earliest()) }

func (c *Clock) ahead() bool {
	floor := c.earliest()
	return !floor.IsZero() && c.at.Wall.After(floor.Add(Ahead))
}

func (c *Clock) confidence() record.Confidence {
	step := c.at.start().Sub(c.pace)
	switch {
	case c.denied:
		return record.ConfidenceNone
	case !c.heard && (c.floor.IsZero() || c.dead() || c.ahead()):
		return record.ConfidenceNone
	case !c.heard, step < -Tolerance: // set back; the time goes on without it
		return record.ConfidenceFloor
	case step > Tolerance: // set forward, or it slept: who knows how much time has really passed
		return record.ConfidenceNone
	default:
		return record.ConfidenceChecked
	}
}

// Sound is a time by which something may be erased: central's, which it has said for an hour, which can follow what was signed last, and
// which went on from one call to the next by no more than has really passed. false without one. So no single word of central's, however
// wrong, erases anything; where central set the clock forward for good, what is erased is late by that step until the next start.
func (c *Clock) Sound() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick()
	if !c.worth() || c.sound.IsZero() && c.word-c.since < Settled {
		return time.Time{}, false
	}
	c.sound, c.soundAt = c.held(), c.at.Up
	return c.sound, true
}

// worth says that something may rest on the time for good: central's word alone is not enough.
func (c *Clock) worth() bool {
	return c.confidence() == record.ConfidenceChecked && !c.now.After(c.earliest().Add(Ahead))
}

// held is the time, but no more after what was sound than has passed since.
func (c *Clock) held() time.Time {
	if passed := c.sound.Add(c.at.Up - c.soundAt); !c.sound.IsZero() && passed.Before(c.now) {
		return passed
	}
	return c.now
}

// Stretch names the stretch under way. No other of this box has that name, in this boot of the machine or in another.
func (c *Clock) Stretch() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick()
	return c.stretch(len(c.started) - 1)
}

func (c *Clock) stretch(n int) string { return fmt.Sprintf("%s/%d", c.boot, c.before+n) }

// Correction is how wrong the clock was in a stretch.
type Correction struct {
	Stretch  string
	Offset   time.Duration // to be added to what was said
	Measured time.Time     // central's time when it was heard
}

// Corrections are those of all stretches of this boot, the last of which is under way, by what central said last; none until it was heard.
func (c *Clock) Corrections() (all []Correction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live.IsZero() {
		return nil
	}
	for n, start := range c.started {
		all = append(all, Correction{Stretch: c.stretch(n), Offset: c.truth.Sub(start), Measured: c.live})
	}
	return all
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
