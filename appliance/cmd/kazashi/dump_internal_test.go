package main

import (
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// P3: the program leaves no core file of its memory, and the kernel says nothing against it.
func TestP3Undumpable(t *testing.T) {
	const inside = "KAZASHI_TEST_UNDUMPABLE"
	if os.Getenv(inside) == "" { // in a process of its own, which is not this one's to change
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^TestP3Undumpable$")
		cmd.Env = append(os.Environ(), inside+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestP3Undumpable") {
			t.Errorf("in a process of its own: %v\n%s", err, out)
		}
		return
	}
	dumpable := func() int {
		n, _, _ := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_GET_DUMPABLE, 0, 0)
		return int(n)
	}
	if n := dumpable(); n != 1 {
		t.Fatalf("dumpable %d before, want 1: the test sees nothing", n)
	}
	var core syscall.Rlimit
	var log strings.Builder
	undumpable(slog.New(slog.NewTextHandler(&log, nil)))
	if n := dumpable(); n != 0 || log.Len() > 0 {
		t.Errorf("dumpable %d, logged %q, want 0 and nothing", n, log.String())
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &core); err != nil || core.Cur != 0 || core.Max != 0 {
		t.Errorf("core files of %d octets, at most %d (%v), want none", core.Cur, core.Max, err)
	}
}
