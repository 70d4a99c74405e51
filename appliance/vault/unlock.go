package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sitekey"
)

// Unlock opens what lies on the disk: by the operator's code, or without one where the signed rule in force lets it open so and nobody
// locked it on purpose. Keys that are open already are checked all the same, so that a wrong code is never right. code is the caller's to
// wipe. *TryError with ErrCode or ErrWait; ErrHeld, ErrNone, ErrRule, ErrSwap, ErrRing, or an error of package tpm.
func (s *Site) Unlock(ctx context.Context, code []byte) error {
	s.working.Lock()
	defer s.working.Unlock()
	if err := s.fit(); err != nil {
		return err
	}
	file, open, _ := s.now()
	if err := s.mayOpen(file); err != nil {
		return err
	}
	r, err := s.openFile(ctx, file, code)
	if err != nil {
		return err
	}
	if r, err = merge(open, r); err != nil {
		return err
	}
	if err := s.release(file); err != nil {
		return err
	}
	s.show(ctx, r, file.by())
	return nil
}

// openFile opens the keys on the disk by whatever they lie under.
func (s *Site) openFile(ctx context.Context, file *ringFile, code []byte) (r sitekey.Ring, err error) {
	var lock seal.PrivateKey
	open := func() (err error) {
		lock, err = s.openLock(file.Lock, code)
		return err
	}
	if file.Lock.Way == rule.UnlockCode {
		err = s.try(file.Lock, open)
	} else {
		err = open()
	}
	if err != nil {
		s.Log.WarnContext(ctx, "site keys were not opened", slog.Any("error", err))
		return r, fmt.Errorf("opening the site keys: %w", err)
	}
	return file.ring(lock)
}

// SetCode puts the keys on the disk under a new code and a new lock; a box without any makes its site's first. Where a code is in force it
// must be given, unless somebody else opened the keys: central or a peer, for when it was forgotten. It opens the keys if they were closed,
// where Unlock would: keys that lie without a code, and that no rule lets open so, stay closed until central or a peer opens them. Both
// codes are the caller's to wipe. After a crash the one or the other code opens them. ErrForm, ErrOld, ErrUntaken with how many keys the
// forgotten code alone opens, and as Unlock.
func (s *Site) SetCode(ctx context.Context, old, code []byte) error {
	s.working.Lock()
	defer s.working.Unlock()
	if err := errors.Join(s.checkNew(code), s.fit()); err != nil {
		return err
	}
	file, r, by := s.now()
	switch {
	case s.held() == HeldByOrder:
		return ErrHeld
	case file.by() == "" && by == "":
		return s.create(ctx, rule.UnlockCode, code)
	case file.by() == ByCode && len(old) == 0 && (by == "" || by == ByCode):
		return ErrOld
	case file.by() == ByCode && len(old) > 0, file.by() != "" && by == "":
		lying, err := s.reopen(ctx, file, old)
		if err != nil {
			return err
		}
		if r, err = merge(r, lying); err != nil {
			return err
		}
	}
	if err := s.relock(file, r, rule.UnlockCode, code); err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "site keys lie under a new code")
	s.show(ctx, r, ByCode)
	return nil
}

func (s *Site) reopen(ctx context.Context, file *ringFile, code []byte) (sitekey.Ring, error) {
	if err := s.mayOpen(file); err != nil {
		return sitekey.Ring{}, err
	}
	return s.openFile(ctx, file, code)
}

// relock writes r under a new lock. Keys of the file that are not in r could not be read by anybody here, and central has them, but for
// those that were made here and wait for it.
func (s *Site) relock(file *ringFile, r sitekey.Ring, way rule.Unlock, code []byte) error {
	lost := 0
	for _, w := range file.Made {
		if _, open := r.Find(w.Generation); !open {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("%w: %d", ErrUntaken, lost)
	}
	l, err := s.newLock(way, code)
	if err != nil {
		return err
	}
	next, err := file.relocked(l, r)
	if err != nil {
		return err
	}
	next.Hold = HeldNot
	return s.write(next)
}

// Create makes the first key of a site under a new code; the code is not used where the signed rule wants none. ErrExists, ErrForm,
// ErrHeld, ErrSwap, or an error of the parts. After a crash there is either no key or one that opens.
func (s *Site) Create(ctx context.Context, code []byte) error {
	s.working.Lock()
	defer s.working.Unlock()
	if file, _, by := s.now(); file.by() != "" || by != "" {
		return ErrExists
	}
	if s.held() == HeldByOrder {
		return ErrHeld
	}
	way := s.way()
	if way == rule.UnlockCode {
		if err := s.checkNew(code); err != nil {
			return err
		}
	}
	if err := s.fit(); err != nil {
		return err
	}
	return s.create(ctx, way, code)
}

// ErrExists says that this box has site keys already.
var ErrExists = errors.New("this box has site keys already")

func (s *Site) create(ctx context.Context, way rule.Unlock, code []byte) error {
	l, err := s.newLock(way, code)
	if err != nil {
		return err
	}
	file, _, _ := s.now()
	return s.add(ctx, file, sitekey.Ring{}, ways[way], func(r sitekey.Ring) (*ringFile, error) { return file.relocked(l, r) })
}

// add makes a key, stores it with its wrapping for central, and only then shows it.
func (s *Site) add(ctx context.Context, file *ringFile, r sitekey.Ring, by By, store func(sitekey.Ring) (*ringFile, error)) error {
	if len(file.Made) >= maxMade {
		return sitekey.ErrFull
	}
	k := sitekey.NewKey()
	r, err := r.With(k)
	if err != nil {
		return err
	}
	central, err := s.Central()
	if err != nil {
		return fmt.Errorf("finding central's sealing key: %w", err)
	}
	made, err := sitekey.Wrap(central, s.Site, k)
	if err != nil {
		return err
	}
	f, err := store(r)
	if err != nil {
		return err
	}
	f.Hold, f.Made = HeldNot, append(slices.Clone(f.Made), made)
	if err := s.write(f); err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "made a site key", slog.String("generation", k.Generation().String()))
	s.show(ctx, r, by)
	return nil
}

// Rotate makes a new generation, under which everything new is sealed from then on. ErrLocked, ErrNone, ErrNoCode when the keys are in
// memory alone, sitekey.ErrFull. After a crash the new key is there or not; the old ones are.
func (s *Site) Rotate(ctx context.Context) error {
	needed := s.needed(ctx)
	s.working.Lock()
	defer s.working.Unlock()
	file, r, by := s.now()
	if by == "" {
		_, err := s.Ring()
		return err
	}
	if file.by() == "" {
		return ErrNoCode
	}
	file, r = makeRoom(file, r, []sitekey.Generation{{}}, needed)
	return s.add(ctx, file, r, by, file.with)
}
