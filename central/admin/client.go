package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"kazashi.example/sync/record"
)

// Errors of a Client.
var (
	// ErrNotRunning says that nobody listens on the socket.
	ErrNotRunning = errors.New("central is not running with this data directory; start `kazashi-central serve` first")
	// ErrDenied says that this user may not open the socket.
	ErrDenied = errors.New("this user may not operate central; run the command as the user that central runs as")
)

// Bounds on one call.
const (
	BackupTimeout = 10 * time.Minute // a backup of a large database takes longest; a round of erasing ends with one
	askTimeout    = 30 * time.Second
)

// Paths that are said more than once.
const (
	pathBackups = "/v1/backups"
	pathBoxes   = "/v1/boxes"
)

// Client is an operator at the socket.
type Client struct {
	http   *http.Client
	socket string
}

var _ Operator = (*Client)(nil)

// NewClient connects to nothing yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, socket: socket}
}

// Status counts.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Boxes lists every box.
func (c *Client) Boxes(ctx context.Context) (all []Box, err error) {
	err = c.do(ctx, http.MethodGet, pathBoxes, nil, &all)
	return all, err
}

// Box is one box with its gaps.
func (c *Client) Box(ctx context.Context, id record.BoxID) (b Detail, err error) {
	err = c.do(ctx, http.MethodGet, pathBoxes+"/"+id.String(), nil, &b)
	return b, err
}

// NewCode makes a join code.
func (c *Client) NewCode(ctx context.Context, code Code) (n NewCode, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/codes", code, &n)
	return n, err
}

// SetState puts a box into "active", "quarantined" or "revoked"; "settled" opens what is held of one that stays revoked.
func (c *Client) SetState(ctx context.Context, id record.BoxID, state string) error {
	return c.do(ctx, http.MethodPost, pathBoxes+"/state", change{ID: id, State: state}, nil)
}

// Backup makes a named backup.
func (c *Client) Backup(ctx context.Context, name string) (b Backup, err error) {
	err = c.do(ctx, http.MethodPost, pathBackups, named{Name: name}, &b)
	return b, err
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	timeout := askTimeout
	if path == pathBackups || path == pathErase || path == pathLinks {
		timeout = BackupTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := request(ctx, method, path, in)
	if err != nil {
		return fmt.Errorf("asking central: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		var f failure
		if err := d.Decode(&f); err != nil || f.Error == "" {
			return fmt.Errorf("asking central: it answered %s", resp.Status)
		}
		return &Refused{errors.New(f.Error)}
	}
	if out == nil {
		return nil
	}
	if err := d.Decode(out); err != nil {
		return fmt.Errorf("reading central's answer: %w", err)
	}
	return nil
}

func request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	return http.NewRequestWithContext(ctx, method, "http://central"+path, body)
}

// explain says what to do when central cannot be asked.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (%s)", ErrDenied, c.socket)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w (nobody answers at %s)", ErrNotRunning, c.socket)
	default:
		return fmt.Errorf("asking central: %w", err)
	}
}
