package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kazashi.example/reader/apdu"
)

// Pace makes exchanges last. What a timer came too late by is taken off the next wait, so that a whole procedure takes the sum of its
// models' times. The zero value is ready.
type Pace struct{ late time.Duration }

// Until waits until d has passed since begun, or ctx ends; then its error.
func (p *Pace) Until(ctx context.Context, begun time.Time, d time.Duration) error {
	if d <= 0 {
		return ctx.Err() //nolint:wrapcheck // the callers wrap
	}
	madeUp := min(p.late, d)
	p.late -= madeUp
	due := begun.Add(d - madeUp)
	left := time.Until(due)
	if left <= 0 { // the card itself took longer, which is not the timer's fault
		return ctx.Err() //nolint:wrapcheck // the callers wrap
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the callers wrap
	case <-t.C:
		p.late += time.Since(due)
		return nil
	}
}

// Card is one that can be joined: vcard.Card, or one with faults. An answer of nil says that it was torn away, one of no octets that the
// reader brought none though the card is there.
type Card interface {
	Reset()
	Transmit(command []byte) []byte
}

// ErrTorn says that the card is gone.
var ErrTorn = errors.New("card was torn away")

// Traffic counts what went over a line.
type Traffic struct {
	// APDUs counts commands that were answered or torn, BytesUp and BytesDown their octets to and from the card.
	APDUs, BytesUp, BytesDown int
	// Time is the sum of Model.Time over them.
	Time time.Duration
}

// Line is the way to a card in this process, without PC/SC. Make one with [Join].
type Line struct {
	model Model

	mu      sync.Mutex // guards everything below; one command at a time
	card    Card
	pace    Pace
	torn    bool
	traffic Traffic
}

// Join resets a card and lays a line to it.
func Join(card Card, m Model) *Line {
	card.Reset()
	return &Line{card: card, model: m}
}

// Transmit carries one command to the card and returns its answer when the model's time has passed. Errors: ErrTorn, now and ever after;
// apdu.ErrNoAnswer, with the card still there; or that of ctx, where the card may have done what it was told.
func (l *Line) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sending a command to the card: %w", err)
	}
	if l.torn {
		return nil, ErrTorn
	}
	begun := time.Now()
	answer := l.card.Transmit(command)
	l.torn = answer == nil
	spent := l.model.Time(command, answer)
	l.traffic.APDUs++
	l.traffic.BytesUp += len(command)
	l.traffic.BytesDown += len(answer)
	l.traffic.Time += spent
	if err := l.pace.Until(ctx, begun, spent); err != nil {
		return nil, fmt.Errorf("waiting for the card: %w", err)
	}
	switch {
	case l.torn:
		return nil, ErrTorn
	case len(answer) == 0:
		return nil, apdu.ErrNoAnswer
	}
	return answer, nil
}

// Traffic returns the counts so far.
func (l *Line) Traffic() Traffic {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.traffic
}
