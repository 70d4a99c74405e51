// Package pcscd is a reader rig: a real pcscd with virtual readers, and the virtual cards in them, shut off from the machine.
//
// [Start] runs pcscd in a mount and network namespace of its own, since the path of its socket is compiled in and vpcd listens on
// every address, and the vcard program beside it in the same network namespace. PC/SC clients outside reach pcscd by its unix
// socket, which [Rig.Env] names. Any number of rigs run side by side.
//
// Concurrency: the methods of a [Rig] may be called from any goroutine. Nothing is durable. Both processes die with their parent,
// also when that is killed. Needed are Debian's pcscd and vsmartcard-vpcd, util-linux and iproute2, and either root or
// unprivileged user namespaces.
package pcscd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"kazashi.example/reader/vcard/control"
)

// MaxSlots is the number of readers that pcscd holds (PCSCLITE_MAX_READERS_CONTEXTS, pcsc-lite src/PCSC/pcsclite.h).
const MaxSlots = 16

// Errors of [Start].
var (
	// ErrMissing says that a program or driver is not installed, and how to install it.
	ErrMissing = errors.New("not installed: run apt-get install pcscd vsmartcard-vpcd util-linux iproute2")
	// ErrNotPermitted says that namespaces may not be made here.
	ErrNotPermitted = errors.New("not permitted to make namespaces: run as root (in a container with CAP_SYS_ADMIN) or allow unprivileged user namespaces")
	// ErrConfig says that a Config is not usable.
	ErrConfig = errors.New("reader rig configuration is not usable")
	// ErrEnded says that pcscd or the virtual cards ended by themselves.
	ErrEnded = errors.New("reader rig has ended")
)

// Config says what to start.
type Config struct {
	// VCard is the path of the program reader/cmd/vcard.
	VCard string
	// Slots is the number of slots with a virtual card program behind them, 1 to MaxSlots; 0 is 2.
	Slots int
	// Dir holds sockets, configuration and logs; it must exist, and its path be short (about 80 octets). Empty: a directory
	// of its own under os.TempDir, removed by Stop. A rig that was stopped may be followed by one with other slots in the same Dir: to a
	// PC/SC client it is one service that was restarted with other readers, which is as near to hot-plug as vpcd comes.
	Dir string
}

// Rig is a running pcscd with its virtual cards.
type Rig struct {
	dir     string
	own     bool // dir is ours to remove
	slots   int
	pcscd   *process
	vcard   *process
	control *control.Client
	done    chan struct{}
	stop    sync.Once
}

// Paths below a rig's directory.
const (
	runDir        = "run"         // bound over /run/pcscd
	confDir       = "reader.conf" // one file for every two slots
	driverDir     = "driver"      // one copy for every two slots
	socketName    = "pcscd.comm"
	controlName   = "control"
	maxSocketPath = 107 // unix(7): sun_path with its final zero
)

// Start runs a rig and returns when its readers are there. ctx bounds the start alone, at most to startTimeout. ErrMissing,
// ErrNotPermitted, ErrConfig; after an error nothing is left running.
func Start(ctx context.Context, cfg Config) (*Rig, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	r, err := newRig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := r.start(ctx, cfg.VCard); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

const (
	startTimeout = 20 * time.Second
	dying        = time.Second // bounds what is left of a pcscd that was killed
)

func newRig(ctx context.Context, cfg Config) (*Rig, error) {
	if cfg.Slots == 0 {
		cfg.Slots = 2
	}
	if cfg.Slots < 0 || cfg.Slots > MaxSlots {
		return nil, fmt.Errorf("%w: %d slots, want 1 to %d", ErrConfig, cfg.Slots, MaxSlots)
	}
	if err := checkPrograms(cfg.VCard); err != nil {
		return nil, err
	}
	r := &Rig{dir: cfg.Dir, slots: cfg.Slots, done: make(chan struct{})}
	if r.dir == "" {
		dir, err := os.MkdirTemp("", "kazashi-pcscd-")
		if err != nil {
			return nil, fmt.Errorf("making directory of reader rig: %w", err)
		}
		r.dir, r.own = dir, true
	}
	if err := r.layOut(ctx); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

func checkPrograms(vcard string) error {
	if info, err := os.Stat(vcard); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%w: no program at %q: build it by go build ./reader/cmd/vcard", ErrConfig, vcard)
	}
	for _, path := range []string{pcscdPath, driverPath} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", path, ErrMissing)
		}
	}
	for _, name := range []string{"unshare", "nsenter", "setpriv", "mount", "ip"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s: %w", name, ErrMissing)
		}
	}
	return nil
}

