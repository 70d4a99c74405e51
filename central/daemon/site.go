package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"kazashi.example/central/admin"
	"kazashi.example/central/registry"
	"kazashi.example/central/sitekeys"
	"kazashi.example/central/store"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sitekey"
)

// Sites lists every site with the generations of its key.
func (d *Daemon) Sites(ctx context.Context) ([]admin.Site, error) {
	var all []sitekeys.Site
	if err := d.db.View(ctx, func(tx store.Tx) (err error) { all, err = sitekeys.Sites(tx); return err }); err != nil {
		return nil, fmt.Errorf("listing sites: %w", err)
	}
	out := make([]admin.Site, 0, len(all))
	for _, s := range all {
		site := admin.Site{Site: s.Site, Boxes: s.Boxes, Grant: s.Grant, Keys: make([]admin.SiteKey, 0, len(s.Keys))}
		for _, k := range s.Keys {
			site.Keys = append(site.Keys, siteKey(k, s.Current))
		}
		out = append(out, site)
	}
	return out, nil
}

func siteKey(k store.SiteKey, current sitekey.Generation) admin.SiteKey {
	out := admin.SiteKey{Generation: k.Generation.String(), Made: k.Made, Current: k.Generation == current}
	if !k.Maker.IsZero() {
		out.Maker = k.Maker.String()
	}
	return out
}

// errNoSite says that a site has neither boxes nor keys.
var errNoSite = errors.New("no such site; `site list` shows those that have boxes")

// Rotate makes a site's next key.
func (d *Daemon) Rotate(ctx context.Context, site record.SiteID) (out admin.SiteKey, err error) {
	err = d.db.Update(ctx, func(tx store.Tx) error {
		all, err := sitekeys.Sites(tx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(s sitekeys.Site) bool { return s.Site == site }) {
			return &admin.Refused{Err: errNoSite}
		}
		g, err := d.siteKeys.Rotate(tx, site)
		out = admin.SiteKey{Generation: g.String(), Made: d.now().UTC(), Current: true}
		return err
	})
	if err != nil {
		return admin.SiteKey{}, err
	}
	d.log.InfoContext(ctx, "an operator made a site's next key", slog.String("site", string(site)))
	d.bells.RingAll()
	return out, nil
}

// kinds are the orders by their names.
var kinds = []order.Kind{order.KindClock, order.KindWipe, order.KindLock}

// Order gives a box an order.
func (d *Daemon) Order(ctx context.Context, q admin.NewOrder) (admin.Order, error) {
	i := slices.IndexFunc(kinds, func(k order.Kind) bool { return k.String() == q.Kind })
	if i < 0 {
		return admin.Order{}, &admin.Refused{Err: fmt.Errorf("%w: %q", registry.ErrKind, q.Kind)}
	}
	o, err := d.registry.Order(ctx, q.Box, kinds[i], q.To)
	if errors.Is(err, registry.ErrUnknown) || errors.Is(err, registry.ErrTime) {
		err = &admin.Refused{Err: err}
	}
	if err != nil {
		return admin.Order{}, err
	}
	d.log.InfoContext(ctx, "an operator gave a box an order", slog.String("box", q.Box.String()), slog.String("order", q.Kind))
	d.bells.RingAll()
	return ordered(o), nil
}

func ordered(o store.Order) admin.Order {
	return admin.Order{
		ID: o.ID.String(), Kind: o.Kind.String(), To: o.Time, Given: o.Given, Outcome: string(o.Outcome), Closed: o.Closed, Erasure: o.Erasure,
	}
}

func (d *Daemon) orders(ctx context.Context, id record.BoxID) ([]admin.Order, error) {
	all, err := d.registry.Orders(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("listing orders: %w", err)
	}
	out := make([]admin.Order, 0, len(all))
	for _, o := range all {
		out = append(out, ordered(o))
	}
	return out, nil
}
