package box

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"kazashi.example/appliance/clock"
	"kazashi.example/appliance/closing"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/keeper"
	"kazashi.example/appliance/orders"
	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/appliance/vault"
	"kazashi.example/localapi"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

// site is what is sealed under the keys of the box's site, and what opens, keeps and erases it.
type site struct {
	keys    *vault.Site
	rosters *roster.Store
	book    *sitebook.Book
	people  sitebook.People
	orders  *orders.Book
	keeper  *keeper.Keeper
	moved   chan struct{} // keys, rules, trust or roster changed
	behind  atomic.Bool   // the book may not have seen every final verdict
}

// openSite opens it; the journal is open.
func (b *Box) openSite(ctx context.Context) (err error) {
	place, dir := b.desired.Place(), b.conf.DataDir
	keys := func() sign.Keys { return b.desired.Trust() }
	if b.keys, err = vault.OpenSite(ctx, vault.SiteConfig{
		Dir: dir, Identity: b.identity, Site: place.Site, Central: b.recipient, Keys: keys, AllowSwap: b.conf.AllowSwap,
		Rule: func() rule.Unlock { return b.desired.RuleSet().Unlock }, Changed: b.keysMoved, Log: b.log,
	}); err != nil {
		return err
	}
	if b.rosters, err = roster.Open(roster.Config{
		Dir: b.conf.Rosters(), Site: place.Site, Keys: keys, Ring: b.keys.Ring, Changed: b.siteMoved, Log: b.log,
	}); err != nil {
		return err
	}
	if b.book, err = sitebook.Open(ctx, filepath.Join(dir, fileBook), sitebook.Options{
		Site: place.Site, Desk: record.DeskID(b.conf.Desk), Ring: b.keys.Ring, Known: b.journal.Has, Now: b.now, Log: b.log,
	}); err != nil {
		return err
	}
	b.people = sitebook.People{Book: b.book, Roster: b.rosters}
	closer := closing.New(closing.Config{
		Dir: dir, Box: b.identity.Box, Site: place.Site, Device: b.identity.Device, Records: b.journal.Unsafe,
		Keys: b.keys.Generations, Parts: b.parts(), Now: b.clock.Now, Log: b.log,
	})
	b.keeper = &keeper.Keeper{Identity: b.identity, Site: b.keys, Closer: closer, Left: func() { b.leave() }}
	if done, again, err := closer.Resume(ctx); err != nil {
		return err
	} else if again {
		b.log.WarnContext(ctx, "a closing that was interrupted is finished", slog.String("certificate", done.Certificate.ID.String()))
	}
	if all, err := closing.Leaving(dir); err != nil || all {
		return errors.Join(err, errErased) // Close empties the folder
	}
	b.orders, err = orders.Open(ctx, dir, b.identity.Box, ordered{b}, b.log)
	return err
}

func (s *site) shut() (errs []error) {
	if s.book != nil {
		errs = append(errs, s.book.Close())
	}
	if s.rosters != nil {
		s.rosters.Close()
	}
	return errs
}

// parts are what a closing erases, the keys first.
func (b *Box) parts() []closing.Part {
	return []closing.Part{
		{
			Count: func(context.Context) ([]erasure.Item, error) {
				return []erasure.Item{{What: "site_keys", Count: uint64(len(b.keys.Generations()))}}, nil
			},
			Erase: func(ctx context.Context) error { _, err := b.keys.Wipe(ctx); return err },
		},
		{
			Count: func(context.Context) ([]erasure.Item, error) {
				return []erasure.Item{{What: "roster_people", Count: uint64(b.rosters.Len())}}, nil
			},
			Erase: func(context.Context) error { return b.rosters.Erase() },
		},
		{Count: b.countBook, Erase: func(ctx context.Context) error { _, err := b.book.Erase(ctx); return err }},
	}
}

func (b *Box) countBook(ctx context.Context) ([]erasure.Item, error) {
	c, err := b.book.Contents(ctx)
	if err != nil {
		return nil, err
	}
	count := func(what string, n int) erasure.Item { return erasure.Item{What: what, Count: uint64(n)} } //nolint:gosec // a count
	return []erasure.Item{
		count("enrolments", c.Enrolments), count("uses", c.Uses), count("links", c.Links), count("staff", c.Staff),
		count("sessions", c.Sessions), count("corrections", c.Work),
	}, nil
}

// keysMoved hears of every change of the keys, and changes none.
func (b *Box) keysMoved() {
	if b.keys == nil {
		return // they are being opened
	}
	if _, err := b.keys.Ring(); err != nil && b.rosters != nil {
		b.rosters.Forget()
	}
	if b.book != nil {
		b.book.Changed()
	}
	b.siteMoved()
}

// siteMoved has the site's data looked at soon, and the status told. It never blocks.
func (b *Box) siteMoved() {
	select {
	case b.site.moved <- struct{}{}:
	default:
	}
	b.changed()
}

