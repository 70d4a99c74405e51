// Package mynumber is the procedures that Kazashi runs on a My Number Card, over anything that can pass a command to a card.
//
// Below every procedure sits the allow-list ([Permissions]): each command is parsed again just before it leaves, and one that
// is not on the list is refused with ErrForbidden and never reaches the card. The list cannot name the Individual Number or
// anything that it can be computed from (promise P4), and it holds no write, no VERIFY and no key operation: the only evidence
// of this package is `certificate`.
//
// A [Card] belongs to one connection and to one goroutine at a time. Nothing is kept on disk and nothing is logged; what is
// read prints as REDACTED. The package does not look for cards or connect to them (package pcsc does), knows no ATR, and does
// not judge what it read (package jpki does).
package mynumber

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/reader/apdu"
)

// Transmitter passes one command APDU to a card and returns its answer with the status word. It returns an error when no
// answer came; an error that wraps apdu.ErrNoAnswer says that the card is still there and other commands may get one. It
// keeps neither slice, and it ends when ctx does.
type Transmitter interface {
	Transmit(ctx context.Context, command []byte) ([]byte, error)
}

// What can be wrong with a card, each a different sentence at the counter.
var (
	// ErrNotMyNumber: there is no JPKI application on the card. Some other card, or an old one.
	ErrNotMyNumber = errors.New("card is not a My Number Card")
	// ErrNoCertificate: the application is there and holds no authentication certificate.
	ErrNoCertificate = errors.New("card carries no authentication certificate")
	// ErrPINNeeded: the card gives its certificate only after the PIN, as phones do.
	ErrPINNeeded = errors.New("card gives its certificate only after the PIN")
	// ErrTorn: the card or reader went away before the procedure was through. To be held on again.
	ErrTorn = errors.New("card was taken away too early")
	// ErrNonsense: what came is not what such a card holds. A broken or false card.
	ErrNonsense = errors.New("card answered with something that cannot be read")
	// ErrForbidden: a command that is not on the allow-list was about to be sent. A fault of this program, never of a card.
	ErrForbidden = errors.New("command is not on the allow-list")
)

// Card runs procedures on one connected card. It remembers from one procedure to the next whether extended lengths work on
// this connection.
type Card struct {
	guard *guard
	short bool // extended lengths were refused on this connection
}

// New makes a Card of a connection. Nothing is sent yet.
func New(t Transmitter) *Card { return &Card{guard: &guard{out: t}} }

// Certificate is the authentication certificate (利用者証明用電子証明書) as the card gave it, unverified. It prints as REDACTED.
type Certificate struct{ der []byte }

// DER returns the certificate's octets, without the filler that may follow it on the card. The caller must not change them.
func (c Certificate) DER() []byte { return c.der }

// String prints REDACTED.
func (Certificate) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (Certificate) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (Certificate) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (Certificate) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// MarshalText writes REDACTED.
func (Certificate) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// ReadAuthCert reads the authentication certificate: two commands where extended lengths work, one for every 256 octets
// otherwise. No PIN is involved. Errors: ErrNotMyNumber, ErrNoCertificate, ErrPINNeeded, ErrTorn, ErrNonsense, or the error of
// ctx.
func (c *Card) ReadAuthCert(ctx context.Context) (Certificate, error) {
	if err := c.selectJPKI(ctx); err != nil {
		return Certificate{}, fmt.Errorf("selecting the JPKI application: %w", err)
	}
	der, err := c.readFile(ctx, efAuthCert)
	if err != nil {
		return Certificate{}, fmt.Errorf("reading the authentication certificate: %w", err)
	}
	return Certificate{der}, nil
}

func (c *Card) selectJPKI(ctx context.Context) error {
	// P1=04 by application identifier, P2=0C no answer data: OpenSC src/libopensc/card-jpki.c.
	r, err := c.send(ctx, apdu.Command{INS: apdu.InsSelect, P1: 0x04, P2: 0x0C, Data: JPKI.aid()})
	if err != nil {
		return err
	}
	if r.SW != apdu.SWOK {
		return fmt.Errorf("%w: application answered %s", ErrNotMyNumber, r.SW)
	}
	return nil
}

// send passes one command through the allow-list and gives every way of getting no answer one of this package's errors.
func (c *Card) send(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	raw, err := cmd.Bytes()
	if err != nil {
		return apdu.Response{}, fmt.Errorf("encoding command: %w", err)
	}
	answer, err := c.guard.Transmit(ctx, raw)
	switch {
	case err == nil:
	case errors.Is(err, ErrForbidden), ctx.Err() != nil:
		return apdu.Response{}, err
	default:
		return apdu.Response{}, fmt.Errorf("%w: %w", ErrTorn, err)
	}
	r, err := apdu.ParseResponse(answer)
	if err != nil {
		return apdu.Response{}, fmt.Errorf("%w: %w", ErrNonsense, err)
	}
	return r, nil
}
