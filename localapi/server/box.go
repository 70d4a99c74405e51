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
	// NextCard waits from now on, for localapi.NextLasts at most, for a card to do with it what is asked, and returns without
	// waiting for it. The request is in the right form; what was typed belongs to the box from then on, which wipes it once a
	// card came, after CancelNextCard or when the time is over; after an error it is the caller's, who wipes it. The first card
	// that comes ends the waiting, whatever becomes of it: its EventVerdict or EventReadFailed goes out before the EventStatus
	// without Next. A card that lies there already
	// is none. Errors: localapi.ErrNextBusy, ErrNextReader, ErrNextUnready, ErrNextNotServed, ErrNextForm; another is a fault of the box.
	NextCard(ctx context.Context, r localapi.NextCardRequest) (localapi.NextCard, error)
	// CancelNextCard makes the next card an ordinary tap and wipes what was typed. No error if it is one already; a card that is
	// being read for it is read to its end.
	CancelNextCard(ctx context.Context) error
}
