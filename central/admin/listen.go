package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// maxPath is the longest path of a unix socket on Linux, less its closing zero, in octets (unix(7)).
const maxPath = 107

// ErrNotSocket says that a file that is no socket is where the socket belongs; it is left alone.
var ErrNotSocket = errors.New("exists and is not a socket; move that file away")

// Listen makes the operator's socket, mode 0600, and never open to others. What a dead central left there is replaced: call it
// with the lock of the data directory held. For a moment the whole program makes files for their owner alone. Closing removes the
// socket.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("socket path %s is longer than %d octets: choose a shorter data directory", path, maxPath)
	}
	info, err := os.Lstat(path)
	if err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("socket path %s %w", path, ErrNotSocket)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing a dead central's socket: %w", err)
	}
	// A mode that is only set afterwards would leave a moment in which others can connect.
	before := syscall.Umask(0o077)
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	syscall.Umask(before)
	if err != nil {
		return nil, fmt.Errorf("listening for the operator: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("closing the operator's socket to others: %w", err), l.Close())
	}
	return l, nil
}
