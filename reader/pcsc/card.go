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

// Card is a connection to the card on one reader. It is for one goroutine at a time.
type Card struct {
	service *scard.Context
	card    *scard.Card
	share   Share
	dead    bool // closed, or left to a call that did not end in time; no further call is made
}

// Connect powers the card on a reader and connects to it, by whichever of T=0 and T=1 it speaks. Errors: ErrNoService,
// ErrNoReader, ErrNoCard, ErrMute, ErrInUse, or that of ctx. While another program holds a transaction the service makes us
// wait, so ctx should have a deadline. When ctx ends first, the service's own call is left to itself and what comes of it is
// released.
func Connect(ctx context.Context, reader string, share Share) (*Card, error) {
	c := &Card{share: share}
	err := c.call(ctx, func() error { return c.open(reader) })
	if err != nil {
		return nil, wrap("connecting to the card", err)
	}
	return c, nil
}

// open runs in a goroutine of its own: nobody else touches c until it returns.
func (c *Card) open(reader string) error {
	service, err := scard.EstablishContext()
	if err != nil {
		return err //nolint:wrapcheck // Connect wraps
	}
	c.service = service
	mode := scard.ShareExclusive
	if c.share == Shared {
		mode = scard.ShareShared
	}
	if c.card, err = service.Connect(reader, mode, scard.ProtocolAny); err == nil {
		err = c.begin()
	}
	if err != nil {
		c.release()
	}
	return err
}

func (c *Card) begin() error {
	if p := c.card.ActiveProtocol(); p != scard.ProtocolT0 && p != scard.ProtocolT1 {
		return scard.ErrProtoMismatch // ebfe/scard panics when asked to transmit by any other
	}
	if c.share == Shared {
		return c.card.BeginTransaction() //nolint:wrapcheck // Connect wraps
	}
	return nil
}

// Transmit sends one command and returns the answer with its status word. Extended lengths are passed on as they are. Errors:
// ErrCommand, ErrNoCard, ErrNoService, apdu.ErrNoAnswer (the card is still there), ErrDead, or that of ctx.
//
// PC/SC cannot interrupt a command on its way. When ctx ends first Transmit returns at once and the connection is dead; the
// goroutine that waits for the reader ends, and frees it, when the reader gives up: some 10 seconds with a CCID reader, and
// not at all with a driver that hangs, which only a restart of pcscd cures.
func (c *Card) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if len(command) == 0 {
		return nil, ErrCommand // ebfe/scard takes the address of its first octet
	}
	command = append([]byte(nil), command...) // may outlive the call
	var answer []byte
	var gone bool
	err := c.call(ctx, func() (err error) {
		if answer, err = c.card.Transmit(command); err == nil && len(answer) < 2 {
			err = scard.ErrNotTransacted // some drivers call a card that was torn away a success without octets
		}
		gone = err != nil && !c.present()
		return err
	})
	switch {
	case err == nil:
		return answer, nil
	case c.dead: // the call may still run: answer and gone are not ours to read
		return nil, wrap(sending, err)
	}
	return nil, transmitError(err, gone)
}

const sending = "sending a command to the card"

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

// present asks the service whether the card is still there.
func (c *Card) present() bool {
	s, err := c.card.Status()
	return err == nil && s.State&scard.Present != 0
}

// Close resets the card, so that nothing stays selected or verified on it, and disconnects. It is bounded by closeLimit. A
// card that is gone already is no error; nor is a second Close.
func (c *Card) Close() error {
	if c.dead {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	err := c.call(ctx, func() error {
		c.release()
		return nil
	})
	c.dead = true
	return err
}

// release gives back whatever open got hold of; errors are those of a card or service that is gone, with nothing to give.
func (c *Card) release() {
	if c.card != nil {
		if c.share == Shared {
			_ = c.card.EndTransaction(scard.LeaveCard)
		}
		_ = c.card.Disconnect(scard.ResetCard)
	}
	if c.service != nil {
		_ = c.service.Release()
	}
	c.card, c.service = nil, nil
}

// call runs f beside the caller, so that ctx can end the waiting though not f. If it does, the connection is dead and is
// released when f returns; until then nobody but f touches it.
func (c *Card) call(ctx context.Context, f func() error) error {
	if c.dead {
		return ErrDead
	}
	if err := ctx.Err(); err != nil {
		return err //nolint:wrapcheck // the callers wrap
	}
	type outcome struct{ err error }
	done := make(chan outcome, 1)
	go func() { done <- outcome{f()} }()
	select {
	case o := <-done:
		return o.err
	case <-ctx.Done():
		c.dead = true
		go func() {
			<-done
			c.release()
		}()
		return ctx.Err() //nolint:wrapcheck // the callers wrap
	}
}
