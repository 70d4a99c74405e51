// Package token reads the identifier of a contactless card that is no My Number Card: one that a library or a shelter hands
// out, or a transit card. It is for people without a My Number Card, and proves no more than a library card's bar code does:
// an identifier can be copied.
//
// [Read] sends two kinds of command and a guard below it lets nothing else pass: SELECT of the applications by which a My
// Number Card is known, because such a card is never a token (its contactless identifier changes, and its holder has better),
// and the reader's own question for the identifier. Nothing is kept, nothing is logged; a [UID] names a person as a serial
// does and prints as REDACTED. All types are values, safe to use from any goroutine; a connection belongs to one at a time.
// The package does not look for cards or connect to them (package pcsc does).
package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"kazashi.example/reader/apdu"
)

// Transmitter passes one command to a card, or to its reader, and returns the answer with its status word. An error that wraps
// apdu.ErrNoAnswer says that the card is still there. It ends when ctx does.
type Transmitter interface {
	Transmit(ctx context.Context, command []byte) ([]byte, error)
}

// Why a card is no token.
var (
	// ErrMyNumber: the card is a My Number Card, or a phone that holds one. It is to be read as that.
	ErrMyNumber = errors.New("card is a My Number Card: read it as one")
	// ErrRandomUID: the card makes up another identifier each time.
	ErrRandomUID = errors.New("card has no lasting identifier")
	// ErrNoUID: neither reader nor card gives an identifier that could be one, or the card leaves it open whether it is a My Number Card.
	ErrNoUID = errors.New("card or reader gives no identifier")
	// ErrForbidden: a command other than those of Read was about to be sent. A fault of this program, never of a card.
	ErrForbidden = errors.New("command is not for tokens")
)

// Kind is what an identifier's length tells, and no more. The zero value is none.
type Kind uint8

// Kinds. The lengths of 4, 7 and 10 octets are those of ISO/IEC 14443-3 §6.5.4.
const (
	// Single has 4 octets: handed out more than once by the industry, and on a Type B card made anew at each power-up at the
	// card's choice (ISO/IEC 14443-3 §7.9.2). It may be bound to a person only after two layings gave the same.
	Single Kind = 1
	// Double has 7 octets, the first of which names the chip's maker.
	Double Kind = 2
	// Eight has 8 octets: the IDm of a FeliCa card (JIS X 6319-4), as transit cards have, or the identifier of an ISO/IEC 15693 tag.
	Eight Kind = 3
	// Triple has 10 octets, the first of which names the chip's maker.
	Triple Kind = 4
)

var kinds = map[int]Kind{4: Single, 7: Double, 8: Eight, 10: Triple}

