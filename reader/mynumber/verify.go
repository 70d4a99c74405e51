package mynumber

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"kazashi.example/reader/apdu"
)

// keyP2 names a reference or a key by its short identifier.
func keyP2(ef EF) byte { return 0x80 | byte(ef) }

// verify opens a reference with a value: it has the certificate read, selects the application, asks for the tries left, and sends the
// value if the guard lets it pass.
func (c *Card) verify(ctx context.Context, ref Reference, value []byte) error {
	if !fits(ref, value) {
		return fmt.Errorf("%w: %s", ErrFormat, ref)
	}
	if err := c.know(ctx); err != nil {
		return err
	}
	if _, err := c.tries(ctx, ref); err != nil {
		return c.withoutPINs(ctx, ref, err)
	}
	return c.present(ctx, ref, value)
}

// fits reports a value that a reference can have on some kind of card.
func fits(ref Reference, value []byte) bool {
	for _, p := range places {
		if p.ref == ref {
			return p.fits(value)
		}
	}
	return false
}

// errNoPlace is what the lack of a reference on this kind of card means.
var errNoPlace = map[Reference]error{RefInputPIN: ErrNoInput, RefBirth: ErrNoFace}

func (c *Card) placeOf(ref Reference) (place, error) {
	at, ok := c.layout.at(ref)
	if ok {
		return at, nil
	}
	if err := errNoPlace[ref]; err != nil {
		return place{}, fmt.Errorf("%w: it has no %s", err, ref)
	}
	return place{}, fmt.Errorf("%w: %s", ErrFormat, ref)
}

// tries enters a reference's application and asks for the tries left; a *TriesError if there are none. A card that says that the reference
// is verified already, by an earlier procedure on this connection, is made to forget that: what is verified next has to be verified
// by this procedure.
func (c *Card) tries(ctx context.Context, ref Reference) (int, error) {
	at, err := c.placeOf(ref)
	if err != nil {
		return 0, err
	}
	if err := c.enter(ctx, at.app); err != nil {
		return 0, err
	}
	left, err := c.query(ctx, at, keyP2(at.file))
	if !errors.Is(err, errVerified) {
		return left, err
	}
	if err := c.selectApplication(ctx, at.app); err != nil {
		return 0, err
	}
	return c.query(ctx, at, keyP2(at.file))
}

// errVerified says that a card answered 9000 to a query. After a selection of the application it is nonsense.
var errVerified = fmt.Errorf("%w: reference is verified already", ErrNonsense)

// query is VERIFY without data, which costs nothing (libmyna; OpenSC src/libopensc/card-jpki.c).
func (c *Card) query(ctx context.Context, at place, p2 byte) (int, error) {
	cmd := apdu.Command{INS: apdu.InsVerify, P2: p2}
	r, err := c.send(ctx, cmd)
	if err != nil {
		return 0, fmt.Errorf("asking for the tries of the %s: %w", at.ref, err)
	}
	left, counted := at.ref.triesLeft(r.SW)
	switch {
	case r.SW.Blocked():
		return 0, &TriesError{Reference: at.ref, Err: ErrBlocked, Status: r.Err(cmd)}
	case counted:
		return left, nil
	case r.SW == apdu.SWOK:
		return 0, errVerified
	}
	return 0, fmt.Errorf("asking for the tries of the %s: %w: %w", at.ref, refusal(r.SW), r.Err(cmd))
}

// present sends a value, just after tries.
func (c *Card) present(ctx context.Context, ref Reference, value []byte) error {
	at, err := c.placeOf(ref)
	if err != nil {
		return err
	}
	return c.presentAs(ctx, at, keyP2(at.file), value)
}

func (c *Card) presentAs(ctx context.Context, at place, p2 byte, value []byte) error {
	cmd := apdu.Command{INS: apdu.InsVerify, P2: p2, Data: bytes.Clone(value)}
	defer clear(cmd.Data)
	r, err := c.send(ctx, cmd)
	if err != nil {
		return fmt.Errorf("verifying the %s: %w", at.ref, err)
	}
	left, counted := at.ref.triesLeft(r.SW)
	switch {
	case r.SW == apdu.SWOK:
		return nil
	case r.SW.Blocked():
		return &TriesError{Reference: at.ref, Err: ErrBlocked, Status: r.Err(cmd)}
	case counted:
		return &TriesError{Reference: at.ref, Left: left, Err: ErrWrongPIN, Status: r.Err(cmd)}
	case r.SW == apdu.SWVerifyFailed:
		return &TriesError{Reference: at.ref, Left: -1, Err: ErrWrongPIN, Status: r.Err(cmd)}
	}
	return fmt.Errorf("verifying the %s: %w: %w", at.ref, refusal(r.SW), r.Err(cmd))
}

// refusal is what an answer means that is neither 9000 nor a counter that the reference can have: a counter above that is a lie.
func refusal(sw apdu.StatusWord) error {
	if _, counted := sw.TriesLeft(); counted {
		return ErrNonsense
	}
	return ErrRefused
}

// withoutPINs tells a card issued without PINs from one whose one PIN is blocked.
func (c *Card) withoutPINs(ctx context.Context, ref Reference, err error) error {
	if ref == RefBirth || !errors.Is(err, ErrBlocked) {
		return err
	}
	if s, serr := c.PINStatus(ctx); serr == nil && s.NoPINs() {
		return fmt.Errorf("%w: %w", ErrNoPINs, err)
	}
	return err
}

// sign has the card sign message with the key that p2 names in the selected application, and takes a signature of the right length.
func (c *Card) sign(ctx context.Context, p2 byte, message []byte) ([]byte, error) {
	rounds := maxRounds
	cmd := apdu.Command{CLA: 0x80, INS: apdu.InsPerform, P2: p2, Data: c.layout.prepare(message), Ne: apdu.MaxShortNe}
	r, err := c.exchange(ctx, cmd, &rounds)
	if err != nil {
		return nil, err
	}
	switch {
	case r.SW != apdu.SWOK:
		return nil, fmt.Errorf("%w: %w", ErrRefused, said(r, cmd))
	case len(r.Data) != c.layout.sigLen:
		return nil, fmt.Errorf("%w: signature of %d octets", ErrNonsense, len(r.Data))
	}
	return r.Data, nil
}
