package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// describe says what machine and disk this is. ErrMemoryDisk where a flush means nothing.
func (r *run) describe() error {
	kind, device, err := fileSystem(r.Dir)
	if err != nil {
		return err
	}
	if kind == "tmpfs" || kind == "ramfs" {
		return fmt.Errorf("%s is %s: %w", r.Dir, kind, ErrMemoryDisk)
	}
	r.describeMachine()
	fmt.Fprintf(r.Out, "# files on %s (%s) below %s\n", kind, device, r.Dir)
	if r.Quick {
		fmt.Fprintln(r.Out, "# the figures called 10k are after 1,000 records")
	}
	return nil
}

// describeMachine says what machine this is, and how busy.
func (r *run) describeMachine() {
	fmt.Fprintf(r.Out, "# %s, %s, %d processors (%s), Linux %s, %s\n", time.Now().UTC().Format(time.DateOnly), runtime.GOARCH, runtime.NumCPU(),
		field("/proc/cpuinfo", "model name"), firstLine("/proc/sys/kernel/osrelease"), runtime.Version())
	fmt.Fprintf(r.Out, "# load average at the start %s\n", firstLine("/proc/loadavg"))
	if r.Quick {
		fmt.Fprintln(r.Out, "# quick: few samples, not for publication")
	}
}

// fileSystem finds the kind of the file system that holds dir, and its device (proc_pid_mountinfo(5)).
func fileSystem(dir string) (kind, device string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", fmt.Errorf("finding the file system: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", "", fmt.Errorf("finding the file system: %w", err)
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", "", fmt.Errorf("finding the file system: %w", err)
	}
	longest := -1
	for line := range strings.Lines(string(b)) {
		mount, rest, ok := strings.Cut(line, " - ")
		m, f := strings.Fields(mount), strings.Fields(rest)
		if !ok || len(m) < 5 || len(f) < 2 {
			continue
		}
		if at := m[4]; within(dir, at) && len(at) >= longest { // of two mounts at one place the later one is seen
			longest, kind, device = len(at), f[0], f[1]
		}
	}
	return kind, device, nil
}

func within(dir, mount string) bool {
	rel, err := filepath.Rel(mount, dir)
	return err == nil && (rel == "." || filepath.IsLocal(rel))
}

// field is a value of a file of "name : value" lines; "unknown" if it is not there.
func field(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}
