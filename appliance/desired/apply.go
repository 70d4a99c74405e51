package desired

import (
	"fmt"

	"kazashi.example/sync/rule"
	"kazashi.example/sync/trust"
)

// ApplyTrust verifies a bundle against the one in force and puts it in its place. Rules that the new bundle's keys did not
// sign are no longer in force when it returns. ErrOlder, or an error of package trust.
//
// The bundle must follow from the newest root set that was ever believed here: whoever holds the keys of an earlier set, which
// may be why it was replaced, can lead the box nowhere. Its chain must also pass the root set that the box joined with, since
// that is where a restart begins to read it.
func (s *Store) ApplyTrust(b []byte) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	old := s.Trust()
	fresh, err := open(b, trust.Terms{Root: old.Root, Number: old.Number})
	if err != nil {
		return err
	}
	if fresh.Number == old.Number {
		return ErrOlder
	}
	if _, err := trust.Open(b, trust.Terms{Root: s.place.Root}); err != nil {
		return fmt.Errorf("reading the chain from its beginning: %w", err)
	}
	if err := s.replace(fileTrust, b); err != nil {
		return err
	}
	s.believe(fresh)
	return s.reviewRules()
}

// reviewRules takes rules out of force that the bundle in force does not vouch for, as a restart would.
func (s *Store) reviewRules() error {
	if s.Rules() == (rule.Version{}) {
		return nil
	}
	set, err := s.openRules()
	if err != nil {
		return err
	}
	s.obey(set)
	return nil
}

// ApplyRules verifies a signed rule set and puts it in force. ErrOlder, or an error of package rule.
func (s *Store) ApplyRules(msg []byte) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	set, err := rule.Open(s.Trust(), msg, rule.Terms{})
	if err != nil {
		return err
	}
	if set.Version.Compare(s.Rules()) <= 0 {
		return ErrOlder
	}
	if err := s.replace(fileRules, msg); err != nil {
		return err
	}
	s.obey(set)
	return nil
}

// open verifies a bundle and makes all of it usable.
func open(b []byte, t trust.Terms) (belief, error) {
	o, err := trust.Open(b, t)
	if err != nil {
		return belief{}, err
	}
	anchors, err := anchorsOf(o.Bundle)
	if err != nil {
		return belief{}, err
	}
	cards, err := authoritiesOf(o.Bundle)
	if err != nil {
		return belief{}, err
	}
	sealTo, err := o.SealKey()
	return belief{o, anchors, cards, sealTo}, err
}

func (s *Store) believe(b belief) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trust = b
}

func (s *Store) obey(set rule.Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = set
}
