package clock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ErrNonce says that an order to lower the floor is not under this clock's nonce: it was carried out before, or was made for another box
// or another run.
var ErrNonce = errors.New("order to lower the clock is not under its nonce")

// Learn takes the time at which something was signed that has been verified: it is not earlier than that now. How old the thing is does
// not matter. A clock that was once lowered no longer believes a signature from beyond Ahead: what poisoned it may still be about.
func (c *Clock) Learn(signed time.Time) {
	ctx := context.Background()
	c.mu.Lock()
	c.tick()
	signed = signed.Round(0).UTC()
	poison := c.era > 0 && signed.After(c.now.Add(Ahead))
	if !poison && signed.After(c.earliest()) {
		c.heard = c.heard && !signed.After(c.now.Add(Tolerance)) // or central signs another time than it says
		c.floor = signed
		c.say(latest(c.now, signed))
	}
	c.mu.Unlock()
	if poison {
		c.log.WarnContext(ctx, "something is signed as of a time that this clock was once poisoned with; it is not learned from",
			slog.Time("signed", signed))
	}
	c.keepAll(ctx)
}

// Check takes a time that central said just now, over an authenticated connection or in answer to a fresh question: this clock goes on
// from it, back as well as forward, but not to before the floor. Where the floor is later than central nothing is trusted until one of them
// is mended.
func (c *Clock) Check(live time.Time) {
	ctx := context.Background()
	c.mu.Lock()
	c.tick()
	live = live.Round(0).UTC()
	floor, known := c.earliest(), c.denied
	if c.denied = live.Add(Tolerance).Before(floor); c.denied {
		c.heard = false
	} else {
		c.heard, c.pace, c.live, c.truth, c.word = true, c.at.start(), live, live.Add(-c.at.Up), c.at.Up
		if live.After(c.now) || c.now.Sub(live) > Tolerance {
			c.say(latest(live, floor))
		}
	}
	news := c.denied && !known
	c.mu.Unlock()
	if news {
		c.log.ErrorContext(ctx, "central's time is before one that was signed; nothing is trusted until central orders the clock to be set",
			slog.Time("central", live), slog.Time("floor", floor))
	}
	c.keepAll(ctx)
}

// Nonce is what an order must carry to lower the floor. It is made anew for each run, and when it was used.
func (c *Clock) Nonce() [16]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nonce
}

// Lower carries out an order of central, whose signature the caller has verified: the floor is to, whatever it was, and the time goes on
// from there or from the machine's own, until central is heard again. ErrNonce, or an error of keeping it: nothing has changed then.
func (c *Clock) Lower(ctx context.Context, nonce [16]byte, to time.Time) error {
	if err := c.lower(ctx, nonce, to); err != nil {
		return err
	}
	c.keepAll(ctx) // so that two stamps know of it
	return nil
}

func (c *Clock) lower(ctx context.Context, nonce [16]byte, to time.Time) error {
	c.keeping.Lock()
	defer c.keeping.Unlock()
	c.mu.Lock()
	fits, fresh := nonce == c.nonce, Stamp{Kind: KindFloor, Era: c.era + 1, Time: to.Round(0).UTC()}
	c.mu.Unlock()
	if !fits {
		return ErrNonce
	}
	if err := c.keep.Store(fresh); err != nil {
		return fmt.Errorf("lowering the clock's floor: %w", err)
	}
	c.keptFloor = fresh
	c.mu.Lock()
	defer c.mu.Unlock()
	c.floor, c.era, c.nonce = fresh.Time, fresh.Era, newNonce()
	c.heard, c.denied, c.live, c.sound = false, false, time.Time{}, time.Time{}
	c.now = c.earliest()
	c.tick()
	c.log.WarnContext(ctx, "central lowered the clock's floor", slog.Time("floor", fresh.Time))
	return nil
}

// End keeps the time at an orderly end, so that the next start is not before it. Only a checked clock is worth that, and only a time that can
// follow what was signed last, and what Sound said: central's word alone must not poison the floor.
func (c *Clock) End() error {
	c.keeping.Lock()
	defer c.keeping.Unlock()
	c.mu.Lock()
	c.tick()
	s, worth := Stamp{Kind: KindEnd, Era: c.era, Time: c.held()}, c.worth()
	c.mu.Unlock()
	if !worth {
		return nil
	}
	if err := c.keep.Store(s); err != nil {
		return fmt.Errorf("keeping the time of the shutdown: %w", err)
	}
	return nil
}

// keepAll writes what has changed enough. Whoever changed it does not wait for another who writes.
func (c *Clock) keepAll(ctx context.Context) {
	c.keeping.Lock()
	defer c.keeping.Unlock()
	c.mu.Lock()
	floor := Stamp{Kind: KindFloor, Era: c.era, Time: c.floor}
	boot := Stamp{
		Kind: KindBoot, Era: c.era, Boot: c.at.Boot, Started: c.started[:len(c.started):len(c.started)], Before: c.before, Heard: c.heard,
		Pace: c.pace,
	}
	c.mu.Unlock()
	if floor.Time.Sub(c.keptFloor.Time) >= keepEvery && c.store(ctx, floor) {
		c.keptFloor = floor
	}
	if boot.Boot != "" && !boot.near(c.keptBoot) && c.store(ctx, boot) {
		c.keptBoot = boot
	}
}

func (c *Clock) store(ctx context.Context, s Stamp) bool {
	err := c.keep.Store(s)
	if err != nil {
		c.log.WarnContext(ctx, "keeping the time failed", slog.String("kind", s.Kind.String()), slog.Any("error", err))
	}
	return err == nil
}
