package pcscd

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

// process is one program of the rig, with its log in the rig's directory.
type process struct {
	name    string
	log     string // path
	cmd     *exec.Cmd
	ended   chan struct{} // closed when it was waited for
	stopped atomic.Bool   // we asked it to end
}

const (
	poll        = 10 * time.Millisecond
	gracePeriod = 3 * time.Second
	lastWords   = 600 // octets of log in an error
)

// launch starts a program. Linux sends the parent-death signal when the *thread* that made the child ends, so that one goroutine keeps
// its thread as long as the child lives.
func launch(dir, name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), cmd: cmd, ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening log of %s: %w", name, err)
	}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, attributes()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // until the goroutine ends, and the thread with it
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // ProcessState says how it ended
			close(p.ended)
		}
	}()
	err = <-started
	_ = log.Close()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// await polls ready until it succeeds, the process ends or ctx does.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", p.name, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// failure is nil while the process runs and when it ended because we asked.
func (p *process) failure() error {
	if p == nil || p.stopped.Load() {
		return nil
	}
	select {
	case <-p.ended:
	default:
		return nil
	}
	words := p.lastWords()
	if strings.Contains(words, "Operation not permitted") || strings.Contains(words, "ermission denied") {
		return fmt.Errorf("%w: %s: %s", ErrNotPermitted, p.name, words)
	}
	return fmt.Errorf("%w: %s: %s: %s", ErrEnded, p.name, p.cmd.ProcessState, words)
}

func (p *process) lastWords() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return "no log: " + err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-lastWords):]))
}

// end asks the process to end, after gracePeriod makes it, and waits for it. Only this process is meant, by its id.
func (p *process) end() error {
	if p == nil {
		return nil
	}
	p.stopped.Store(true)
	select {
	case <-p.ended: // its id may be another's by now
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending %s: %w", p.name, err)
	}
	t := time.NewTimer(gracePeriod)
	defer t.Stop()
	select {
	case <-p.ended:
		return nil
	case <-t.C:
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.name, err)
	}
	<-p.ended
	return nil
}
