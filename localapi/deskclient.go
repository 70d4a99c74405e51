package localapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"kazashi.example/sync/record"
)

// Staff lists who may sign in at this site. Errors: ErrLocked, otherwise as Status.
func (c *Client) Staff(ctx context.Context) ([]Staff, error) {
	var l StaffList
	err := c.ask(ctx, http.MethodGet, "/v1/staff", nil, &l)
	return l.Staff, err
}

// SetStaff adds somebody, or replaces name and code of who is there. The code stays the caller's to wipe. Errors: ErrDeskForm before
// anything is sent; ErrTaken, ErrLocked, otherwise as Status.
func (c *Client) SetStaff(ctx context.Context, s NewStaff) error {
	if err := s.Check(); err != nil {
		return err
	}
	return c.put(ctx, "/v1/staff", map[string]string{"id": s.ID, "name": s.Name, "code": s.Code.Reveal()}, &struct{}{})
}

// RemoveStaff lets somebody sign in no more. Errors: ErrUnknown, ErrLocked, otherwise as Status.
func (c *Client) RemoveStaff(ctx context.Context, id string) error {
	return c.ask(ctx, http.MethodDelete, "/v1/staff/"+url.PathEscape(id), nil, &struct{}{})
}

// Desk says who is signed in; nil if nobody. Errors: as Status.
func (c *Client) Desk(ctx context.Context) (*Staff, error) {
	var d Desk
	err := c.ask(ctx, http.MethodGet, "/v1/desk", nil, &d)
	return d.Staff, err
}

// SignIn signs somebody in at this desk, and out whoever was. Errors: ErrDeskForm before anything is sent; ErrCode, ErrWait (Error.Wait
// says for how long), ErrLocked, otherwise as Status.
func (c *Client) SignIn(ctx context.Context, code Secret) (Staff, error) {
	if err := (SignIn{code}).Check(); err != nil {
		return Staff{}, err
	}
	var d Desk
	if err := c.put(ctx, "/v1/desk", map[string]string{"code": code.Reveal()}, &d); err != nil {
		return Staff{}, err
	}
	if d.Staff == nil {
		return Staff{}, fmt.Errorf("decoding /v1/desk: %w", ErrNotABox)
	}
	return *d.Staff, nil
}

// SignOut ends the sign-in. Errors: as Status.
func (c *Client) SignOut(ctx context.Context) error {
	return c.ask(ctx, http.MethodDelete, "/v1/desk", nil, new(Desk))
}

// Present lists who is here. Errors: ErrLocked, otherwise as Status.
func (c *Client) Present(ctx context.Context) ([]Presence, error) {
	var l PresenceList
	err := c.ask(ctx, http.MethodGet, "/v1/present", nil, &l)
	return l.Present, err
}

// Leave notes that the person of a tap has left. Errors: ErrUnknown, ErrLocked, otherwise as Status.
func (c *Client) Leave(ctx context.Context, tap record.TapID) error {
	return c.ask(ctx, http.MethodDelete, "/v1/present/"+tap.String(), nil, &struct{}{})
}

// Work lists corrected verdicts; those that somebody has looked at only if all is set. Errors: ErrLocked, otherwise as Status.
func (c *Client) Work(ctx context.Context, all bool) ([]WorkItem, error) {
	path := "/v1/corrections"
	if all {
		path += "?all=1"
	}
	var l WorkList
	err := c.ask(ctx, http.MethodGet, path, nil, &l)
	return l.Work, err
}

// Tick notes that whoever is signed in has looked at a correction. Errors: ErrNobody, ErrUnknown, ErrLocked, otherwise as Status.
func (c *Client) Tick(ctx context.Context, tap record.TapID) error {
	return c.ask(ctx, http.MethodPut, "/v1/corrections/"+tap.String(), nil, &struct{}{})
}

// Unlink takes a number back in the name of whoever is signed in. Errors: ErrDeskForm before anything is sent; ErrNobody, ErrUnknown,
// ErrLocked, otherwise as Status.
func (c *Client) Unlink(ctx context.Context, u Unlink) error {
	if err := u.Check(); err != nil {
		return err
	}
	b, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("encoding a number: %w", err)
	}
	return c.ask(ctx, http.MethodDelete, "/v1/links", b, &struct{}{})
}

// Import hands in a file of links, which is taken whole or not at all; the report says what is wrong with it. Only over the unix socket.
// Errors: ErrLocked, otherwise as Status.
func (c *Client) Import(ctx context.Context, file io.Reader, how Import) (r ImportReport, err error) {
	if how.Encoding == "" {
		how.Encoding = EncodingUTF8
	}
	query := url.Values{"service": {string(how.Service)}, "encoding": {string(how.Encoding)}}
	if how.DryRun {
		query.Set("dry_run", "1")
	}
	answer, err := c.send(ctx, http.MethodPost, "/v1/links?"+query.Encode(), "text/csv", file, "application/json")
	if err != nil {
		return r, err
	}
	defer answer.Close()
	if err := json.NewDecoder(io.LimitReader(answer, maxAnswer)).Decode(&r); err != nil {
		return r, fmt.Errorf("decoding /v1/links: %w", ErrNotABox)
	}
	return r, nil
}

// put sends a body of strings, which may hold a secret, and wipes it.
func (c *Client) put(ctx context.Context, path string, body map[string]string, v any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding a request: %w", err)
	}
	defer clear(b)
	return c.ask(ctx, http.MethodPut, path, b, v)
}
