package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// tailLines and tailOctets bound what of a log goes into an error.
const (
	tailLines  = 12
	tailOctets = 4 << 10
)

// Process is a program that was started by a [Stage].
type Process struct {
	spec  Spec
	cmd   *exec.Cmd
	from  int64         // where its output begins in the log
	asked atomic.Bool   // its end is wanted
	gone  chan struct{} // closed when it and its output have ended
}

// Spec is what it was started with; Start with the same runs it again.
func (p *Process) Spec() Spec { return p.spec }

// Pid is the process id, which is the group's id as well.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Gone is closed when the program has ended.
func (p *Process) Gone() <-chan struct{} { return p.gone }

func start(spec Spec) (*Process, error) {
	if spec.ReadyWithin == 0 {
		spec.ReadyWithin = DefaultReadyWithin
	}
	if spec.StopWithin == 0 {
		spec.StopWithin = DefaultStopWithin
	}
	out, err := os.OpenFile(filepath.Clean(spec.Log), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", spec.Name, err)
	}
	defer func() { _ = out.Close() }() // the program has its own descriptor
	info, err := out.Stat()
	if err != nil {
		return nil, fmt.Errorf("looking at the log of %s: %w", spec.Name, err)
	}
	cmd := exec.CommandContext(context.Background(), spec.Path, spec.Args...) //nolint:gosec // programs and arguments are the lab's own
	cmd.Dir, cmd.Stdout, cmd.Stderr = spec.Dir, out, out
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{spec: spec, cmd: cmd, from: info.Size(), gone: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	return p, nil
}

// run starts the program and waits for it on one thread: the kernel sends the death signal when the *thread* that started a
// program ends (prctl(2)), so that thread must live as long as the program.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	_ = p.cmd.Wait() // how it ended stays in ProcessState
	p.signal(syscall.SIGKILL)
	close(p.gone)
}

// signal reaches the whole group; that it is empty already is no error.
func (p *Process) signal(s syscall.Signal) { _ = syscall.Kill(-p.Pid(), s) }

func (p *Process) waitReady(ctx context.Context) error {
	if p.spec.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.spec.ReadyWithin)
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	var last error
	for {
		if last = p.spec.Ready(ctx); last == nil {
			return nil
		}
		select {
		case <-p.gone:
			return p.exitError("died before it was ready")
		case <-poll.C:
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("waiting for %s: %w", p.spec.Name, ctx.Err())
			}
			return fmt.Errorf("%w: %s, within %s: %w; the end of %s:%s",
				ErrNotReady, p.spec.Name, p.spec.ReadyWithin, last, p.spec.Log, indent(p.tail()))
		}
	}
}

// stop returns when the program and its group are gone.
func (p *Process) stop() error {
	select {
	case <-p.gone:
		if !p.asked.Swap(true) {
			return p.exitError("died")
		}
		return nil
	default:
	}
	p.asked.Store(true)
	p.signal(syscall.SIGTERM)
	grace := time.NewTimer(p.spec.StopWithin)
	defer grace.Stop()
	select {
	case <-p.gone:
	case <-grace.C:
		p.kill()
	}
	return nil
}

func (p *Process) kill() {
	p.asked.Store(true)
	p.signal(syscall.SIGKILL)
	<-p.gone
}

func (p *Process) exitError(when string) *ExitError {
	state := "still running"
	select {
	case <-p.gone:
		state = p.cmd.ProcessState.String()
	default:
	}
	return &ExitError{Name: p.spec.Name, When: when, State: state, Log: p.spec.Log, Tail: p.tail()}
}

// tail is the end of what this process wrote.
func (p *Process) tail() []string {
	f, err := os.Open(p.spec.Log)
	if err != nil {
		return []string{err.Error()}
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return []string{err.Error()}
	}
	from := max(p.from, info.Size()-tailOctets)
	buf := make([]byte, max(0, info.Size()-from))
	n, _ := f.ReadAt(buf, from) // what could be read is what there is to show
	text := strings.TrimSpace(string(buf[:n]))
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-tailLines):]
}
