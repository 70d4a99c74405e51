// Package fault lets virtual cards misbehave: torn away, lying about lengths, endless, replayed, blocked.
//
// A [Fault] is a small value with a text form ([Parse], [Fault.String]), the same in tests, on command lines and in requests. [Wrap]
// puts faults around a card; the card inside stays faithful. What is random is the same in every run, so that a failure can be
// repeated.
//
// Concurrency: a wrapped card belongs to one goroutine at a time. Nothing is durable, but what a card does before a fault strikes is done,
// and the counters that [Tries] sets last as long as a try does. A card that is slow or hangs is no fault but a link.Model.
package fault

import (
	"errors"
	"fmt"
	"strings"

	"kazashi.example/reader/vcard"
)

// Kind names a way to misbehave.
type Kind string

// Kinds. Commands are counted from 1 since the card was wrapped, octets from 1 over commands and answers alike.
const (
	TearBefore       Kind = "tear-before"          // the card leaves before command N reaches it
	TearAfter        Kind = "tear-after"           // the card does command N and leaves before its answer
	TearOctet        Kind = "tear-octet"           // octet N is the first that does not get across
	AnswerShort      Kind = "answer-short"         // answers lack their last N octets of data
	AnswerLong       Kind = "answer-long"          // answers have N octets too many
	LengthShort      Kind = "length-short"         // the first BER length of a file says N too little
	LengthLong       Kind = "length-long"          // the first BER length of a file says N too much
	LengthHuge       Kind = "length-huge"          // the first BER length of a file says 2,147,483,647
	LengthIndefinite Kind = "length-indefinite"    // the first BER length of a file is 80
	Endless61        Kind = "endless-61"           // 61xx after every answer, with N octets
	Endless6C        Kind = "endless-6c"           // 6Cxx whatever Le is
	Flood            Kind = "flood"                // answers are one TLV of N octets in all
	Bomb             Kind = "tlv-bomb"             // answers are N octets of TLVs, one inside the other
	FlipAnswer       Kind = "flip-answer"          // bit N of every answer with data is changed
	FlipSignature    Kind = "flip-signature"       // bit N of every signature is changed
	Relay            Kind = "relay"                // another card's certificate before this card's face application
	Tries            Kind = "tries"                // a PIN reference has N tries left; 0 is blocked
	RefuseExtended   Kind = "refuse-extended"      // 6700 to extended lengths
	IgnoreExtended   Kind = "ignore-extended"      // no answer to extended lengths
	Status9000       Kind = "status-9000"          // the status query of a PIN reference answers 9000
	Blocked6983      Kind = "blocked-6983"         // 6983 where the card says 6984
	StatusWord       Kind = "sw"                   // this status word, and the command is not done
	Nonsense         Kind = "nonsense"             // random-looking octets of random lengths
	Stranger         Kind = "not-a-my-number-card" // another card altogether, which needs no profile
)

// ErrFault says that a text or a value is no fault, or not one for this card.
var ErrFault = errors.New("not a usable fault")

// Fault is one misbehaviour. Make it with [Parse] or by hand; which fields count depends on the Kind, and others must be zero.
type Fault struct {
	Kind Kind
	// N is the number after '=': a command, an octet, a count, a bit, tries, or a status word.
	N int
	// Name is the PIN reference of Tries, as vcard.Card.Tries names it, or the path of the victim's profile of Relay.
	Name string
	// First and Last bound the commands that the fault strikes; 0 is from the first, to the last of all.
	First, Last int
}

// Card is what [Wrap] takes and gives: vcard.Card, or vpcd.Device by another name. An answer of nil says that the card was torn away, one
// of no octets that no answer came though the card is there.
type Card interface {
	ATR() []byte
	Reset()
	Transmit(command []byte) []byte
}

var _ Card = (*vcard.Card)(nil)

// counters is a card whose tries can be set.
type counters interface {
	SetTries(reference string, tries uint8) error
}

// Wrap gives a card faults, the first one innermost; with none it returns the card itself. A card of nil is for [Stranger] alone, which
// must come first. ErrFault; an error of the victim's profile, or of setting tries.
func Wrap(card Card, faults ...Fault) (Card, error) {
	bare := card
	for _, f := range faults {
		if err := f.check(); err != nil {
			return nil, err
		}
		var err error
		switch f.Kind {
		case Stranger:
			card = stranger{}
			bare = card
		case Tries:
			err = setTries(bare, f)
		case Relay:
			card, err = relay(card, f.Name)
		default:
			card, err = strike(card, f)
		}
		if err != nil {
			return nil, err
		}
	}
	if card == nil {
		return nil, fmt.Errorf("%w: no card, and none of %s", ErrFault, Stranger)
	}
	return card, nil
}

func setTries(card Card, f Fault) error {
	c, ok := card.(counters)
	if !ok {
		return fmt.Errorf("%w: %s on a card without counters", ErrFault, f)
	}
	if err := c.SetTries(f.Name, uint8(f.N)); err != nil { //nolint:gosec // check holds it below 256
		return fmt.Errorf("%w: setting tries: %w", ErrFault, err)
	}
	return nil
}

func relay(card Card, path string) (Card, error) {
	victim, err := vcard.LoadProfile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: loading the victim's profile: %w", ErrFault, err)
	}
	return Relayed(card, victim)
}

// Usage is a line for each kind with its text form, for a program's help.
func Usage() string {
	var b strings.Builder
	for _, k := range kinds {
		form := string(k.kind)
		switch {
		case k.value != "" && k.preset >= 0 && !k.named:
			form += "[=" + k.value + "]"
		case k.value != "":
			form += "=" + k.value
		}
		if k.window {
			form += "[@FIRST[-LAST]]"
		}
		fmt.Fprintf(&b, "  %-36s %s\n", form, k.what)
	}
	return b.String()
}
