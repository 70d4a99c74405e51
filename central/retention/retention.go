// Package retention erases what central kept for as long as rules say: attributes, and the contents of records.
//
// Days count from the latest moment at which a tap can have been (store.Record.Since), by the rule that was in force at the tap or the one in
// force now, whichever is shorter. Of a record go its content, its keyed serial and its pseudonym, and the envelope that it came in; what
// stays is what numbers it, proves that it came, and says what was decided: ids, hashes, chain, verdicts, times, service and desk. Enrolments,
// persons and pseudonyms are no records and stay, an enrolment without its attributes.
//
// No clock of this machine alone erases anything: days are over only once an authority has signed a list of a time at which they are, so that
// a clock that jumps ahead erases nothing, and one that falls back erases later. Nothing is erased within a day of being applied.
//
// Each step is a short transaction of a few records, each record whole or not at all; a stop at any point leaves what the next round finds. A
// database that was restored is gone through at the next start like any other. Safe from any goroutine: one round at a time. Backups are not
// touched; what they still hold is told.
package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/central/opener"
	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/rule"
)

// Settling is for how long a record stays after it was applied, so that its box has what it asks of it.
const Settling = 24 * time.Hour

// How work is done.
const (
	batchSize = 64               // records a transaction
	day       = 24 * time.Hour   // of a rule
	lagging   = 72 * time.Hour   // from which on the clock and the newest list are said to disagree
	again     = 10 * time.Minute // pause after a round that could not be done
)

// Config is what a keeper works with.
type Config struct {
	Store  store.Store
	Rows   opener.Rows
	People *person.People
	Rules  []rule.Rule   // in force now, of every service
	Every  time.Duration // between rounds
	Now    func() time.Time
	Signed func() time.Time          // the newest time that an authority signed; zero for none
	Erased func(ctx context.Context) // called after a round that erased something
	Log    *slog.Logger
}

// Round is what one round did.
type Round struct {
	At         time.Time // by the clock
	AsOf       time.Time // up to when days counted as over; zero: no authority has signed a time, and nothing was looked at
	Records    int       // whose contents were erased
	Attributes int       // records that lost their attributes alone
	Damaged    int       // that could not be read, and lost all instead
}

// Keeper erases.
type Keeper struct {
	Config

	turn chan struct{} // holds one token: one round at a time
}

// New makes a keeper; Run starts it.
func New(c Config) *Keeper {
	k := &Keeper{Config: c, turn: make(chan struct{}, 1)}
	k.turn <- struct{}{}
	return k
}

// Run erases at once and then at every tick, until the context ends, which is its only error.
func (k *Keeper) Run(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		r, err := k.Erase(ctx)
		pause := k.Every
		if err != nil && ctx.Err() == nil {
			k.Log.ErrorContext(ctx, "erasing what was kept for long enough failed; trying again", slog.Any("error", err))
		}
		if err != nil || r.AsOf.IsZero() {
			pause = min(again, k.Every)
		}
		t.Reset(pause)
	}
}

// Erase does one round; durable when it returns. After an error what was done stays done.
func (k *Keeper) Erase(ctx context.Context) (r Round, err error) {
	select {
	case <-ctx.Done():
		return r, ctx.Err()
	case <-k.turn:
	}
	defer func() { k.turn <- struct{}{} }()
	r.At, r.AsOf = k.Now().UTC(), k.asOf(ctx)
	if !r.AsOf.IsZero() {
		err = errors.Join(k.whole(ctx, &r), k.attributes(ctx, &r))
	}
	if err := errors.Join(err, k.note(ctx, r)); err != nil {
		return r, err
	}
	if r.Records+r.Attributes > 0 {
		k.Log.InfoContext(ctx, "erased what was kept for long enough", slog.Int("records", r.Records), slog.Int("attributes", r.Attributes),
			slog.Time("as_of", r.AsOf))
		if k.Erased != nil {
			k.Erased(ctx)
		}
	}
	return r, nil
}

