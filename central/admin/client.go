package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"kazashi.example/sync/record"
)

// ErrNotRunning says that nobody listens on the socket.
var ErrNotRunning = errors.New("central is not running with this data directory; start `kazashi-central serve` first")

// timeout bounds every call; a backup of a large database is the longest.
const timeout = 10 * time.Minute

// Client is an operator at the socket.
type Client struct{ http *http.Client }

var _ Operator = (*Client)(nil)

// NewClient connects to nothing yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{&http.Client{Timeout: timeout, Transport: &http.Transport{DialContext: dial}}}
}

// Status counts.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Boxes lists every box.
func (c *Client) Boxes(ctx context.Context) (all []Box, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/boxes", nil, &all)
	return all, err
}

// NewCode makes a join code.
func (c *Client) NewCode(ctx context.Context, code Code) (n NewCode, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/codes", code, &n)
	return n, err
}

// SetState puts a box into "active", "quarantined" or "revoked".
func (c *Client) SetState(ctx context.Context, id record.BoxID, state string) error {
	return c.do(ctx, http.MethodPost, "/v1/boxes/state", Box{ID: id, State: state}, nil)
}

// Backup makes a named backup.
func (c *Client) Backup(ctx context.Context, name string) (b Backup, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/backups", Backup{Name: name}, &b)
	return b, err
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("asking central: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://central"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking central: %w", err)
	}
	resp, err := c.http.Do(req)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("asking central: %w", err)
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		var f failure
		if err := d.Decode(&f); err != nil {
			return fmt.Errorf("asking central: it answered %s", resp.Status)
		}
		return errors.New(f.Error)
	}
	if out == nil {
		return nil
	}
	if err := d.Decode(out); err != nil {
		return fmt.Errorf("reading central's answer: %w", err)
	}
	return nil
}