// layOut writes the directory.
func (r *Rig) layOut(ctx context.Context) error {
	abs, err := filepath.Abs(r.dir)
	if err != nil {
		return fmt.Errorf("resolving directory of reader rig: %w", err)
	}
	r.dir = abs
	if len(r.Socket()) > maxSocketPath {
		return fmt.Errorf("%w: a unix socket's path is at most %d octets, and %s has more: choose a shorter Dir",
			ErrConfig, maxSocketPath, r.Socket())
	}
	if err := r.clear(ctx); err != nil {
		return err
	}
	for _, name := range []string{runDir, confDir, driverDir} {
		if err := os.MkdirAll(filepath.Join(r.dir, name), 0o700); err != nil {
			return fmt.Errorf("making directory of reader rig: %w", err)
		}
	}
	return writeReaders(r.dir, r.slots)
}

// clear removes what a killed pcscd left in the directory and would stumble over, and the readers of a rig that had others; ErrConfig if
// it was not killed at all: one that was is answered for by Linux a moment longer, until all its files are closed.
func (r *Rig) clear(ctx context.Context) error {
	again := time.NewTicker(poll)
	defer again.Stop()
	for late := time.After(dying); r.answered(ctx); {
		select {
		case <-again.C:
		case <-late:
			return fmt.Errorf("%w: another rig runs in %s: stop it or choose another Dir", ErrConfig, r.dir)
		}
	}
	for _, left := range []string{r.Socket(), filepath.Join(r.dir, runDir, "pcscd.pid"), filepath.Join(r.dir, confDir)} {
		if err := os.RemoveAll(left); err != nil {
			return fmt.Errorf("clearing directory of reader rig: %w", err)
		}
	}
	return nil
}

// answered reports whether anything accepts connections at the rig's socket.
func (r *Rig) answered(ctx context.Context) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", r.Socket())
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

func (r *Rig) start(ctx context.Context, vcard string) error {
	var err error
	if r.pcscd, err = launch(r.dir, "pcscd", pcscdCommand(r.dir)); err != nil {
		return err
	}
	if err := r.pcscd.await(ctx, r.listening); err != nil {
		return err
	}
	control := control.NewClient(filepath.Join(r.dir, controlName))
	if r.vcard, err = launch(r.dir, "vcard", r.vcardCommand(vcard)); err != nil {
		return err
	}
	err = r.vcard.await(ctx, func(ctx context.Context) error {
		_, err := control.Slots(ctx)
		return err //nolint:wrapcheck // await adds which program it is
	})
	if err != nil {
		return err
	}
	r.control = control
	go r.watch()
	return nil
}

// watch closes done when either process ends.
func (r *Rig) watch() {
	select {
	case <-r.pcscd.ended:
	case <-r.vcard.ended:
	}
	close(r.done)
}

// Env is what a PC/SC client's environment must hold, "PCSCLITE_CSOCK_NAME=…". The client library reads it once a process.
func (r *Rig) Env() string { return "PCSCLITE_CSOCK_NAME=" + r.Socket() }

// Socket is the path of pcscd's socket, the value of PCSCLITE_CSOCK_NAME.
func (r *Rig) Socket() string { return filepath.Join(r.dir, runDir, socketName) }

// Control steers the virtual cards.
func (r *Rig) Control() *control.Client { return r.control }

// ReaderName is the PC/SC name of slot n, counted from 0 as in Control.
func (r *Rig) ReaderName(n int) string { return fmt.Sprintf("%s 00 %02X", friendlyName(n/2), n%2) }

// Done is closed when pcscd or the virtual cards have ended, by Stop or by themselves; Err then says which.
func (r *Rig) Done() <-chan struct{} { return r.done }

// Err is nil while both processes run and after Stop; ErrEnded with the last words of the one that ended by itself.
func (r *Rig) Err() error {
	for _, p := range []*process{r.pcscd, r.vcard} {
		if err := p.failure(); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the virtual cards, then pcscd, waits for both and removes a directory of the rig's own. Only the first call acts.
func (r *Rig) Stop() error {
	var err error
	r.stop.Do(func() {
		err = errors.Join(r.vcard.end(), r.pcscd.end())
		if r.own {
			err = errors.Join(err, os.RemoveAll(r.dir))
		}
	})
	return err
}
