package box

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// fileLock is held by whoever runs on a data directory, or joins in it.
const fileLock = "kazashi.lock"

// ErrInUse says that another process has the data directory.
var ErrInUse = errors.New("another `kazashi run` or `kazashi join` uses this data directory; stop it first")

// lock is the data directory's lock file, held. The kernel frees it when the process ends, however it ends.
type lock struct{ file *os.File }

// How long a lock is waited for. A box that was killed may have been starting a program, which has a copy of the lock until it runs.
const (
	lockWithin = time.Second
	lockAgain  = 20 * time.Millisecond
)

// hold makes the directory if need be and takes its lock. ErrInUse, or ctx's own error if that ends first.
func hold(ctx context.Context, dir string) (*lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, fileLock), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator's path
	if err != nil {
		return nil, fmt.Errorf("opening the data directory's lock: %w", err)
	}
	switch err := flock(ctx, f, time.Now().Add(lockWithin)); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrInUse, dir), f.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("taking the data directory's lock: %w", err), f.Close())
	}
	return &lock{f}, nil
}

func flock(ctx context.Context, f *os.File, until time.Time) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockAgain):
		}
	}
}

func (l *lock) free() error { return l.file.Close() }

// Alone does something in the data directory that a running box would be in the way of; ErrInUse if one runs, or joins.
func Alone(ctx context.Context, dir string, do func() error) error {
	held, err := hold(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(do(), held.free())
}
