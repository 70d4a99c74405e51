package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"kazashi.example/sync/wire"
)

// ErrRange says that the answer does not begin where it was asked to.
var ErrRange = errors.New("the answer is another part of the file than was asked for")

// Blob reads a file of central's from an octet on; What comes is to be verified by its
// digests. One file is read at a time, so that records and polls always find a connection: a second call waits until the first
// file is closed. The stream ends with an error if the line is cut (io.ErrUnexpectedEOF or what the network said), is silent
// while somebody reads (ErrStalled), or after 15 minutes; ask again from the octet after the last that was read. *Refusal with
// wire.CodeUnknownBlob, wire.CodeBadRange, or wire.CodeUnavailable and the time to wait.
func (c *Client) Blob(ctx context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	select {
	case c.blob <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for another file: %w", context.Cause(ctx))
	}
	ctx, life, cancel := watched(ctx, requestTimeout)
	done := sync.OnceFunc(func() {
		cancel()
		<-c.blob
	})
	body, err := c.open(ctx, id, from)
	if err != nil {
		done()
		return nil, err
	}
	life.timer.Stop()
	return &stream{ctx: ctx, life: life, body: body, done: done}, nil
}

// open asks, and returns the octets from there on.
func (c *Client) open(ctx context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+pathBlob+id.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking central for a file: %w", err)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking central for a file: %w", because(ctx, err))
	}
	switch {
	case resp.StatusCode != http.StatusPartialContent:
		err = refusal(resp)
	case !begins(resp, from):
		err = fmt.Errorf("%w: %q from octet %d", ErrRange, resp.Header.Get("Content-Range"), from)
	default:
		return resp.Body, nil
	}
	_ = resp.Body.Close() // nothing more of it is wanted
	return nil, err
}

// begins reports whether an answer is everything from an octet to the end (RFC 9110 §14.4).
func begins(resp *http.Response, from uint64) bool {
	if resp.ContentLength <= 0 {
		return false
	}
	size := from + uint64(resp.ContentLength)
	return resp.Header.Get("Content-Range") == fmt.Sprintf("bytes %d-%d/%d", from, size-1, size)
}

// stream is a file on its way. Silence counts only while somebody reads: a reader that verifies and writes may take its time.
type stream struct {
	ctx  context.Context
	life *watch
	body io.ReadCloser
	done func()
}

// Read waits for octets.
func (s *stream) Read(p []byte) (int, error) {
	s.life.timer.Reset(stallTimeout)
	n, err := s.body.Read(p)
	s.life.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("reading a file of central's: %w", because(s.ctx, err))
	}
	return n, err
}

// Close ends it; a stream that was not read to its end takes its connection along.
func (s *stream) Close() error {
	defer s.done()
	return s.body.Close()
}
