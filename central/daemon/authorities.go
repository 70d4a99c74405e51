package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/central/config"
	"kazashi.example/central/opener"
	"kazashi.example/central/policy"
	"kazashi.example/central/validity"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
)

const (
	fetchTimeout = time.Minute      // bounds getting one list
	fetchAgain   = 30 * time.Second // after a failure, unless the source is asked more often anyway
)

// authorities asks, for each hierarchy, its own responder and lists.
type authorities struct {
	lists  *validity.Lists
	scopes []certid.Scope
	by     map[certid.Hierarchy]*validity.Authority
	from   []source
	http   *http.Client
	log    *slog.Logger
}

// source is where a list comes from.
type source struct {
	scope certid.Scope
	url   string
	every time.Duration
}

var _ opener.Validity = (*authorities)(nil)

func newAuthorities(ctx context.Context, c config.Config, p *policy.Policy, now func() time.Time, log *slog.Logger) (*authorities, error) {
	lists, err := validity.OpenLists(ctx, filepath.Join(c.DataDir, "lists"), p.Anchors, now, log)
	if err != nil {
		return nil, err
	}
	a := &authorities{lists: lists, by: map[certid.Hierarchy]*validity.Authority{}, http: &http.Client{Timeout: fetchTimeout}, log: log}
	for _, j := range c.JPKI {
		h, err := certid.ParseHierarchy(j.Hierarchy)
		if err != nil {
			return nil, err
		}
		scope := certid.Scope{Hierarchy: h, Purpose: certid.PurposeAuth}
		a.scopes = append(a.scopes, scope)
		a.from = append(a.from, source{scope, j.AuthCRL, time.Duration(*j.ListEvery)})
		a.by[h] = &validity.Authority{Anchors: p.Anchors, Lists: lists, OCSP: j.OCSP, HTTP: a.http, Now: now, Log: log}
	}
	return a, nil
}

// StatusAt asks the certificate's own hierarchy.
func (a *authorities) StatusAt(ctx context.Context, id certid.CertID, issuer content.Issuer, at time.Time) (validity.Status, error) {
	of, ok := a.by[id.Scope.Hierarchy]
	if !ok {
		return validity.Status{}, fmt.Errorf("%w: %s", validity.ErrIssuer, id.Scope)
	}
	return of.StatusAt(ctx, id, issuer, at)
}

// fetch looks for newer lists until ctx ends, and tells when one came.
func (a *authorities) fetch(ctx context.Context, came func()) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range a.from {
		g.Go(func() error {
			for {
				pause := s.every
				if !a.fetchOne(ctx, s, came) {
					pause = min(pause, fetchAgain)
				}
				t := time.NewTimer(pause)
				select {
				case <-ctx.Done():
					t.Stop()
					return ctx.Err()
				case <-t.C:
				}
			}
		})
	}
	return g.Wait()
}

// fetchOne reports whether the source could be asked.
func (a *authorities) fetchOne(ctx context.Context, s source, came func()) bool {
	fresh, err := a.lists.Fetch(ctx, a.http, s.scope, s.url)
	switch {
	case err != nil && ctx.Err() == nil:
		a.log.WarnContext(ctx, "no newer revocation list could be had", slog.String("scope", s.scope.String()), slog.Any("error", err))
	case fresh:
		a.log.InfoContext(ctx, "a new revocation list is in force", slog.String("scope", s.scope.String()),
			slog.Uint64("number", a.lists.Newest(s.scope).Number))
		came()
	}
	return err == nil
}
