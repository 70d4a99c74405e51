package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sitekey"
)

// Unlock opens what lies on the disk: by the operator's code, or without one where the signed rule in force lets it open so. Keys that are
// open already are checked all the same, so that a wrong code is never right. code is the caller's to wipe. *TryError with ErrCode or
// ErrWait; ErrNone, ErrRule, ErrSwap, ErrRing, or an error of package tpm.
func (s *Site) Unlock(ctx context.Context, code []byte) error {
	s.working.Lock()
	defer s.working.Unlock()
	if err := s.fit(); err != nil {
		return err
	}
	file, open, _ := s.now()
	if file.by() == "" {
		return ErrNone
	}
	if !s.allowed(file.Lock.Way) {
		return ErrRule
	}
	r, err := s.openFile(ctx, file, code)
	if err != nil {
		return err
	}
	if r, err = merge(open, r); err != nil {
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
// must be given, unless somebody else opened the keys: central or a peer, for when it was forgotten. Both codes are the caller's to wipe.
// It opens the keys if they were closed. After a crash the one or the other code opens them. ErrForm, ErrOld, and as Unlock.
func (s *Site) SetCode(ctx context.Context, old, code []byte) error {
	s.working.Lock()
	defer s.working.Unlock()
	if err := errors.Join(s.checkNew(code), s.fit()); err != nil {
		return err
	}
	file, r, by := s.now()
	switch {
	case file.by() == "" && by == "":
		return s.create(ctx, rule.UnlockCode, code)
	case file.by() == ByCode && len(old) == 0 && (by == "" || by == ByCode):
		return ErrOld
	case file.by() == ByCode && len(old) > 0, file.by() != "" && by == "":
		lying, err := s.openFile(ctx, file, old)
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

// relock writes r under a new lock. Keys of the file that are not in r could not be read by anybody here, and central has them: of those
// that it may not have, the wrapped ones stay in Made.
func (s *Site) relock(file *ringFile, r sitekey.Ring, way rule.Unlock, code []byte) error {
	l, err := s.newLock(way, code)
	if err != nil {
		return err
	}
	next := s.blank()
	if file != nil {
		next.Made = file.Made
	}
	if next, err = next.relocked(l, r); err != nil {
		return err
	}
	return s.write(next)
}

// Create makes the first key of a site under a new code; the code is not used where the signed rule wants none. ErrExists, ErrForm,
// ErrSwap, or an error of the parts. After a crash there is either no key or one that opens.
func (s *Site) Create(ctx context.Context, code []byte) error {
	s.working.Lock()
	defer s.working.Unlock()
	if file, _, by := s.now(); file.by() != "" || by != "" {
		return ErrExists
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
	return s.add(ctx, sitekey.Ring{}, ways[way], func(r sitekey.Ring) (*ringFile, error) { return s.blank().relocked(l, r) })
}

// add makes a key, stores it with its wrapping for central, and only then shows it.
func (s *Site) add(ctx context.Context, r sitekey.Ring, by By, store func(sitekey.Ring) (*ringFile, error)) error {
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
	f.Made = append(slices.Clone(f.Made), made)
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
	s.working.Lock()
	defer s.working.Unlock()
	file, r, by := s.now()
	switch {
	case by == "" && file.by() == "":
		return ErrNone
	case by == "":
		return ErrLocked
	case file.by() == "":
		return ErrNoCode
	}
	return s.add(ctx, r, by, file.with)
}

// Lock forgets the open keys. They stay closed until a code, a peer or Ask opens them, also if central grants them meanwhile. What Go
// leaves of them in memory is out of its hands.
func (s *Site) Lock(ctx context.Context) error {
	s.working.Lock()
	defer s.working.Unlock()
	s.forget()
	s.Log.InfoContext(ctx, "site keys are locked")
	s.Changed()
	return nil
}

func (s *Site) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring, s.by, s.held, s.nonce = sitekey.Ring{}, "", true, sitekey.Nonce{}
}

// Ask lets the next grant of central's open the keys again after Lock.
func (s *Site) Ask() {
	s.mu.Lock()
	s.held, s.deaf = false, false
	s.mu.Unlock()
	s.Changed()
}

// Retire forgets generations that nothing is sealed under any more: those for which needed says no. The current one, and those that
// central has not named yet, stay. ErrLocked or ErrNone.
func (s *Site) Retire(ctx context.Context, needed func(sitekey.Generation) bool) error {
	s.working.Lock()
	defer s.working.Unlock()
	file, r, by := s.now()
	if by == "" {
		_, err := s.Ring()
		return err
	}
	current, _, _ := r.Current()
	var gone []sitekey.Generation
	for _, g := range r.Generations() {
		if g != current && !needed(g) && (file == nil || indexOf(file.Made, g) < 0) {
			gone = append(gone, g)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if file.by() != "" {
		next := *file
		next.Keys = slices.DeleteFunc(slices.Clone(file.Keys), func(w sitekey.Wrapped) bool { return slices.Contains(gone, w.Generation) })
		if err := s.write(&next); err != nil {
			return err
		}
	}
	s.show(ctx, r.Without(gone...), by)
	return nil
}

// Wipe erases the site keys, on the disk and in memory, and notes durably which, so that no grant and no peer brings one back. It says how
// many. The keys must not be open for it. On flash the old octets may stay where nobody can reach them: what opens them there is this
// TPM, or no TPM at all, and the code. A second call changes nothing.
func (s *Site) Wipe(ctx context.Context) (int, error) {
	s.working.Lock()
	defer s.working.Unlock()
	gone := s.Generations()
	next := s.blank()
	next.Wiped = slices.Clone(next.Wiped)
	for _, g := range gone {
		if !slices.Contains(next.Wiped, g) {
			next.Wiped = append(next.Wiped, g)
		}
	}
	next.Wiped = next.Wiped[max(0, len(next.Wiped)-maxWiped):]
	if err := s.write(next); err != nil {
		return 0, err
	}
	s.forget()
	s.Ask()
	for _, name := range []string{fileDamaged, fileTries} {
		if err := os.Remove(filepath.Join(s.Dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, fmt.Errorf("erasing site keys: %w", err)
		}
	}
	s.Log.InfoContext(ctx, "site keys are erased", slog.Int("generations", len(gone)))
	return len(gone), nil
}
