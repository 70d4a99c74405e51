package daemon

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/central/config"
	"kazashi.example/central/crl"
	"kazashi.example/central/opener"
	"kazashi.example/central/policy"
	"kazashi.example/central/validity"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/crlset/manifest"
)

const (
	askTimeout    = time.Minute      // bounds a question to a service; lists take longer and are bounded by stalls
	fetchAgain    = 30 * time.Second // after a first failure, unless the source is asked more often anyway
	maxDoubled    = 16               // times that this is doubled: three weeks, above any pause that is configured
	fetchesAtOnce = 4                // of the partitions of one scope
)

// dirCRL is where the store of revocation lists is, inside the data directory.
const dirCRL = "crl"

// authorities asks, for each hierarchy, its own responder and lists.
type authorities struct {
	store *crl.Store
	by    map[certid.Hierarchy]*validity.Authority
	from  []source
	http  *http.Client // for short answers
	lists *http.Client // without a limit to the whole
	now   func() time.Time
	log   *slog.Logger
}

// source is where the lists of a scope come from.
type source struct {
	scope certid.Scope
	urls  []string
	parts bool // each URL has one partition
	every time.Duration
}

var (
	_ opener.Validity = (*authorities)(nil)
	_ opener.Holds    = (*authorities)(nil)
)

// StoreConfig is how the store of revocation lists is opened for a configuration; the central epoch is the caller's to fill in. ErrConfig if a
// file of partitions is at fault.
func StoreConfig(c config.Config, anchors *jpki.Anchors, sign crypto.Signer, now func() time.Time, log *slog.Logger) (crl.Config, error) {
	from, err := sources(c)
	if err != nil {
		return crl.Config{}, err
	}
	expect := map[certid.Scope]crl.Expect{}
	for _, s := range from {
		if s.parts {
			expect[s.scope] = crl.Expect{Sources: s.urls}
		}
	}
	return crl.Config{
		Dir: filepath.Join(c.DataDir, dirCRL), Anchors: anchors, Sign: sign, Expect: expect, Now: now, Log: log,
	}, nil
}

// sources are where lists come from, by scope.
func sources(c config.Config) (all []source, err error) {
	for _, j := range c.JPKI {
		h, err := certid.ParseHierarchy(j.Hierarchy)
		if err != nil {
			return nil, err
		}
		urls, err := j.Partitions()
		if err != nil {
			return nil, err
		}
		parts := urls != nil
		if !parts {
			urls = []string{j.AuthCRL}
		}
		every := time.Duration(*j.ListEvery)
		all = append(all, source{certid.Scope{Hierarchy: h, Purpose: certid.PurposeAuth}, urls, parts, every})
		if j.SignCRL != "" {
			all = append(all, source{certid.Scope{Hierarchy: h, Purpose: certid.PurposeSign}, []string{j.SignCRL}, false, every})
		}
	}
	return all, nil
}

func newAuthorities(ctx context.Context, c config.Config, p *policy.Policy, sc crl.Config) (*authorities, error) {
	from, err := sources(c)
	if err != nil {
		return nil, err
	}
	store, err := crl.Open(ctx, sc)
	if err != nil {
		return nil, err
	}
	a := &authorities{
		store: store, by: map[certid.Hierarchy]*validity.Authority{}, from: from, http: &http.Client{Timeout: askTimeout},
		lists: &http.Client{}, now: sc.Now, log: sc.Log,
	}
	for _, j := range c.JPKI {
		h, err := certid.ParseHierarchy(j.Hierarchy)
		if err != nil {
			return nil, errors.Join(err, store.Close())
		}
		a.by[h] = &validity.Authority{Anchors: p.Anchors, Lists: store, OCSP: j.OCSP, HTTP: a.http, Now: sc.Now, Log: sc.Log}
	}
	return a, nil
}

// close lets the store go. Nobody asks any more.
func (a *authorities) close() error {
	a.http.CloseIdleConnections()
	a.lists.CloseIdleConnections()
	return a.store.Close()
}

