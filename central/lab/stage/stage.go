// Package stage runs the real programs as child processes and leaves none behind.
//
// A [Stage] starts programs, waits until each is ready, and stops all of them in reverse order. Every program has a process
// group of its own (Ctrl-C reaches only the lab, which then stops the rest in order) and is killed by the kernel if the lab
// itself dies (prctl(2), PR_SET_PDEATHSIG). Output goes to a log file each; when a program dies early, the error carries the
// end of it. A Stage may be used from any goroutine; starts and stops happen one after the other. It restarts nothing by
// itself and knows nothing of what the programs do.
package stage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Defaults of [Spec].
const (
	DefaultReadyWithin = 30 * time.Second
	DefaultStopWithin  = 10 * time.Second
)

// ErrNotReady says that a program runs but was not ready in time.
var ErrNotReady = errors.New("program did not become ready")

// Spec is one program to run.
type Spec struct {
	Name  string   // for people: "central", "box"
	Path  string   // of the executable; looked up in PATH if it has no slash
	Args  []string // without the program itself
	Env   []string // added to the lab's own environment
	Dir   string   // working directory, the lab's own if empty
	Log   string   // file that stdout and stderr are appended to
	Ready Check    // nil: ready once started

	ReadyWithin time.Duration // 0 is DefaultReadyWithin
	StopWithin  time.Duration // from SIGTERM to SIGKILL, 0 is DefaultStopWithin
}

// Stage holds running programs. Make it with [New].
type Stage struct {
	log  *slog.Logger
	died chan *Process // gets a program that ended without being asked to; holds one, which is enough to end the show

	order sync.Mutex // held through one start or stop
	mu    sync.Mutex // guards running
	// running are the programs in the order of their start.
	running []*Process
}

// New makes an empty stage.
func New(log *slog.Logger) *Stage { return &Stage{log: log, died: make(chan *Process, 1)} }

// Start runs a program and returns once it is ready. If it dies before, the error is an *ExitError; if it is not ready in time,
// ErrNotReady with the end of its log, and it is stopped.
func (s *Stage) Start(ctx context.Context, spec Spec) (*Process, error) {
	s.order.Lock()
	defer s.order.Unlock()
	p, err := start(spec)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.running = append(s.running, p)
	s.mu.Unlock()
	s.log.InfoContext(ctx, "program started", slog.String("name", spec.Name), slog.Int("pid", p.Pid()))
	if err := p.waitReady(ctx); err != nil {
		_ = p.stop() // that it died is what err says
		s.forget(p)
		return nil, err
	}
	go s.watch(p)
	return p, nil
}

// Stop ends one program: SIGTERM to its group, after StopWithin SIGKILL. The error is an *ExitError if it had died before.
func (s *Stage) Stop(p *Process) error {
	s.order.Lock()
	defer s.order.Unlock()
	return s.stop(p)
}

func (s *Stage) stop(p *Process) error {
	err := p.stop()
	s.forget(p)
	s.log.Info("program stopped", slog.String("name", p.spec.Name))
	return err
}

// Kill ends a program and its group by SIGKILL, as a power cut would, and returns when it is gone.
func (s *Stage) Kill(p *Process) {
	s.order.Lock()
	defer s.order.Unlock()
	p.kill()
	s.forget(p)
	s.log.Info("program killed", slog.String("name", p.spec.Name))
}

// Close stops everything in reverse order of starting. It does not give up before all are gone; the errors are of those that
// had died before.
func (s *Stage) Close() error {
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	all := slices.Clone(s.running)
	s.mu.Unlock()
	slices.Reverse(all)
	var errs []error
	for _, p := range all {
		errs = append(errs, s.stop(p))
	}
	return errors.Join(errs...)
}

// Wait blocks until ctx ends, then returns nil, or until a program dies unasked, then returns its *ExitError.
func (s *Stage) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case p := <-s.died:
		return p.exitError("died")
	}
}

// watch reports a program that ends unasked.
func (s *Stage) watch(p *Process) {
	<-p.gone
	if !p.asked.Load() {
		select {
		case s.died <- p:
		default:
		}
	}
}

func (s *Stage) forget(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = slices.DeleteFunc(s.running, func(q *Process) bool { return q == p })
}

// ExitError is a program that ended without being asked to.
type ExitError struct {
	Name  string
	When  string   // "died" or "died before it was ready"
	State string   // "exit status 1", "signal: killed"
	Log   string   // its log file
	Tail  []string // the end of the log
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s %s (%s); the end of %s:%s", e.Name, e.When, e.State, e.Log, indent(e.Tail))
}

func indent(lines []string) string {
	if len(lines) == 0 {
		return " (nothing was written)"
	}
	var out strings.Builder
	for _, l := range lines {
		out.WriteString("\n    " + l)
	}
	return out.String()
}
