package pcsc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ebfe/scard"

	"kazashi.example/reader/apdu"
)

// Share says who else may use a card while we do.
type Share uint8

// Shares.
const (
	// Exclusive keeps every other program away; ErrInUse if one is there already. What a box uses.
	Exclusive Share = iota
	// Shared lets others connect, and holds a transaction so that their commands wait until ours are through.
	Shared
)

// closeLimit bounds the reset that ends a connection.
const closeLimit = 2 * time.Second

// Card is a connection to the card on one reader, held by a worker process of its own. It is for one goroutine at a time, and
// must be closed.
type Card struct{ worker *worker } // nil once the connection is dead

// Connect powers the card on a reader and connects to it, by whichever of T=0 and T=1 it speaks. Errors: ErrNoService,
// ErrNoReader, ErrNoCard, ErrMute, ErrInUse, ErrWorker, or that of ctx. While another program holds a transaction the service
// makes us wait, so ctx should have a deadline; one that has none ends after a minute with ErrHung. When ctx ends first, the
// worker that waits is killed and the service releases what it held.
func Connect(ctx context.Context, reader string, share Share) (*Card, error) {
	if reader == "" || len(reader) > maxName {
		return nil, wrap(connecting, scard.ErrUnknownReader)
	}
	w, used, err := take()
	if err != nil {
		return nil, wrap(connecting, err)
	}
	body := append([]byte{byte(share)}, reader...)
	_, _, err = w.call(ctx, opConnect, body)
	if used && died(err) && errors.Is(err, ErrWorker) { // it ended while it was idle: nothing was done yet
		if w, err = start(); err == nil {
			_, _, err = w.call(ctx, opConnect, body)
		}
	}
	switch {
	case err == nil:
		return &Card{worker: w}, nil
	case died(err):
		warm()
	case w != nil:
		give(w)
	}
	return nil, wrap(connecting, err)
}

const (
	connecting = "connecting to the card"
	sending    = "sending a command to the card"
	resetting  = "resetting the card"
)

// Transmit sends one command and returns the answer with its status word. Extended lengths are passed on as they are. Errors:
// ErrCommand, ErrNoCard, ErrReset, ErrNoService, apdu.ErrNoAnswer (the card is still there), ErrDead, ErrWorker, or that of
// ctx.
//
// PC/SC cannot interrupt a command on its way. When ctx ends first, the worker is killed and the connection is dead; nothing
// of it is left in this process. The service frees the card when its driver gives up: after some 10 seconds with a CCID
// reader, and not at all with a driver that hangs, which only a restart of pcscd cures. Other readers are not concerned.
// A context without a deadline ends after a minute with ErrHung.
func (c *Card) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	switch {
	case len(command) == 0 || len(command) > apdu.MaxCommandLen:
		return nil, ErrCommand
	case c.worker == nil:
		return nil, wrap(sending, ErrDead)
	}
	answer, gone, err := c.worker.call(ctx, opTransmit, command)
	if err == nil {
		return answer, nil
	}
	if died(err) {
		c.lose()
	}
	return nil, transmitError(err, gone)
}

// lose forgets a worker that has ended.
func (c *Card) lose() {
	c.worker = nil
	warm()
}

// transmitError tells a reader that could not pass one command on from a card that is no longer there.
func transmitError(err error, gone bool) error {
	var code scard.Error
	if !errors.As(err, &code) {
		return wrap(sending, err)
	}
	if _, known := kinds[code]; known {
		return wrap(sending, err)
	}
	if gone {
		return fmt.Errorf("%s: %w: %w", sending, ErrNoCard, err)
	}
	return fmt.Errorf("%s: %w: %w", sending, apdu.ErrNoAnswer, err)
}

// Close resets the card, so that nothing stays selected or verified on it, and disconnects. It is bounded by closeLimit, after
// which the service itself is left to reset the card. A card that is gone already is no error; nor is a second Close.
func (c *Card) Close() error {
	w := c.worker
	if w == nil {
		return nil
	}
	c.worker = nil
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_, _, err := w.call(ctx, opDisconnect)
	if died(err) {
		warm()
		return wrap(resetting, err)
	}
	give(w)
	return wrap(resetting, err)
}
