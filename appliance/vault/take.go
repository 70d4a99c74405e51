package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
)

// Take takes a signed grant of central's. It opens the keys, unless somebody locked them by hand; on the disk they are stored only under a
// lock that is there already, or where the signed rule wants no code: S alone opens a grant, so the grant itself is never kept. The same
// grant again opens what is locked. ErrOlder, ErrElsewhere, ErrWiped, ErrSwap, or an error of packages sitekey and sign.
func (s *Site) Take(ctx context.Context, msg []byte) error {
	g, err := sitekey.OpenGrant(s.Keys(), msg)
	if err != nil {
		return fmt.Errorf("taking site keys: %w", err)
	}
	if g.Site != s.Site || g.Box != s.Identity.Box {
		return fmt.Errorf("taking site keys: %w", ErrElsewhere)
	}
	s.working.Lock()
	defer s.working.Unlock()
	if newer := g.Version.Compare(s.Version()); newer < 0 {
		return ErrOlder
	} else if _, _, by := s.now(); newer == 0 && by != "" {
		return nil
	}
	if err := s.fit(); err != nil {
		return err
	}
	_, open, _ := s.now()
	r, err := g.Ring(s.Identity.Sealing, open)
	if err != nil {
		return fmt.Errorf("taking site keys: %w", err)
	}
	err = s.takeRing(ctx, r, ByCentral, &g)
	if errors.Is(err, ErrWiped) {
		s.mu.Lock()
		s.grant, s.deaf = g.Version, true
		s.mu.Unlock()
	}
	if err != nil {
		return fmt.Errorf("taking site keys: %w", err)
	}
	return nil
}

// takeRing stores keys that came from outside, and shows them. g is nil if they are a peer's.
func (s *Site) takeRing(ctx context.Context, r sitekey.Ring, by By, g *sitekey.Grant) error {
	file, open, _ := s.now()
	r, err := s.unwiped(file, r)
	if err != nil {
		return err
	}
	r, err = s.order(file, open, r, g)
	if err != nil {
		return err
	}
	next, err := s.stored(file, r)
	if err != nil {
		return err
	}
	if g != nil && next != nil {
		next.Grant, next.Members = g.Version, g.Members
		next.Made = slices.DeleteFunc(slices.Clone(next.Made), func(w sitekey.Wrapped) bool { return indexOf(g.Keys, w.Generation) >= 0 })
	}
	if next != nil {
		if err := s.write(next); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if g != nil {
		s.grant, s.members = g.Version, g.Members
	}
	held := s.held && by == ByCentral
	s.mu.Unlock()
	if held {
		return nil
	}
	s.show(ctx, r, by)
	return nil
}

// unwiped leaves out what was erased here. ErrWiped if that is the current key.
func (s *Site) unwiped(file *ringFile, r sitekey.Ring) (sitekey.Ring, error) {
	if file == nil || len(file.Wiped) == 0 {
		return r, nil
	}
	if current, _, _ := r.Current(); slices.Contains(file.Wiped, current) {
		return sitekey.Ring{}, ErrWiped
	}
	return r.Without(file.Wiped...), nil
}

// order adds the keys of r to the open ones. r's current key becomes current, unless a newer one was made here that central has not named.
func (s *Site) order(file *ringFile, open, r sitekey.Ring, g *sitekey.Grant) (sitekey.Ring, error) {
	all, err := merge(open, r)
	if err != nil || file == nil {
		return all, err
	}
	for _, w := range file.Made {
		if g != nil && indexOf(g.Keys, w.Generation) >= 0 {
			continue
		}
		if k, ok := all.Find(w.Generation); ok {
			if all, err = all.With(k); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// stored is the file with the keys of r; nil if nothing is stored yet and nothing may be without a code.
func (s *Site) stored(file *ringFile, r sitekey.Ring) (*ringFile, error) {
	if file.by() != "" {
		return file.with(r)
	}
	way := s.way()
	if way == rule.UnlockCode {
		return nil, nil //nolint:nilnil // no file is no fault
	}
	l, err := s.newLock(way, nil)
	if err != nil {
		return nil, err
	}
	return s.blank().relocked(l, r)
}

// Review looks at the keys anew after the rules changed: open ones that lie nowhere are stored where the rule now wants no code, and what
// lies under no code opens where the rule now lets it. Keys that lie more openly than the rule lets them are reported; only `kazashi code set` can close them, since only a person knows the code.
func (s *Site) Review(ctx context.Context) error {
	s.working.Lock()
	defer s.working.Unlock()
	file, r, by := s.now()
	if by != "" && file.by() == "" {
		next, err := s.stored(file, r)
		if err != nil || next == nil {
			return err
		}
		if err := s.write(next); err != nil {
			return err
		}
		s.Changed()
		return nil
	}
	if by == "" && !s.isHeld() && (file.by() == ByTPM || file.by() == ByFile) && s.allowed(file.Lock.Way) && s.fit() == nil {
		r, err := s.openFile(ctx, file, nil)
		if err == nil {
			s.show(ctx, r, file.by())
		}
		return err
	}
	if open := file.by() != "" && !s.allowed(file.Lock.Way); open != s.warned {
		s.warned = open
		if !open {
			return nil
		}
		s.Log.WarnContext(ctx, "site keys open without a code though no rule lets them any more; set a code", slog.String("by", string(file.by())))
		s.Changed()
	}
	return nil
}
