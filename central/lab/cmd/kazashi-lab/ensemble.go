package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/world"
)

// What the practice world is called by box and central.
const (
	practiceVerifier = "renshu"
	practiceService  = "renshu.library"
	practiceEvidence = "card" // nobody is served without a PIN who was not enrolled with one
	practiceSite     = "branch-1"
	practiceDesk     = "counter-1"
	practiceBox      = "練習用 / practice"
)

// Central keeps these paces in the practice world, so that nobody waits for a PPID or a list.
const (
	backupEvery = time.Second
	// renewalsEvery is how often central asks what was renewed. The real one will be asked every night.
	renewalsEvery = 2 * time.Second
	listEvery     = 2 * time.Second
)

// withoutLine marks the folders of the counter that stands where there is no line.
const withoutLine = "-2"

// maxFolder keeps the sockets below a folder within unix(7)'s 107 octets: the longest name is "/readers-2/run/pcscd.comm".
const maxFolder = 107 - len("/readers"+withoutLine+"/run/pcscd.comm")

var (
	errProgram = errors.New("a program is missing")
	errFolder  = errors.New("folder cannot be used")
)

// addresses are where the parts listen, host:port on loopback. Uplink is central's own; boxes go to Line.
type addresses struct{ Counter, Line, Central, JPKI, Tray, Uplink string }

// addressesFrom takes five ports in a row and a free one for the uplink; 0 takes free ones for all.
func addressesFrom(ctx context.Context, first int) (addresses, error) {
	free, err := stage.FreePorts(ctx, 6)
	if err != nil {
		return addresses{}, err
	}
	at := func(n int) string {
		if first == 0 {
			return free[n]
		}
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(first+n))
	}
	return addresses{at(0), at(1), at(2), at(3), at(4), free[5]}, nil
}

// check says which port is taken, before anything is started.
func (a addresses) check(ctx context.Context) error {
	for _, p := range []struct{ what, address string }{
		{"counter page", a.Counter}, {"line to central", a.Line}, {"central", a.Central}, {"practice JPKI", a.JPKI}, {"card tray", a.Tray},
	} {
		if err := stage.PortFree(ctx, p.what, p.address); err != nil {
			return err
		}
	}
	return nil
}

// ensemble is the whole practice world at work: readers, practice JPKI, central, one box, and the tray that moves them. Programs
// are processes of their own; tray and line live in this one.
type ensemble struct {
	dir  string // absolute
	bin  string // folder of the programs
	keys string // folder of practice keys
	mark string // of the folders of this counter; empty for the first
	at   addresses
	say  func(format string, a ...any) // tells people how far things are
	log  *slog.Logger

	hold, gap time.Duration // of the tray

	logFile *os.File
	world   *world.World
	stage   *stage.Stage
	rig     *pcscd.Rig
	box     *stage.Process
	service *stage.Process // central's
	tray    *trayRig
	second  *ensemble          // the counter without a line, if it was set up; its box is the stage's
	stop    context.CancelFunc // ends the tray
	ended   chan error         // gets the tray's end
}

// programs that stand beside kazashi-lab.
var programs = []string{"kazashi", "kazashi-central", "kazashi-lab", "kazashi-count", "vcard"}

// programFolder is where the programs are: beside this one.
func programFolder() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the programs: %w", err)
	}
	return filepath.Dir(self), nil
}

// newEnsemble looks whether it can be started with the programs in bin, and starts nothing.
func newEnsemble(ctx context.Context, bin, dir, keys string, at addresses, out io.Writer) (*ensemble, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("resolving %s: %w", dir, err)
	}
	if len(abs) > maxFolder {
		return nil, fmt.Errorf("%w: the path of %s has %d octets, and sockets below it allow %d: choose a shorter one", errFolder, abs, len(abs), maxFolder)
	}
	e := &ensemble{
		dir: abs, bin: bin, keys: keys, at: at, hold: tray.DefaultHold, gap: tray.DefaultGap,
		say: func(format string, a ...any) { fmt.Fprintf(out, format+"\n", a...) },
	}
	for _, name := range programs {
		if info, err := os.Stat(e.program(name)); err != nil || info.Mode()&0o111 == 0 {
			return nil, fmt.Errorf("%w: no %s in %s; build all of them by `make build`", errProgram, name, e.bin)
		}
	}
	return e, at.check(ctx)
}

func (e *ensemble) program(name string) string { return filepath.Join(e.bin, name) }
func (e *ensemble) path(parts ...string) string {
	return filepath.Join(append([]string{e.dir}, parts...)...)
}

// own is a path in a folder that belongs to this counter.
func (e *ensemble) own(name string, parts ...string) string {
	return e.path(append([]string{name + e.mark}, parts...)...)
}

// stick is the folder that stands for a USB stick, in the folder of sticks.
func (e *ensemble) stick() string { return e.path("sticks", "usb") }