// StatusWithin asks the certificate's own hierarchy.
func (a *authorities) StatusWithin(ctx context.Context, id certid.CertID, issuer content.Issuer, from, to time.Time) (validity.Status, error) {
	of, ok := a.by[id.Scope.Hierarchy]
	if !ok {
		return validity.Status{}, fmt.Errorf("%w: %s", validity.ErrIssuer, id.Scope)
	}
	return of.StatusWithin(ctx, id, issuer, from, to)
}

// Lift asks the certificate's own hierarchy.
func (a *authorities) Lift(ctx context.Context, id certid.CertID, issuer content.Issuer, h validity.Held) (validity.Lift, error) {
	of, ok := a.by[id.Scope.Hierarchy]
	if !ok {
		return validity.Lift{}, fmt.Errorf("%w: %s", validity.ErrIssuer, id.Scope)
	}
	return of.Lift(ctx, id, issuer, h)
}

// fetch looks for newer lists until ctx ends, and tells when a new set is in force.
func (a *authorities) fetch(ctx context.Context, came func()) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range a.from {
		g.Go(func() error {
			for failed := 0; ; {
				if failed++; a.fetchOne(ctx, s, came) {
					failed = 0
				}
				t := time.NewTimer(s.pause(failed))
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

// pause is how long to wait after so many rounds in a row that failed: twice as long each time, up to the usual, and not to the second,
// so that servers which come back do not see every asker at once.
func (s source) pause(failed int) time.Duration {
	if failed == 0 {
		return s.every
	}
	p := min(s.every, fetchAgain<<min(failed-1, maxDoubled))
	return p - rand.N(p/8+1) //nolint:gosec // chance for load's sake
}

// fetchOne takes what is newer of a scope and makes the next set. It reports whether every source could be asked, and the set is whole.
func (a *authorities) fetchOne(ctx context.Context, s source, came func()) bool {
	asked := a.fetchAll(ctx, s)
	before, _ := a.store.Head(s.scope)
	head, err := a.store.Build(ctx, s.scope)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, crl.ErrNone) || errors.Is(err, crl.ErrIncomplete) && !asked: // told above
	case err != nil:
		a.log.ErrorContext(ctx, "no new revocation set could be made", slog.String("scope", s.scope.String()), slog.Any("error", err))
	case head.Number != before.Number:
		a.tell(ctx, s.scope, head)
		came()
	}
	return asked && err == nil
}

// fetchAll asks every source of a scope and reports whether all could be asked.
func (a *authorities) fetchAll(ctx context.Context, s source) bool {
	failed, first := 0, error(nil)
	a.store.FetchAll(ctx, a.lists, s.urls, crl.IngestOptions{Scope: s.scope}, fetchesAtOnce, func(res crl.Result, err error) {
		switch {
		case err != nil:
			failed, first = failed+1, cmp.Or(first, err)
		case res.Fresh:
			a.log.InfoContext(ctx, "a new revocation list was taken", slog.String("scope", s.scope.String()),
				slog.Uint64("number", res.Row.Number), slog.Uint64("entries", res.Entries), slog.Int64("octets", res.Octets))
		}
	})
	if failed > 0 && ctx.Err() == nil {
		a.log.WarnContext(ctx, "no newer revocation list could be had", slog.String("scope", s.scope.String()),
			slog.Int("failed", failed), slog.Int("of", len(s.urls)), slog.Any("error", first))
	}
	return failed == 0
}

// tell logs what is in force now.
func (a *authorities) tell(ctx context.Context, of certid.Scope, head manifest.Head) {
	octets := uint64(0) // of the delta; 0: boxes take the whole set
	if _, d, err := a.store.Delta(of); err == nil {
		octets = d.Size
	}
	a.log.InfoContext(ctx, "a new revocation set is in force", slog.String("scope", of.String()), slog.String("number", crl.Number(head.Number)),
		slog.Time("made", head.At()), slog.Uint64("entries", head.Entries), slog.Uint64("octets", head.Size), slog.Uint64("delta_octets", octets))
	if next := time.Unix(head.NextUpdate, 0); next.Before(a.now()) {
		a.log.WarnContext(ctx, "the revocation set in force is over: its authority has promised a newer list than the one it hands out",
			slog.String("scope", of.String()), slog.Time("since", next.UTC()))
	}
}
