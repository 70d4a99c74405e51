package crl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

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
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(fetchStall, func() { cancel(ErrStalled) })
	defer watch.Stop()
	o.From = url
	held := s.held(o.Scope, url)
	resp, err := s.request(ctx, client, url, held)
	if err != nil {
		return Result{}, stalled(ctx, err)
	}
	defer resp.Body.Close() // read to its end or given up
	switch {
	case resp.StatusCode == http.StatusNotModified && held != nil:
		return Result{Row: held.Row, Entries: held.Entries, Size: held.Size}, nil
	case resp.StatusCode != http.StatusOK:
		return Result{}, fmt.Errorf("%w: %s answered %s", ErrFetch, url, resp.Status)
	}
	o.tag, o.modified = resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	res, err := s.Ingest(ctx, &watched{resp.Body, watch}, o)
	return res, stalled(ctx, err)
}

// request asks for what is newer than the list held.
func (s *Store) request(ctx context.Context, client *http.Client, url string, held *part) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	if held != nil && held.Tag != "" {
		req.Header.Set("If-None-Match", held.Tag)
	}
	if held != nil && held.Modified != "" {
		req.Header.Set("If-Modified-Since", held.Modified)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	return resp, nil
}

// held is the list that came from a URL, if it can be used still.
func (s *Store) held(of certid.Scope, url string) *part {
	sc, err := s.known(of)
	if err != nil {
		return nil
	}
	sc.work.Lock()
	defer sc.work.Unlock()
	for _, p := range s.usable(sc) {
		if p.From == url {
			return &p
		}
	}
	return nil
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
