package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// Errors of the listen functions.
var (
	// ErrInUse says that something listens there already.
	ErrInUse = errors.New("in use")
	// ErrNotSocket says that a file that is no socket is in the way; it is left alone.
	ErrNotSocket = errors.New("exists and is not a socket")
)

// maxSocketPath is the longest path of a unix socket on Linux, less its closing zero and the ".new" it is made under (unix(7)).
const maxSocketPath = 107 - len(newSuffix)

const (
	newSuffix   = ".new"
	probeWithin = time.Second
)

// ListenTCP listens on addr, "host:port". ErrInUse, with what to do about it, when the port is taken.
func ListenTCP(ctx context.Context, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %s is %w: another kazashi or another program listens there; "+
			"stop it (`ss -ltnp` names it), or choose another port for the counter in the configuration", addr, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return l, nil
}

// ListenUnix listens on a unix socket at path, mode 0660. A socket that a dead program left there is replaced; ErrInUse when a
// living one answers, ErrNotSocket when path is something else. Closing the listener removes the file.
//
// The socket is made beside its place and moved there, so that nobody can connect before the mode is set. Between two starts in
// the same instant the last wins: the lock of the data directory keeps them apart.
func ListenUnix(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("socket path %s is longer than %d bytes: choose a shorter data directory", path, maxSocketPath)
	}
	if err := free(ctx, path); err != nil {
		return nil, err
	}
	made := path + newSuffix
	if err := removeSocket(made); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", made)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", made, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // "unix" always makes one
	if err := errors.Join(os.Chmod(made, 0o660), os.Rename(made, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("placing the socket %s: %w", path, err), l.Close(), removeSocket(made))
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("looking at the socket %s: %w", path, err), l.Close())
	}
	return &unixListener{Listener: l, path: path, info: info}, nil
}

// free returns nil when path may be taken: nothing there, or a socket at which nobody answers.
func free(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the socket %s: %w", path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("socket path %s %w: move that file away", path, ErrNotSocket)
	}
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err == nil {
		_ = c.Close() // it was only a knock
	}
	return fmt.Errorf("socket %s is %w: another kazashi runs with this data directory; stop it first", path, ErrInUse)
}

func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("socket path %s %w: move that file away", path, ErrNotSocket)
	}
	if err := errors.Join(err, os.Remove(path)); err != nil {
		return fmt.Errorf("removing the old socket %s: %w", path, err)
	}
	return nil
}

// unixListener removes its file when closed, if it still is its own.
type unixListener struct {
	net.Listener

	path string
	info fs.FileInfo
}

// Close closes the listener and removes the socket.
func (l *unixListener) Close() error {
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.info) {
		_ = os.Remove(l.path) // a socket left behind is found dead at the next start
	}
	return l.Listener.Close() //nolint:wrapcheck // a listener's own error
}
