// Package renewal asks the old→new service which certificates took the place of others, so that people keep their person and
// their place on the rosters over a renewal.
//
// An [Asker] asks when it starts and then again and again, and whenever somebody is to become a person. How far it came is kept with what it learned; what it hears twice, or in
// another order, ends in the same state, so each question overlaps the one before. Everything learned from a part of an answer is
// durable before the next part is looked at, and a stop in between costs nothing. It logs counts and the numbers of rows, never a
// serial. It does not decide whom a certificate leads to; package person does. The answer is not signed: the connection is all that
// vouches for it, and package config lets it be https or this machine alone.
package renewal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// Bounds of asking.
const (
	overlap  = 48 * time.Hour  // a line may be told later than its time says
	again    = 5 * time.Minute // after a failure, unless questions are closer together anyway
	timeout  = time.Minute     // of one question with its answer
	maxPages = 1000            // of one round
	chunk    = 256             // lines of one transaction
)

// Errors of a round, beside those of Decode.
var (
	// ErrStatus says that the service did not answer 200.
	ErrStatus = errors.New("service of renewals does not answer the question")
	// ErrStuck says that the service promises more and gives nothing later.
	ErrStuck = errors.New("service of renewals goes round in a circle")
)

// Bells are rung for boxes whose roster changed.
type Bells interface{ Ring(id record.BoxID) }

// Config is what an asker works with.
type Config struct {
	Store     store.Store
	People    *person.People
	URL       string // empty: nobody is asked
	Hierarchy certid.Hierarchy
	Every     time.Duration
	HTTP      *http.Client // its redirects are not followed
	Bells     Bells
	Now       func() time.Time
	Log       *slog.Logger
}

// Sum is what one round came to.
type Sum struct {
	Learned     int // renewals that were not known
	Linked      int // certificates that lead to a person since
	Conflicts   int // persons that are found to be two
	Contradicts int // renewals that cannot be true beside another one
	Bad         int // lines that could not be read
}

// Asker asks.
type Asker struct {
	Config

	first chan struct{}
	once  sync.Once
	turn  chan struct{} // of a round

	mu    sync.Mutex // guards until
	until time.Time  // nobody is asked for a caller's sake before
}

// New makes an asker; Run starts it.
func New(c Config) *Asker {
	if c.HTTP != nil {
		h := *c.HTTP
		h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		c.HTTP = &h
	}
	return &Asker{Config: c, first: make(chan struct{}), turn: make(chan struct{}, 1)}
}

// Asked is closed after the first round, however it ended.
func (a *Asker) Asked() <-chan struct{} { return a.first }

