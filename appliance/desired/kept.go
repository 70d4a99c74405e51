package desired

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

const (
	previous  = ".previous"   // after a file's name: the one before it
	asideMark = ".set-aside-" // after a file's name, before a number: what was found unusable
	asideMost = 1000          // how many of one name are looked for
)

// recallTrust believes the kept bundle, or the one before it.
func (s *Store) recallTrust(ctx context.Context) error {
	floor, back, err := reverted(s.dir, s.place)
	switch {
	case err != nil:
		return fmt.Errorf("reading the trust bundle: %w", err)
	case back != nil:
		s.goBack(*back, floor)
		return nil
	case floor.Number > 0: // a mark of a way back that ended, or leads nowhere
		s.log.WarnContext(ctx, "a way back to an older trust bundle has ended", slog.Uint64("from", floor.Number))
		if err := s.removeMark(); err != nil {
			return err
		}
	}
	err = s.recall(ctx, fileTrust, func(b []byte) error {
		kept, err := open(b, trust.Terms{Root: s.place.Root})
		if err == nil {
			s.believe(kept)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the trust bundle (if it cannot be restored, join again): %w", err)
	}
	return nil
}

// errForgone is for rules before those that the bundle no longer vouches for: central replaced them.
var errForgone = errors.New("rules that were replaced already")

// recallRules obeys the kept rules, or those before them where they are damaged, or none: central is asked for what is missing.
func (s *Store) recallRules(ctx context.Context) error {
	s.recallFloor(ctx)
	var distrusted error
	err := s.recall(ctx, fileRules, func(b []byte) error {
		set, err := rule.Open(s.Trust(), b, s.keptTerms())
		switch {
		case errors.Is(err, sign.ErrUnknownKey):
			distrusted = err
			return err
		case err != nil:
			return err
		case distrusted != nil:
			return errForgone
		}
		s.obey(set)
		s.seen(set.Version)
		return nil
	})
	var unusable *unusableError
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.As(err, &unusable):
		s.log.ErrorContext(ctx, "no usable rules here; taps are refused until central sends them", slog.Any("error", err))
		return s.forgo()
	default:
		return fmt.Errorf("reading the rules: %w", err)
	}
}

// forgo sets the rules aside, those before them first: alone they would take their place.
func (s *Store) forgo() error {
	if err := setAside(filepath.Join(s.dir, fileRules+previous)); err != nil {
		return err
	}
	return setAside(filepath.Join(s.dir, fileRules))
}

// recallFloor reads the floor of rules. A damaged one is reported and counts for nothing; the rules in force make another.
func (s *Store) recallFloor(ctx context.Context) {
	var v rule.Version
	b, err := os.ReadFile(filepath.Join(s.dir, fileFloor))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = canon.Decode(b, &v, maxPlace)
	}
	if err != nil {
		s.log.ErrorContext(ctx, "which rules were the newest here cannot be read", slog.Any("error", err))
		return
	}
	s.seen(v)
}

// raise makes a version the floor of rules, before they are in force.
func (s *Store) raise(v rule.Version) error {
	if v.Compare(s.RulesFloor()) <= 0 {
		return nil
	}
	b, err := canon.Encode(v)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(s.dir, fileFloor), b, 0o600); err != nil {
		return fmt.Errorf("keeping which rules are the newest: %w", err)
	}
	s.seen(v)
	return nil
}

// RulesFloor is the version of the newest rules that this box ever had; zero if it had none. It may hold none of them any more.
func (s *Store) RulesFloor() rule.Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.floor
}

func (s *Store) seen(v rule.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.Compare(s.floor) > 0 {
		s.floor = v
	}
}

