package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// Client steers one process. Make it with [NewClient]; every call dials anew, so a restarted process is found again.
type Client struct{ http *http.Client }

const requestTimeout = 10 * time.Second

// NewClient names the socket; it does not dial.
func NewClient(socket string) *Client {
	t := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	return &Client{http: &http.Client{Transport: t, Timeout: requestTimeout}}
}

// Slots lists every slot.
func (c *Client) Slots(ctx context.Context) ([]Slot, error) {
	var all []Slot
	err := c.do(ctx, http.MethodGet, "/v1/slots", nil, &all)
	return all, err
}

// Slot returns one slot; *Error with status 404 if there is no such slot.
func (c *Client) Slot(ctx context.Context, n int) (Slot, error) {
	all, err := c.Slots(ctx)
	if err != nil {
		return Slot{}, err
	}
	if n < 0 || n >= len(all) {
		return Slot{}, refuse(statusNoSlot, "no slot %d: there are %d, from 0", n, len(all))
	}
	return all[n], nil
}

// Insert lays a card on slot n and returns before pcscd has noticed. A relative profile path is the client's. *Error: 404 no such
// slot, 400 a fault or the link is not understood, 409 the slot or the card is in use, 422 the profile is not usable.
func (c *Client) Insert(ctx context.Context, n int, req InsertRequest) (Slot, error) {
	req, err := req.absolute()
	if err != nil {
		return Slot{}, err
	}
	return c.act(ctx, n, "insert", req)
}

// Renew puts the certificates of another profile on the card in slot n, see vcard.Card.Renew; its state then lies beside that profile.
// A relative path is the client's. The card answers as after a reset, which a PC/SC client that holds it does not notice. *Error: 409 no card,
// 422 the profile is not usable or not the same card.
func (c *Client) Renew(ctx context.Context, n int, profile string) (Slot, error) {
	abs, err := filepath.Abs(profile)
	if err != nil {
		return Slot{}, fmt.Errorf("resolving profile path: %w", err)
	}
	return c.act(ctx, n, "renew", RenewRequest{Profile: abs})
}

// Tries returns the tries left of the card in slot n, named as by vcard.Card.Tries; *Error with status 409 if there is none.
func (c *Client) Tries(ctx context.Context, n int) (map[string]uint8, error) {
	var tries map[string]uint8
	err := c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/slots/%d/tries", n), nil, &tries)
	return tries, err
}

// Remove takes the card away; *Error with status 409 if there is none.
func (c *Client) Remove(ctx context.Context, n int) (Slot, error) {
	return c.act(ctx, n, "remove", nil)
}

// ResetCounts gives the card in slot n all its PIN tries; *Error with status 409 if there is none.
func (c *Client) ResetCounts(ctx context.Context, n int) (Slot, error) {
	return c.act(ctx, n, "reset-counts", nil)
}

// Ready waits until the socket is served or ctx ends.
func (c *Client) Ready(ctx context.Context) error {
	return poll(ctx, func() error {
		_, err := c.Slots(ctx)
		return err
	})
}

// Connected waits until pcscd has spoken to the card in slot n, about half a second after its insertion, or ctx ends.
func (c *Client) Connected(ctx context.Context, n int) error {
	return poll(ctx, func() error {
		s, err := c.Slot(ctx, n)
		if err == nil && !s.Connected {
			err = errNotConnected
		}
		return err
	})
}

var errNotConnected = errors.New("pcscd has not spoken to the card")

// poll tries until it succeeds or ctx ends.
func poll(ctx context.Context, try func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the virtual cards: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

func (c *Client) act(ctx context.Context, n int, what string, body any) (Slot, error) {
	var s Slot
	err := c.do(ctx, http.MethodPost, fmt.Sprintf("/v1/slots/%d/%s", n, what), body, &s)
	return s, err
}

func (c *Client) do(ctx context.Context, method, path string, body, out any) error {
	var r io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding request: %w", err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://vcard"+path, r)
	if err != nil {
		return fmt.Errorf("making request: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking the virtual cards: %w", err)
	}
	defer res.Body.Close()
	return decode(res, out)
}

const maxAnswer = 1 << 20

func decode(res *http.Response, out any) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		var r refusal
		if json.Unmarshal(b, &r) != nil || r.Error == "" {
			r.Error = http.StatusText(res.StatusCode)
		}
		return &Error{Status: res.StatusCode, Message: r.Error}
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("decoding answer: %w", err)
	}
	return nil
}
