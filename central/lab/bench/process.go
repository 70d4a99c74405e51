package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// usage is what a program that ran to its end took.
type usage struct {
	wall, cpu time.Duration // cpu is of user and kernel together (getrusage(2))
	peak      float64       // MiB, the most that was ever resident
	out       []byte
}

// peakEvery is how often a child's high-water mark is read.
const peakEvery = 4 * time.Millisecond

// child runs a program to its end. Its working folder is the run's.
func (r *run) child(ctx context.Context, env []string, path string, args ...string) (usage, error) {
	return r.spend(exec.CommandContext(ctx, path, args...), env)
}

// spend runs a program to its end and says what it took.
func (r *run) spend(cmd *exec.Cmd, env []string) (usage, error) {
	var out, fault bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.dir, append(os.Environ(), env...), &out, &fault
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	ended, sampled := make(chan struct{}), make(chan float64)
	go func() { sampled <- watchPeak(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	took := time.Since(start)
	close(ended)
	peak := <-sampled
	if err != nil {
		return usage{}, fmt.Errorf("running %s %s: %w: %s", cmd.Path, cmd.Args[1], err, bytes.TrimSpace(fault.Bytes()))
	}
	// A program started from this one inherits this one's peak in ru_maxrss (exec in Linux keeps the larger): it tells the
	// truth only when it is above.
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		own, err := memory(os.Getpid(), "VmHWM")
		if err != nil {
			return usage{}, err
		}
		if max := float64(u.Maxrss) / 1024; max > own+1 || peak == 0 {
			peak = max
		}
	}
	return usage{wall: took, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak: peak, out: out.Bytes()}, nil
}

// watchPeak reads the high-water mark of a process (VmHWM, proc_pid_status(5)) until it has ended.
func watchPeak(pid int, ended <-chan struct{}) (peak float64) {
	tick := time.NewTicker(peakEvery)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return peak
		case <-tick.C:
			if m, err := memory(pid, "VmHWM"); err == nil {
				peak = max(peak, m)
			}
		}
	}
}
