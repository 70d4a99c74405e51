// Package server serves the local API of a box over HTTP: status, taps, the live event stream, metrics and the counter page, on
// loopback TCP and on a unix socket.
//
// A Handler may serve any number of requests at once; the number of live streams and the time and memory that each client can
// take are bounded, so that no client can hold up a tap. Nothing here is durable. It knows nothing of cards: all that it says
// comes from a Box, and every request is refused that does not come from the box itself or a configured name.
package server

import (
	"context"

	"kazashi.example/localapi"
)

// Box is what the handler asks of the appliance.
type Box interface {
	// Status returns the state now, without waiting for a network.
	Status(ctx context.Context) (localapi.Status, error)
	// Taps returns at most limit taps from the durable store, newest first. limit is 1 to localapi.MaxTaps.
	Taps(ctx context.Context, limit int) ([]localapi.Tap, error)
	// Subscribe returns the events from now on, until ctx ends or the subscriber is too slow; then the channel is closed.
	// feed.Feed has it ready-made.
	Subscribe(ctx context.Context) (<-chan localapi.Event, error)
}
