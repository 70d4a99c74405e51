package desired

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/trust"
)

// ApplyTrust verifies a bundle against the newest one believed here and puts it in force. Rules that the new bundle's keys did not
// sign are no longer in force when it returns. ErrOlder, or an error of package trust.
//
// The bundle must follow from the newest root set that was ever believed here: whoever holds the keys of an earlier set, which
// may be why it was replaced, can lead the box nowhere. Its chain must also pass the root set that the box joined with, since
// that is where a restart begins to read it. Both hold while the box is back at an older bundle, too.
func (s *Store) ApplyTrust(b []byte) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	floor, reverted := s.standing()
	fresh, err := open(b, trust.Terms{Root: floor.Root, Number: floor.Number, Now: s.checked()})
	if err != nil {
		return err
	}
	if fresh.Number == floor.Number {
		return ErrOlder
	}
	if _, err := trust.Open(b, trust.Terms{Root: s.place.Root}); err != nil {
		return fmt.Errorf("reading the chain from its beginning: %w", err)
	}
	if reverted {
		err = s.leaveReverted(b)
	} else {
		err = s.replace(fileTrust, b)
	}
	if err != nil {
		return err
	}
	s.believe(fresh)
	return s.reviewRules()
}

// leaveReverted puts a newer bundle in the place of the one that the box went back from. The one in force stays as the previous one. With the
// first step the mark names a number that is not there any more, which ends it; the second one tidies up.
func (s *Store) leaveReverted(b []byte) error {
	if err := durable.WriteFile(filepath.Join(s.dir, fileTrust), b, 0o600); err != nil {
		return err
	}
	return s.removeMark()
}

// removeMark clears away a mark that marks nothing any more. One that a power cut brings back still does not.
func (s *Store) removeMark() error {
	if err := os.Remove(filepath.Join(s.dir, fileReverted)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ending the way back: %w", err)
	}
	return nil
}

// RevertTrust goes back to the bundle before the one in force, until one that is newer than both comes. Rules that it does not vouch for are
// no longer in force when it returns. ErrNoPrevious, ErrReverted, ErrRootReplaced, trust.ErrExpired.
func (s *Store) RevertTrust(ctx context.Context) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	floor, reverted := s.standing()
	if reverted {
		return ErrReverted
	}
	b, err := os.ReadFile(filepath.Join(s.dir, fileTrust+previous))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoPrevious
	}
	if err != nil {
		return fmt.Errorf("reading the trust bundle before: %w", err)
	}
	back, err := open(b, trust.Terms{Root: s.place.Root, Now: s.checked()})
	switch {
	case errors.Is(err, trust.ErrExpired):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNoPrevious, err)
	case back.Number >= floor.Number:
		return ErrNoPrevious // a crash left the same one twice
	case back.Root != floor.Root:
		return ErrRootReplaced
	}
	mark, err := canon.Encode(floor)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(s.dir, fileReverted), mark, 0o600); err != nil {
		return err
	}
	s.goBack(back, floor)
	s.log.WarnContext(ctx, "went back to the trust bundle before, until a newer one comes", slog.Uint64("from", floor.Number),
		slog.Uint64("to", back.Number))
	return s.reviewRules()
}

// Reverted reports whether the box is back at the bundle before the newest one.
func (s *Store) Reverted() bool { _, back := s.standing(); return back }

// TrustHeld is the highest number that was ever believed here: that of the bundle in force, unless the box went back. Only what is newer is
// of any use.
func (s *Store) TrustHeld() uint64 { floor, _ := s.standing(); return floor.Number }

// TrustSigned is the bundle in force as it travels.
func (s *Store) TrustSigned() ([]byte, error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	name := fileTrust
	if s.Reverted() {
		name += previous
	}
	return s.read(name)
}

// RulesSigned is the rule set held as central signed it; nil if there is none.
func (s *Store) RulesSigned() ([]byte, error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	if s.Rules() == (rule.Version{}) {
		return nil, nil
	}
	return s.read(fileRules)
}

func (s *Store) read(name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return b, nil
}

// OutOfForce are the services whose rules are held, and whose legal approval is over or not in the bundle.
func (s *Store) OutOfForce() []record.ServiceID {
	var all []record.ServiceID
	for _, r := range s.RuleSet().Rules {
		if _, _, ok := s.For(r.Service); !ok {
			all = append(all, r.Service)
		}
	}
	return all
}

// PreviousTrust is the number of the bundle that RevertTrust would go back to; 0 if there is none.
func (s *Store) PreviousTrust() uint64 {
	floor, reverted := s.standing()
	b, err := os.ReadFile(filepath.Join(s.dir, fileTrust+previous))
	if err != nil || reverted {
		return 0
	}
	o, err := trust.Open(b, trust.Terms{Root: s.place.Root})
	if err != nil || o.Number >= floor.Number || o.Root != floor.Root {
		return 0
	}
	return o.Number
}

func (s *Store) standing() (newest, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.newest, s.reverted
}

// checked is the time if it can be relied on.
func (s *Store) checked() time.Time {
	if now, c := s.today(); c == record.ConfidenceChecked {
		return now
	}
	return time.Time{}
}

// reviewRules takes rules out of force that the bundle in force does not vouch for. Those before them do not come back in their place.
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

// ApplyRules verifies a signed rule set of this box's site and puts it in force. ErrOlder, also if it is older than a set that went out of
// force here, or an error of package rule.
func (s *Store) ApplyRules(msg []byte) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	set, err := rule.Open(s.Trust(), msg, s.terms())
	if err != nil {
		return err
	}
	if set.Version.Compare(s.Rules()) <= 0 || set.Version.Compare(s.RulesFloor()) < 0 {
		return ErrOlder
	}
	if err := s.raise(set.Version); err != nil {
		return err
	}
	if err := s.replace(fileRules, msg); err != nil {
		return err
	}
	s.obey(set)
	return nil
}

// terms are what a new set must meet.
func (s *Store) terms() rule.Terms {
	today, _ := s.today()
	bundle := s.Trust().Bundle
	return rule.Terms{Site: s.place.Site, Approved: func(v record.VerifierID) bool { return bundle.Approves(v, today) }}
}

// keptTerms are what a set must meet that was taken before: an approval that is over since then ends its own rule, which For looks after.
func (s *Store) keptTerms() rule.Terms {
	return rule.Terms{Site: s.place.Site, Approved: func(record.VerifierID) bool { return true }}
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

// believe puts the newest bundle in force.
func (s *Store) believe(b belief) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trust, s.newest, s.reverted = b, newest{b.Number, b.Root}, false
}

// goBack puts the bundle before the newest one in force.
func (s *Store) goBack(b belief, floor newest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trust, s.newest, s.reverted = b, floor, true
}

func (s *Store) obey(set rule.Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = set
}
