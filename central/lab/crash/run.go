package crash

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Run is a scenario with the trace of one whole run of it.
type Run struct {
	scenario Scenario
	scratch  string
	top      *inode
	ops      []Op
	verdicts map[string]error
	slain    int // folders of real kills
}

// Record runs the scenario's child once, undisturbed, and keeps what it did. The scratch folder must be the caller's own; states
// are made in it, best in memory (a tmpfs). [ErrTrace] if the child cannot be followed.
func Record(ctx context.Context, s Scenario, scratch string) (*Run, error) {
	scratch, err := filepath.EvalSymlinks(scratch)
	if err != nil {
		return nil, err
	}
	r := &Run{scenario: s, scratch: scratch, verdicts: map[string]error{}}
	f, err := r.trace(ctx, "recorded", nil)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", s.Name, err)
	}
	r.top, r.ops = f.top, f.ops
	if err := r.compare(filepath.Join(scratch, "recorded"), f); err != nil {
		return nil, fmt.Errorf("recording %s: %w", s.Name, err)
	}
	return r, nil
}

// Ops are the operations of the run, in order.
func (r *Run) Ops() []Op { return r.ops }

// trace runs the child in a new folder. reached, if not nil, is called with the follower after each operation.
func (r *Run) trace(ctx context.Context, name string, reached func(*follower)) (*follower, error) {
	dir := filepath.Join(r.scratch, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if r.scenario.Before != nil {
		if err := r.scenario.Before(dir); err != nil {
			return nil, fmt.Errorf("preparing: %w", err)
		}
	}
	top, err := snapshot(dir, "", r.scenario.Ignore)
	if err != nil {
		return nil, err
	}
	top.path = "."
	f := newFollower(dir, top, r.scenario.Ignore)
	options := []string{}
	if reached != nil {
		f.reached = func(int) { reached(f) }
		options = slow()
	}
	return f, strace(ctx, r.scenario.Child(ctx, dir), f, options...)
}

// strace runs a command traced, to its end.
func strace(ctx context.Context, child *exec.Cmd, f *follower, options ...string) error {
	lines, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer lines.Close()
	args := append([]string{"-f", "--seccomp-bpf", "-y", "-xx", "-a", "1", "-s", "16777216", "-e", filter(), "-e", "raw=read,readv", "-e", "signal=none"}, options...)
	args = append(args, "-o", "/proc/self/fd/3", child.Path)
	cmd := exec.CommandContext(ctx, "strace", append(args, child.Args[1:]...)...)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = child.Env, child.Dir, []*os.File{out}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	err = cmd.Start()
	_ = out.Close() // the child has its own
	if err != nil {
		return err
	}
	followed := follow(lines, f)
	_, _ = io.Copy(io.Discard, lines) // what came after a fault, so that strace can end
	if err := cmd.Wait(); err != nil {
		return errors.Join(followed, fmt.Errorf("%w: %s", err, said.Bytes()))
	}
	return followed
}

func follow(lines io.Reader, f *follower) error {
	in := bufio.NewReaderSize(lines, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if line == "" || err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := f.line(line[:len(line)-1]); err != nil {
			return err
		}
	}
}

// compare tells how a folder differs from what its trace says; what had begun and not returned may have been done.
func (r *Run) compare(dir string, f *follower) error {
	got, err := snapshot(dir, "", f.ignore)
	if err != nil {
		return err
	}
	sum := func(top *inode, ops []Op) [32]byte {
		p := newPoint(top, ops, -1)
		keep := map[int]bool{}
		for _, i := range p.names {
			keep[i] = true
		}
		_, digest := p.tree(keep, func(*inode) choice { return everything })
		return digest
	}
	want := sum(got, nil)
	if sum(f.top, f.ops) == want || sum(f.top, append(f.ops[:len(f.ops):len(f.ops)], f.inFlight()...)) == want {
		return nil
	}
	return fmt.Errorf("%w: the folder is not what %d operations make of it", ErrTrace, len(f.ops))
}

// Slay runs the child again and again and kills it in earnest, after its first, step-th, 2·step-th… operation; each time
// the folder must be what the trace says, and pass the check. It returns how often a kill came in time.
func (r *Run) Slay(ctx context.Context, step int) (kills int, err error) {
	for k := 1; k < len(r.ops); k += step {
		r.slain++
		name := fmt.Sprintf("killed-%d", r.slain)
		f, err := r.trace(ctx, name, func(f *follower) {
			if len(f.ops) == k {
				_ = syscall.Kill(f.child, syscall.SIGKILL)
			}
		})
		switch {
		case slain(err):
			kills++
		case err != nil: // nil: on a busy machine the kill may come when all is done
			return kills, fmt.Errorf("killing %s after %d operations: %w", r.scenario.Name, k, err)
		}
		dir := filepath.Join(r.scratch, name)
		if err := r.compare(dir, f); err != nil {
			return kills, fmt.Errorf("killing %s after %d operations: %w", r.scenario.Name, k, err)
		}
		if err := r.judge(State{Dir: dir, Said: said(f.ops), Done: f.ops, Point: "killed " + after(f.ops)}); err != nil {
			return kills, err
		}
	}
	return kills, nil
}

// slain reports whether a run ended by SIGKILL, which strace hands on, and by nothing else.
func slain(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || errors.Is(err, ErrTrace) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// slow holds each change back for 2 ms, in which a kill arrives.
func slow() []string {
	return []string{"-e", "inject=?openat,?write,?pwrite64,?ftruncate,?fsync,?fdatasync,?rename,?renameat,?renameat2," +
		"?link,?linkat,?unlink,?unlinkat,?mkdir,?mkdirat:delay_enter=2000"}
}

func said(ops []Op) (lines []string) {
	for _, o := range ops {
		if o.Kind == Say {
			lines = append(lines, string(o.data))
		}
	}
	return lines
}

func after(ops []Op) string {
	if len(ops) == 0 {
		return "before anything"
	}
	return fmt.Sprintf("after %d, %v", len(ops), ops[len(ops)-1])
}
