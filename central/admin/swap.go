package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"kazashi.example/central/loss"
	"kazashi.example/sync/record"
)

// Paths of swaps and losses. They are on the socket alone.
const (
	pathSwaps  = "/v1/boxes/swap"
	pathLosses = "/v1/boxes/lost"
)

// Swap asks for a code with which a box takes the place of another.
type Swap struct {
	Box   record.BoxID `json:"box"`             // whose place is taken
	Name  string       `json:"name,omitempty"`  // of the new one; empty: the old one's
	Hours int          `json:"hours,omitempty"` // how long it can be used; 0: a day
}

// Lose asks what the loss of a box means, or takes it out of service.
type Lose struct {
	Box   record.BoxID `json:"box"`
	Since time.Time    `json:"since,omitzero"` // of the taps whose people are listed; zero: all
	Do    bool         `json:"do,omitempty"`   // take it out of service; otherwise nothing changes
}

// Lost is what the loss of a box means. It prints as REDACTED: it names people to their services.
type Lost struct {
	Facts  loss.Facts       `json:"facts"`
	People []loss.Concerned `json:"people"`
	Known  bool             `json:"known,omitempty"` // it was known to be lost before
}

// Format prints REDACTED for every verb.
func (Lost) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// Replacer is an operator whose boxes die and are lost.
type Replacer interface {
	// Swap makes a join code; the box that uses it takes the place of another, which is replaced from then on.
	Swap(ctx context.Context, q Swap) (NewCode, error)
	// Lost says what the loss of a box means; asked to, it takes the box out of service first, durably.
	Lost(ctx context.Context, q Lose) (Lost, error)
}

func replacing(mux *http.ServeMux, o Replacer, log *slog.Logger) {
	mux.Handle("POST "+pathSwaps, call(log, o.Swap))
	mux.Handle("POST "+pathLosses, call(log, o.Lost))
}

// Swap makes a join code.
func (c *Client) Swap(ctx context.Context, q Swap) (n NewCode, err error) {
	err = c.do(ctx, http.MethodPost, pathSwaps, q, &n)
	return n, err
}

// Lost says what the loss of a box means.
func (c *Client) Lost(ctx context.Context, q Lose) (l Lost, err error) {
	err = c.do(ctx, http.MethodPost, pathLosses, q, &l)
	return l, err
}