// tend follows changes of keys, rules, trust and roster until ctx ends.
func (b *Box) tend(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.site.moved:
		}
		if err := b.follow(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, localapi.ErrLocked) {
			b.log.ErrorContext(ctx, "bringing the site's data up to date failed", slog.Any("error", err))
		}
		b.changed()
	}
}

// follow does what a change may call for; what it finds done already costs a look.
func (b *Box) follow(ctx context.Context) error {
	errs := []error{b.keys.Review(ctx), b.correct(ctx)}
	if _, err := b.keys.Ring(); err != nil {
		return errors.Join(errs...)
	}
	errs = append(errs, b.book.Reseal(ctx), b.people.Settle(ctx))
	if err := errors.Join(errs...); err != nil {
		return err // a generation that is needed still must not be forgotten
	}
	return b.retire(ctx)
}

// retire forgets keys that nothing here is sealed under any more.
func (b *Box) retire(ctx context.Context) error {
	head, ok := b.rosters.Head()
	if !ok {
		return nil // which ones central's roster needs is not known yet
	}
	return b.book.Retire(ctx, func(needed []sitekey.Generation) error {
		for _, p := range head.Parts {
			needed = append(needed, p.Generation)
		}
		return b.keys.Retire(ctx, func(g sitekey.Generation) bool { return slices.Contains(needed, g) })
	})
}

// correct hands the book the final verdicts that it may not have seen, once after a start and after a fault: those of before a crash too.
func (b *Box) correct(ctx context.Context) error {
	if !b.behind.Load() {
		return nil
	}
	upTo, err := b.desired.Held(ctx)
	if err != nil {
		return err
	}
	seen, err := b.book.Corrected(ctx)
	if err != nil {
		return err
	}
	if seen != upTo {
		rows, err := b.journal.Taps(ctx, math.MaxInt32)
		if err != nil {
			return err
		}
		if err := b.handOver(ctx, rows, upTo); err != nil {
			return err
		}
	}
	b.behind.Store(false)
	return nil
}

// handOver hands the book the final verdicts of some taps, which are all up to a version.
func (b *Box) handOver(ctx context.Context, rows []journal.Row, upTo rule.Version) error {
	var finals []sitebook.Correction
	for _, r := range rows {
		f, ok, err := b.desired.Final(ctx, r.ID)
		if err != nil {
			return err
		}
		if ok {
			finals = append(finals, sitebook.Correction{
				Tap: r.Tap, Time: r.Time, Desk: r.Desk, Service: r.Service, First: localapi.Outcome{Verdict: r.Verdict, Reason: r.Reason},
				Final: localapi.Outcome{Verdict: f.Verdict, Reason: f.Reason}, Settled: b.now(),
			})
		}
	}
	return b.book.Correct(ctx, finals, upTo)
}

// noted hands the book final verdicts that came over the line. What fails is made up for from what is kept.
func (b *Box) noted(ctx context.Context, verdicts []wire.Verdict) {
	if len(verdicts) == 0 {
		return
	}
	if err := b.note(ctx, verdicts); err != nil {
		b.behind.Store(true)
		b.siteMoved()
		if ctx.Err() == nil {
			b.log.ErrorContext(ctx, "noting final verdicts failed", slog.Any("error", err))
		}
	}
}

func (b *Box) note(ctx context.Context, verdicts []wire.Verdict) error {
	if b.behind.Load() {
		return b.correct(ctx)
	}
	upTo, err := b.desired.Held(ctx)
	if err != nil {
		return err
	}
	var rows []journal.Row
	for _, v := range verdicts {
		r, err := b.journal.Row(ctx, record.ID{Epoch: v.Epoch, Seq: v.Seq})
		if errors.Is(err, journal.ErrNoRow) || err == nil && r.Tap != v.Tap {
			continue // nobody at the counter waits for it any more
		}
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	return b.handOver(ctx, rows, upTo)
}

// ordered does what central orders.
type ordered struct{ b *Box }

var _ orders.Doer = ordered{}

// Order lowers the clock, wipes what names people, or locks the keys.
func (o ordered) Order(ctx context.Context, got order.Order) ([]byte, error) {
	switch got.Kind {
	case order.KindClock:
		err := o.b.clock.Lower(ctx, got.Nonce.ID128, time.UnixMilli(got.Time))
		if errors.Is(err, clock.ErrNonce) {
			return nil, orders.ErrAgain
		}
		if err == nil {
			o.b.journal.Renew(epoch.CauseClock)
		}
		return nil, err
	case order.KindWipe:
		defer o.b.siteMoved()
		return o.b.keeper.Wipe(ctx, got.ID.ID128)
	case order.KindLock:
		return nil, o.b.keys.Lock(ctx)
	default:
		return nil, errKind
	}
}

// errKind is for an order that package orders should have kept to itself.
var errKind = errors.New("order of a kind that this release does not know")