// String names the kind.
func (k Kind) String() string {
	names := [...]string{"none", "4 octets", "7 octets", "8 octets", "10 octets"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}

const maxUID = 10

// UID is the identifier of a token. It may be compared, and prints as REDACTED. The zero value is none.
type UID struct {
	octets [maxUID]byte
	length uint8
}

// Octets returns the identifier, 4, 7, 8 or 10 octets in the order of the reader's answer, as a fresh slice.
func (u UID) Octets() []byte { return append([]byte(nil), u.octets[:u.length]...) }

// Kind says what the length tells.
func (u UID) Kind() Kind { return kinds[int(u.length)] }

// String prints REDACTED.
func (UID) String() string { return redacted }

// GoString prints REDACTED.
func (UID) GoString() string { return redacted }

// Format prints REDACTED for every verb.
func (UID) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue logs REDACTED.
func (UID) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes REDACTED.
func (UID) MarshalText() ([]byte, error) { return []byte(redacted), nil }

const redacted = "REDACTED"

// Parse takes the octets that a reader gave for an identifier. ErrRandomUID for four octets that begin with 08, which says so
// (ISO/IEC 14443-3 §6.5.4); ErrNoUID for any other length than a Kind's, for one octet repeated all through, and for four
// octets that begin with the cascade tag 88, the first part of a longer one.
func Parse(octets []byte) (UID, error) {
	kind, ok := kinds[len(octets)]
	switch {
	case !ok:
		return UID{}, fmt.Errorf("%w: %d octets", ErrNoUID, len(octets))
	case kind == Single && octets[0] == randomUID:
		return UID{}, ErrRandomUID
	case kind == Single && octets[0] == cascadeTag, filler(octets):
		return UID{}, fmt.Errorf("%w: %d octets that are none", ErrNoUID, len(octets))
	}
	u := UID{length: uint8(len(octets))} //nolint:gosec // one of four small lengths
	copy(u.octets[:], octets)
	return u, nil
}

const (
	randomUID  = 0x08
	cascadeTag = 0x88
)

// filler reports octets that are all the same: what a reader says that knows nothing.
func filler(octets []byte) bool {
	for _, o := range octets {
		if o != octets[0] {
			return false
		}
	}
	return true
}

// Read returns the identifier of the card that t leads to. Errors: ErrMyNumber, ErrRandomUID, ErrNoUID, *apdu.StatusError below
// ErrNoUID, or t's own. A card that did not deny being a My Number Card, because only its reader spoke, is a token only if its
// identifier is none that such a card could have: that is Type B and has four octets.
func Read(ctx context.Context, t Transmitter) (UID, error) {
	g := guard{t}
	denied := true
	for i := range myNumberAIDs {
		lacks, err := lacksApplication(ctx, g, myNumberAIDs[i])
		if err != nil {
			return UID{}, err
		}
		denied = denied && lacks
	}
	u, err := ask(ctx, g)
	if err == nil && u.Kind() == Single && !denied {
		return UID{}, fmt.Errorf("%w: %w", ErrNoUID, errNotDenied)
	}
	return u, err
}

// lacksApplication selects an application, and reports whether the card said that it is not there: not found, or that it takes no such
// command. False without an error if only the reader spoke, or nobody. ErrMyNumber when it is there. Every other word leaves it open
// (memory failure, conditions of use, an error without a name: also a My Number Card may say so) and is an error below ErrNoUID.
func lacksApplication(ctx context.Context, t Transmitter, aid []byte) (bool, error) {
	r, err := send(ctx, t, selectApplication(aid))
	switch {
	case errors.Is(err, apdu.ErrNoAnswer):
		return false, nil // a reader may have no way to pass a command to a card that takes none
	case err != nil:
		return false, fmt.Errorf("asking whether it is a My Number Card: %w", err)
	}
	switch byte(r.SW >> 8) {
	case 0x90, 0x61, 0x62: // done, with more to come, or with a warning
		return false, ErrMyNumber
	}
	if slices.Contains(denials, r.SW) {
		return true, nil
	}
	if r.SW == swReaderFailed {
		return false, nil
	}
	refused := &apdu.StatusError{Command: selectApplication(aid).Header(), SW: r.SW}
	return false, fmt.Errorf("%w: %w: %w", ErrNoUID, errNotDenied, refused)
}

// denials are how a card says that it has no such application, or takes no such command at all.
var denials = []apdu.StatusWord{apdu.SWNotFound, apdu.SWFunctionUnsupported, apdu.SWInsUnsupported, apdu.SWClassUnsupported}

// swReaderFailed is what readers say when they could not pass a command to a storage card, which takes none, and also when a card has
// moved off their field (PC/SC part 3 §3.2.2.1; readers' manuals). It is no answer of a card's: it denies nothing, and is no more than apdu.ErrNoAnswer.
const swReaderFailed apdu.StatusWord = 0x6300

var errNotDenied = errors.New("it did not say that it is no My Number Card")

// ask is the reader's question for the identifier.
func ask(ctx context.Context, t Transmitter) (UID, error) {
	cmd := getUID()
	r, err := send(ctx, t, cmd)
	if errors.Is(err, apdu.ErrNoAnswer) {
		return UID{}, fmt.Errorf("%w: %w", ErrNoUID, err)
	}
	if err != nil {
		return UID{}, fmt.Errorf("asking for the identifier: %w", err)
	}
	if err := r.Err(cmd); err != nil {
		return UID{}, fmt.Errorf("%w: %w", ErrNoUID, err)
	}
	return Parse(r.Data)
}

func send(ctx context.Context, t Transmitter, cmd apdu.Command) (apdu.Response, error) {
	raw, err := cmd.Bytes()
	if err != nil {
		return apdu.Response{}, fmt.Errorf("encoding command: %w", err)
	}
	answer, err := t.Transmit(ctx, raw)
	if err != nil {
		return apdu.Response{}, err
	}
	r, err := apdu.ParseResponse(answer)
	if err != nil {
		return apdu.Response{}, fmt.Errorf("%w: %w", ErrNoUID, err)
	}
	return r, nil
}
