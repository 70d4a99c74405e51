package rig

import (
	"context"
	"fmt"
	"sync"

	"kazashi.example/appliance/tap"
	"kazashi.example/central/lab/world"
	"kazashi.example/localapi"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/fault"
)

// Slot is the name of the one reader of a box.
const Slot = "Practice Reader 0"

// Hand lays virtual cards of a practice world on a box's reader. It stands where PC/SC stands; what reads the card is the
// real procedure. Its zero value is not usable; NewHand makes one. It may be used from any goroutine.
type Hand struct {
	events chan tap.Event

	mu   sync.Mutex // guards card
	card *field
}

var _ tap.Cards = (*Hand)(nil)

// NewHand makes an empty hand.
func NewHand() *Hand { return &Hand{events: make(chan tap.Event)} }

// Watch reports the reader, and then what the hand does, until ctx ends.
func (h *Hand) Watch(ctx context.Context, handle func(tap.Event)) error {
	handle(tap.Event{Kind: tap.ReaderAdded, Reader: Slot})
	for {
		select {
		case e := <-h.events:
			handle(e)
		case <-ctx.Done():
			return nil
		}
	}
}

// Open connects to whatever lies on the reader.
func (h *Hand) Open(context.Context, string) (tap.Connection, error) {
	h.mu.Lock()
	card := h.card
	h.mu.Unlock()
	if card == nil {
		return nil, &tap.ReadError{Failure: localapi.FailureTorn, Err: mynumber.ErrTorn}
	}
	return card, nil
}

// Lay puts a person's card on the reader and tells the box. Every laying begins with full counters.
func (h *Hand) Lay(ctx context.Context, p world.Person) error { return h.lay(ctx, p, -1) }

// LayTorn is Lay for a card that is torn away after so many commands.
func (h *Hand) LayTorn(ctx context.Context, p world.Person, after int) error {
	return h.lay(ctx, p, after)
}

// LayRelay lays a device that shows a victim's certificate before somebody else's genuine card.
func (h *Hand) LayRelay(ctx context.Context, victim, other world.Person) error {
	return h.lay(ctx, other, -1, fault.Fault{Kind: fault.Relay, Name: victim.Profile})
}

func (h *Hand) lay(ctx context.Context, p world.Person, after int, faults ...fault.Fault) error {
	profile, err := vcard.LoadProfile(p.Profile)
	if err != nil {
		return fmt.Errorf("laying a card: %w", err)
	}
	bare, err := vcard.New(profile, &vcard.MemoryStore{})
	if err != nil {
		return fmt.Errorf("laying a card: %w", err)
	}
	card, err := fault.Wrap(bare, faults...)
	if err != nil {
		return fmt.Errorf("laying a card: %w", err)
	}
	h.mu.Lock()
	h.card = &field{card: card, left: after}
	h.mu.Unlock()
	return h.tell(ctx, tap.CardArrived)
}

// Take takes the card away.
func (h *Hand) Take(ctx context.Context) error {
	h.mu.Lock()
	h.card = nil
	h.mu.Unlock()
	return h.tell(ctx, tap.CardRemoved)
}

func (h *Hand) tell(ctx context.Context, k tap.Kind) error {
	select {
	case h.events <- tap.Event{Kind: k, Reader: Slot}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// field is a card in the reader's field, which it may leave.
type field struct {
	card fault.Card
	left int // commands until it leaves; negative: it stays
}

// Transmit is the card's, or ErrTorn.
func (f *field) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	if f.left == 0 {
		return nil, mynumber.ErrTorn
	}
	f.left--
	return f.card.Transmit(cmd), nil
}

// Close resets the card, as the reader does at the end of a connection.
func (f *field) Close() error {
	f.card.Reset()
	return nil
}
