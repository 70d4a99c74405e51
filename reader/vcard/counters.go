package vcard

import (
	"errors"
	"fmt"
)

// ErrReference says that a card has no PIN reference of a name, or that it never has so many tries.
var ErrReference = errors.New("card has no such PIN reference, or not so many tries")

func (l layout) secrets() []*secret {
	var all []*secret
	for _, a := range l.apps {
		for _, f := range a.files {
			if f.kind == secretKind {
				all = append(all, f.secret)
			}
		}
	}
	return all
}

// restore takes what the state remembers of the certificates that the card has now.
func (l layout) restore(s State) {
	for _, x := range l.secrets() {
		if was, ok := s.Issued[x.name]; ok && was != x.issued {
			continue
		}
		if n, ok := s.Tries[x.name]; ok {
			x.tries = min(n, x.maxTries)
		}
		if v, ok := s.Changed[x.name]; ok {
			x.value, x.changed = []byte(v), true
		}
	}
}

func (l layout) state() State {
	s := State{Tries: map[string]uint8{}, Changed: map[string]string{}, Issued: map[string]string{}}
	for _, x := range l.secrets() {
		if x.tries != x.maxTries {
			s.Tries[x.name] = x.tries
		}
		if x.changed {
			s.Changed[x.name] = string(x.value)
		}
		if x.issued != "" {
			s.Issued[x.name] = x.issued
		}
	}
	return s
}

// save makes counters and changed PINs durable; mu is held.
func (c *Card) save() error { return c.store.Save(c.id, c.state()) }

// Tries returns the tries left of every PIN reference, by application and EF. The card of today and a phone have "jpki/0018" (PIN) and
// "jpki/001B" (password); the former also "face/0011" (birth date), "face/0012" and "face/0013" (照合番号B, A), "input/0011" (PIN),
// "input/0012" (blocked at issue), "input/0014" and "input/0015" (照合番号A, B). Next has "auth/0018", "auth/001B" and "face/0011".
// A token has none.
func (c *Card) Tries() map[string]uint8 {
	c.mu.Lock()
	defer c.mu.Unlock()
	tries := map[string]uint8{}
	for _, x := range c.secrets() {
		tries[x.name] = x.tries
	}
	return tries
}

// SetTries leaves a PIN reference so many tries, as if its holder had spent the others; 0 blocks it. It is as durable as a try.
// ErrReference; an error of the store, after which the counter is as it was.
func (c *Card) SetTries(reference string, tries uint8) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.secrets() {
		if x.name != reference || tries > x.maxTries {
			continue
		}
		before := x.tries
		x.tries = tries
		if err := c.save(); err != nil {
			x.tries = before
			return fmt.Errorf("saving card state: %w", err)
		}
		return nil
	}
	return fmt.Errorf("%w: %.20q with %d", ErrReference, reference, tries)
}

// ResetCounts gives every PIN reference all its tries, as a city office does; a reference blocked at issue stays blocked.
func (c *Card) ResetCounts() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.secrets() {
		x.tries = x.maxTries
	}
	if err := c.save(); err != nil {
		return fmt.Errorf("saving card state: %w", err)
	}
	return nil
}
