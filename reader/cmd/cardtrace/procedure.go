package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/trace"
)

// message is what cards sign here: the same in a record and its replay, and worth nothing to anybody.
var message = []byte("kazashi cardtrace, signed for no purpose")

// procedure is one that can be recorded.
type procedure struct {
	name string
	what string
	asks []string // values, in this order
	run  func(ctx context.Context, card *mynumber.Card, values [][]byte) error
}

// The names of values, as they are asked for.
const (
	askPIN      = "authentication PIN (4 digits)"
	askInputPIN = "input-assist PIN (4 digits)"
	askPassword = "signature password (6 to 16 letters and digits)"
	askBirth    = "birth date (YYYYMMDD)"
)

var procedures = []procedure{
	{"certificate", "read the authentication certificate", nil, readCert},
	{"info", "ask what kind of card it is", nil, readInfo},
	{"pin-status", "ask for the tries left", nil, readStatus},
	{"card", "prove the card by its birth key", []string{askBirth}, proveCard},
	{"card-bound", "have the card-face key sign, without a birth key", nil, signFace},
	{"pin", "sign with the authentication key", []string{askPIN}, signWithPIN},
	{"attributes", "read name, address, birth date and sex", []string{askInputPIN}, readAttributes},
	{"enrol", "certificate, signature, attributes and card key in one visit", []string{askPIN, askInputPIN}, enrol},
	{"enrol-without-attributes", "certificate, signature and card key in one visit", []string{askPIN, askBirth}, enrolPlain},
	{"sign-certificate", "read the signature certificate", []string{askPassword}, readSignCert},
}

func procedureNames() string {
	names := make([]string, 0, len(procedures))
	for _, p := range procedures {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

func findProcedure(name string) (procedure, bool) {
	i := slices.IndexFunc(procedures, func(p procedure) bool { return p.name == name })
	if i < 0 {
		return procedure{}, false
	}
	return procedures[i], true
}

// collect asks for all values that a procedure needs, before there is a card to wait. The caller wipes them.
func (p procedure) collect(ctx context.Context, ask asker) ([][]byte, error) {
	values := make([][]byte, 0, len(p.asks))
	for _, what := range p.asks {
		v, err := ask(ctx, what)
		if err != nil {
			wipe(values)
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// perform runs a procedure on what answers as a card. With a practice card the certificate is read first, whatever the procedure: the
// transcript is given out only then.
func (p procedure) perform(ctx context.Context, t trace.Transmitter, trusted trust, practice bool, values [][]byte) error {
	card := mynumber.New(t, mynumber.Options{Authorities: trusted.cards, Next: practice})
	if practice {
		if err := readCert(ctx, card, nil); err != nil && !errors.Is(err, mynumber.ErrPINNeeded) {
			return fmt.Errorf("procedure %s: %w", p.name, err)
		}
	}
	if err := p.run(ctx, card, values); err != nil {
		return fmt.Errorf("procedure %s: %w", p.name, err)
	}
	return nil
}

func readCert(ctx context.Context, card *mynumber.Card, _ [][]byte) error {
	_, err := card.ReadAuthCert(ctx)
	return err //nolint:wrapcheck // perform wraps
}

func readInfo(ctx context.Context, card *mynumber.Card, _ [][]byte) error {
	_, err := card.Info(ctx)
	return err //nolint:wrapcheck // perform wraps
}

func readStatus(ctx context.Context, card *mynumber.Card, _ [][]byte) error {
	_, err := card.PINStatus(ctx)
	return err //nolint:wrapcheck // perform wraps
}

func proveCard(ctx context.Context, card *mynumber.Card, values [][]byte) error {
	birth, err := mynumber.ParseBirthDate(string(values[0]))
	if err != nil {
		return err //nolint:wrapcheck // perform wraps
	}
	if err := readCert(ctx, card, nil); err != nil {
		return err
	}
	_, err = card.ProveFace(ctx, mynumber.FaceRequest{Birth: birth, Message: message})
	return err //nolint:wrapcheck // perform wraps
}

func signFace(ctx context.Context, card *mynumber.Card, _ [][]byte) error {
	if err := readCert(ctx, card, nil); err != nil {
		return err
	}
	_, err := card.SignFace(ctx, message)
	return err //nolint:wrapcheck // perform wraps
}

func signWithPIN(ctx context.Context, card *mynumber.Card, values [][]byte) error {
	pin, err := mynumber.NewPIN(string(values[0]))
	if err != nil {
		return err //nolint:wrapcheck // perform wraps
	}
	defer pin.Clear()
	_, err = card.SignAuth(ctx, pin, message)
	return err //nolint:wrapcheck // perform wraps
}

func readAttributes(ctx context.Context, card *mynumber.Card, values [][]byte) error {
	pin, err := mynumber.NewPIN(string(values[0]))
	if err != nil {
		return err //nolint:wrapcheck // perform wraps
	}
	defer pin.Clear()
	_, err = card.ReadAttributes(ctx, pin)
	return err //nolint:wrapcheck // perform wraps
}

func enrol(ctx context.Context, card *mynumber.Card, values [][]byte) error {
	input, err := mynumber.NewPIN(string(values[1]))
	if err != nil {
		return err //nolint:wrapcheck // perform wraps
	}
	defer input.Clear()
	return enrolBy(ctx, card, values[0], mynumber.EnrolRequest{InputPIN: input, Attributes: true})
}

func enrolPlain(ctx context.Context, card *mynumber.Card, values [][]byte) error {
	birth, err := mynumber.ParseBirthDate(string(values[1]))
	if err != nil {
		return err //nolint:wrapcheck // perform wraps
	}
	return enrolBy(ctx, card, values[0], mynumber.EnrolRequest{Birth: birth})
}

func enrolBy(ctx context.Context, card *mynumber.Card, pin []byte, r mynumber.EnrolRequest) (err error) {
	if r.PIN, err = mynumber.NewPIN(string(pin)); err != nil {
		return err //nolint:wrapcheck // perform wraps
	}
	defer r.PIN.Clear()
	r.AuthMessage, r.FaceMessage = message, message
	e, err := card.Enrol(ctx, r)
	if err != nil {
		return err //nolint:wrapcheck // perform wraps
	}
	return errors.Join(e.AttributesErr, e.FaceErr)
}

func readSignCert(ctx context.Context, card *mynumber.Card, values [][]byte) error {
	password, err := mynumber.NewPassword(string(values[0]))
	if err != nil {
		return err //nolint:wrapcheck // perform wraps
	}
	defer password.Clear()
	_, err = card.ReadSignCert(ctx, password)
	return err //nolint:wrapcheck // perform wraps
}
