package fault

import (
	"fmt"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/vcard"
)

// relayed is the attack on a tap without PIN: a device that answers for the authentication application from what anyone can read of a
// victim's card, and passes all else on to a genuine card of somebody with the same birth date. It takes every PIN and signs, having
// no key, with noise.
type relayed struct {
	Card      // the genuine one
	replay    *vcard.Card
	replaying bool // the replayed application is the current one
	signature int  // octets
	noise     *noise
}

// Relayed puts a victim's public certificate, without its key, before a genuine card. ErrFault for a victim whose certificate is not free
// to read, or a card of nil.
func Relayed(card Card, victim *vcard.Profile) (Card, error) {
	if card == nil {
		return nil, fmt.Errorf("%w: %s without a card", ErrFault, Relay)
	}
	replay, err := vcard.Replayed(victim)
	if err != nil {
		return nil, fmt.Errorf("%w: replaying the victim's card: %w", ErrFault, err)
	}
	r := &relayed{Card: card, replay: replay, signature: 256, noise: newNoise()}
	if victim.Kind == vcard.Next {
		r.signature = 96
	}
	return r, nil
}

// Reset resets both.
func (r *relayed) Reset() {
	r.Card.Reset()
	r.replay.Reset()
	r.replaying = false
}

// Transmit follows what is selected.
func (r *relayed) Transmit(command []byte) []byte {
	const byName = 0x04
	if len(command) > 2 && command[1] == apdu.InsSelect && command[2] == byName {
		return r.choose(command)
	}
	if !r.replaying {
		return r.Card.Transmit(command)
	}
	if len(command) > 5 {
		switch command[1] {
		case apdu.InsVerify:
			return []byte{0x90, 0x00}
		case apdu.InsPerform:
			return append(r.noise.octets(r.signature), 0x90, 0x00)
		}
	}
	return r.replay.Transmit(command)
}

// choose lets the genuine card hear of every selection, which ends its security status, as on one card.
func (r *relayed) choose(command []byte) []byte {
	genuine, replay := r.Card.Transmit(command), r.replay.Transmit(command)
	switch {
	case succeeded(replay):
		r.replaying = true
		return replay
	case succeeded(genuine):
		r.replaying = false
	}
	return genuine
}

func succeeded(answer []byte) bool {
	return len(answer) >= 2 && answer[len(answer)-2] == 0x90
}
