package crl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/sync/certid"
)

// fetchStall is how long a server may send nothing. There is no limit to the whole: a gigabyte takes its time on a thin line.
const fetchStall = 30 * time.Second

// Errors of fetching.
var (
	// ErrFetch says that a server did not hand a list out.
	ErrFetch = errors.New("server does not hand out the revocation list")
	// ErrStalled says that a server sent nothing for half a minute.
	ErrStalled = errors.New("server sends nothing any more")
)

// Fetch gets a list over HTTP and takes it, as Ingest does; From is the URL. A server that knows by entity tag or date that its file
// is the one held sends nothing, and the list counts as held. The client must have no Timeout: ErrStalled ends what stalls.
func (s *Store) Fetch(ctx context.Context, client *http.Client, url string, o IngestOptions) (Result, error) {
	f := fetching{url: url}
	s.fetchGroup(ctx, client, []*fetching{&f}, o, 1)
	return f.res, f.err
}

// keptTogether is how many lists of several are made durable at a time: each time the state of all partitions is written anew.
const keptTogether = 64

// FetchAll is Fetch of several lists of a scope, so many at once. told hears what became of each, one after another.
func (s *Store) FetchAll(ctx context.Context, client *http.Client, urls []string, o IngestOptions, atOnce int, told func(Result, error)) {
	for some := range slices.Chunk(urls, keptTogether) {
		group := make([]*fetching, len(some))
		for i, url := range some {
			group[i] = &fetching{url: url}
		}
		s.fetchGroup(ctx, client, group, o, atOnce)
		for _, f := range group {
			told(f.res, f.err)
		}
	}
}

// fetching is one list on its way.
type fetching struct {
	url string
	got *indexed // nil: nothing came that could be taken
	res Result
	err error
}

// fetchGroup gets lists and then keeps them together.
func (s *Store) fetchGroup(ctx context.Context, client *http.Client, group []*fetching, o IngestOptions, atOnce int) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, f := range group {
		g.Go(func() error {
			f.got, f.res, f.err = s.get(ctx, client, f.url, o)
			return nil
		})
	}
	_ = g.Wait() // reports no errors
	var came []*indexed
	for _, f := range group {
		if f.got != nil {
			came = append(came, f.got)
		}
	}
	if len(came) > 0 {
		s.keepAll(ctx, o.Scope, came)
	}
	for _, f := range group {
		if f.got != nil {
			f.res, f.err = f.got.res, f.got.err
			s.refusals.note(s, f.got.o, f.err)
		}
	}
}

// get asks for one list and reads it. Without an error and an index nothing new was there, and the result is what is held.
func (s *Store) get(ctx context.Context, client *http.Client, url string, o IngestOptions) (*indexed, Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(fetchStall, func() { cancel(ErrStalled) })
	defer watch.Stop()
	o.From = url
	held, refused := s.held(o.Scope, url), s.refusals.find(s, o.Scope, url)
	resp, err := s.request(ctx, client, url, asked(held, refused))
	if err != nil {
		return nil, Result{}, stalled(ctx, err)
	}
	defer resp.Body.Close() // read to its end or given up
	switch {
	case resp.StatusCode == http.StatusNotModified && refused != nil:
		return nil, Result{}, refused.why
	case resp.StatusCode == http.StatusNotModified && held != nil:
		return nil, Result{Row: held.Row, Entries: held.Entries, Size: held.Size}, nil
	case resp.StatusCode != http.StatusOK:
		return nil, Result{}, fmt.Errorf("%w: %s answered %s", ErrFetch, url, resp.Status)
	}
	o.tag, o.modified = resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	o.most = s.most(held)
	x, err := s.read(ctx, &watched{resp.Body, watch}, o)
	if err != nil {
		s.refusals.note(s, o, err)
	}
	return x, Result{}, stalled(ctx, err)
}

// A list may have so many octets for each entry of the one held, which is four times what an entry takes, and so many more.
const (
	grownEntry = 256
	grownFree  = 64 << 20
)

// most is how long a list may be in place of another. Lists come over lines that anybody may speak on, and what is not signed is found out
// at its end only: until then it lies on the disk.
func (s *Store) most(held *part) int64 {
	if held == nil || held.Entries > uint64(s.MaxList)/grownEntry { //nolint:gosec // positive
		return s.MaxList
	}
	return min(s.MaxList, int64(held.Entries)*grownEntry+grownFree) //nolint:gosec // below MaxList
}

// version is what a server calls its file: RFC 9110 §8.8.
type version struct{ tag, modified string }

// asked is what nothing is to be sent for again.
func asked(held *part, refused *refusal) (v version) {
	switch {
	case refused != nil:
		return refused.version
	case held != nil:
		return version{held.Tag, held.Modified}
	}
	return v
}

// request asks for another version than one. Nothing is asked for in a compressed form: its length says nothing of the list's.
func (s *Store) request(ctx context.Context, client *http.Client, url string, but version) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	if but.tag != "" {
		req.Header.Set("If-None-Match", but.tag)
	}
	if but.modified != "" {
		req.Header.Set("If-Modified-Since", but.modified)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	return resp, nil
}

// held is the list that came from a URL, if it can be used still.
func (s *Store) held(of certid.Scope, url string) (newest *part) {
	sc, err := s.known(of)
	if err != nil {
		return nil
	}
	sc.work.Lock()
	defer sc.work.Unlock()
	for _, p := range s.usable(sc) {
		if p.From == url && (newest == nil || p.newer(*newest)) {
			newest = &p
		}
	}
	return newest
}

// stalled names what ended a fetch.
func stalled(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrStalled) {
		return fmt.Errorf("%w: %w", ErrFetch, cause)
	}
	return err
}

// watched is a body that may take its time once for each piece, and none between: sorting a long list is no stall.
type watched struct {
	io.Reader

	watch *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	w.watch.Reset(fetchStall)
	defer w.watch.Stop()
	return w.Reader.Read(p)
}
