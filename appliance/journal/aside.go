package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"kazashi.example/sync/epoch"
)

// asideMark stands between a journal's name and the time at which it was set aside.
const asideMark = ".set-aside-"

// asideTime is how that is written.
const asideTime = "20060102T150405Z"

// asideAgain is how long a journal that was begun in the place of another is left where it is, if it is damaged as well, whichever run began it: its disk
// fails, and would be filled with one after the other.
const asideAgain = time.Minute

// asideTries bounds the search for a free name.
const asideTries = 100

// lockFile takes the lock of one process on the journal. It goes with the process, however that ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking journal: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(fmt.Errorf("locking journal: %w", err), f.Close())
	}
	return f, nil
}

// openStore opens the database, makes it if there is none, and sets it aside for a new one if it is damaged and not young.
func openStore(ctx context.Context, path string, o Options, young bool) (*store, book, error) {
	b := birth{epoch.LineageUnknown, epoch.CauseStart}
	if _, err := os.Lstat(path + "-wal"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, book{}, fmt.Errorf("looking for the journal's log: %w", err)
	}
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		st, bk, err := openExisting(ctx, path, o)
		switch {
		case !damaged(err):
			return st, bk, err
		case young || asideJustNow(path, o.Now()):
			return nil, book{}, damagedYoung(err)
		}
		if err := setAside(ctx, path, o, err); err != nil {
			return nil, book{}, err
		}
		b.cause = epoch.CauseSetAside
	case !errors.Is(err, os.ErrNotExist):
		return nil, book{}, fmt.Errorf("looking for the journal: %w", err)
	case nonEmpty(path + "-wal"): // setting aside was cut short after its first step
		if err := setAside(ctx, path, o, errDamaged); err != nil {
			return nil, book{}, err
		}
		b.cause = epoch.CauseSetAside
	case len(asideOf(path)) > 0: // it was cut short after its last step
		b.cause = epoch.CauseSetAside
	case o.Fresh:
		b.lineage = epoch.LineageFirst
	default:
		o.Log.ErrorContext(ctx, "no journal where this box had one; records may be lost with it", slog.String("path", path))
	}
	if err := forgetFound(path); err != nil {
		return nil, book{}, err
	}
	return openNew(ctx, path, o, b)
}

// openNew makes a database and opens it. One that the disk does not give back is removed again: it never held a record, and the next start would
// set it aside.
func openNew(ctx context.Context, path string, o Options, b birth) (*store, book, error) {
	if err := create(ctx, path, o, b); damaged(err) {
		return nil, book{}, damagedYoung(err)
	} else if err != nil {
		return nil, book{}, err
	}
	st, bk, err := openExisting(ctx, path, o)
	if !damaged(err) && !failing(err) {
		return st, bk, err
	}
	err = damagedYoung(err)
	for _, tail := range []string{"-wal", "-shm", ""} { // a log without its database would be set aside as well
		if gone := os.Remove(path + tail); gone != nil && !errors.Is(gone, os.ErrNotExist) {
			return nil, book{}, errors.Join(err, gone)
		}
	}
	return nil, book{}, errors.Join(err, syncFile(filepath.Dir(path)))
}

func damagedYoung(err error) error {
	return fmt.Errorf("%w: a journal begun only now is damaged as well: %w", ErrDisk, err)
}

// openExisting opens a database that is there. Where that fails, other than for what is written in it, the disk decides what it was: damage if it does not
// give all of the files when it is asked again; over, if it does and the next opening goes well; else what SQLite says then. That one read failed SQLite
// calls damage as often as not.
func openExisting(ctx context.Context, path string, o Options) (*store, book, error) {
	st, b, err := openSound(ctx, path, o)
	if !vague(err) && !damaged(err) {
		return st, b, err
	}
	if why := wholly(ctx, path); why != nil {
		return nil, book{}, fmt.Errorf("asking the disk for all of the journal, which did not open (%s): %w", err.Error(), why)
	}
	o.Log.WarnContext(ctx, "opening the journal failed, and the disk gives all of it; opening it again", slog.Any("error", err))
	return openSound(ctx, path, o)
}

func openSound(ctx context.Context, path string, o Options) (*store, book, error) {
	if info, err := os.Lstat(path); err == nil && info.Size() == 0 { // SQLite would take it for a new one
		return nil, book{}, fmt.Errorf("%w: it is empty", errDamaged)
	}
	if nonEmpty(path + "-wal") { // a clean end leaves none
		if err := checkLog(ctx, path); err != nil {
			return nil, book{}, fmt.Errorf("looking at what a crash left: %w", err)
		}
	}
	return connect(ctx, path, o)
}

// setAside renames the database's files, the main one first: without it the others are known for what they are.
func setAside(ctx context.Context, path string, o Options, why error) error {
	name, err := asideName(path, o.Now())
	if err != nil {
		return err
	}
	if all := asideOf(path); !exists(path) && len(all) > 0 && !exists(all[len(all)-1]+"-wal") {
		name = all[len(all)-1] // setting it aside was cut short after the first step: its log follows it
	}
	for _, tail := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+tail, name+tail); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("setting the damaged journal aside: %w (the damage: %w)", err, why)
		}
	}
	if err := syncFile(filepath.Dir(path)); err != nil {
		return err
	}
	o.Log.ErrorContext(ctx, "journal was damaged and is set aside; a new one begins; keep the file, central may still need it",
		slog.String("path", name), slog.Any("error", why))
	return nil
}

func asideName(path string, now time.Time) (string, error) {
	base := path + asideMark + now.UTC().Format(asideTime)
	for i := range asideTries {
		name := base
		if i > 0 {
			name = fmt.Sprintf("%s.%d", base, i)
		}
		if !exists(name) && !exists(name+"-wal") {
			return name, nil
		}
	}
	return "", fmt.Errorf("setting the damaged journal aside: no free name like %s", base)
}

// asideOf lists the databases set aside beside a journal, also those of which the log alone is left, oldest first.
func asideOf(path string) []string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), "-wal")
		if e.Type().IsRegular() && strings.HasPrefix(name, filepath.Base(path)+asideMark) && !strings.HasSuffix(name, "-shm") {
			names = append(names, filepath.Join(filepath.Dir(path), name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// asideJustNow reports whether a database was set aside so short a time ago that the one in its place is young, by the box's clock: other runs count.
func asideJustNow(path string, now time.Time) bool {
	return slices.ContainsFunc(asideOf(path), func(name string) bool {
		at, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(name), filepath.Base(path)+asideMark), ".")
		t, err := time.Parse(asideTime, at)
		return err == nil && now.Sub(t).Abs() < asideAgain // a box without a clock of its own may start a little earlier each time
	})
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func nonEmpty(path string) bool {
	i, err := os.Lstat(path)
	return err == nil && i.Size() > 0
}
