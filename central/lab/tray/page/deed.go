package page

import (
	"context"
	"errors"
	"net/http"

	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/tray/ledger"
)

// request is the body of every deed; each uses its own fields.
type request struct {
	Person string `json:"person,omitempty"`
	Reason string `json:"reason,omitempty"`
	Up     *bool  `json:"up,omitempty"`
	Card   string `json:"card,omitempty"` // same or new
}

// Words of request.Card.
const (
	sameCard = "same"
	newCard  = "new"
)

// errRequest says that a field is missing, or one stands there that the deed does not have.
var errRequest = errors.New("the request lacks a field of this deed or has one too many")

// deeds by their name in the URL. Each is given exactly the fields that it has.
var deeds = map[string]struct {
	fits func(request) bool
	do   func(context.Context, Tray, request) (ledger.Entry, error)
}{
	"lay": {
		func(r request) bool { return r.Person != "" && r == request{Person: r.Person} },
		func(ctx context.Context, t Tray, r request) (ledger.Entry, error) { return t.Lay(ctx, r.Person) },
	},
	"take": {
		func(r request) bool { return r == request{} },
		func(ctx context.Context, t Tray, _ request) (ledger.Entry, error) { return t.Take(ctx) },
	},
	"line": {
		func(r request) bool { return r.Up != nil && r == request{Up: r.Up} },
		func(_ context.Context, t Tray, r request) (ledger.Entry, error) { return t.SetLine(*r.Up) },
	},
	"revoke": {
		func(r request) bool { return r.Person != "" && r == request{Person: r.Person, Reason: r.Reason} },
		func(ctx context.Context, t Tray, r request) (ledger.Entry, error) {
			return t.Revoke(ctx, r.Person, r.Reason)
		},
	},
	"renew": {
		func(r request) bool {
			return r.Person != "" && (r.Card == sameCard || r.Card == newCard) && r == request{Person: r.Person, Card: r.Card}
		},
		func(ctx context.Context, t Tray, r request) (ledger.Entry, error) {
			return t.Renew(ctx, r.Person, r.Card == newCard)
		},
	},
	"publish": {
		func(r request) bool { return r == request{} },
		func(ctx context.Context, t Tray, _ request) (ledger.Entry, error) { return t.Publish(ctx) },
	},
}

// errDeed says that the URL names no deed.
var errDeed = errors.New("no such deed: lay, take, line, revoke, renew or publish")

// perform does the deed of a URL. A caller that goes away does not interrupt it half-way.
func (h *Handler) perform(r *http.Request, req request) (ledger.Entry, error) {
	d, ok := deeds[r.PathValue("deed")]
	switch {
	case !ok:
		return ledger.Entry{}, errDeed
	case !d.fits(req):
		return ledger.Entry{}, errRequest
	}
	return d.do(context.WithoutCancel(r.Context()), h.tray, req)
}

// fault is an error as it leaves the server.
type fault struct {
	status int
	code   string
}

var faults = []struct {
	err error
	fault
}{
	{errDeed, fault{http.StatusNotFound, "deed"}},
	{errRequest, fault{http.StatusBadRequest, "request"}},
	{tray.ErrReason, fault{http.StatusBadRequest, "reason"}},
	{tray.ErrUnknownPerson, fault{http.StatusNotFound, "person"}},
	{tray.ErrNoCard, fault{http.StatusConflict, "no_card"}},
	{tray.ErrLineAlready, fault{http.StatusConflict, "line"}},
	{tray.ErrAlreadyRevoked, fault{http.StatusConflict, "revoked"}},
	{tray.ErrNotRevocable, fault{http.StatusConflict, "not_revocable"}},
	{tray.ErrNotRenewable, fault{http.StatusConflict, "not_renewable"}},
}

// faultOf sorts an error; what is none of the caller's doing is the rig's.
func faultOf(err error) fault {
	for _, f := range faults {
		if errors.Is(err, f.err) {
			return f.fault
		}
	}
	return fault{http.StatusBadGateway, "rig"}
}
