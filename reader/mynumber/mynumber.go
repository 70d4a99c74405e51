// Package mynumber is the procedures that Kazashi runs on a My Number Card, over anything that can pass a command to a card.
//
// Below every procedure sits the guard: each command is parsed again just before it leaves. One that is not on the allow-list
// ([Permissions]) ends with ErrForbidden and never reaches the card; the list cannot name the Individual Number or anything that it can be
// computed from (promise P4). A value is verified only just after the card said how many tries are left, only while more are left than
// are kept for the holder, and never twice if the card took it for wrong, as far as the [Memory] knows the card (promise P5).
//
// Every procedure sends the fewest commands that its evidence needs, and only what was not read or selected on the connection before.
// Where extended lengths are refused it goes on with short ones, and the [Memory] knows it for the next card on that reader.
//
// A [Card] belongs to one connection and to one goroutine at a time; a [Memory] is shared by all of a process. Nothing is kept on disk and
// nothing is logged; what is read or verified prints as REDACTED, and octets that were a secret are overwritten after use. The package does
// not look for cards or connect to them (package pcsc does), knows no ATR, and does not judge certificates (package jpki does).
package mynumber

import (
	"context"
	"errors"
	"fmt"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/cvc"
)

// Transmitter passes one command APDU to a card and returns its answer with the status word. It returns an error when no
// answer came; an error that wraps apdu.ErrNoAnswer says that the card is still there and other commands may get one. It
// keeps neither slice, because both are overwritten after use, and it ends when ctx does.
type Transmitter interface {
	Transmit(ctx context.Context, command []byte) ([]byte, error)
}

// Options say how cards are dealt with. The zero value reads certificates.
type Options struct {
	// Reader is the reader's name: what is learnt about lengths is remembered for it. Empty: not remembered.
	Reader string
	// Memory is what the process remembers; nil: a fresh one, for this Card only.
	Memory *Memory
	// Authorities are the card authorities; nil: ReadAttributes, ProveFace and Enrol end with ErrNotGenuine.
	Authorities *cvc.Authorities
	// Keep is how many tries are never spent; zero: the defaults.
	Keep Keep
	// Next says that the practice form of the next card is looked for where the national application is not found.
	Next bool
}

// Card runs procedures on one connected card. From one procedure to the next it remembers what kind of card it is, what is selected, the
// authentication certificate, and whether extended lengths work. It prints as REDACTED.
type Card struct {
	redaction
	guard   *guard
	options Options
	memory  *Memory
	layout  *layout     // nil until the card has said what it is
	cert    Certificate // nothing until it was read
	behind  bool        // the certificate is behind the PIN, as on a phone
	asked   bool        // the memory was asked about short lengths
	short   bool        // extended lengths are refused on this connection

	split func([]byte) (apdu.Response, error) // apdu.ParseResponse; tests keep what it gave, to see what becomes of it
}

// New makes a Card of a connection. Nothing is sent yet.
func New(t Transmitter, o Options) *Card {
	if o.Memory == nil {
		o.Memory = NewMemory()
	}
	return &Card{guard: newGuard(t, o.Keep, o.Memory), options: o, memory: o.Memory, split: apdu.ParseResponse}
}

// identify selects the application for authentication, and so finds out what kind of card it is.
func (c *Card) identify(ctx context.Context) error {
	err := c.selectApplication(ctx, JPKI)
	if err == nil {
		c.layout = national
		return nil
	}
	if !c.options.Next || !notFound(err) {
		return err
	}
	if err := c.selectApplication(ctx, NextAuth); err != nil {
		return err
	}
	c.layout = next
	return nil
}

// enter makes app the selected application, with as few commands as that takes.
func (c *Card) enter(ctx context.Context, app Application) error {
	if c.guard.app == app {
		return nil
	}
	return c.selectApplication(ctx, app)
}

// absent is what the refusal of an application means.
var absent = map[Application]error{
	JPKI: ErrNotMyNumber, NextAuth: ErrNotMyNumber, InputAssist: ErrNoInput, CardFace: ErrNoFace, NextFace: ErrNoFace,
}

func (c *Card) selectApplication(ctx context.Context, app Application) error {
	// P1=04 by application identifier, P2=0C no answer data: OpenSC src/libopensc/card-jpki.c.
	cmd := apdu.Command{INS: apdu.InsSelect, P1: 0x04, P2: 0x0C, Data: app.aid()}
	r, err := c.send(ctx, cmd)
	if err != nil {
		return fmt.Errorf("selecting the %s application: %w", app, err)
	}
	if r.SW == apdu.SWOK {
		return nil
	}
	kind := absent[app]
	if r.SW != apdu.SWNotFound && app != JPKI && app != NextAuth {
		kind = ErrRefused
	}
	return fmt.Errorf("selecting the %s application: %w: %w", app, kind, r.Err(cmd))
}

// notFound reports the status word 6A82 below an error.
func notFound(err error) bool {
	var se *apdu.StatusError
	return errors.As(err, &se) && se.SW == apdu.SWNotFound
}

// send passes one command through the guard and gives every way of getting no answer one of this package's errors. Both the octets that
// went and those that came are overwritten.
func (c *Card) send(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	raw, err := cmd.Bytes()
	if err != nil {
		return apdu.Response{}, fmt.Errorf("encoding command: %w", err)
	}
	answer, err := c.guard.Transmit(ctx, raw)
	clear(raw)
	var tries *TriesError
	switch {
	case err == nil:
	case errors.Is(err, ErrForbidden), errors.As(err, &tries), ctx.Err() != nil:
		return apdu.Response{}, err
	default:
		return apdu.Response{}, fmt.Errorf("%w: %w", ErrTorn, err)
	}
	r, err := c.split(answer)
	clear(answer)
	if err != nil {
		return apdu.Response{}, fmt.Errorf("%w: %w", ErrNonsense, err)
	}
	return r, nil
}
