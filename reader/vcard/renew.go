package vcard

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrOtherCard says that a profile cannot be a renewal of a card: it has another kind, card id or card key, or no certificates at all.
var ErrOtherCard = errors.New("profile is not the same card with new certificates")

// Renew puts the certificates and keys of another profile on this card, as a city office does around the fifth birthday: the plastic and
// its card keys stay, and so do counters and changed PINs of all references but those that were issued with a certificate that
// is replaced. These begin anew, with the profile's PIN and all tries. What else the profile holds replaces what was there.
//
// The state is durable in store when Renew returns nil; after an error the card is as it was. The card lies there as after a reset.
// A card with a CardID comes through a renewal without this: [New] finds its state under the id and drops what no longer holds.
//
// Errors: ErrProfile, ErrOtherCard, or the store's.
func (c *Card) Renew(to *Profile, store Store) error {
	if err := to.Validate(); err != nil {
		return err
	}
	l, err := layOut(to)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.profile.samePlastic(to) {
		return ErrOtherCard
	}
	l.restore(c.state())
	if err := store.Save(stateID(to), l.state()); err != nil {
		return fmt.Errorf("saving card state: %w", err)
	}
	c.profile, c.id, c.store, c.layout = to, stateID(to), store, l
	c.choose(nil)
	return nil
}

func (p *Profile) samePlastic(other *Profile) bool {
	kind := func(k Kind) Kind {
		if k == "" {
			return Current
		}
		return k
	}
	return kind(p.Kind) == kind(other.Kind) && p.Kind != Token && p.CardID == other.CardID &&
		bytes.Equal(p.CardKey, other.CardKey) && bytes.Equal(p.InputKey, other.InputKey)
}
