package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/opener"
	"kazashi.example/central/renewal"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
)

// slow answers about renewals after a while.
type slow time.Duration

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-time.After(time.Duration(s)):
	}
	return &http.Response{
		StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"renewals":[],"more":false}`)), Header: http.Header{}, Request: r,
	}, nil
}

// opened notes when its records are looked for first.
type opened struct {
	store.Store
	once *sync.Once
	at   *time.Time
	done context.CancelFunc
}

func (o opened) View(ctx context.Context, f func(store.Tx) error) error {
	o.once.Do(func() { *o.at = time.Now(); o.done() })
	return o.Store.View(ctx, f)
}

// P2: at a start nothing is opened before the service of renewals answered, or ten seconds went by: after a restore a PIN with a renewed
// certificate would make a second person.
func TestP2OpeningWaitsForTheFirstAnswerAboutRenewals(t *testing.T) {
	for _, k := range []struct {
		name    string
		url     string
		answers slow
		want    time.Duration
	}{
		{"nobody is asked", "", 0, 0},
		{"it answers", "http://127.0.0.1:1/", slow(3 * time.Second), 3 * time.Second},
		{"it answers late", "http://127.0.0.1:1/", slow(time.Hour), renewedFirst},
	} {
		t.Run(k.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := simcentral.New(t)
				ctx, cancel := context.WithCancel(t.Context())
				var at time.Time
				conf := c.Opener.Config
				conf.Store = opened{c.Store, &sync.Once{}, &at, cancel}
				d := &Daemon{log: slog.New(slog.DiscardHandler), opener: opener.New(conf), renewals: renewal.New(renewal.Config{
					Store: c.Store, People: c.People, URL: k.url, Hierarchy: certid.HierarchyPractice, Every: time.Hour,
					HTTP: &http.Client{Transport: k.answers}, Bells: c.Bells, Now: c.World.Now, Log: slog.New(slog.DiscardHandler),
				})}
				began := time.Now()
				var running sync.WaitGroup
				running.Go(func() { _ = d.renewals.Run(ctx) }) // ends with the test
				if err := d.open(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("open = %v, want it to end with its context", err)
				}
				running.Wait()
				if got := at.Sub(began); got != k.want {
					t.Errorf("opening began after %s, want %s", got, k.want)
				}
			})
		})
	}
}