// Start brings everything up in order. After an error nothing is left running.
func (e *ensemble) Start(ctx context.Context) (err error) {
	if err := e.prepare(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	if err := e.startWorld(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		what  string
		start func(context.Context) error
	}{
		{"card readers (pcscd, virtual cards)", e.startReaders},
		{"practice JPKI", e.startJPKI},
		{"central", e.startCentral},
		{"line and card tray", e.startTray},
		{"box", e.startBox},
	} {
		e.say("starting %s", part.what)
		if err := part.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (e *ensemble) prepare(ctx context.Context) error {
	for _, name := range []string{"log", "readers", "tray", "central", "box", filepath.Join("sticks", "usb")} {
		if err := os.MkdirAll(e.path(name), 0o700); err != nil {
			return fmt.Errorf("%w: %w", errFolder, err)
		}
	}
	if err := os.WriteFile(filepath.Join(e.stick(), ".kazashi-stick"), nil, 0o600); err != nil { // a folder that the page takes for a stick
		return fmt.Errorf("%w: %w", errFolder, err)
	}
	f, err := os.OpenFile(e.path("log", "lab.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", errFolder, err)
	}
	e.logFile = f
	e.log = slog.New(slog.NewTextHandler(f, nil))
	e.stage = stage.New(e.log)
	e.log.InfoContext(ctx, "practice world begins", slog.String("folder", e.dir))
	return nil
}

func (e *ensemble) startWorld(ctx context.Context) error {
	e.say("opening the practice world in %s (keys in %s)", e.path("world"), e.keys)
	var g errgroup.Group
	steps := make(chan string, 64)
	g.Go(func() error {
		for s := range steps {
			e.say("%s", s)
		}
		return nil
	})
	w, err := world.Open(ctx, e.path("world"), world.Config{
		Keys: e.keys, OCSP: "http://" + e.at.JPKI + "/ocsp", Progress: func(done, total int) {
			if step := max(1, total/4); done%step == 0 || done == total {
				steps <- fmt.Sprintf("  practice keys %d of %d", done, total)
			}
		},
	})
	close(steps)
	if err := g.Wait(); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("opening the practice world: %w", err)
	}
	e.world = w
	return nil
}

func (e *ensemble) startReaders(ctx context.Context) error {
	rig, err := pcscd.Start(ctx, pcscd.Config{VCard: e.program("vcard"), Slots: 1, Dir: e.own("readers")})
	if err != nil {
		return fmt.Errorf("starting the card readers: %w", err)
	}
	e.rig = rig
	return nil
}

func (e *ensemble) startTray(ctx context.Context) error {
	t, err := openTray(ctx, trayOptions{
		World: e.path("world"), Keys: e.keys, Ledger: e.own("tray", "ledger.jsonl"), Socket: e.own("readers", "control"),
		JPKI: "http://" + e.at.JPKI, Listen: e.at.Tray, LineListen: e.at.Line, LineTarget: e.at.Uplink,
		Counter: "http://" + e.at.Counter + "/", Desk: practiceDesk, Service: practiceService, Hold: e.hold, Gap: e.gap, Enrols: true,
	}, e.log)
	if err != nil {
		return fmt.Errorf("setting up the tray: %w", err)
	}
	e.tray = t
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // it goes last, after the box
	e.stop, e.ended = stop, make(chan error, 1)
	go func() { e.ended <- t.Run(running) }()
	return nil
}

// Wait blocks until ctx ends, then returns nil, or until a part ends by itself, then returns why.
func (e *ensemble) Wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	died := make(chan error, 1)
	go func() { died <- e.stage.Wait(ctx) }()
	select {
	case err := <-died:
		return err
	case <-e.rig.Done():
		return fmt.Errorf("the card readers have ended: %w", e.rig.Err())
	case err := <-e.ended:
		e.ended <- err
		return fmt.Errorf("the card tray has ended: %w", err)
	}
}

// Close stops everything, the box first and its readers last. It may be called after any part of Start, and twice.
func (e *ensemble) Close() error {
	var errs []error
	if e.stage != nil {
		errs = append(errs, e.stage.Close())
	}
	errs = append(errs, e.clear())
	if e.second != nil {
		errs = append(errs, e.second.clear())
	}
	if e.logFile != nil {
		errs = append(errs, e.logFile.Close())
		e.logFile = nil
	}
	return errors.Join(errs...)
}

// clear takes tray and readers of a counter away, whose box has been stopped. It may be done twice.
func (e *ensemble) clear() error {
	var errs []error
	if e.stop != nil {
		e.stop()
		errs = append(errs, <-e.ended)
		e.stop = nil
	}
	if e.rig != nil {
		errs = append(errs, e.rig.Stop())
	}
	return errors.Join(errs...)
}

// practiceKeys is where private keys of the practice world are kept, so that only the first of all worlds takes its time.
func practiceKeys() string {
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "kazashi-practice-keys")
	}
	return filepath.Join(os.TempDir(), "kazashi-practice-keys-"+strconv.Itoa(os.Getuid()))
}
