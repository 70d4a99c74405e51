package boxline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/central/sitekeys"
	"kazashi.example/central/store"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// takeUp keeps what a poll brings beside its questions: generations of the site's key that the box made, and what became of its orders.
// It is durable before the poll is answered, so that a box may forget what was answered. A generation that cannot be taken keeps nothing
// else of the poll from being answered.
func (l *Line) takeUp(ctx context.Context, b store.Box, p wire.Poll) error {
	if len(p.Done) > 0 {
		if err := l.closeOrders(ctx, b, p.Done); err != nil {
			return fmt.Errorf("noting what became of orders: %w", err)
		}
	}
	if b.State == store.BoxRevoked || b.State == store.BoxReplaced {
		return nil
	}
	err := l.takeMade(ctx, b, p)
	if errors.Is(err, sitekeys.ErrMade) {
		var told bool
		l.with(b.ID, func(p *peer) { told, p.badKey = p.badKey, true })
		if !told {
			l.Log.ErrorContext(ctx, "a box brings a site key that cannot be taken", slog.String("box", b.ID.String()), slog.Any("error", err))
		}
		return nil
	}
	return err
}

// lastOrders is how many of a box's newest orders may still be done after they failed.
const lastOrders = 100

// closeOrders looks before it writes: a box says an outcome until it was answered, and again after a lost answer. What failed it may have
// done since.
func (l *Line) closeOrders(ctx context.Context, b store.Box, done []wire.OrderDone) error {
	if len(done) == 0 {
		return nil
	}
	var all []store.Order
	err := l.Store.View(ctx, func(tx store.Tx) (err error) {
		open, err := tx.OpenOrders(b.ID, wire.MaxOrders)
		if err != nil {
			return err
		}
		all, err = tx.OrdersOf(b.ID, lastOrders)
		all = append(all, open...)
		return err
	})
	if err != nil {
		return err
	}
	byID := make(map[order.ID]store.Order, len(all))
	for _, o := range all {
		byID[o.ID] = o
	}
	for _, d := range done {
		o, has := byID[d.Order]
		told := o.Outcome != "" && (o.Outcome != order.OutcomeFailed || d.Outcome == order.OutcomeFailed)
		if !has || told || d.Outcome.Check() != nil {
			continue
		}
		cert := l.erasure(ctx, b, o, d.Erasure)
		err := l.Store.Update(ctx, func(tx store.Tx) error {
			_, err := tx.CloseOrder(b.ID, d.Order, d.Outcome, cert, l.Now())
			return err
		})
		if err != nil {
			return err
		}
		l.Log.InfoContext(ctx, "a box said what became of an order", slog.String("box", b.ID.String()), slog.String("order", o.Kind.String()),
			slog.String("outcome", string(d.Outcome)))
	}
	return nil
}

// errOther says that a certificate is of another box, site or order.
var errOther = errors.New("it is not of this order")

// erasure is a certificate of erasure if the box itself signed it for this order, and nothing otherwise.
func (l *Line) erasure(ctx context.Context, b store.Box, o store.Order, msg []byte) []byte {
	if len(msg) == 0 {
		return nil
	}
	err := errOther
	if key, kerr := sign.ParsePublicKey(b.Device); kerr != nil {
		err = kerr
	} else if c, cerr := erasure.Open(sign.One{Key: key}, msg); cerr != nil {
		err = cerr
	} else if c.Box == b.ID && c.Site == b.Site && c.Order != nil && *c.Order == o.ID.ID128 {
		return msg
	}
	l.Log.ErrorContext(ctx, "a certificate of erasure is not the box's own, or not of this order; not kept", slog.String("box", b.ID.String()),
		slog.Any("error", err))
	return nil
}

// takeMade takes the generations that a box made, and makes the first one of a site where a box wants a grant and there is no key.
func (l *Line) takeMade(ctx context.Context, b store.Box, p wire.Poll) error {
	var fresh []sitekey.Wrapped
	none := false
	err := l.Store.View(ctx, func(tx store.Tx) (err error) {
		if fresh, err = l.Keys.Unknown(tx, b, p.Made); err != nil || len(p.Made) > 0 || !p.Locked || b.Withheld {
			return err
		}
		_, err = tx.CurrentSiteKey(b.Site)
		if none = errors.Is(err, store.ErrNone); none {
			return nil
		}
		return err
	})
	if err != nil || len(fresh) == 0 && !none {
		return err
	}
	var taken int
	var faults error
	err = l.Store.Update(ctx, func(tx store.Tx) error {
		if none {
			_, _, err := l.Keys.Ensure(tx, b.Site)
			return err
		}
		now, err := tx.Box(b.ID) // it may have been taken out of service meanwhile
		if err != nil || now.State == store.BoxRevoked || now.State == store.BoxReplaced {
			return err
		}
		again, err := l.Keys.Unknown(tx, now, fresh) // another box may have brought it meanwhile
		if err == nil {
			taken, faults, err = l.Keys.Take(tx, now, again)
		}
		return err
	})
	if err != nil || taken == 0 && !none {
		return errors.Join(err, faults)
	}
	l.Log.InfoContext(ctx, "a site has a new key", slog.String("site", string(b.Site)), slog.Int("made_by_box", taken))
	return errors.Join(faults, l.ringSite(ctx, b.Site))
}