// Run asks until the context ends, which is its only error.
func (a *Asker) Run(ctx context.Context) error {
	for {
		pause := a.Every
		if a.URL == "" {
			a.once.Do(func() { close(a.first) })
			<-ctx.Done()
			return ctx.Err()
		}
		if _, err := a.Round(ctx); err != nil && ctx.Err() == nil {
			a.Log.WarnContext(ctx, "nobody said which certificates were renewed; asking again", slog.Any("error", err))
			pause = min(pause, again)
		}
		a.once.Do(func() { close(a.first) })
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// Round asks for everything since the last round, after any that is under way. What was learned before an error stays. ErrStatus, ErrStuck, ErrAnswer, ErrLarge, or an
// error of the connection or the store.
func (a *Asker) Round(ctx context.Context) (Sum, error) {
	done, err := a.take(ctx)
	if err != nil {
		return Sum{}, fmt.Errorf("waiting for a round about renewals to end: %w", err)
	}
	defer done()
	return a.round(ctx)
}

func (a *Asker) round(ctx context.Context) (sum Sum, err error) {
	defer func() { a.rest(err != nil) }()
	var asked store.Asked
	if err := a.Store.View(ctx, func(tx store.Tx) (err error) { asked, err = tx.RenewalsAsked(); return err }); err != nil {
		return sum, fmt.Errorf("looking how far renewals were read: %w", err)
	}
	since := time.Unix(0, 0)
	if !asked.Through.IsZero() {
		since = asked.Through.Add(-overlap)
	}
	defer func() { a.say(ctx, sum) }()
	for range maxPages {
		got, err := a.ask(ctx, since)
		if err != nil {
			return sum, err
		}
		if err := a.learn(ctx, got, &sum); err != nil {
			return sum, err
		}
		if !got.More {
			return sum, nil
		}
		if got.Last.Before(since) {
			return sum, ErrStuck
		}
		since = got.Last.Add(1) // all lines of that moment were in this answer
	}
	return sum, ErrStuck
}

// ask puts one question: GET URL?since=TIME, where TIME is in RFC 3339. The answer has the lines of that time and later, in order of time,
// and never ends between two lines of one time. A service that has little may ignore the question and tell all.
func (a *Asker) ask(ctx context.Context, since time.Time) (Answer, error) {
	u, err := url.Parse(a.URL)
	if err != nil {
		return Answer{}, fmt.Errorf("asking for renewals: %w", err)
	}
	q := u.Query()
	q.Set("since", since.UTC().Format(time.RFC3339Nano))
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Answer{}, fmt.Errorf("asking for renewals: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := a.HTTP.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("asking for renewals: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("%w: %s", ErrStatus, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("reading an answer about renewals: %w", err)
	}
	return Decode(b)
}

// learn keeps one answer, and with its last part how far it goes. A time that has not come is a fault of the service, and must not keep
// central from asking for what lies before it.
func (a *Asker) learn(ctx context.Context, got Answer, sum *Sum) error {
	sum.Bad += got.Bad
	for part := range slices.Chunk(got.Lines, chunk) {
		if err := a.keep(ctx, part, sum); err != nil {
			return fmt.Errorf("keeping renewals: %w", err)
		}
	}
	now := a.Now()
	err := a.Store.Update(ctx, func(tx store.Tx) error {
		asked, err := tx.RenewalsAsked()
		if err != nil {
			return err
		}
		if through := earlier(got.Last, now); through.After(asked.Through) {
			asked.Through = through
		}
		if asked.At = now; !got.More {
			asked.Whole = now
		}
		return tx.SetRenewalsAsked(asked)
	})
	if err != nil {
		return fmt.Errorf("noting how far renewals were read: %w", err)
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// keep learns a few renewals in one transaction, and rings for whoever's roster changed.
func (a *Asker) keep(ctx context.Context, part []Line, sum *Sum) error {
	var did Sum
	var ring []record.BoxID
	var found []store.Conflict
	err := a.Store.Update(ctx, func(tx store.Tx) error {
		for _, l := range part {
			out, err := a.People.Renew(tx, person.Renewal{Old: a.cert(l.Old), New: a.cert(l.New)}, a.Now())
			if errors.Is(err, person.ErrContradicts) {
				did.Contradicts++
				continue
			}
			if err != nil {
				return err
			}
			if out.News {
				did.Learned++
			}
			did.Linked += out.Linked
			found = append(found, out.Conflicts...)
			for _, site := range out.Sites {
				at, err := tx.BoxesAt(site)
				if err != nil {
					return err
				}
				ring = append(ring, at...)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	sum.Learned, sum.Linked, sum.Contradicts = sum.Learned+did.Learned, sum.Linked+did.Linked, sum.Contradicts+did.Contradicts
	sum.Conflicts += len(found)
	for _, c := range found {
		a.Log.ErrorContext(ctx, "one person enrolled as two, before and after a renewal; nothing was changed: look at both",
			slog.String("verifier", string(c.Verifier)), slog.Int64("person", c.Person), slog.Int64("other", c.Other))
	}
	for _, b := range ring {
		a.Bells.Ring(b)
	}
	return nil
}

func (a *Asker) cert(s certid.Serial) certid.CertID {
	return certid.CertID{Scope: certid.Scope{Hierarchy: a.Hierarchy, Purpose: certid.PurposeAuth}, Serial: s}
}

func (a *Asker) say(ctx context.Context, s Sum) {
	if s.Contradicts > 0 {
		a.Log.ErrorContext(ctx, "renewals contradict others that are known and do not count; ask the service", slog.Int("count", s.Contradicts))
	}
	if s.Bad > 0 {
		a.Log.ErrorContext(ctx, "renewals that cannot be read are left out; tell the service", slog.Int("count", s.Bad))
	}
	if s.Learned > 0 {
		a.Log.InfoContext(ctx, "certificates were renewed", slog.Int("learned", s.Learned), slog.Int("linked", s.Linked))
	}
}
