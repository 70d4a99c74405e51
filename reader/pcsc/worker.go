package pcsc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// callLimit bounds a call whose context has no deadline of its own.
	callLimit = time.Minute
	// maxIdle is the number of workers kept for the next card: two lie on a counter at the same time at most.
	maxIdle = 2
	// endLimit bounds the wait for a worker that was killed. It ends within milliseconds, unless it sleeps where not even that
	// wakes it (state D of proc_pid_stat(5)).
	endLimit = 100 * time.Millisecond
	// self is this very program, also after its file was replaced by an update (proc(5)).
	self = "/proc/self/exe"
)

// worker is a process that makes calls of libpcsclite for us, one at a time. PC/SC cannot interrupt a call; a process can be
// killed. It belongs to one goroutine at a time.
type worker struct {
	process *os.Process
	conn    conn
	to      *os.File      // its standard input
	from    *os.File      // its standard output
	life    *os.File      // closed when we end, however we do
	ended   chan struct{} // closed once the process was waited for
}

var errUnhooked = fmt.Errorf("%w: this program does not begin with pcsc.Main", ErrWorker)

// start runs this program as a worker, without waiting for it to be ready. ErrWorker.
func start() (*worker, error) {
	if !hooked.Load() {
		return nil, errUnhooked
	}
	var ours, theirs [3]*os.File
	defer func() { closeAll(theirs[:]) }()
	for i := range ours {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours[:])
			return nil, fmt.Errorf("%w: opening pipes: %w", ErrWorker, err)
		}
		ours[i], theirs[i] = w, r
		if i == 1 {
			ours[i], theirs[i] = r, w
		}
	}
	process, err := os.StartProcess(self, []string{os.Args[0], "pcsc-worker"}, &os.ProcAttr{
		Files: []*os.File{theirs[0], theirs[1], os.Stderr, theirs[2]},
		Env:   environment(),
	})
	if err != nil {
		closeAll(ours[:])
		return nil, fmt.Errorf("%w: running %s once more: %w", ErrWorker, self, err)
	}
	w := &worker{
		process: process, conn: conn{in: ours[1], out: ours[0]},
		to: ours[0], from: ours[1], life: ours[2], ended: make(chan struct{}),
	}
	go reap(w)
	return w, nil
}

// reap waits for a worker as long as it lives, so that it is no zombie however it ends. One that ends while it is idle is forgotten.
func reap(w *worker) {
	_, _ = w.process.Wait()
	idle.Lock()
	close(w.ended)
	at := slices.Index(idle.list, w)
	if at >= 0 {
		idle.list = slices.Delete(idle.list, at, at+1)
	}
	idle.Unlock()
	if at >= 0 {
		w.hangUp() // nobody else has it any more
	}
}

// hangUp closes our ends of the pipes. Once more does no harm.
func (w *worker) hangUp() { closeAll([]*os.File{w.to, w.from, w.life}) }

// over reports a worker that was waited for.
func (w *worker) over() bool {
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close() // a pipe
		}
	}
}

// environment is what libpcsclite and the loader look at, and nothing else of ours: it may hold secrets.
func environment() []string {
	env := []string{workerEnv + "=1"}
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "PCSCLITE_") || strings.HasPrefix(e, "LD_LIBRARY_PATH=") || strings.HasPrefix(e, "GOCOVERDIR=") {
			env = append(env, e)
		}
	}
	return env
}

// call asks one question. After an error for which died is true the worker is gone: killed because ctx ended first, or ended by
// itself. Any other error is the service's, or that of a ctx that had ended before.
func (w *worker) call(ctx context.Context, what byte, body ...[]byte) (answer []byte, gone bool, err error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	kind, answer, err := w.exchange(ctx, what, body)
	if err == nil {
		answer, gone, err = decodeAnswer(kind, answer)
		if err == nil || !errors.Is(err, errFrame) {
			return answer, gone, err
		}
	}
	w.end()
	if ctx.Err() != nil {
		return nil, false, diedError{ended(ctx)}
	}
	return nil, false, diedError{fmt.Errorf("%w: it ended in the middle of a call: %w", ErrWorker, err)}
}

// exchange writes and reads; ctx ends both. No goroutine is left when it returns.
func (w *worker) exchange(ctx context.Context, what byte, body [][]byte) (kind byte, answer []byte, err error) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = w.to.SetWriteDeadline(longAgo) // fails only on a closed pipe
		_ = w.from.SetReadDeadline(longAgo)
	})
	if err = w.conn.send(what, body...); err == nil {
		kind, answer, err = w.conn.receive()
	}
	if !stop() {
		<-interrupted
		clear(answer)
		return 0, nil, ctx.Err()
	}
	return kind, answer, err
}

var longAgo = time.Unix(1, 0)

// limited gives ctx a deadline if it has none.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, callLimit, fmt.Errorf("%w: %w", ErrHung, context.DeadlineExceeded))
}

// ended says why ctx ended: its own error, or ErrHung where the limit was ours.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrHung) {
		return cause
	}
	return ctx.Err()
}

// end kills the worker and waits for it, but no longer than endLimit: what a kill does not wake must not hold up a caller whose
// deadline has passed. The service notices, and resets the card once its driver lets go of it.
func (w *worker) end() {
	w.hangUp()
	_ = w.process.Kill() // fails only if it has ended
	limit := time.NewTimer(endLimit)
	defer limit.Stop()
	select {
	case <-w.ended:
	case <-limit.C:
	}
}

// diedError is an error after which there is no worker any more.
type diedError struct{ error }

func (e diedError) Unwrap() error { return e.error }

func died(err error) bool { return errors.As(err, new(diedError)) }

// idle holds workers between cards, so that a tap does not wait for a process to start.
var idle struct {
	sync.Mutex
	list []*worker
}

// take returns an idle worker, or starts one.
func take() (w *worker, used bool, err error) {
	idle.Lock()
	if n := len(idle.list); n > 0 {
		w, idle.list = idle.list[n-1], idle.list[:n-1]
	}
	idle.Unlock()
	if w != nil {
		return w, true, nil
	}
	w, err = start()
	return w, false, err
}

// give hands a worker back that holds no card.
func give(w *worker) {
	idle.Lock()
	full := len(idle.list) >= maxIdle || w.over() // reap forgets those that end from here on
	if !full {
		idle.list = append(idle.list, w)
	}
	idle.Unlock()
	if full {
		w.end()
	}
}

// warm sees to it that one worker is idle. Where none can be started, the next call says why.
func warm() {
	idle.Lock()
	n := len(idle.list)
	idle.Unlock()
	if n > 0 {
		return
	}
	if w, err := start(); err == nil {
		give(w)
	}
}

// cool ends the idle workers.
func cool() {
	idle.Lock()
	list := idle.list
	idle.list = nil
	idle.Unlock()
	for _, w := range list {
		w.end()
	}
}