// ringSite wakes the polls of a site's boxes.
func (l *Line) ringSite(ctx context.Context, site record.SiteID) error {
	return l.Store.View(ctx, func(tx store.Tx) error {
		ids, err := tx.BoxesAt(site)
		for _, id := range ids {
			l.Bells.Ring(id)
		}
		return err
	})
}

// granted is the box's grant, signed, if one is due.
func (l *Line) granted(ctx context.Context, b store.Box, p wire.Poll) ([]byte, error) {
	g, due, err := l.grant(ctx, b, p)
	if err != nil || !due || !l.fresh(b.ID, "grant", g.Version, p) {
		return nil, err
	}
	return g.Sign(l.Sign)
}

// grant is the box's grant, and whether one is due.
func (l *Line) grant(ctx context.Context, b store.Box, p wire.Poll) (g sitekey.Grant, due bool, err error) {
	err = l.Store.View(ctx, func(tx store.Tx) (err error) {
		if due, err = l.Keys.Due(tx, b, p.Grant, p.Locked); err != nil || !due {
			return err
		}
		g, err = l.Keys.Grant(tx, b)
		return err
	})
	return g, due, err
}

// fresh reports whether a box was not told a version of something lately, and notes that it is. What it was told takes its time there, or
// cannot be used there; a poll that does not wait is that of a box that may know of nothing.
func (l *Line) fresh(id record.BoxID, what string, v rule.Version, p wire.Poll) (fresh bool) {
	now := l.Now()
	l.with(id, func(h *peer) {
		was := h.lately[what]
		fresh = p.Wait == 0 || was.version != v || now.Sub(was.at).Abs() >= offerAgain
		if !fresh {
			return
		}
		if h.lately == nil {
			h.lately = map[string]lately{}
		}
		h.lately[what] = lately{v, now}
	})
	return fresh
}

// lately is what a box was told last of something, and when.
type lately struct {
	version rule.Version
	at      time.Time
}

// orders are the box's open ones, signed, oldest first. The lowering of a clock waits until the box says under which nonce.
func (l *Line) orders(ctx context.Context, b store.Box, p wire.Poll) ([][]byte, error) {
	var open []store.Order
	err := l.Store.View(ctx, func(tx store.Tx) (err error) { open, err = tx.OpenOrders(b.ID, wire.MaxOrders); return err })
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, o := range open {
		out := order.Order{Box: b.ID, ID: o.ID, Kind: o.Kind, Issued: o.Given.UnixMilli()}
		if o.Kind == order.KindClock {
			if p.Nonce.IsZero() {
				continue
			}
			out.Nonce, out.Time = p.Nonce, o.Time.UnixMilli()
		}
		msg, err := out.Sign(l.Sign)
		if err != nil {
			return nil, fmt.Errorf("signing an order: %w", err)
		}
		all = append(all, msg)
	}
	return all, nil
}

// rosterOffer is the site's roster if the box has an older one or none, and may open it.
func (l *Line) rosterOffer(ctx context.Context, b store.Box, p wire.Poll) (wire.RosterOffer, error) {
	o, err := l.newerRoster(ctx, b, p)
	if err != nil || o.Version.N == 0 || !l.fresh(b.ID, "roster", o.Version, p) {
		return wire.RosterOffer{}, err
	}
	return o, nil
}

// newerRoster is the site's roster if the box has an older one or none, and may open it; zero otherwise.
func (l *Line) newerRoster(ctx context.Context, b store.Box, p wire.Poll) (o wire.RosterOffer, err error) {
	if l.Rosters == nil || b.Withheld {
		return o, nil
	}
	err = l.Store.View(ctx, func(tx store.Tx) error {
		newest, ok, err := l.Rosters.Offer(tx, b.Site)
		if err == nil && ok && newest.Version.Compare(p.Roster) > 0 {
			o = newest
		}
		return err
	})
	return o, err
}

// parting answers a box out of service: with its open orders alone, since a stolen box must still be told to wipe itself, or with
// the refusal where there is none.
func (l *Line) parting(ctx context.Context, b store.Box, p wire.Poll) (out wire.Polled, err error) {
	if err := l.takeUp(ctx, b, p); err != nil {
		return out, err
	}
	if out.Orders, err = l.orders(ctx, b, p); err != nil {
		return out, err
	}
	if len(out.Orders) == 0 {
		return out, errRevoked
	}
	out.Time = l.Now().UnixMilli()
	err = l.Store.View(ctx, func(tx store.Tx) (err error) { out.CentralEpoch, err = tx.CentralEpoch(); return err })
	return out, err
}

// errRevoked is what a box out of service is told.
var errRevoked = &uplink.Refusal{Code: wire.CodeRevokedBox, Message: "this box was taken out of service"}
