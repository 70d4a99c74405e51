package admin

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"kazashi.example/sync/record"
)

// Paths of sites, their keys, and orders. They are on the socket alone.
const (
	pathSites  = "/v1/sites"
	pathRotate = "/v1/sites/rotate"
	pathOrders = "/v1/orders"
)

// Site is one site with the generations of its key, by their names; the keys themselves are shown to nobody.
type Site struct {
	Site  record.SiteID `json:"site"`
	Boxes int           `json:"boxes"` // that may hold its keys
	Grant uint64        `json:"grant"` // number of the newest grant
	Keys  []SiteKey     `json:"keys"`  // in the order in which they came
}

// SiteKey is one generation of a site's key.
type SiteKey struct {
	Generation string    `json:"generation"`
	Made       time.Time `json:"made"`
	Maker      string    `json:"maker,omitempty"` // id of the box that made it; absent: central
	Current    bool      `json:"current"`
}

// NewOrder asks to give a box an order.
type NewOrder struct {
	Box  record.BoxID `json:"box"`
	Kind string       `json:"kind"`        // "clock", "wipe" or "lock"
	To   time.Time    `json:"to,omitzero"` // of "clock": the floor
}

// Order is what a box was told to do, and what became of it.
type Order struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	To      time.Time `json:"to,omitzero"`
	Given   time.Time `json:"given"`
	Outcome string    `json:"outcome,omitempty"` // absent while it is open
	Closed  time.Time `json:"closed,omitzero"`
	Erasure []byte    `json:"erasure,omitempty"` // certificate of erasure, signed by the box
}

// rotate asks for a new key of a site.
type rotate struct {
	Site record.SiteID `json:"site"`
}

// Keeper is an operator who keeps sites' keys and gives orders to boxes.
type Keeper interface {
	// Sites lists every site.
	Sites(ctx context.Context) ([]Site, error)
	// Rotate makes a site's next key; boxes get it with their next poll.
	Rotate(ctx context.Context, site record.SiteID) (SiteKey, error)
	// Order gives a box an order; durable.
	Order(ctx context.Context, q NewOrder) (Order, error)
}

func keeping(mux *http.ServeMux, o Keeper, log *slog.Logger) {
	mux.Handle("GET "+pathSites, ask(log, o.Sites))
	mux.Handle("POST "+pathRotate, call(log, func(ctx context.Context, q rotate) (SiteKey, error) { return o.Rotate(ctx, q.Site) }))
	mux.Handle("POST "+pathOrders, call(log, o.Order))
}

// Sites lists every site.
func (c *Client) Sites(ctx context.Context) (all []Site, err error) {
	err = c.do(ctx, http.MethodGet, pathSites, nil, &all)
	return all, err
}

// Rotate makes a site's next key.
func (c *Client) Rotate(ctx context.Context, site record.SiteID) (k SiteKey, err error) {
	err = c.do(ctx, http.MethodPost, pathRotate, rotate{Site: site}, &k)
	return k, err
}

// Order gives a box an order.
func (c *Client) Order(ctx context.Context, q NewOrder) (o Order, err error) {
	err = c.do(ctx, http.MethodPost, pathOrders, q, &o)
	return o, err
}
