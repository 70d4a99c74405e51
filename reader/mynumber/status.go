package mynumber

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"kazashi.example/reader/apdu"
)

// State says whether a reference takes a value at all.
type State uint8

// States. The zero value is none of them.
const (
	StateOpen    State = 1 // tries are left
	StateBlocked State = 2 // none is left
	StateAbsent  State = 3 // the card has no such reference
)

var stateNames = map[State]string{StateOpen: "open", StateBlocked: "blocked", StateAbsent: "absent"}

// String is one word; "none" for the zero value.
func (s State) String() string {
	if n, ok := stateNames[s]; ok {
		return n
	}
	return "none"
}

// Tries is one reference: how many tries are left, and 0 unless it is open.
type Tries struct {
	Left  int
	State State
}

// Status is the tries left of every reference of a card.
type Status struct {
	AuthPIN, InputPIN, Password, Birth Tries
}

// NoPINs reports that every PIN that the card has is blocked, as on a card issued without PINs (顔認証マイナンバーカード).
func (s Status) NoPINs() bool {
	blocked := func(t Tries) bool { return t.State == StateBlocked || t.State == StateAbsent }
	return s.AuthPIN.State == StateBlocked && blocked(s.InputPIN) && blocked(s.Password)
}

// PINStatus asks for the tries left of every reference: seven commands. It verifies nothing, and costs nothing. Errors:
// ErrNotMyNumber, ErrRefused, ErrTorn, ErrNonsense, or the error of ctx.
func (c *Card) PINStatus(ctx context.Context) (Status, error) {
	if c.layout == nil {
		if err := c.identify(ctx); err != nil {
			return Status{}, err
		}
	}
	var s Status
	for _, a := range []struct {
		ref  Reference
		into *Tries
	}{{RefAuthPIN, &s.AuthPIN}, {RefPassword, &s.Password}, {RefInputPIN, &s.InputPIN}, {RefBirth, &s.Birth}} {
		t, err := c.status(ctx, a.ref)
		if err != nil {
			return Status{}, err
		}
		*a.into = t
	}
	return s, nil
}

// status asks for one reference. 6A82 and 6A88 say that a card has no such thing (ISO/IEC 7816-4 §5.6).
func (c *Card) status(ctx context.Context, ref Reference) (Tries, error) {
	left, err := c.tries(ctx, ref)
	var se *apdu.StatusError
	switch {
	case err == nil:
		return Tries{Left: left, State: StateOpen}, nil
	case errors.Is(err, ErrBlocked):
		return Tries{State: StateBlocked}, nil
	case errors.Is(err, ErrNoInput), errors.Is(err, ErrNoFace):
		return Tries{State: StateAbsent}, nil
	case errors.As(err, &se) && se.Command.INS == apdu.InsVerify && (se.SW == apdu.SWNotFound || se.SW == apdu.SWDataNotFound):
		return Tries{State: StateAbsent}, nil
	}
	return Tries{}, err
}

// ChangePIN verifies the old value of a reference and gives it a new one, in libmyna's order: SELECT of the reference's file, query, VERIFY,
// CHANGE. RefAuthPIN and RefInputPIN take a PIN, RefPassword a Password. If it ends with ErrTorn after the new value was sent, the card
// has the old one or the new one; the holder's next try tells.
//
// Errors: *TriesError, ErrFormat for values that the reference cannot have, ErrNoInput, ErrRefused, and those of ReadAuthCert.
func (c *Card) ChangePIN(ctx context.Context, which Reference, old, fresh Secret) error {
	if which == RefBirth || !fits(which, old.value()) || !fits(which, fresh.value()) {
		return fmt.Errorf("%w: %s", ErrFormat, which)
	}
	if err := c.know(ctx); err != nil {
		return err
	}
	at, err := c.placeOf(which)
	if err != nil {
		return err
	}
	if err := c.choose(ctx, at); err != nil {
		return err
	}
	if err := c.presentAs(ctx, at, current, old.value()); err != nil {
		return err
	}
	return c.change(ctx, at, fresh.value())
}

// current is P2 of a command about the current file.
const current = 0x80

// choose selects the reference's file in its application, freshly selected so that nothing is verified there yet, and asks for its tries.
func (c *Card) choose(ctx context.Context, at place) error {
	if err := c.selectApplication(ctx, at.app); err != nil {
		return err
	}
	// P1=02 EF under the current DF, P2=0C no answer data: OpenSC src/libopensc/card-jpki.c.
	cmd := apdu.Command{INS: apdu.InsSelect, P1: 0x02, P2: 0x0C, Data: []byte{byte(at.file >> 8), byte(at.file)}}
	r, err := c.send(ctx, cmd)
	switch {
	case err != nil:
		return fmt.Errorf("selecting EF %s: %w", at.file, err)
	case r.SW != apdu.SWOK:
		return fmt.Errorf("selecting EF %s: %w: %w", at.file, ErrRefused, r.Err(cmd))
	}
	_, err = c.query(ctx, at, current)
	return err
}

// change is CHANGE REFERENCE DATA with the new value alone (jpki/myna _go/libmyna).
func (c *Card) change(ctx context.Context, at place, value []byte) error {
	cmd := apdu.Command{INS: apdu.InsChange, P1: 0x01, P2: current, Data: bytes.Clone(value)}
	defer clear(cmd.Data)
	r, err := c.send(ctx, cmd)
	switch {
	case err != nil:
		return fmt.Errorf("changing the %s, which may be the old or the new one now: %w", at.ref, err)
	case r.SW != apdu.SWOK:
		return fmt.Errorf("changing the %s: %w: %w", at.ref, ErrRefused, r.Err(cmd))
	}
	return nil
}
