package server

import (
	"context"

	"kazashi.example/localapi"
)

// People is what the handler asks of the roster. Errors are those of package localapi (ErrLocked, ErrUnknown); another is a fault of the box.
type People interface {
	// WhoIs looks somebody up, and tells nothing that names them.
	WhoIs(ctx context.Context, w localapi.WhoIs) (localapi.OnRoster, error)
}

// people routes what a technician asks of the roster: over the unix socket alone.
func (h *Handler) people(p People) {
	h.own("POST /v1/roster", bodied(func(ctx context.Context, w localapi.WhoIs) (any, error) { return p.WhoIs(ctx, w) }), nil)
}