// reverted looks whether the box is back at an older bundle, which it then returns. A mark counts as long as the bundle that it names is the
// newest here, and the one before can be believed. The floor is the mark's, or zero where there is none.
func reverted(dir string, place Place) (floor newest, back *belief, err error) {
	b, err := os.ReadFile(filepath.Join(dir, fileReverted))
	if errors.Is(err, fs.ErrNotExist) {
		return newest{}, nil, nil
	}
	if err != nil {
		return newest{}, nil, err
	}
	if err := canon.Decode(b, &floor, maxPlace); err != nil {
		return newest{Number: 1}, nil, nil //nolint:nilerr // damaged: it marks nothing
	}
	if b, err := os.ReadFile(filepath.Join(dir, fileTrust)); err == nil {
		if o, err := trust.Open(b, trust.Terms{Root: place.Root}); err == nil && o.Number != floor.Number {
			return floor, nil, nil
		}
	}
	b, err = os.ReadFile(filepath.Join(dir, fileTrust+previous))
	if err != nil {
		return floor, nil, nil //nolint:nilerr // without it the newest is the best there is
	}
	if kept, err := open(b, trust.Terms{Root: place.Root}); err == nil && kept.Root == floor.Root && kept.Number < floor.Number {
		return floor, &kept, nil
	}
	return floor, nil, nil
}

// openRules reads the rules in force from the disk; none, without an error, if the bundle in force does not vouch for them.
func (s *Store) openRules() (rule.Set, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, fileRules))
	if err != nil {
		return rule.Set{}, fmt.Errorf("reading the rules: %w", err)
	}
	set, err := rule.Open(s.Trust(), b, s.keptTerms())
	if err != nil {
		s.log.Error("the trust bundle no longer vouches for the rules; taps are refused until central sends others", slog.Any("error", err))
		return rule.Set{}, s.forgo()
	}
	return set, nil
}

// unusableError says that a file could be read and not be believed.
type unusableError struct{ err error }

func (e *unusableError) Error() string { return e.err.Error() }
func (e *unusableError) Unwrap() error { return e.err }

// recall reads a kept file and hands it to use. Where that refuses it, or where it is gone, the one before it takes its
// place. fs.ErrNotExist if there is neither, an unusableError if none can be used.
func (s *Store) recall(ctx context.Context, name string, use func([]byte) error) error {
	path := filepath.Join(s.dir, name)
	err := readAnd(path, use)
	var unusable *unusableError
	if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &unusable) {
		return err
	}
	var before []byte
	if readAnd(path+previous, func(b []byte) error { before = b; return use(b) }) != nil {
		return err
	}
	s.log.ErrorContext(ctx, "a kept file is damaged; the one before it is used until central sends a newer one",
		slog.String("file", name), slog.Any("error", err))
	if err := setAside(path); err != nil {
		return err
	}
	return durable.WriteFile(path, before, 0o600)
}

func readAnd(path string, use func([]byte) error) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := use(b); err != nil {
		return &unusableError{err}
	}
	return nil
}

// replace keeps the old file beside the new one, so that it can be gone back to by hand (P9). A crash in between leaves the
// old file twice.
func (s *Store) replace(name string, b []byte) error {
	path := filepath.Join(s.dir, name)
	old, err := os.ReadFile(path)
	if err == nil {
		err = durable.WriteFile(path+previous, old, 0o600)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keeping the previous %s: %w", name, err)
	}
	return durable.WriteFile(path, b, 0o600)
}

// setAsideAll clears the way for another central.
func setAsideAll(dir string) error {
	for _, name := range []string{fileFloor, fileRules, fileRules + previous, fileReverted, fileTrust, fileTrust + previous, fileVerdicts} {
		if err := setAside(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// setAside gives a file, and what SQLite keeps beside it, names under which nothing looks for them. The write-ahead log goes
// first: left behind by a crash, it would be played into the next database of that name.
func setAside(path string) error {
	to, err := asideName(path)
	if err != nil {
		return err
	}
	for _, tail := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+tail, to+tail); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("setting %s aside: %w", filepath.Base(path), err)
		}
	}
	return durable.SyncDir(filepath.Dir(path))
}

func asideName(path string) (string, error) {
	for n := 1; n <= asideMost; n++ {
		name := fmt.Sprintf("%s%s%d", path, asideMark, n)
		if !exists(name) && !exists(name+"-wal") && !exists(name+"-shm") {
			return name, nil
		}
	}
	return "", fmt.Errorf("setting %s aside: %d are there already; move them away", filepath.Base(path), asideMost)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
