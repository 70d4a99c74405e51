package localapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"kazashi.example/sync/record"
)

// WhoIs asks the roster about somebody: by a service's own user number, or by the code that was spoken of the tap at which they enrolled
// here. Either Tap or both others.
type WhoIs struct {
	Service record.ServiceID `json:"service,omitempty"`
	Number  string           `json:"number,omitempty"`
	Tap     string           `json:"tap,omitempty"`
}

// Check returns ErrDeskForm unless one thing is asked.
func (w WhoIs) Check() error {
	switch {
	case w.Tap != "" && w.Service == "" && w.Number == "":
		return nil
	case w.Tap == "" && record.CheckName(w.Service) == nil:
		if _, err := CanonNumber(w.Number); err == nil {
			return nil
		}
	}
	return ErrDeskForm
}

// OnRoster is what a technician is told of somebody on the roster: nothing that names them. Found is false for nobody.
type OnRoster struct {
	Found    bool              `json:"found"`
	Verifier record.VerifierID `json:"verifier,omitempty"`
	Enrolled record.TapID      `json:"enrolled,omitzero"`
	Renewed  bool              `json:"renewed"`           // the certificate was renewed since
	PINDay   string            `json:"pin_day,omitempty"` // of the latest use with a verified PIN: 2026-11-22
	Services []ServiceOnRoster `json:"services,omitempty"`
}

// ServiceOnRoster is which of its own names a service has for the person.
type ServiceOnRoster struct {
	ID        record.ServiceID `json:"id"`
	Pseudonym bool             `json:"pseudonym"`
	Number    bool             `json:"number"`
}

// WhoIs asks the roster, over the unix socket alone. Errors: ErrDeskForm before anything is sent; ErrLocked, ErrUnknown where no tap of
// this box has the spoken code, otherwise as Status.
func (c *Client) WhoIs(ctx context.Context, w WhoIs) (e OnRoster, err error) {
	if err := w.Check(); err != nil {
		return e, err
	}
	b, err := json.Marshal(w)
	if err != nil {
		return e, fmt.Errorf("encoding a question: %w", err)
	}
	err = c.ask(ctx, http.MethodPost, "/v1/roster", b, &e)
	return e, err
}
