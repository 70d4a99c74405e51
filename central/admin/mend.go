package admin

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"kazashi.example/sync/record"
)

// Paths of what an operator sees of people, and does to them. They are on the socket alone.
const (
	pathConflicts = "/v1/conflicts"
	pathActs      = "/v1/acts"
	pathMerge     = "/v1/persons/merge"
	pathWithdraw  = "/v1/renewals/withdraw"
)

// Conflict says that certificates which renewals join lead to two persons, or that one number was linked to two, by the numbers of the persons.
type Conflict struct {
	Kind     string            `json:"kind"` // "two": met before the renewal was known; "birth": birth dates differ; "number": one number
	Verifier record.VerifierID `json:"verifier"`
	Person   int64             `json:"person"` // met with the older certificate, or linked first
	Other    int64             `json:"other"`
	At       time.Time         `json:"at"`
}

// Act is what an operator did to people or renewals. It names nobody.
type Act struct {
	What   string    `json:"what"`
	Detail string    `json:"detail"`
	At     time.Time `json:"at"`
}

// Merge asks to make one person of two.
type Merge struct {
	Person int64 `json:"person"`
	Other  int64 `json:"other"`
	Keep   int64 `json:"keep,omitempty"` // whose pseudonyms go on where both have one; 0: the older stays, and that is refused
}

// Pair names a renewal by the serial numbers of its certificates, in hexadecimal. It travels over the socket and is kept nowhere.
type Pair struct {
	Old string `json:"old"`
	New string `json:"new"`
}

// Mended is what a step changed.
type Mended struct {
	Kept         int64 `json:"kept,omitempty"` // person who stays
	Gone         int64 `json:"gone,omitempty"`
	Moved        int   `json:"moved"`        // pseudonyms that go on with the person who stays
	Ended        int   `json:"ended"`        // pseudonyms that nobody gets any more
	Certificates int   `json:"certificates"` // that lead to nobody since
	Enrolments   int   `json:"enrolments"`   // that are not current any more
}

// Mender is an operator who puts right who is who.
type Mender interface {
	// Conflicts lists those that nobody settled, oldest first.
	Conflicts(ctx context.Context) ([]Conflict, error)
	// Acts lists what was done, newest first.
	Acts(ctx context.Context) ([]Act, error)
	// Merge makes one person of two; durable with its report.
	Merge(ctx context.Context, q Merge) (Mended, error)
	// Withdraw takes a renewal back for good; durable with its report.
	Withdraw(ctx context.Context, q Pair) (Mended, error)
}

func mending(mux *http.ServeMux, o Mender, log *slog.Logger) {
	mux.Handle("GET "+pathConflicts, ask(log, o.Conflicts))
	mux.Handle("GET "+pathActs, ask(log, o.Acts))
	mux.Handle("POST "+pathMerge, call(log, o.Merge))
	mux.Handle("POST "+pathWithdraw, call(log, o.Withdraw))
}

// Conflicts lists those that nobody settled.
func (c *Client) Conflicts(ctx context.Context) (all []Conflict, err error) {
	err = c.do(ctx, http.MethodGet, pathConflicts, nil, &all)
	return all, err
}

// Acts lists what was done.
func (c *Client) Acts(ctx context.Context) (all []Act, err error) {
	err = c.do(ctx, http.MethodGet, pathActs, nil, &all)
	return all, err
}

// Merge makes one person of two.
func (c *Client) Merge(ctx context.Context, q Merge) (m Mended, err error) {
	err = c.do(ctx, http.MethodPost, pathMerge, q, &m)
	return m, err
}

// Withdraw takes a renewal back.
func (c *Client) Withdraw(ctx context.Context, q Pair) (m Mended, err error) {
	err = c.do(ctx, http.MethodPost, pathWithdraw, q, &m)
	return m, err
}
