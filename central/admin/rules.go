package admin

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"kazashi.example/sync/describe"
	"kazashi.example/sync/record"
)

// Paths of what central demands of taps. They are on the socket alone.
const (
	pathRules     = "/v1/rules"
	pathSiteRules = "/v1/rules/site"
)

// Edition is one version of the rules.
type Edition struct {
	Version string          `json:"version"` // central epoch and n: 1-42
	Issued  time.Time       `json:"issued,omitzero"`
	Sites   []record.SiteID `json:"sites,omitempty"` // those that differ from the others
	InForce bool            `json:"in_force"`
	Damaged bool            `json:"damaged,omitempty"`
}

// AskRules asks for the rules of a site.
type AskRules struct {
	Site    record.SiteID `json:"site"`
	Version string        `json:"version,omitempty"` // as an Edition has it; empty: the one in force
}

// SiteRules are the rules of a site.
type SiteRules struct {
	Rules  describe.Set `json:"rules"`
	Signed []byte       `json:"signed,omitempty"` // as boxes get them; of those in force alone
}

// Ruler tells what central demands and demanded.
type Ruler interface {
	// Editions lists every version that was ever in force, newest first.
	Editions(ctx context.Context) ([]Edition, error)
	// SiteRules are those of one site under one version.
	SiteRules(ctx context.Context, q AskRules) (SiteRules, error)
}

func ruling(mux *http.ServeMux, o Ruler, log *slog.Logger) {
	mux.Handle("GET "+pathRules, ask(log, o.Editions))
	mux.Handle("POST "+pathSiteRules, call(log, o.SiteRules))
}

// Editions lists every version that was ever in force.
func (c *Client) Editions(ctx context.Context) (all []Edition, err error) {
	err = c.do(ctx, http.MethodGet, pathRules, nil, &all)
	return all, err
}

// SiteRules are those of one site under one version.
func (c *Client) SiteRules(ctx context.Context, q AskRules) (r SiteRules, err error) {
	err = c.do(ctx, http.MethodPost, pathSiteRules, q, &r)
	return r, err
}
