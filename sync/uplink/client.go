package uplink

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Deadlines. A black-holed line answers nothing at all, so every wait has an end.
const (
	dialTimeout    = 10 * time.Second
	requestTimeout = 10 * time.Second // beside the wait that a poll asks for
	idleTimeout    = 90 * time.Second
)

// Paths of the methods.
const (
	pathHello = "/uplink/v1/hello"
	pathJoin  = "/uplink/v1/join"
	pathPush  = "/uplink/v1/push"
	pathPoll  = "/uplink/v1/poll"
)

// Refusal is central's answer that it will not; its code is one of package wire.
type Refusal struct {
	Code    string
	Message string
	After   time.Duration // how long central asks to wait before the next try, in whole seconds; 0 if it does not say
}

func (r *Refusal) Error() string { return fmt.Sprintf("central refused (%s): %s", r.Code, r.Message) }

// Config says how to reach central.
type Config struct {
	Address string                  // host:port
	Device  crypto.Signer           // D
	Central func() []sign.PublicKey // keys by which central is recognised now; asked on every connection
	Proxy   *url.URL                // HTTP CONNECT proxy, nil for none
}

// Client speaks to central.
type Client struct {
	http *http.Client
	base string
	blob chan struct{} // holds one while a blob is read
}

// NewClient opens nothing yet.
func NewClient(c Config) (*Client, error) {
	return newClient(c, func(k sign.PublicKey) error {
		for _, known := range c.Central() {
			if known.Equal(k) {
				return nil
			}
		}
		return ErrIntercepted
	})
}

func newClient(c Config, check func(sign.PublicKey) error) (*Client, error) {
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return nil, fmt.Errorf("reading central's address: %w", err)
	}
	conf, err := clientConfig(c.Device, check)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	t := &http.Transport{
		TLSClientConfig:     conf,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     idleTimeout,
		MaxConnsPerHost:     4,
	}
	if c.Proxy != nil {
		t.Proxy = http.ProxyURL(c.Proxy)
	}
	return &Client{http: &http.Client{Transport: t}, base: "https://" + c.Address, blob: make(chan struct{}, 1)}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Push sends headers and envelopes. Everything not in Pushed.Refused is durable at central when it returns nil.
func (c *Client) Push(ctx context.Context, p wire.Push) (wire.Pushed, error) {
	var out wire.Pushed
	err := c.call(ctx, pathPush, p, &out, requestTimeout, wire.MaxPush)
	return out, err
}

// Poll asks for what the box lacks, waiting at central for up to p.Wait seconds.
func (c *Client) Poll(ctx context.Context, p wire.Poll) (wire.Polled, error) {
	var out wire.Polled
	err := c.call(ctx, pathPoll, p, &out, requestTimeout+time.Duration(p.Wait)*time.Second, wire.MaxPolled)
	return out, err
}

// Join proves the code to central and checks central's proof. It also returns the key by which central was recognised. The
// answer's trust bundle is not opened here.
func Join(ctx context.Context, conf Config, code wire.JoinCode, req wire.JoinRequest) (wire.JoinAnswer, sign.PublicKey, error) {
	var seen atomic.Pointer[sign.PublicKey] // a connection may still be dialled when a call has ended
	c, err := newClient(conf, func(k sign.PublicKey) error {
		if !seen.CompareAndSwap(nil, &k) && !seen.Load().Equal(k) {
			return ErrIntercepted
		}
		return nil
	})
	if err != nil {
		return wire.JoinAnswer{}, sign.PublicKey{}, err
	}
	defer c.Close()
	// The proof covers the server's key, so the key is learnt first, by a request that says nothing.
	if err := c.call(ctx, pathHello, struct{}{}, nil, requestTimeout, wire.MaxJoin); err != nil {
		return wire.JoinAnswer{}, sign.PublicKey{}, err
	}
	server := *seen.Load()
	req.Server = sha256.Sum256(server.DER())
	if req, err = req.Prove(code); err != nil {
		return wire.JoinAnswer{}, server, err
	}
	var a wire.JoinAnswer
	if err := c.call(ctx, pathJoin, req, &a, requestTimeout, wire.MaxPolled); err != nil {
		return wire.JoinAnswer{}, server, err
	}
	return a, server, a.Verify(code, req)
}

func (c *Client) call(ctx context.Context, path string, in, out any, timeout time.Duration, limit int64) error {
	body, err := canon.Encode(in)
	if err != nil {
		return err
	}
	ctx, life, cancel := watched(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, life.moving(bytes.NewReader(body), timeout))
	if err != nil {
		return fmt.Errorf("asking central: %w", err)
	}
	req.ContentLength = int64(len(body))
	req.Header.Set("Content-Type", mediaType)
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking central: %w", because(ctx, err))
	}
	defer resp.Body.Close() // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	b, err := io.ReadAll(io.LimitReader(life.moving(resp.Body, stallTimeout), limit+1))
	if err != nil {
		return fmt.Errorf("reading central's answer: %w", because(ctx, err))
	}
	if out == nil {
		return nil
	}
	if err := canon.Decode(b, out, int(limit)); err != nil {
		return fmt.Errorf("reading central's answer: %w", err)
	}
	return nil
}

func refusal(resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxErrorBody+1))
	if err != nil {
		return fmt.Errorf("reading central's answer: %w", err)
	}
	var f wire.Failure
	if err := canon.Decode(b, &f, wire.MaxErrorBody); err != nil {
		return fmt.Errorf("reading central's answer with status %d: %w", resp.StatusCode, err)
	}
	return &Refusal{Code: f.Code, Message: f.Message, After: retryAfter(resp)}
}

// maxAfter bounds what central can make a box wait.
const maxAfter = time.Hour

// retryAfter reads delay-seconds of Retry-After (RFC 9110 §10.2.3); 0 for anything else.
func retryAfter(resp *http.Response) time.Duration {
	n, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxAfter) //nolint:gosec // at most 65535
}
