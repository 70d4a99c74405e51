package localapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds on what a Client accepts and waits for.
const (
	askTimeout = 10 * time.Second // everything but Events
	maxAnswer  = 4 << 20          // bytes of one answer: MaxTaps taps need less than 1 MiB
	maxEvent   = 1 << 20          // bytes of one line of the stream
)

// Client asks one box. Its zero value is not usable; NewClient makes one.
type Client struct {
	http *http.Client
	base string
}

// NewClient returns a client for "unix:/path/to/socket" or "http://host:port". It connects to nothing yet. ErrTarget.
func NewClient(target string) (*Client, error) {
	t := &http.Transport{MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second}
	base := "http://localhost"
	if path, ok := strings.CutPrefix(target, "unix:"); ok && path != "" {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	} else {
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return nil, fmt.Errorf("%w: %q", ErrTarget, target)
		}
		base = "http://" + u.Host
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a PIN goes to the box or nowhere
	return &Client{http: &http.Client{Transport: t, CheckRedirect: stay}, base: base}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks for the state of the box. Errors: ErrUnreachable, ErrNotABox, *Error.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.ask(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Taps asks for the latest taps, newest first; limit is 1 to MaxTaps, 0 means DefaultTaps. Errors: as Status.
func (c *Client) Taps(ctx context.Context, limit int) ([]Tap, error) {
	path := "/v1/taps"
	if limit != 0 {
		path += "?limit=" + strconv.Itoa(limit)
	}
	var t Taps
	err := c.ask(ctx, http.MethodGet, path, nil, &t)
	return t.Taps, err
}

const nextPath = "/v1/next-card"

// NextCard asks what the next card is laid for; nil when it is an ordinary tap. Errors: as Status.
func (c *Client) NextCard(ctx context.Context) (*NextCard, error) {
	var s NextState
	err := c.ask(ctx, http.MethodGet, nextPath, nil, &s)
	return s.Next, err
}

// SetNextCard has the box wait for a card to do with it what r asks; the events tell what came of it. The secrets of r stay the
// caller's to wipe. Errors: ErrNextForm before anything is sent; *Error, which is also ErrNextBusy, ErrNextReader, ErrNextUnready or
// ErrNextNotServed; otherwise as Status. After ErrUnreachable the box may wait all the same: NextCard tells.
func (c *Client) SetNextCard(ctx context.Context, r NextCardRequest) (NextCard, error) {
	if err := r.Check(); err != nil {
		return NextCard{}, err
	}
	body := r.body()
	defer clear(body)
	var s NextState
	if err := c.ask(ctx, http.MethodPut, nextPath, body, &s); err != nil {
		return NextCard{}, err
	}
	if s.Next == nil {
		return NextCard{}, fmt.Errorf("decoding %s: %w", nextPath, ErrNotABox)
	}
	return *s.Next, nil
}

// CancelNextCard makes the next card an ordinary tap. A card that is being handled is handled to its end; NextCard tells of it until then.
// Errors: as Status.
func (c *Client) CancelNextCard(ctx context.Context) error {
	return c.ask(ctx, http.MethodDelete, nextPath, nil, new(NextState))
}

// Events yields what happens from now on, beginning with an EventStatus, until ctx ends or the stream breaks; the last pair
// then carries the error: ctx's, ErrUnreachable, ErrNotABox, *Error. It does not connect again by itself.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		body, err := c.open(ctx, http.MethodGet, "/v1/events", nil, "text/event-stream")
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer body.Close()
		if err := readEvents(body, func(e Event) bool { return yield(e, nil) }); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			yield(Event{}, err)
		}
	}
}

func (c *Client) ask(ctx context.Context, method, path string, body []byte, v any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := c.open(ctx, method, path, body, "application/json")
	if err != nil {
		return err
	}
	defer answer.Close()
	b, err := io.ReadAll(io.LimitReader(answer, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w: %w", path, ErrUnreachable, err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decoding %s: %w", path, ErrNotABox)
	}
	return nil
}

// open returns the body of a good answer of the wanted media type.
func (c *Client) open(ctx context.Context, method, path string, body []byte, want string) (io.ReadCloser, error) {
	if len(body) == 0 {
		return c.send(ctx, method, path, "", nil, want)
	}
	return c.send(ctx, method, path, "application/json", bytes.NewReader(body), want)
}

func (c *Client) send(ctx context.Context, method, path, mediaType string, body io.Reader, want string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	if method != http.MethodGet {
		req.Header.Set("Origin", c.base) // whoever writes over TCP says that no foreign page made it
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w: %w", path, ErrUnreachable, err)
	}
	if resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") == want {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	refused := &Error{Status: resp.StatusCode}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil || json.Unmarshal(b, refused) != nil || refused.Code == "" {
		return nil, fmt.Errorf("asking for %s: %w (status %d)", path, ErrNotABox, resp.StatusCode)
	}
	return nil, refused
}

// readEvents reads server-sent events (HTML Living Standard §9.2.6) and hands them on until yield says no, which is no error.
// A line or an event beyond maxEvent ends the stream with ErrNotABox.
func readEvents(r io.Reader, yield func(Event) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	var id string
	var data []byte
	for lines.Scan() {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			id = string(value)
		case "data":
			data = append(data, value...)
		}
		if len(data) > maxEvent {
			return fmt.Errorf("reading the events: %w", ErrNotABox)
		}
		if len(lines.Bytes()) > 0 || len(data) == 0 {
			continue
		}
		e, err := UnmarshalLive(data)
		if err != nil {
			return fmt.Errorf("reading the events: %w: %w", ErrNotABox, err)
		}
		e.ID = id
		id, data = "", data[:0]
		if !yield(e) {
			return nil
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("reading the events: %w: %w", ErrNotABox, lines.Err())
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading the events: %w: %w", ErrUnreachable, err)
	}
	return fmt.Errorf("reading the events: %w: %w", ErrUnreachable, io.ErrUnexpectedEOF)
}
