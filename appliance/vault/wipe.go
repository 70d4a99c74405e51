package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"kazashi.example/sync/durable"
	"kazashi.example/sync/sitekey"
)

// Retire forgets generations that nothing is sealed under any more: those for which needed says no. The current one, those that the newest
// grant names, and those that central has not named yet, stay: central has a roster on its way under any key that it gives. ErrLocked or
// ErrNone.
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
		known := file.Current != nil && g == *file.Current || slices.Contains(file.Named, g) || indexOf(file.Made, g) >= 0
		if g != current && !known && !needed(g) {
			gone = append(gone, g)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if file.by() != "" {
		if err := s.write(file.without(gone)); err != nil {
			return err
		}
	}
	s.show(ctx, r.Without(gone...), by)
	return nil
}

// Wipe erases the site keys, in memory and on the disk, and notes durably which, so that no grant and no peer brings one back: also those
// that the newest grant gave and that are in memory alone. It says how many. The keys must not be open for it; a lock that central ordered
// stays. After an error, which is the disk's, they are closed in this run, and the call is to be repeated. On flash the old octets may stay
// where nobody can reach them: what opens them there is this TPM, or no TPM at all, and the code. A second call changes nothing.
func (s *Site) Wipe(ctx context.Context) (int, error) {
	s.working.Lock()
	defer s.working.Unlock()
	defer s.Changed()
	gone := s.Generations()
	file, _, _ := s.now()
	s.mu.Lock()
	s.forget()
	s.mu.Unlock()
	next := &ringFile{Site: file.Site, Box: file.Box, Grant: file.Grant, Members: file.Members, Wiped: slices.Clone(file.Wiped)}
	if s.held() == HeldByOrder {
		next.Hold = HeldByOrder
	}
	for _, g := range gone {
		if !slices.Contains(next.Wiped, g) {
			next.Wiped = append(next.Wiped, g)
		}
	}
	next.Wiped = next.Wiped[max(0, len(next.Wiped)-maxWiped):]
	if err := s.write(next); err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.hold, s.deaf = next.Hold, false
	s.mu.Unlock()
	if err := s.sweep(); err != nil {
		return 0, fmt.Errorf("erasing site keys: %w", err)
	}
	s.Log.InfoContext(ctx, "site keys are erased", slog.Int("generations", len(gone)))
	return len(gone), nil
}

// sweep removes what else holds keys, or counts tries at them.
func (s *Site) sweep() error {
	removed := false
	for _, name := range []string{fileDamaged, fileTries} {
		err := os.Remove(filepath.Join(s.Dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		removed = removed || err == nil
	}
	if err := durable.RemoveLeft(filepath.Join(s.Dir, fileRing)); err != nil || !removed {
		return err
	}
	return durable.SyncDir(s.Dir)
}
