// Package hands reaches from the tray to what it moves: the slot of a virtual reader and the practice JPKI, both over HTTP.
//
// A [Slot] speaks to the control socket of the virtual cards' program, a [PKI] to the practice JPKI's administration on
// loopback. Both may be used from any goroutine, keep nothing, and try nothing twice: whether a deed that failed half-way
// happened is for the ledger's reader to say.
package hands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"kazashi.example/central/lab/tray"
	"kazashi.example/reader/vcard/control"
)

// maxAnswer is the longest answer that is read, in octets.
const maxAnswer = 64 << 10

// StatusError is an answer other than 2xx.
type StatusError struct {
	Path   string
	Status int
	Body   string // at most 500 octets of what came with it
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s answered %d: %s", e.Path, e.Status, e.Body)
}

// Slot is one slot of the virtual reader. Make it with [NewSlot].
type Slot struct {
	cards *control.Client
	n     int
}

var _ tray.Slot = (*Slot)(nil)

// NewSlot takes slot n (from 0) of the program whose control socket is at path socket.
func NewSlot(socket string, n int) *Slot { return &Slot{cards: control.NewClient(socket), n: n} }

// Insert lays the card of a profile file into the slot.
func (s *Slot) Insert(ctx context.Context, profile string, faults []string) error {
	_, err := s.cards.Insert(ctx, s.n, control.InsertRequest{Profile: profile, Faults: faults})
	return err
}

// Remove takes the card out of the slot; that a torn one left by itself is no error.
func (s *Slot) Remove(ctx context.Context) error {
	_, err := s.cards.Remove(ctx, s.n)
	if e, ok := errors.AsType[*control.Error](err); ok && e.Status == http.StatusConflict {
		return nil
	}
	return err
}

// PKI is the practice JPKI's administration. Make it with [NewPKI].
type PKI struct {
	client *http.Client
	base   string
}

var _ tray.PKI = (*PKI)(nil)

// NewPKI takes the practice JPKI at a base URL such as "http://127.0.0.1:7443".
func NewPKI(base string) *PKI {
	return &PKI{&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, strings.TrimSuffix(base, "/")}
}

// Revoke has a person's authentication certificate revoked as of at.
func (p *PKI) Revoke(ctx context.Context, person, reason string, at time.Time) error {
	return p.post(ctx, "/admin/revoke", struct {
		Person string    `json:"person"`
		Reason string    `json:"reason"`
		At     time.Time `json:"at"`
	}{person, reason, at.UTC()}, nil)
}

// Renew gives a person a new certificate, on the same card or on a new one.
func (p *PKI) Renew(ctx context.Context, person string, newCard bool, at time.Time) error {
	path := "/admin/renew"
	if newCard {
		path = "/admin/reissue"
	}
	return p.post(ctx, path, struct {
		Person string    `json:"person"`
		At     time.Time `json:"at"`
	}{person, at.UTC()}, nil)
}

// Publish has new lists issued and returns the CRL number of the authentication CA's list, 0 if the answer names none.
func (p *PKI) Publish(ctx context.Context) (int64, error) {
	var answer struct {
		Number int64 `json:"number"`
	}
	err := p.post(ctx, "/admin/publish", struct{}{}, &answer)
	return answer.Number, err
}

// post sends in as JSON and reads a 2xx answer into out unless that is nil.
func (p *PKI) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	if resp.StatusCode/100 != 2 {
		return &StatusError{Path: path, Status: resp.StatusCode, Body: string(bytes.TrimSpace(answer[:min(len(answer), 500)]))}
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}
