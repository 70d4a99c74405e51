package box

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kazashi.example/appliance/clock"
	"kazashi.example/appliance/closing"
	"kazashi.example/appliance/desired"
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

	correcting sync.Mutex // held while the book is handed final verdicts
}

// openSite opens it; the journal is open.
func (b *Box) openSite(ctx context.Context) (err error) {
	place, dir := b.desired.Place(), b.conf.DataDir
	keys := func() sign.Keys { return b.desired.Trust() }
	if b.keys, err = vault.OpenSite(ctx, vault.SiteConfig{
		Dir: dir, Identity: b.identity, Site: place.Site, Central: b.recipient, Keys: keys, AllowSwap: b.conf.AllowSwap,
		Rule: func() rule.Unlock { return b.desired.RuleSet().UnlockBy() }, Changed: b.keysMoved, Needed: b.generations, Log: b.log,
	}); err != nil {
		return err
	}
	if b.rosters, err = roster.Open(roster.Config{
		Dir: b.conf.Rosters(), Site: place.Site, Keys: keys, Ring: b.keys.Ring, Changed: b.siteMoved, Log: b.log,
	}); err != nil {
		return err
	}
	if b.book, err = sitebook.Open(ctx, filepath.Join(dir, fileBook), sitebook.Options{
		Site: place.Site, Desk: record.DeskID(b.conf.Desk), Ring: b.keys.Ring, Records: b.journal, Now: b.now, Log: b.log,
	}); err != nil {
		return err
	}
	b.people = sitebook.People{Book: b.book, Roster: b.rosters, Box: place.Box, Final: b.final}
	closer := closing.New(closing.Config{
		Dir: dir, Box: b.identity.Box, Site: place.Site, Device: b.identity.Device, Records: b.journal.Unsafe,
		Keys: b.keys.Generations, Parts: b.parts(), Now: b.clock.Now, Log: b.log, Halt: b.halt,
	})
	b.keeper = &keeper.Keeper{Identity: b.identity, Site: b.keys, Closer: closer, Left: func() { b.leave() }, Staff: b.book.Staff}
	b.resume(ctx, closer)
	if all, err := closing.Leaving(dir); err != nil || all {
		return errors.Join(err, errErased) // Close empties the folder
	}
	if b.orders, err = orders.Open(ctx, dir, b.identity.Box, ordered{b}, b.log); err != nil {
		return err
	}
	b.retry(ctx)
	return nil
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
			What: "site_keys",
			Count: func(context.Context) ([]erasure.Item, error) {
				return []erasure.Item{{What: "site_keys", Count: uint64(len(b.keys.Generations()))}}, nil
			},
			Erase: func(ctx context.Context) error { _, err := b.keys.Wipe(ctx); return err },
		},
		{
			What: "roster_people",
			Count: func(context.Context) ([]erasure.Item, error) {
				return []erasure.Item{{What: "roster_people", Count: uint64(b.rosters.Len())}}, nil
			},
			Erase: func(context.Context) error { return b.rosters.Erase() },
		},
		{What: "site_book", Count: b.countBook, Erase: func(ctx context.Context) error { _, err := b.book.Erase(ctx); return err }},
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

// generations are the keys under which the site book is sealed.
func (b *Box) generations(ctx context.Context) ([]sitekey.Generation, error) {
	if b.book == nil {
		return nil, errOpening
	}
	return b.book.Generations(ctx)
}

// errOpening says that the site book is not open yet.
var errOpening = errors.New("site book is being opened")

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

// verdictBatch is how many final verdicts the book takes at once, so that no tap waits for it (P1).
const verdictBatch = 64

// correct hands the book every final verdict that it has not seen, be it from before a crash.
func (b *Box) correct(ctx context.Context) error {
	b.correcting.Lock()
	defer b.correcting.Unlock()
	upTo, err := b.desired.Held(ctx)
	if err != nil {
		return err
	}
	seen, err := b.book.Corrected(ctx)
	if err != nil {
		return err
	}
	for seen.Compare(upTo) < 0 {
		told, err := b.desired.Since(ctx, seen, verdictBatch)
		if err != nil {
			return err
		}
		if len(told) < verdictBatch {
			seen = upTo // others took the place of what is missing
		} else {
			seen = told[len(told)-1].Version
		}
		finals := make([]sitebook.Correction, 0, len(told))
		for _, v := range told {
			c, err := b.correction(ctx, v)
			if err != nil {
				return err
			}
			finals = append(finals, c)
		}
		if err := b.book.Correct(ctx, finals, seen); err != nil {
			return err
		}
	}
	return nil
}

// correction is a final verdict beside what was said. Of a tap that is listed no more only that is known which central said: it was served,
// as far as anybody can tell.
func (b *Box) correction(ctx context.Context, v desired.Told) (sitebook.Correction, error) {
	c := sitebook.Correction{
		Tap: v.Tap, Time: v.Settled, Desk: record.DeskID(b.conf.Desk), Service: record.ServiceID(b.conf.Service),
		First: localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonLater},
		Final: localapi.Outcome{Verdict: v.Verdict, Reason: v.Reason}, Settled: v.Settled,
	}
	r, err := b.journal.Row(ctx, v.Record)
	switch {
	case errors.Is(err, journal.ErrNoRow) || err == nil && r.Tap != v.Tap:
		return c, nil
	case err != nil:
		return c, err
	}
	c.Time, c.Desk, c.Service, c.First = r.Time, r.Desk, r.Service, localapi.Outcome{Verdict: r.Verdict, Reason: r.Reason}
	return c, nil
}

// final is central's last word on a tap of this box.
func (b *Box) final(ctx context.Context, tap record.TapID) (sitebook.Final, bool, error) {
	t, ok, err := b.desired.OfTap(ctx, tap)
	return sitebook.Final{Version: t.Version, Verdict: t.Verdict}, ok, err
}

// noted hands the book final verdicts that came over the line. What fails is made up for with the next. A roster that is here already may tell of
// them.
func (b *Box) noted(ctx context.Context) {
	defer b.siteMoved()
	if err := b.correct(ctx); err != nil && ctx.Err() == nil {
		b.log.ErrorContext(ctx, "noting final verdicts failed", slog.Any("error", err))
	}
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
		return nil, o.b.keys.LockBy(ctx, vault.HeldByOrder)
	default:
		return nil, errKind
	}
}

// errKind is for an order that package orders should have kept to itself.
var errKind = errors.New("order of a kind that this release does not know")