// asOf is up to when days are over: never later than the newest time that an authority signed, nor than the clock.
func (k *Keeper) asOf(ctx context.Context) time.Time {
	now, signed := k.Now().UTC(), k.Signed().UTC()
	switch {
	case signed.IsZero():
		k.Log.InfoContext(ctx, "nothing is erased: there is no list yet that says what time it is at least")
		return time.Time{}
	case now.Sub(signed) > lagging:
		k.Log.WarnContext(ctx, "the clock is days ahead of the newest list: what is kept for long enough is erased by the list's time",
			slog.Time("clock", now), slog.Time("list", signed))
		return signed
	case now.Before(signed):
		return now
	default:
		return signed
	}
}

// note keeps that a round was done.
func (k *Keeper) note(ctx context.Context, r Round) error {
	return k.Store.Update(ctx, func(tx store.Tx) error {
		last, err := tx.RetentionRound()
		if err != nil {
			return err
		}
		last.At, last.AsOf = r.At, r.AsOf
		if n := r.Records + r.Attributes; n > 0 {
			last.Last, last.Count = r.At, int64(n)
		}
		return tx.SetRetentionRound(last)
	})
}

// whole erases contents.
func (k *Keeper) whole(ctx context.Context, r *Round) error {
	erase := func(tx store.Tx, old store.Record) error {
		r.Records++
		return k.record(ctx, tx, old, r)
	}
	if err := k.each(ctx, store.Overdue{At: r.AsOf, Applied: r.AsOf.Add(-Settling)}, erase); err != nil {
		return err
	}
	for _, now := range k.Rules {
		if n := now.Retention.Record; n > 0 {
			o := store.Overdue{Service: now.Service, Since: before(r.AsOf, n), Applied: r.AsOf.Add(-Settling)}
			if err := k.each(ctx, o, erase); err != nil {
				return err
			}
		}
	}
	return nil
}

// attributes erases them where their record stays.
func (k *Keeper) attributes(ctx context.Context, r *Round) error {
	erase := func(tx store.Tx, old store.Record) error {
		content, err := opener.WithoutAttributes(k.Rows, old)
		if err != nil {
			k.Log.ErrorContext(ctx, "a record cannot be read; with its attributes all of it is erased", slog.String("record", old.ID.String()),
				slog.Any("error", err))
			r.Records, r.Damaged = r.Records+1, r.Damaged+1
			return k.record(ctx, tx, old, r)
		}
		r.Attributes++
		return errors.Join(k.forget(ctx, tx, old), tx.EraseAttributes(old.ID, content))
	}
	if err := k.each(ctx, store.Overdue{Attributes: true, At: r.AsOf, Applied: r.AsOf.Add(-Settling)}, erase); err != nil {
		return err
	}
	for _, now := range k.Rules {
		if n := now.Retention.Attributes; n > 0 {
			o := store.Overdue{Attributes: true, Service: now.Service, Since: before(r.AsOf, n), Applied: r.AsOf.Add(-Settling)}
			if err := k.each(ctx, o, erase); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *Keeper) record(ctx context.Context, tx store.Tx, old store.Record, r *Round) error {
	return errors.Join(k.forget(ctx, tx, old), tx.EraseRecord(old.ID, r.At))
}

// forget erases the attributes that an enrolment keeps of the record. One that cannot be read keeps nobody else's from being erased.
func (k *Keeper) forget(ctx context.Context, tx store.Tx, old store.Record) error {
	err := k.People.ForgetAttributes(tx, old.Tap)
	if errors.Is(err, store.ErrDamaged) {
		k.Log.ErrorContext(ctx, "an enrolment cannot be read, and its attributes not be erased", slog.String("tap", old.Tap.String()), slog.Any("error", err))
		return nil
	}
	return err
}

// each erases in transactions of a few records until nothing is left. Every step takes what it found out of what the next finds. The counts
// of a transaction that failed do not matter: the round failed.
func (k *Keeper) each(ctx context.Context, o store.Overdue, erase func(store.Tx, store.Record) error) error {
	for {
		var found []store.Record
		err := k.Store.Update(ctx, func(tx store.Tx) (err error) {
			if found, err = tx.Overdue(o, batchSize); err != nil {
				return err
			}
			for _, r := range found {
				if err := erase(tx, r); err != nil {
					return fmt.Errorf("erasing from record %s: %w", r.ID, err)
				}
			}
			return nil
		})
		if err != nil || len(found) < batchSize {
			return err
		}
	}
}

func before(at time.Time, days uint32) time.Time { return at.Add(-time.Duration(days) * day) }
