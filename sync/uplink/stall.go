package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A line may be slow without being dead: what ends an exchange is silence, not its length. Both ends allow stallTimeout without
// an octet, and longest for the whole, but only shortest for a request that anybody may make.
const (
	stallTimeout = requestTimeout
	longest      = 15 * time.Minute
	shortest     = 10 * time.Second // for what anybody may send
	chunk        = 16 << 10         // octets written between two deadlines
)

// ErrStalled says that nothing moved on the line for too long.
var ErrStalled = fmt.Errorf("the line is silent: %w", context.DeadlineExceeded)

// watch is a context that ends when nothing has moved for a while.
type watch struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// watched begins a watch. first is how long the first silence may last.
func watched(ctx context.Context, first time.Duration) (context.Context, *watch, context.CancelFunc) {
	ctx, stop := context.WithTimeout(ctx, longest)
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel}
	w.timer = time.AfterFunc(first, func() { cancel(ErrStalled) })
	return ctx, w, func() {
		w.timer.Stop()
		cancel(nil)
		stop()
	}
}

// moving passes a reader on and takes every octet for a sign of life, after which silence may last for d.
func (w *watch) moving(r io.Reader, d time.Duration) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		if n > 0 {
			w.timer.Reset(d)
		}
		return n, err
	})
}

// because names the silence where that is why an exchange failed.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrStalled) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// readAll reads a request's body as long as it moves, and not for ever. Afterwards the connection has no read deadline: one
// that ran out while a poll is held would end the poll.
func readAll(w http.ResponseWriter, r *http.Request, of terms) ([]byte, error) {
	c, end := http.NewResponseController(w), time.Now().Add(of.whole)
	body := http.MaxBytesReader(w, r.Body, of.limit)
	b, err := io.ReadAll(readerFunc(func(p []byte) (int, error) {
		if err := c.SetReadDeadline(earlier(time.Now().Add(stallTimeout), end)); err != nil {
			return 0, err
		}
		return body.Read(p)
	}))
	if err != nil {
		return nil, err // the deadline stays for what the server still reads of the body
	}
	return b, c.SetReadDeadline(time.Time{})
}

// paced is an answer that is sent as long as it moves, and not for ever.
type paced struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	end time.Time
}

func newPaced(w http.ResponseWriter) *paced {
	return &paced{w, http.NewResponseController(w), time.Now().Add(longest)}
}

// Write sends b.
func (p *paced) Write(b []byte) (sent int, err error) {
	for sent < len(b) {
		if err := p.c.SetWriteDeadline(earlier(time.Now().Add(stallTimeout), p.end)); err != nil {
			return sent, err
		}
		n, err := p.w.Write(b[sent:min(sent+chunk, len(b))])
		if sent += n; err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
